"""How the images are prepared."""

from typing import Literal

from pydantic import model_validator

from synthcohort.config.types import Positive
from synthcohort.settings import Settings


class Prepare(Settings):
    centre_crop: tuple[Positive, Positive] | None = None
    """Height and width of the centre that is cut out first, in the source's pixels; a smaller image
    is an error."""
    size: tuple[Positive, Positive] = (64, 64)
    """Height and width every image gets, in pixels; multiples of the autoencoder's reduction with
    `autoencoder.network: kl`, of its patch with `none`."""
    fit: Literal["refuse", "pad", "crop", "stretch"] = "refuse"
    """What to do with an image of another aspect ratio: refuse it with a message, pad it with
    black, crop its centre, or stretch it. Images are resampled to `size` in any case."""
    colour: Literal["grey", "rgb"] = "grey"
    """One channel or three."""
    convert_colour: bool = False
    """Convert images of the other colour mode; otherwise one is an error."""
    depth: Literal[8, 16] = 8
    """Bits a pixel in the cohort; a 16-bit image in an 8-bit cohort is an error."""

    @model_validator(mode="after")
    def _writable(self) -> "Prepare":
        if self.colour == "rgb" and self.depth == 16:
            raise ValueError("PNG export has no 16-bit RGB; take depth: 8 or colour: grey")
        return self
