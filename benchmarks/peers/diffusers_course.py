"""The class-conditional U-Net of the diffusers course, on pixels.

Its facts: channels 32-64-64, two layers a block, attention from the second level on, the label as
an embedding of four further input channels, a squared-cosine schedule of 1,000 steps, ε, mean
squared error, Adam at 1e-3, batches of 128.
"""

from collections.abc import Callable

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from torch import nn
from torch.nn import functional as F

from peers.contract import Task, batches, blocks, contest, parameters

LABEL_CHANNELS, BATCH, RATE, STEPS = 4, 128, 1e-3, 1000
SCHEDULE = DDPMScheduler(num_train_timesteps=STEPS, beta_schedule="squaredcos_cap_v2")


def train(
    task: Task, images: np.ndarray, labels: np.ndarray, left: Callable[[], float]
) -> tuple[nn.ModuleDict, dict]:
    channels, *size = task.shape
    unet = UNet2DModel(
        sample_size=tuple(size),
        in_channels=channels + LABEL_CHANNELS,
        out_channels=channels,
        layers_per_block=2,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    model = nn.ModuleDict({"unet": unet, "label": nn.Embedding(task.classes, LABEL_CHANNELS)})
    optimizer, seen = torch.optim.Adam(model.parameters(), RATE), 0
    for pixels, told in batches(task, images, labels, BATCH):
        if left() <= 0:
            break
        noise, t = torch.randn_like(pixels), torch.randint(STEPS, (BATCH,))
        noisy = SCHEDULE.add_noise(2 * pixels - 1, noise, t)
        loss = F.mse_loss(predict(model, noisy, t, told), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += BATCH
    about = {"seen": {"denoiser": seen}, "parameters": parameters(model), "labelled": True}
    return model.eval(), about


def predict(
    model: nn.ModuleDict, noisy: torch.Tensor, t: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """The noise in n×C×H×W noisy images."""
    told = model["label"](labels)[:, :, None, None].expand(-1, -1, *noisy.shape[2:])
    return model["unet"](torch.cat([noisy, told], 1), t).sample


def draw(task: Task, model: nn.ModuleDict) -> torch.Tensor:
    sampler = DDIMScheduler.from_config(SCHEDULE.config, timestep_spacing="trailing")
    sampler.set_timesteps(task.evaluations)
    made = []
    for labels in blocks(task):
        x = torch.randn(len(labels), *task.shape)
        for t in sampler.timesteps:
            noise = predict(model, x, t, labels)
            x = sampler.step(noise, t, x, use_clipped_model_output=True).prev_sample
        made.append(x)
    return (torch.cat(made) + 1) / 2


if __name__ == "__main__":
    contest(train, draw)
