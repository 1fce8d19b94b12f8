"""Checks of a system's configuration file: what it reads, writes and trains."""

from pathlib import Path

import torch

from synthcohort import config, sources
from synthcohort.doctor.finding import Finding
from synthcohort.errors import UserError
from synthcohort.hardware import precision
from synthcohort.models import build_autoencoder, build_denoiser, parameters
from synthcohort.models.condition import predict, withheld
from synthcohort.samples import plan

_COPIES = 3
"""Of every synthetic image: in its shard, in the export as PNG and as npz."""
_STATES = 8 * 4
"""Bytes a weight: two checkpoints, each with it, its average and two moments, in float32."""


def settings(path: Path) -> Finding | config.Config:
    """The checked configuration, or what is wrong with it."""
    try:
        return config.load(path)
    except UserError as error:
        return Finding("settings", "bad", str(error))


def source(system: config.Config) -> Finding:
    """Whether the images are where the configuration says."""
    named = [
        Path(place) for key in ("root", "path") if (place := getattr(system.source, key, None))
    ]
    for place in named:
        if not place.exists():
            told = f"{place}: there is no such file or folder"
            return Finding("source", "bad", told, "write in `source` where the images are")
    if sources.fetches(system.source):
        return Finding("source", "ok", f"{system.source.kind}: is fetched, or simulated, first")
    return Finding("source", "ok", ", ".join(map(str, named)) or system.source.kind)


def need(system: config.Config) -> int:
    """Bytes that the system writes at least: synthetic images, and checkpoints of its networks."""
    height, width = system.prepare.size
    image = _channels(system) * height * width * system.prepare.depth // 8
    with torch.device("meta"):
        weights = sum(parameters(network)["parameters"] for network in _networks(system))
    return plan.total(system.sampling) * image * _COPIES + weights * _STATES


def precisions(system: config.Config, device: torch.device, seconds: float = 0.5) -> Finding:
    """The speed of this system's denoiser in training, in fp32 and in bf16."""
    _, denoiser = _networks(system)
    denoiser.to(device, memory_format=torch.channels_last)
    count = min(system.diffusion.batch, 8)
    height, width = denoiser.config.sample_size
    noisy = torch.randn(count, denoiser.config.in_channels, height, width, device=device)
    t, told = torch.zeros(count, dtype=torch.long, device=device), withheld(denoiser, count)
    found = precision.speeds(lambda: predict(denoiser, noisy, t, told), device, seconds)
    figures = ", ".join(f"{rate * count:.3g} images/s in {name}" for name, rate in found.items())
    chosen = {torch.float32: "fp32", torch.bfloat16: "bf16"}.get(precision.chosen("auto", device))
    best = max(found, key=found.get)
    if chosen is None or found[best] < 1.1 * found[chosen]:
        return Finding("denoiser", "ok", f"training steps, eagerly: {figures}")
    remedy = f"--precision {best} (SYNTHCOHORT_PRECISION={best}) is faster for this network here"
    return Finding("denoiser", "warn", f"training steps, eagerly: {figures}", remedy)


def _channels(system: config.Config) -> int:
    return 3 if system.prepare.colour == "rgb" else 1


def _networks(system: config.Config) -> tuple[torch.nn.Module, torch.nn.Module]:
    channels = _channels(system)
    autoencoder = build_autoencoder(system.autoencoder, channels, system.prepare.size)
    device = next(iter(autoencoder.parameters()), torch.empty(0)).device
    image = torch.zeros(1, channels, *system.prepare.size, device=device)
    with torch.no_grad():
        latent = autoencoder.encode(image).latent_dist.mode()
    # How many labels and attributes there are is known later, and matters little here.
    return autoencoder, build_denoiser(system.diffusion, tuple(latent.shape[1:]), 2)
