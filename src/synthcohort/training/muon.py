"""Muon (Jordan 2024): steps along the nearest semi-orthogonal matrix of the momentum.

torch's own takes two-dimensional weights only and always multiplies in bfloat16, which CPUs without
instructions for it do at a third of float32's speed; this one takes convolutions too.
"""

from collections import defaultdict

import torch
from torch import nn

_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Muon(torch.optim.AdamW):
    """Muon on a module's matrices, AdamW (Loshchilov 2019) on the rest: biases, norms, embeddings.

    A convolution's weight is taken as the matrix of its outputs by all else. The matrices are the
    parameter group that has a "share": their learning rate over the other group's.
    """

    def __init__(
        self, module: nn.Module, learning_rate: float, matrices: float, weight_decay: float
    ) -> None:
        """`matrices` is the learning rate of the matrices where the rest has `learning_rate`."""
        looked_up = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
        orthogonal, rest = [], []
        for weight in module.parameters():
            matrix = weight.ndim > 1 and id(weight) not in looked_up
            (orthogonal if matrix else rest).append(weight)
        groups = [{"params": rest}, {"params": orthogonal, "share": matrices / learning_rate}]
        # Not fused: GradScaler would leave it to AdamW to skip steps that float16 has not held.
        super().__init__(
            [group for group in groups if group["params"]],
            lr=0.0,
            weight_decay=weight_decay,
            foreach=True,
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step; the matrices' gradients are gone after it."""
        for group in self.param_groups:
            if "share" in group:
                alike = defaultdict(list)
                for weight in group["params"]:
                    if weight.grad is not None:
                        alike[weight.shape].append(weight)
                for weights in alike.values():
                    self._move(weights, group["lr"], group["weight_decay"])
        super().step(closure)

    def _move(self, weights: list[nn.Parameter], rate: float, decay: float) -> None:
        """Nesterov's momentum, made orthogonal; tall matrices move further, so that every output
        changes alike."""
        looking_ahead = []
        for weight in weights:
            state = self.state[weight]
            if not state:
                # AdamW, which reads them back, expects a step of all that has a state.
                state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(weight)}
            momentum = state["momentum"].lerp_(weight.grad, 1 - _MOMENTUM)
            looking_ahead.append(_inputs_last(weight.grad.lerp(momentum, _MOMENTUM)).flatten(1))
            weight.grad = None  # so that AdamW passes it over
        moves = orthogonal(torch.stack(looking_ahead))
        rows, columns = moves.shape[1:]
        rate_of_moves = rate * max(1, rows / columns) ** 0.5
        for weight, move in zip(weights, moves, strict=True):
            moved = _inputs_last(weight.mul_(1 - rate * decay))
            moved.add_(move.view(moved.shape), alpha=-rate_of_moves)


def _inputs_last(weight: torch.Tensor) -> torch.Tensor:
    """The same weight with its second axis at the end, as channels-last lies in memory: nothing is
    copied to make a matrix of it."""
    return weight.movedim(1, -1)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """B×R×C float32 matrices with all singular values brought near 1 (0.7 to 1.2) by five quintic
    Newton–Schulz iterations; in bfloat16 on a GPU.

    An iteration is X ← P X with P = a + b XXᵀ + c (XXᵀ)², and XXᵀ becomes P XXᵀ P, since all of
    them commute. So float32 iterates on the small square matrices and multiplies X by their product
    once; bfloat16 is too coarse for that.
    """
    a = _COEFFICIENTS[0]
    on_gpu = matrices.device.type == "cuda"
    x = matrices.bfloat16() if on_gpu else matrices
    if tall := x.shape[1] > x.shape[2]:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    if on_gpu:
        for _ in range(_ITERATIONS):
            x = torch.baddbmm(x, _higher_powers(x @ x.mT), x, beta=a)
    else:
        gram, product = x @ x.mT, None
        for iteration in range(_ITERATIONS):
            step = _higher_powers(gram)
            step.diagonal(dim1=1, dim2=2).add_(a)
            product = step if product is None else step @ product
            if iteration + 1 < _ITERATIONS:
                gram = step @ gram @ step
        x = product @ x
    return (x.mT if tall else x).float()


def _higher_powers(gram: torch.Tensor) -> torch.Tensor:
    """b XXᵀ + c (XXᵀ)² of B×R×R matrices XXᵀ."""
    _, b, c = _COEFFICIENTS
    return torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
