"""No autoencoder: the latents are the pixels, so that the later stages need not know."""

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import nn


class IdentityAutoencoder(ModelMixin, ConfigMixin):
    """Called and saved like diffusers' AutoencoderKL, without any weights.

    Images are B×in_channels×H×W in [−1, 1], latents the same pixels with `patch`×`patch` of them as
    channels of one place: B×(in_channels·patch²)×(H/patch)×(W/patch). A latent has no spread.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 1,
        patch: int = 1,
        scaling_factor: float = 1.0,
        shift_factor: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.PixelUnshuffle(patch), nn.PixelShuffle(patch)

    def encode(self, x: torch.Tensor) -> AutoencoderKLOutput:
        """The images as distributions without spread."""
        x = self.encoder(x)
        parameters = torch.cat([x, torch.zeros_like(x)], dim=1)
        return AutoencoderKLOutput(DiagonalGaussianDistribution(parameters, deterministic=True))

    def decode(self, z: torch.Tensor) -> DecoderOutput:
        """The pixels of `z` in their places."""
        return DecoderOutput(sample=self.decoder(z))
