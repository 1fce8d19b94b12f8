"""Between stored pixels and what the networks see."""

import numpy as np
import torch


def to_model(images: np.ndarray) -> torch.Tensor:
    """uint8 or uint16 images of any shape as float32 in [−1, 1]."""
    # By numpy: torch would share this little out to threads, and in a training that prefetches
    # batches these get in the way of the step's own.
    pixels = images.astype(np.float32)
    pixels *= 2 / np.iinfo(images.dtype).max
    pixels -= 1
    return torch.from_numpy(pixels)


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
