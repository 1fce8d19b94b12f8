"""Between stored pixels and what the networks see."""

import numpy as np
import torch


def to_model(images: np.ndarray) -> torch.Tensor:
    """uint8 or uint16 images of any shape as float32 in [−1, 1]."""
    top = np.iinfo(images.dtype).max
    return torch.from_numpy(images.astype(np.float32)).mul_(2 / top).sub_(1)


def from_model(images: torch.Tensor, dtype: np.dtype) -> np.ndarray:
    """Floats in [−1, 1] (what is outside is clipped) as uint8 or uint16, rounded."""
    top = np.iinfo(dtype).max
    pixels = images.float().clamp(-1, 1).add(1).mul(top / 2).round()
    return pixels.cpu().numpy().astype(dtype)


def normalise(latents: torch.Tensor, autoencoder_config: dict) -> torch.Tensor:
    """Latents to zero mean and unit variance over train, as the denoiser sees them."""
    return (latents - autoencoder_config["shift_factor"]) * autoencoder_config["scaling_factor"]


def denormalise(latents: torch.Tensor, autoencoder_config: dict) -> torch.Tensor:
    """The inverse of `normalise`."""
    return latents / autoencoder_config["scaling_factor"] + autoencoder_config["shift_factor"]
