"""denoising-diffusion-pytorch, on pixels, without labels.

Its facts: U-Net of 64 channels with multipliers 1-2-4, the library's own schedule, prediction and
weights of the loss, Adam at 8e-5 (β 0.9, 0.99), batches of 32, average weights (decay 0.995, every
ten steps); images are drawn from the average by its DDIM.
"""

from collections.abc import Callable

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from ema_pytorch import EMA

from peers.contract import Task, batches, blocks, contest, parameters

CHANNELS, MULTIPLIERS, BATCH, RATE = 64, (1, 2, 4), 32, 8e-5


def train(
    task: Task, images: np.ndarray, labels: np.ndarray, left: Callable[[], float]
) -> tuple[GaussianDiffusion, dict]:
    channels, *size = task.shape
    unet = Unet(dim=CHANNELS, dim_mults=MULTIPLIERS, channels=channels, flash_attn=False)
    diffusion = GaussianDiffusion(
        unet, image_size=tuple(size), timesteps=1000, sampling_timesteps=task.evaluations
    )
    optimizer = torch.optim.Adam(diffusion.parameters(), RATE, betas=(0.9, 0.99))
    average, seen = EMA(diffusion, beta=0.995, update_every=10), 0
    for pixels, _ in batches(task, images, labels, BATCH):
        if left() <= 0:
            break
        loss = diffusion(pixels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
        optimizer.step()
        average.update()
        seen += BATCH
    about = {"seen": {"denoiser": seen}, "parameters": parameters(unet), "labelled": False}
    return average.ema_model.eval(), about


def draw(task: Task, diffusion: GaussianDiffusion) -> torch.Tensor:
    return torch.cat([diffusion.sample(batch_size=len(labels)) for labels in blocks(task)])


if __name__ == "__main__":
    contest(train, draw)
