"""The two trainings: autoencoder and diffusion model."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from synthcohort.config.types import Positive, Share, Weight
from synthcohort.settings import Settings


class Training(Settings):
    """What both trainings have; lengths are counted in images seen, not in steps."""

    images: Positive
    """How long to train: images seen, each counted every time."""
    batch: Positive = 64
    """Images a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak of the learning rate, after a linear warm-up to it."""
    decay: Literal["cosine", "none"] = "cosine"
    """The learning rate after the warm-up: falling to zero along a cosine, or constant."""
    warmup_images: Annotated[int, Field(ge=0)] = 5_000
    """Images over which the learning rate rises from zero."""
    weight_decay: Weight = 0.01
    """AdamW's decoupled weight decay; 0 makes it Adam."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    checkpoint_images: Positive = 50_000
    """Images between two checkpoints, from which a killed training goes on."""


class Autoencoder(Training):
    images: Annotated[int, Field(ge=0)] = 0
    """How long to train: images seen, each counted every time; not given with `network: none`."""
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
            if not self.images:
                raise ValueError("images: missing; give how many images the training is to see")
            if self.patch > 1:
                raise ValueError("patch: is for network: none; leave it out")
            if self.recompute and self.network != "kl":
                raise ValueError("recompute: is for network: kl; leave it out")
            return self
        others = sorted(set(self.model_dump(exclude_defaults=True)) - {"network", "patch"})
        if others:
            raise ValueError(
                f"network: none leaves nothing to train, but {', '.join(others)} is given; "
                "remove it, or choose a network"
            )
        return self


class Diffusion(Training):
    channels: tuple[Positive, ...] = (96, 192)
    """Channels of the U-Net by level; each level halves the latent."""
    blocks: Positive = 2
    """Residual blocks a level."""
    attention: tuple[bool, ...] = (False, True)
    """Self-attention, level by level."""
    cross_attention: bool = False
    """Tell the U-Net label and attributes by cross-attention, at the levels with attention, in
    place of an embedding that is added to the timestep's."""
    schedule: Literal["linear", "scaled_linear", "cosine", "sine"] = "cosine"
    """Noise schedule: linear (Ho 2020), scaled-linear (Rombach 2022), cosine (Nichol 2021, with
    s = 0.008), or sine: β rises along half a cosine wave from beta_start to beta_end."""
    steps: Positive = 1000
    """Diffusion steps T."""
    beta_start: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """β of the first step; not used by the cosine schedule."""
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """β of the last step; not used by the cosine schedule."""
    prediction: Literal["epsilon", "v_prediction"] = "v_prediction"
    """What the network predicts: the noise, or v (Salimans 2022)."""
    loss: Literal["mse", "l1"] = "mse"
    """Between the prediction and its target: mean squared (Ho 2020) or mean absolute error."""
    label_dropout: Share = 0.1
    """Share of training images whose label and attributes are withheld, for classifier-free
    guidance (Ho 2022)."""
    ema_images: Annotated[int, Field(ge=0)] = 10_000
    """Half-life of the exponential moving average of the weights, in images."""

    @model_validator(mode="after")
    def _levels(self) -> "Diffusion":
        if len(self.attention) != len(self.channels):
            raise ValueError(
                f"attention has {len(self.attention)} entries but channels {len(self.channels)}; "
                "give one a level"
            )
        return self
