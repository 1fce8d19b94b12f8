"""The networks: the only seam to the network library (diffusers).

An autoencoder has `encode(x).latent_dist` and `decode(z).sample`, a denoiser
`model(x, t, class_labels).sample`, and both `save_pretrained`; that is diffusers' own convention,
kept by the light network of ours as well.
"""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from synthcohort import config


def build_autoencoder(
    settings: "config.Autoencoder", image_channels: int, size: tuple[int, int]
) -> "nn.Module":
    """A fresh autoencoder for images of `image_channels`×H×W.

    Its weights come from torch's global generator; seed it first.

    Raises:
        UserError: the image size is no multiple of the reduction.
    """
    levels = len(settings.channels)
    reduction = 2 ** (levels + 1) if settings.network == "strided" else 2 ** (levels - 1)
    if any(side % reduction for side in size):
        raise UserError(
            f"prepare.size is {size[0]}×{size[1]}, but an autoencoder with {levels} levels "
            f"(autoencoder.channels) needs multiples of {reduction}; change one of the two"
        )
    if settings.network == "strided":
        from synthcohort.models.strided import StridedAutoencoder

        return StridedAutoencoder(
            in_channels=image_channels,
            block_out_channels=list(settings.channels),
            latent_channels=settings.latent_channels,
        )
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return AutoencoderKL(
        in_channels=image_channels,
        out_channels=image_channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.channels,
        layers_per_block=2,
        latent_channels=settings.latent_channels,
        norm_num_groups=math.gcd(32, *settings.channels),
        sample_size=size[0],
    )


def build_denoiser(
    settings: "config.Diffusion", latent_shape: tuple[int, int, int], labels: int
) -> "nn.Module":
    """A fresh class-conditional U-Net for latents of C×H×W; class `labels` is "no label".

    Raises:
        UserError: the latent is too small for the number of levels.
    """
    from diffusers.models.unets.unet_2d import UNet2DModel

    channels, height, width = latent_shape
    reduction = 2 ** (len(settings.channels) - 1)
    if height % reduction or width % reduction:
        raise UserError(
            f"diffusion.channels has {len(settings.channels)} levels, which need latents in "
            f"multiples of {reduction}, but the autoencoder makes {height}×{width}; "
            "take fewer levels or larger images"
        )
    return UNet2DModel(
        sample_size=(height, width),
        in_channels=channels,
        out_channels=channels,
        block_out_channels=settings.channels,
        layers_per_block=settings.blocks,
        down_block_types=tuple(
            "AttnDownBlock2D" if attention else "DownBlock2D" for attention in settings.attention
        ),
        up_block_types=tuple(
            "AttnUpBlock2D" if attention else "UpBlock2D" for attention in settings.attention[::-1]
        ),
        attention_head_dim=math.gcd(32, *settings.channels),
        norm_num_groups=math.gcd(32, *settings.channels),
        num_class_embeds=labels + 1,
    )


def load_autoencoder(path: Path) -> "nn.Module":
    """The trained autoencoder in a folder, in eval mode on the CPU."""
    name = json.loads((Path(path) / "config.json").read_text(encoding="utf-8"))["_class_name"]
    if name == "StridedAutoencoder":
        from synthcohort.models.strided import StridedAutoencoder as Autoencoder
    else:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL as Autoencoder
    return Autoencoder.from_pretrained(path, low_cpu_mem_usage=False).eval()


def load_denoiser(path: Path) -> "nn.Module":
    """The trained U-Net in a stage's folder (`diffusion/`), in eval mode on the CPU."""
    from diffusers.models.unets.unet_2d import UNet2DModel

    return UNet2DModel.from_pretrained(Path(path) / "unet", low_cpu_mem_usage=False).eval()
