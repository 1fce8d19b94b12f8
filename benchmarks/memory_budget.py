"""How much GPU memory each stage of a configuration takes, computed without a GPU.

    python benchmarks/memory_budget.py config/oasis.yaml [--precision bf16] [--micro-batch 32]

Two steps of each training, and what goes through its networks elsewhere in one block, run on
tensors without contents (torch's FakeTensorMode), so that shapes and the order of operations are
those of real ones; precisions are CUDA's, where autocast computes GroupNorm in float32. Every
storage is counted from the operation that makes it to its release; the largest sum is the peak. Not
counted: the CUDA context (about 0.5 GB), cuDNN's workspaces and the allocator's rounding; leave a
tenth for them. torch.compile takes less. The evaluation's own networks take 8 to 256 small images.
"""

import argparse
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from synthcohort import config
from synthcohort.diffusion.objective import loss
from synthcohort.diffusion.schedule import build_schedule
from synthcohort.hardware.memory import block_of
from synthcohort.models import build_autoencoder, build_denoiser
from synthcohort.models.condition import predict
from synthcohort.training.losses import autoencoder_loss, build_discriminator, hinge, ssim
from synthcohort.training.state import adamw, descend, update_average


class Live(TorchDispatchMode):
    """Counts the bytes of all storages that operations inside the block have made."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        made = function(*arguments, **(keywords or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.bytes -= size


def size_of(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of all of them together."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@contextmanager
def precision_of(name: str) -> Iterator[None]:
    """The precision of the training, as CUDA's autocast has it (the CPU's leaves out GroupNorm)."""
    norm = F.group_norm

    def in_float32(x: torch.Tensor, *arguments: Any) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return norm(x.float(), *arguments)

    mixed = name == "bf16"
    computed = patch.object(F, "group_norm", in_float32) if mixed else nullcontext()
    with computed, torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        yield


def autoencoder_step(
    settings: config.Autoencoder, shape: tuple[int, int, int], batch: int
) -> tuple[dict[str, int], Callable[[], None]]:
    """The bytes that stay from step to step, by name, and a step as training.autoencoder's."""
    channels, *size = shape
    model = build_autoencoder(settings, channels, tuple(size))
    judge = build_discriminator(channels) if settings.adversarial_weight else None
    parts = [part for part in (model, judge) if part is not None]
    optimizers = [adamw(part, settings) for part in parts]
    scaler = torch.amp.GradScaler("cpu", enabled=False)

    def step() -> None:
        images = torch.zeros(batch, *shape)
        latent = model.encode(images).latent_dist
        z = latent.mean + latent.std * torch.zeros_like(latent.mean)
        made = model.decode(z).sample.float()
        with torch.autocast("cpu", enabled=False):
            total, _ = autoencoder_loss(settings, latent, made, images)
        if judge is not None:
            total = total - settings.adversarial_weight * judge(made).float().mean()
        optimizers[0].zero_grad(set_to_none=True)
        total.backward()
        descend(model, optimizers[0], settings.gradient_clip, scaler)
        if judge is not None:
            judged = hinge(judge(images).float(), judge(made.detach()).float())
            optimizers[1].zero_grad(set_to_none=True)
            judged.backward()
            descend(judge, optimizers[1], settings.gradient_clip, scaler)

    return _standing([p for part in parts for p in part.parameters()], 0), step


def denoiser_step(
    settings: config.Diffusion, latent: tuple[int, int, int], batch: int
) -> tuple[dict[str, int], Callable[[], None]]:
    """The same of the diffusion model, as training.diffusion's: with one label."""
    model = build_denoiser(settings, latent, 1)
    # Not a copy of the model: one of tensors without contents loses where it belongs.
    average = build_denoiser(settings, latent, 1).requires_grad_(False)
    optimizer = adamw(model, settings)
    schedule = build_schedule(settings)
    scaler = torch.amp.GradScaler("cpu", enabled=False)

    def step() -> None:
        clean, noise = torch.zeros(2, batch, *latent)
        t = torch.zeros(batch, dtype=torch.long)
        condition = torch.zeros(batch, 2)
        value = loss(model, schedule, clean, condition, t, noise, settings.loss)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        descend(model, optimizer, settings.gradient_clip, scaler)
        update_average(average, model, 1.0, batch)

    return _standing(list(model.parameters()), size_of(average.parameters())), step


def _standing(weights: list[torch.Tensor], average: int) -> dict[str, int]:
    size = size_of(weights)
    return {
        "weights": size,
        "gradients": size,
        "AdamW's moments": 2 * size,
        "average weights": average,
    }


def budget(build: Callable[[], tuple[dict[str, int], Callable[[], None]]]) -> dict[str, int]:
    """The peak of a training in bytes: what stays, and "activations and temporaries" beside it.

    Two steps run, since the moments of the optimizer are made in the first.
    """
    with Live() as live:
        standing, step = build()
        step()
        live.peak = live.bytes
        step()
    standing["activations and temporaries"] = live.peak - sum(standing.values())
    return standing | {"peak": live.peak}


def latent_shape(system: config.Config) -> tuple[int, int, int]:
    """C×H×W of what the diffusion model works on."""
    with torch.no_grad():
        channels, *size = pixels_of(system)
        model = build_autoencoder(system.autoencoder, channels, tuple(size))
        return tuple(model.encode(torch.zeros(1, channels, *size)).latent_dist.mean.shape[1:])


def through(model: nn.Module, call: Callable[[], object], beside: dict[str, int]) -> dict[str, int]:
    """The same of a pass without gradients, with what else is there meanwhile."""

    def build() -> tuple[dict[str, int], Callable[[], None]]:
        # The weights were made before: they are not counted, but added.
        return {}, torch.no_grad()(call)

    weights = {"weights": size_of(model.parameters())} | beside
    found = budget(build)
    return weights | found | {"peak": sum(weights.values()) + found["peak"]}


def passes(
    system: config.Config, precision: str, micro_batch: int
) -> Iterator[tuple[str, str, dict[str, int]]]:
    """Name, shape in words and budget of every stage, or part of one, that has no gradients."""
    pixels, latent = pixels_of(system), latent_shape(system)
    seen, walked = block_of(*pixels[1:], micro_batch), block_of(*latent[1:], micro_batch)
    autoencoder = build_autoencoder(system.autoencoder, pixels[0], pixels[1:])
    denoiser = build_denoiser(system.diffusion, latent, 1)

    def reconstruct(images: int) -> tuple[torch.Tensor, torch.Tensor]:
        given = torch.zeros(images, *pixels)
        return given, autoencoder.decode(autoencoder.encode(given).latent_dist.mode()).sample

    def denoise(images: int) -> torch.Tensor:
        told = torch.zeros(images, 2)
        return predict(denoiser, torch.zeros(images, *latent), torch.zeros(images), told)

    def walk() -> list[torch.Tensor]:
        several = 1 if system.sampling.guidance == 1 else 2
        left = several * system.sampling.batch
        return [denoise(min(walked, left - start)) for start in range(0, left, walked)]

    own, other = (size_of(model.parameters()) for model in (autoencoder, denoiser))
    rest = {"gradients and moments": 3 * own}
    whole = {"gradients, moments, average": 4 * other, "autoencoder": own}
    shapes = "×".join(map(str, pixels)), "×".join(map(str, latent))
    drawn = min(seen, system.sampling.batch)
    stages = [
        ("sampling", walk, denoiser, {"autoencoder": own}, f"{system.sampling.batch}", precision),
        ("validation of diffusion", lambda: denoise(walked), denoiser, whole, walked, precision),
    ]
    if system.autoencoder.network != "none":
        # The largest of it is the structural similarity, in float32.
        stages += [
            ("validation", lambda: ssim(*reconstruct(seen)), autoencoder, rest, seen, precision),
            ("encode", lambda: reconstruct(seen), autoencoder, {}, seen, "fp32"),
            ("audit", lambda: reconstruct(min(64, seen)), autoencoder, {}, min(64, seen), "fp32"),
            (
                "decoding of samples",
                lambda: autoencoder.decode(torch.zeros(drawn, *latent)).sample,
                autoencoder,
                {"denoiser": other},
                drawn,
                "fp32",
            ),
        ]
    for name, call, model, beside, images, numbers in stages:
        words = f"{images} images of {shapes[model is denoiser]} in {numbers}"
        with precision_of(numbers):
            yield name, words, through(model, call, beside)


def pixels_of(system: config.Config) -> tuple[int, int, int]:
    """C×H×W of an image."""
    return (1 if system.prepare.colour == "grey" else 3, *system.prepare.size)


def trainings(
    system: config.Config, precision: str, micro_batch: int
) -> Iterator[tuple[str, str, dict[str, int]]]:
    """Name, shape in words and budget of each training of a system."""
    found = [("diffusion", system.diffusion, denoiser_step, latent_shape(system))]
    if system.autoencoder.network != "none":
        found.insert(0, ("autoencoder", system.autoencoder, autoencoder_step, pixels_of(system)))
    for name, settings, build, shape in found:
        images = min(micro_batch or settings.batch, settings.batch)
        words = f"{images} images at once of {'×'.join(map(str, shape))} in {precision}"
        with precision_of(precision):
            yield name, words, budget(lambda: build(settings, shape, images))  # noqa: B023


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--micro-batch", type=int, default=0, help="images at once, at most")
    asked = parser.parse_args()
    system = config.load(asked.config)
    with FakeTensorMode():
        for of in (trainings, passes):
            for name, words, found in of(system, asked.precision, asked.micro_batch):
                print(f"{name}, {words}:")
                for what, size in found.items():
                    print(f"  {what:28}{size / 1e9:8.2f} GB", flush=True)


if __name__ == "__main__":
    main()
