"""Features of the denoiser itself: its U-Net's bottleneck, averaged over positions.

An image is encoded, its latent noised to a chosen level, and the U-Net run without being told the
label, so that labels can separate by what the model sees in the image alone.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.hardware import Hardware
from synthcohort.seeds import torch_generator

if TYPE_CHECKING:
    import torch

MODELS = ("autoencoder", "diffusion")
AHEAD = False


def open_extractor(
    settings: Evaluation, seed: int, models: Mapping[str, Path], hardware: Hardware
) -> tuple[str, str, Callable[[np.ndarray], "torch.Tensor"]]:
    """As many features as the U-Net's middle block has channels; the arguments and what is returned
    are in the package's docstring.

    The noise of an image is drawn from a seed derived from its bytes: the same image has the same
    features wherever it stands.
    """
    import torch
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    from synthcohort.models import load_autoencoder, load_denoiser
    from synthcohort.models.condition import predict, withheld
    from synthcohort.models.pixels import normalise, to_model

    device = hardware.open()
    encoder = load_autoencoder(models["autoencoder"])
    denoiser = load_denoiser(models["diffusion"])
    hardware.place(encoder, denoiser)
    schedule = DDPMScheduler.from_pretrained(models["diffusion"] / "scheduler")
    steps = schedule.config.num_train_timesteps
    timestep = min(round(settings.bottleneck_timestep * steps), steps - 1)
    seen = []
    denoiser.mid_block.register_forward_hook(lambda *call: seen.append(call[-1]))

    def noise(image: np.ndarray, shape: torch.Size) -> torch.Tensor:
        name = hashlib.sha256(image.tobytes()).hexdigest()
        return torch.randn(shape, generator=torch_generator(seed, "bottleneck", name))

    def features(images: np.ndarray) -> torch.Tensor:
        latents = encoder.encode(to_model(images).to(device)).latent_dist.mean
        latents = normalise(latents, encoder.config)
        drawn = torch.stack([noise(image, latents.shape[1:]) for image in images]).to(device)
        t = torch.full((len(images),), timestep, device=device)
        noisy = schedule.add_noise(latents, drawn, t)
        predict(denoiser, noisy, t, withheld(denoiser, len(images)))
        return seen.pop().mean((2, 3))

    layer = f"middle block, mean over positions, t = {timestep} of {steps}, no label"
    return "U-Net of this system's diffusion model", layer, features
