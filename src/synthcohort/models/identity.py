"""No autoencoder: the latents are the pixels, so that the later stages need not know."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import nn


class IdentityAutoencoder(ModelMixin, ConfigMixin):
    """Called and saved like diffusers' AutoencoderKL, without any weights.

    Images and latents are the same B×in_channels×H×W in [−1, 1]; a latent has no spread.
    """

    @register_to_config
    def __init__(
        self, in_channels: int = 1, scaling_factor: float = 1.0, shift_factor: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Identity(), nn.Identity()

    def encode(self, x: torch.Tensor) -> AutoencoderKLOutput:
        """The images as distributions without spread."""
        parameters = torch.cat([x, torch.zeros_like(x)], dim=1)
        return AutoencoderKLOutput(DiagonalGaussianDistribution(parameters, deterministic=True))

    def decode(self, z: torch.Tensor) -> DecoderOutput:
        """`z` as it is."""
        return DecoderOutput(sample=z)
