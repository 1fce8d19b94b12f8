"""How the patients are split."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from synthcohort.config.types import Share
from synthcohort.settings import Settings


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
