"""Sampling: latents walked from noise to the end, guided, and decoded batch by batch.

A sample is a function of (model, seed, condition): its noise comes from a generator of its own, and
every batch is filled up to the same size, so its neighbours do not matter.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthcohort.config import Sampling
from synthcohort.diffusion.schedule import build_sampler
from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import Fitting, block_of
from synthcohort.models import reduction_of
from synthcohort.models.condition import predict
from synthcohort.models.pixels import denormalise

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler


def draw(
    settings: Sampling,
    decoder: torch.nn.Module,
    denoiser: torch.nn.Module,
    schedule: "DDPMScheduler",
    told: torch.Tensor,
    seeds: list[int],
    hardware: Hardware,
    guide: torch.nn.Module | None = None,
) -> Iterator[torch.Tensor]:
    """The images of n conditions (n×D) and seeds, batch by batch: b×C×H×W float32, in [−1, 1] but
    for what the decoder overshoots. `guide` is told as in `guided`."""
    sides = np.broadcast_to(denoiser.config.sample_size, 2)
    walking = Fitting(block_of(*sides, hardware.micro_batch), "sampling")
    decoding = Fitting(
        block_of(*reduction_of(decoder) * sides, hardware.micro_batch), "decoding of samples"
    )
    for start in range(0, len(seeds), settings.batch):
        batch = slice(start, start + settings.batch)
        with torch.inference_mode():
            # float16 is fine: there are no gradients for it to lose.
            with hardware.autocast(half=True):
                asked = told[batch], seeds[batch], walking, guide
                steps = walk(settings, denoiser, schedule, *asked)
                (latents,) = deque(steps, maxlen=1)
            latents = denormalise(latents, decoder.config)
            blocks = decoding.blocks(
                len(latents), lambda place, z=latents: decoder.decode(z[place]).sample
            )
            pixels = torch.cat([block for _, block in blocks])
        yield pixels[: len(seeds[batch])]


def load_schedule(diffusion: Path) -> "DDPMScheduler":
    """The noise schedule in a stage's folder (`diffusion/`)."""
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    return DDPMScheduler.from_pretrained(diffusion, subfolder="scheduler")


def walk(
    settings: Sampling,
    denoiser: torch.nn.Module,
    schedule: "DDPMScheduler",
    condition: torch.Tensor,
    seeds: list[int],
    fitting: Fitting | None = None,
    guide: torch.nn.Module | None = None,
) -> Iterator[torch.Tensor]:
    """The latents of samples from pure noise to the end, once before and after every step; not more
    at once than `fitting` says go through the network. `guide` is told as in `guided`.

    Each is B×C×H×W float32 with B = settings.batch whatever the number of conditions (n×D) and
    seeds: the places behind them repeat the last one.
    """
    from diffusers.utils.torch_utils import randn_tensor

    device = denoiser.device
    missing = settings.batch - len(seeds)
    generators = [torch.Generator().manual_seed(s) for s in [*seeds, *[seeds[-1]] * missing]]
    condition = torch.cat([condition, condition[-1:].expand(missing, -1)]).to(device)
    sampler = build_sampler(schedule, settings)
    height, width = np.broadcast_to(denoiser.config.sample_size, 2).tolist()
    shape = (settings.batch, denoiser.config.in_channels, height, width)
    latents = randn_tensor(shape, generator=generators, device=device) * sampler.init_noise_sigma
    yield latents
    extra = {} if settings.sampler == "dpm-solver++" else {"generator": generators}
    lowest, highest = (
        share * schedule.config.num_train_timesteps for share in settings.guidance_interval
    )
    for t in sampler.timesteps:
        scale = settings.guidance if lowest <= t <= highest else 1
        predicted = guided(denoiser, latents, t, condition, scale, fitting, guide)
        latents = sampler.step(predicted, t, latents, **extra).prev_sample
        yield latents


def guided(
    denoiser: torch.nn.Module,
    latents: torch.Tensor,
    t: torch.Tensor,
    condition: torch.Tensor,
    scale: float,
    fitting: Fitting | None = None,
    guide: torch.nn.Module | None = None,
) -> torch.Tensor:
    """The denoiser's prediction led away from that of the `guide`, a weaker denoiser that is told
    the same (Karras 2024, equation 4); without one, from the denoiser's own, told nothing (Ho 2022,
    equation 6 with w = scale − 1). B×C×H×W float32; a scale of 1 asks the network once."""
    if scale == 1:
        return _predicted(denoiser, latents, t, condition, fitting)
    if guide is not None:
        strong, weak = (
            _predicted(network, latents, t, condition, fitting) for network in (denoiser, guide)
        )
        return weak + scale * (strong - weak)
    both = torch.cat([condition, torch.zeros_like(condition)])
    pairs = _predicted(denoiser, torch.cat([latents, latents]), t, both, fitting)
    told, untold = pairs.chunk(2)
    return untold + scale * (told - untold)


def _predicted(
    denoiser: torch.nn.Module,
    latents: torch.Tensor,
    t: torch.Tensor,
    condition: torch.Tensor,
    fitting: Fitting | None,
) -> torch.Tensor:
    if fitting is None:
        return predict(denoiser, latents, t, condition)
    blocks = fitting.blocks(
        len(latents), lambda place: predict(denoiser, latents[place], t, condition[place])
    )
    return torch.cat([block for _, block in blocks])
