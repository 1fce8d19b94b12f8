"""A light KL autoencoder for CPU budgets, saved and called like diffusers' AutoencoderKL.

Convolutions at full resolution are what costs: a pixel unshuffle by four makes the first feature
map a sixteenth of the picture, and everything is computed from there downwards.
"""

from itertools import pairwise
from math import gcd

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional

PATCH = 4


class Residual(nn.Module):
    """Pre-activation residual block: twice GroupNorm, SiLU, 3×3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        groups = gcd(8, channels)
        self.layers = nn.Sequential(
            nn.GroupNorm(groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class StridedAutoencoder(ModelMixin, ConfigMixin):
    """KL autoencoder: pixel unshuffle, residual blocks with strided convolutions, and back.

    Images are B×in_channels×H×W in [−1, 1], latents B×latent_channels×h×w with
    h = H / 2^(levels + 1). With `image_size` (H, W) images are of that size, whatever it is: the
    border is repeated outwards until h and w are even, so that a U-Net can halve them, and cut off
    after decoding; without it, as in older folders, H and W are multiples of that power.
    `scaling_factor` and `shift_factor` take latents to unit variance and zero mean over the train
    split: (z − shift) · scaling.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 1,
        block_out_channels: tuple[int, ...] = (64, 128),
        latent_channels: int = 8,
        scaling_factor: float = 1.0,
        shift_factor: float = 0.0,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.border = _border(image_size, PATCH * 2 ** len(block_out_channels))
        widths = list(block_out_channels)
        encoder: list[nn.Module] = [
            nn.PixelUnshuffle(PATCH),
            nn.Conv2d(in_channels * PATCH**2, widths[0], 3, padding=1),
            Residual(widths[0]),
        ]
        for before, after in pairwise(widths):
            encoder += [nn.Conv2d(before, after, 4, stride=2, padding=1), Residual(after)]
        encoder += [nn.GroupNorm(gcd(8, widths[-1]), widths[-1]), nn.SiLU()]
        encoder += [nn.Conv2d(widths[-1], 2 * latent_channels, 1)]
        self.encoder = nn.Sequential(*encoder)

        decoder: list[nn.Module] = [
            nn.Conv2d(latent_channels, widths[-1], 3, padding=1),
            Residual(widths[-1]),
            Residual(widths[-1]),
        ]
        for before, after in pairwise(reversed(widths)):
            decoder += [nn.Conv2d(before, 4 * after, 3, padding=1), nn.PixelShuffle(2)]
            decoder += [Residual(after), Residual(after)]
        decoder += [nn.GroupNorm(gcd(8, widths[0]), widths[0]), nn.SiLU()]
        decoder += [nn.Conv2d(widths[0], in_channels * PATCH**2, 3, padding=1)]
        decoder += [nn.PixelShuffle(PATCH)]
        self.decoder = nn.Sequential(*decoder)

    def encode(self, x: torch.Tensor) -> AutoencoderKLOutput:
        """The distribution of the latent of each image."""
        if any(self.border):
            x = functional.pad(x, self.border, mode="replicate")
        return AutoencoderKLOutput(latent_dist=DiagonalGaussianDistribution(self.encoder(x)))

    def decode(self, z: torch.Tensor) -> DecoderOutput:
        """The image of each latent."""
        left, right, top, bottom = self.border
        padded = self.decoder(z)
        height, width = padded.shape[2:]
        return DecoderOutput(sample=padded[:, :, top : height - bottom, left : width - right])


def _border(size: tuple[int, int] | None, multiple: int) -> tuple[int, int, int, int]:
    """Pixels to add left, right, above and below, so that each side is such a multiple."""
    if size is None:
        return (0, 0, 0, 0)
    rows, columns = (-side % multiple for side in size)
    return (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
