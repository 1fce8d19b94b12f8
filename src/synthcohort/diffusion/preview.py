"""A few samples for the eye, of the same noise and conditions every time they are drawn."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthcohort.config import Sampling
from synthcohort.diffusion.sampling import walk
from synthcohort.models.pixels import denormalise, from_model
from synthcohort.seeds import derive

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from torch import nn

SAMPLES = 6
SNAPSHOT_STEPS = 10


def shown_rows(held_out: np.ndarray, seed: int) -> np.ndarray:
    """The rows `held_out` in the order in which figures take from them: images that are noised, and
    conditions that samples are given."""
    return np.random.default_rng(derive(seed, "diffusion", "figures")).permutation(held_out)


@torch.no_grad()
def snapshot(
    schedule: "DDPMScheduler",
    denoiser: "nn.Module",
    condition: torch.Tensor,
    decoder: "nn.Module",
    seed: int,
) -> np.ndarray:
    """A few samples as n×C×H×W uint8, as `denoised` ends, in few steps."""
    *_, last = denoised(schedule, denoiser, condition, seed, SNAPSHOT_STEPS)
    return decoded(decoder, last)


def denoised(
    schedule: "DDPMScheduler",
    denoiser: "nn.Module",
    condition: torch.Tensor,
    seed: int,
    steps: int,
) -> Iterator[torch.Tensor]:
    """The latents of a few samples before and after each of at most `steps` steps (DDIM, without
    guidance, told the first rows of `condition`, N×D)."""
    condition = condition[:SAMPLES]
    steps = min(steps, schedule.config.num_train_timesteps)
    settings = Sampling(sampler="ddim", steps=steps, guidance=1, batch=len(condition))
    seeds = [derive(seed, "denoising", i) for i in range(len(condition))]
    return walk(settings, denoiser, schedule, condition, seeds)


def decoded(decoder: "nn.Module", latents: torch.Tensor) -> np.ndarray:
    """The images of latents as the denoiser sees them: n×C×H×W uint8."""
    device = next((p.device for p in decoder.parameters()), latents.device)
    images = decoder.decode(denormalise(latents.to(device), decoder.config)).sample
    return from_model(images, np.dtype(np.uint8))
