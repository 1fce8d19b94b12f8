"""The autoencoder's loss, and its terms."""

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    from synthcohort.config import Autoencoder

RECONSTRUCTION = {"l1": F.l1_loss, "mse": F.mse_loss}


def autoencoder_loss(
    settings: "Autoencoder",
    latent: "DiagonalGaussianDistribution",
    made: torch.Tensor,
    images: torch.Tensor,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of images that come back as `made` (both B×C×H×W float32) from a latent drawn of
    `latent`, without a discriminator's part, a scalar; and its terms by name, without weights."""
    divergence = 0.5 * (latent.mean.float() ** 2 + latent.var.float() - 1 - latent.logvar.float())
    divergence = divergence.mean()
    reconstruction = RECONSTRUCTION[settings.reconstruction](made, images)
    structure = 1 - ssim(made, images)
    loss = reconstruction + settings.structure_weight * structure
    loss = loss + settings.kl_weight * divergence
    kind = settings.reconstruction
    return loss, {kind: reconstruction, "one_minus_ssim": structure, "kl": divergence}


def ssim(x: torch.Tensor, y: torch.Tensor, window: int = 7, span: float = 2.0) -> torch.Tensor:
    """Mean structural similarity of two B×C×H×W batches, a scalar (Wang 2004, equation 13).

    Uniform windows of `window` pixels without padding and unbiased variances, as scikit-image's
    default; `span` is the difference between the largest and the smallest possible value.
    """
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    channels = x.shape[1]
    stacked = torch.cat([x, y, x * x, y * y, x * y], dim=1)
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = F.avg_pool2d(stacked, window, stride=1).split(
        channels, dim=1
    )
    unbiased = window**2 / (window**2 - 1)
    var_x = unbiased * (mean_xx - mean_x**2)
    var_y = unbiased * (mean_yy - mean_y**2)
    covariance = unbiased * (mean_xy - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return (luminance * structure).mean()


def build_discriminator(image_channels: int, width: int = 32) -> nn.Module:
    """A patch discriminator (Isola 2017): B×C×H×W images to a map of scores, one a patch."""
    return nn.Sequential(
        nn.Conv2d(image_channels, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        nn.GroupNorm(8, 2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 4 * width, 3, padding=1),
        nn.GroupNorm(8, 4 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4 * width, 1, 3, padding=1),
    )


def hinge(real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """The discriminator's hinge loss (Lim 2017) on its scores for real and made images."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + made).mean())
