"""From images to latents and back, and how that is trained."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from synthcohort.config.start import AutoencoderStart, require_left_out
from synthcohort.config.training import Training
from synthcohort.config.types import Positive, Share, Weight


class Autoencoder(Training):
    images: Annotated[int, Field(ge=0)] = 0
    """How long to train: images seen, each counted every time; not given with `network: none`
    or frozen weights."""
    start: AutoencoderStart | None = None
    """Weights to start from in place of random ones: the user's own, public ones, or those of an
    earlier run. The folder says what the network is: `network`, `channels` and `latent_channels`
    are left out. A model of RGB images is made one of grey images, or the other way round."""
    network: Literal["strided", "kl", "none"] = "strided"
    """`strided`: light, no convolution at full resolution, for CPU budgets; `kl`: diffusers'
    AutoencoderKL, for a GPU; `none`: there is no autoencoder, the diffusion model works on the
    pixels themselves, and no other key than `patch` is given."""
    patch: Literal[1, 2, 4] = 1
    """With `network: none`: patches of this many pixels a side become one place with more channels,
    so that the U-Net has fewer places to compute (Hoogeboom 2023); nothing is lost."""
    channels: tuple[Positive, ...] = (64, 128)
    """Channels by level. `strided` starts at a quarter of the resolution and halves it from level
    to level; `kl` starts at the full resolution."""
    latent_channels: Positive = 8
    """Channels of the latent."""
    recompute: bool = False
    """Compute the activations of `kl` anew in the backward pass in place of keeping them: slower,
    but for large images within a third of the memory (Chen 2016)."""
    reconstruction: Literal["l1", "mse"] = "l1"
    """Loss between an image and its reconstruction, of weight 1: mean absolute or mean squared
    error."""
    structure_weight: Weight = 0.2
    """Weight of 1 − SSIM (Wang 2004) beside it."""
    kl_weight: Weight = 1e-6
    """Weight of the Kullback–Leibler divergence to N(0, 1), per latent element."""
    adversarial_weight: Weight = 0.0
    """Weight of a patch discriminator's hinge loss (Isola 2017); 0 trains without one."""
    adversarial_start: Share = 0.3
    """Share of the training after which the discriminator takes part."""

    @model_validator(mode="after")
    def _something_to_train(self) -> "Autoencoder":
        if self.network != "none":
            if self.start:
                require_left_out(self, ("network", "channels", "latent_channels"))
            if self.start and self.start.frozen:
                self._nothing_but("start", "start.frozen: true")
                return self
            if not self.images:
                raise ValueError("images: missing; give how many images the training is to see")
            if self.patch > 1:
                raise ValueError("patch: is for network: none; leave it out")
            if self.recompute and self.network != "kl" and not self.start:
                raise ValueError("recompute: is for network: kl; leave it out")
            return self
        self._nothing_but("network patch", "network: none")
        return self

    def _nothing_but(self, keys: str, cause: str) -> None:
        if others := sorted(set(self.model_dump(exclude_defaults=True)) - set(keys.split())):
            raise ValueError(
                f"{cause} leaves nothing to train, but {', '.join(others)} is given; "
                "remove one of the two"
            )
