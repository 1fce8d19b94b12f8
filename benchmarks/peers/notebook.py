"""The latent diffusion of the notebook that this project grew out of, its mistakes mended.

Its facts: an autoencoder of two strided 4×4 convolutions (32, then four channels) and back, mean
squared error, a quarter of the time; a U-Net of plain 3×3 convolutions, 64 channels at the latents'
size, 128 at half and at a quarter of it, SiLU, no norm, the time added after each block's first
convolution; β from 1e-4 to 0.02 along half a cosine wave, 1,000 steps, ε, Adam at 1e-3, batches of
64, no labels. Mended: images are decoded by the decoder that was trained, and latents are brought
to unit variance.
"""

from collections.abc import Callable
from itertools import takewhile

import numpy as np
import torch
from diffusers import DDIMScheduler
from torch import nn
from torch.nn import functional as F

from peers.contract import Task, batches, blocks, contest, parameters

BATCH, RATE, LATENT_CHANNELS, STEPS = 64, 1e-3, 4, 1000
WAVES = 64
RISE = (1 - np.cos(np.linspace(0, np.pi, STEPS))) / 2
BETAS = (1e-4 + (0.02 - 1e-4) * RISE).tolist()


class Block(nn.Module):
    """Two convolutions; what is known of the time comes between them."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(into, out, 3, 1, 1), nn.Conv2d(out, out, 3, 1, 1)
        self.time = nn.Linear(WAVES, out)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        x = F.silu(self.first(x)) + self.time(time)[:, :, None, None]
        return F.silu(self.second(x))


class UNet(nn.Module):
    """The noise in n×C×h×w latents, given n times."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.into = nn.ModuleList([Block(channels, 64), Block(64, 128), Block(128, 128)])
        self.back = nn.ModuleList([Block(128 + 128, 128), Block(128 + 64, 64)])
        self.last = nn.Conv2d(64, channels, 3, 1, 1)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        speed = torch.exp(-np.log(10_000) * torch.arange(WAVES // 2) / (WAVES // 2))
        time = torch.cat([(t[:, None] * speed).sin(), (t[:, None] * speed).cos()], 1)
        large = self.into[0](x, time)
        middle = self.into[1](F.max_pool2d(large, 2), time)
        x = self.into[2](F.max_pool2d(middle, 2), time)
        for block, beside in zip(self.back, (middle, large), strict=True):
            x = block(torch.cat([F.interpolate(x, beside.shape[2:]), beside], 1), time)
        return self.last(x)


def train(
    task: Task, images: np.ndarray, labels: np.ndarray, left: Callable[[], float]
) -> tuple[tuple, dict]:
    examples = (2 * pixels - 1 for pixels, _ in batches(task, images, labels, BATCH))
    channels, seen = task.shape[0], {"autoencoder": 0, "denoiser": 0}
    encoder = nn.Sequential(
        nn.Conv2d(channels, 32, 4, 2, 1), nn.SiLU(), nn.Conv2d(32, LATENT_CHANNELS, 4, 2, 1)
    )
    decoder = nn.Sequential(
        nn.ConvTranspose2d(LATENT_CHANNELS, 32, 4, 2, 1),
        nn.SiLU(),
        nn.ConvTranspose2d(32, channels, 4, 2, 1),
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], RATE)
    for pixels in takewhile(lambda _: left() > task.seconds * 3 / 4, examples):
        loss = F.mse_loss(decoder(encoder(pixels)), pixels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen["autoencoder"] += BATCH

    with torch.no_grad():
        latent = torch.cat([encoder(next(examples)) for _ in range(16)])
    shift, scale = latent.mean(), latent.std()
    unet, schedule = UNet(LATENT_CHANNELS), sampler()
    optimizer = torch.optim.Adam(unet.parameters(), RATE)
    for pixels in takewhile(lambda _: left() > 0, examples):
        with torch.no_grad():
            clean = (encoder(pixels) - shift) / scale
        noise, t = torch.randn_like(clean), torch.randint(STEPS, (BATCH,))
        loss = F.mse_loss(unet(schedule.add_noise(clean, noise, t), t), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen["denoiser"] += BATCH
    count = parameters(encoder, decoder, unet)
    about = {"seen": seen, "parameters": count, "labelled": False}
    return (decoder, unet, shift, scale, latent.shape[1:]), about


def sampler() -> DDIMScheduler:
    return DDIMScheduler(STEPS, trained_betas=BETAS, clip_sample=False, timestep_spacing="trailing")


def draw(task: Task, trained: tuple) -> torch.Tensor:
    decoder, unet, shift, scale, shape = trained
    schedule, made = sampler(), []
    schedule.set_timesteps(task.evaluations)
    for labels in blocks(task):
        x = torch.randn(len(labels), *shape)
        for t in schedule.timesteps:
            x = schedule.step(unet(x, t.expand(len(labels))), t, x).prev_sample
        made.append(decoder(x * scale + shift))
    return (torch.cat(made) + 1) / 2


if __name__ == "__main__":
    contest(train, draw)
