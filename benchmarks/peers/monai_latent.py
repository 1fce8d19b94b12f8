"""MONAI's latent diffusion as in its two-dimensional tutorial, without labels.

Its facts: AutoencoderKL 128-128-256 with three latent channels, L1, KL of weight 1e-6, after a
tenth of its training a patch discriminator of weight 0.01, Adam at 1e-4 and 5e-4;
DiffusionModelUNet 128-256-512 with attention at the two lower levels, β from 0.0015 to 0.0195 along
a line, ε, Adam at 1e-4; batches of 64. The perceptual loss (weight 0.001) is left out: its network
would have to be downloaded. Each network gets half of the time. Images whose sides are no multiples
of 16 get a black border.
"""

from collections.abc import Callable
from itertools import takewhile

import numpy as np
import torch
from monai.inferers import LatentDiffusionInferer
from monai.losses import PatchAdversarialLoss
from monai.networks.nets import AutoencoderKL, DiffusionModelUNet, PatchDiscriminator
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler
from torch.nn import functional as F

from peers.contract import Task, batches, blocks, contest, parameters

BATCH, LATENT_CHANNELS, FACTOR = 64, 3, 16
BETAS = {
    "num_train_timesteps": 1000,
    "schedule": "linear_beta",
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "clip_sample": False,
}


def train(
    task: Task, images: np.ndarray, labels: np.ndarray, left: Callable[[], float]
) -> tuple[tuple, dict]:
    border = [value for side in reversed(task.shape[1:]) for value in (0, -side % FACTOR)]
    examples = (F.pad(pixels, border) for pixels, _ in batches(task, images, labels, BATCH))
    seen = {"autoencoder": 0, "denoiser": 0}
    channels = task.shape[0]
    autoencoder = AutoencoderKL(
        spatial_dims=2,
        in_channels=channels,
        out_channels=channels,
        channels=(128, 128, 256),
        latent_channels=LATENT_CHANNELS,
        num_res_blocks=2,
        attention_levels=(False, False, False),
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    )
    judge = PatchDiscriminator(
        spatial_dims=2, num_layers_d=3, channels=64, in_channels=channels, out_channels=channels
    )
    adversarial = PatchAdversarialLoss(criterion="least_squares")
    teach = torch.optim.Adam(autoencoder.parameters(), 1e-4)
    teach_judge = torch.optim.Adam(judge.parameters(), 5e-4)
    for pixels in takewhile(lambda _: left() > task.seconds / 2, examples):
        made, mean, sigma = autoencoder(pixels)
        divergence = mean**2 + sigma**2 - torch.log(sigma**2) - 1
        loss = F.l1_loss(made, pixels) + 1e-6 * 0.5 * divergence.sum((1, 2, 3)).mean()
        late = left() < task.seconds * (1 - 0.1 / 2)
        if late:
            answer = judge(made.contiguous())[-1]
            loss = loss + 0.01 * adversarial(answer, target_is_real=True, for_discriminator=False)
        teach.zero_grad()
        loss.backward()
        teach.step()
        if late:
            wrong = adversarial(judge(made.detach())[-1], False, for_discriminator=True)
            right = adversarial(judge(pixels)[-1], True, for_discriminator=True)
            teach_judge.zero_grad()
            ((wrong + right) / 2).backward()
            teach_judge.step()
        seen["autoencoder"] += BATCH

    autoencoder.eval().requires_grad_(False)
    with torch.no_grad():
        latent = autoencoder.encode_stage_2_inputs(next(examples))
    inferer = LatentDiffusionInferer(DDPMScheduler(**BETAS), scale_factor=1 / float(latent.std()))
    unet = DiffusionModelUNet(
        spatial_dims=2,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_res_blocks=2,
        channels=(128, 256, 512),
        attention_levels=(False, True, True),
        num_head_channels=(0, 256, 512),
    )
    teach = torch.optim.Adam(unet.parameters(), 1e-4)
    for pixels in takewhile(lambda _: left() > 0, examples):
        noise, t = torch.randn(BATCH, *latent.shape[1:]), torch.randint(1000, (BATCH,))
        predicted = inferer(
            inputs=pixels,
            autoencoder_model=autoencoder,
            diffusion_model=unet,
            noise=noise,
            timesteps=t,
        )
        loss = F.mse_loss(predicted, noise)
        teach.zero_grad()
        loss.backward()
        teach.step()
        seen["denoiser"] += BATCH
    about = {"seen": seen, "parameters": parameters(autoencoder, unet), "labelled": False}
    return (autoencoder, unet.eval(), inferer, latent.shape[1:]), about


def draw(task: Task, trained: tuple) -> torch.Tensor:
    autoencoder, unet, inferer, shape = trained
    sampler = DDIMScheduler(**BETAS)
    sampler.set_timesteps(task.evaluations)
    made = [
        inferer.sample(
            input_noise=torch.randn(len(labels), *shape),
            autoencoder_model=autoencoder,
            diffusion_model=unet,
            scheduler=sampler,
            verbose=False,
        )
        for labels in blocks(task)
    ]
    return torch.cat(made)[:, :, : task.shape[1], : task.shape[2]]


if __name__ == "__main__":
    contest(train, draw)
