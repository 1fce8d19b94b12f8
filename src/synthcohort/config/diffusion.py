"""The diffusion model of the latents, and how it is trained."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from synthcohort.config.start import Start, require_left_out
from synthcohort.config.training import Training
from synthcohort.config.types import Positive, Share


class Diffusion(Training):
    start: Start | None = None
    """Weights to start from in place of random ones: a U-Net trained on latents of the same
    autoencoder, or on pixels, best with the same noise schedule. The folder says what the network
    is: `channels`, `blocks`, `attention` and `cross_attention` are left out; labels that it does
    not know begin anew. Never start from weights that have seen this cohort's test patients."""
    channels: tuple[Positive, ...] = (96, 192)
    """Channels of the U-Net by level; each level halves the latent."""
    blocks: Positive = 2
    """Residual blocks a level."""
    attention: tuple[bool, ...] = (False, True)
    """Self-attention, level by level."""
    cross_attention: bool = False
    """Tell the U-Net label and attributes by cross-attention, at the levels with attention, in
    place of an embedding that is added to the timestep's."""
    recompute: bool = False
    """Compute the activations anew in the backward pass in place of keeping them: slower, but with
    less memory (Chen 2016)."""
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
        if self.start:
            require_left_out(self, ("channels", "blocks", "attention", "cross_attention"))
        if len(self.attention) != len(self.channels):
            raise ValueError(
                f"attention has {len(self.attention)} entries but channels {len(self.channels)}; "
                "give one a level"
            )
        return self
