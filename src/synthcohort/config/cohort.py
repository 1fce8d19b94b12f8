"""How the images are prepared and split."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from synthcohort.config.types import Positive, Share
from synthcohort.settings import Settings


class Prepare(Settings):
    centre_crop: tuple[Positive, Positive] | None = None
    """Height and width of the centre that is cut out first, in the source's pixels; a smaller image
    is an error."""
    size: tuple[Positive, Positive] = (64, 64)
    """Height and width every image gets, in pixels; multiples of the autoencoder's reduction."""
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


class Fractions(Settings):
    """Shares of the patients; they add up to 1."""

    train: Share = 0.7
    """Share for training."""
    val: Share = 0.1
    """Share for watching a training; may be 0."""
    test: Share = 0.2
    """Share for testing."""

    @model_validator(mode="after")
    def _whole(self) -> "Fractions":
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6 or self.train == 0 or self.test == 0:
            raise ValueError(
                f"train, val and test must add up to 1 with train and test above 0, got {total:g}"
            )
        return self


class Split(Settings):
    fractions: Fractions = Fractions()
    """Shares of the patients in train, val and test, label by label; they add up to 1."""
    official: Literal["use", "ignore"] = "use"
    """Whether a split that the source gives is used (and refused where two parts share a patient)
    or ignored in favour of `fractions`."""
    validation_from: Literal["train", "test"] = "train"
    """Which part of an official split without val gives some of its patients to it, val's share of
    the `fractions` of the two."""
    near_duplicates: Literal["stop", "join", "allow"] = "stop"
    """Nearly identical images of two patients: `stop` the run where they stand in two splits;
    `join` such patients into one before splitting; `allow` them (they are listed all the same)."""
    correlation: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Pixel correlation, best over shifts of up to two pixels (one below 32, none below 16 pixels a
    side), from which two images count as nearly identical."""
