"""Everything a training carries from step to step, as named tensors."""

from dataclasses import dataclass, field

import torch
from torch import nn

from synthcohort.config import Training
from synthcohort.training.muon import Muon


@dataclass
class State:
    """Modules, their optimizers (same names), the average weights and the progress."""

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    images: int = 0
    """Images seen."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry a status: "images" and the measured values."""
    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    """Values added up over the steps since the last status."""
    since: int = 0
    """Steps since the last status."""
    scaler: torch.amp.GradScaler | None = None
    """What scales losses for float16; it has a state only where it is enabled."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """A copy of every tensor on the CPU, which can be written while the training goes on, by a
        name that tells where it belongs."""
        named = {
            f"module.{name}.{key}": tensor
            for name, module in self.modules.items()
            for key, tensor in module.state_dict().items()
        }
        for name, optimizer in self.optimizers.items():
            for number, moments in optimizer.state_dict()["state"].items():
                for key, tensor in moments.items():
                    named[f"optimizer.{name}.{number}.{key}"] = tensor
        named |= {f"sum.{name}": tensor for name, tensor in self.sums.items()}
        if self.scaler is not None:
            for key, value in self.scaler.state_dict().items():
                named[f"scaler.{key}"] = torch.tensor(value, dtype=torch.float64)
        return {name: _copied(tensor) for name, tensor in named.items()}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take over what `tensors` gave."""
        for name, module in self.modules.items():
            prefix = f"module.{name}."
            module.load_state_dict(
                {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            )
        for name, optimizer in self.optimizers.items():
            prefix = f"optimizer.{name}."
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            moments: dict[int, dict[str, torch.Tensor]] = {}
            for key, tensor in tensors.items():
                if key.startswith(prefix):
                    number, moment = key.removeprefix(prefix).split(".")
                    weight = weights[int(number)]
                    if tensor.shape == weight.shape:
                        # Fused AdamW goes through memory as it lies: channels last, if the weights.
                        tensor = torch.empty_like(weight).copy_(tensor)
                    moments.setdefault(int(number), {})[moment] = tensor
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": moments, "param_groups": groups})
        if self.scaler is not None and (scales := self.scaler.state_dict()):
            # Without one in the checkpoint, as where the precision was another, it begins anew.
            told = {k: tensors.get(f"scaler.{k}") for k in scales}
            kept = {k: type(scales[k])(v) for k, v in told.items() if v is not None}
            self.scaler.load_state_dict(scales | kept)
        device = next(next(iter(self.modules.values())).parameters()).device
        self.sums = {
            key.removeprefix("sum."): tensor.to(device)
            for key, tensor in tensors.items()
            if key.startswith("sum.")
        }


def build_optimizer(module: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """The optimizer of `settings` over a module's parameters; the loop sets the learning rate."""
    if settings.optimizer == "muon":
        rates = settings.learning_rate, settings.muon_learning_rate
        return Muon(module, *rates, settings.weight_decay)
    return adamw(module, settings)


def adamw(module: nn.Module, settings: Training) -> torch.optim.AdamW:
    """AdamW (Loshchilov 2019) over a module's parameters; the loop sets the learning rate."""
    return torch.optim.AdamW(
        module.parameters(), lr=0.0, weight_decay=settings.weight_decay, fused=True
    )


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def descend(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    gradient_clip: float,
    scaler: torch.amp.GradScaler,
) -> None:
    """One step of `optimizer` along the gradients, their norm clipped; none where float16 has not
    held them. It waits for a GPU only with float16."""
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(module.parameters(), gradient_clip)
    scaler.step(optimizer)


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, half_life: float, batch: int) -> None:
    """Move the average weights towards the current ones: β = 0.5^(batch / half-life in images)."""
    weight = 1 - 0.5 ** (batch / max(half_life, 1e-8))
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), weight)
    for kept, current in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(current)
