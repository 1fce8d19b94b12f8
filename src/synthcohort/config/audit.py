"""What must hold before anything is handed on."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from synthcohort.config.types import Positive
from synthcohort.settings import Settings


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
    detector_images: Positive = 12_800
    """Train images that the detector of copies has seen when its training ends. More find more
    disguises; the table of planted leaks tells."""
    planted: Positive = 40
    """Train images that are planted in each disguise to see what the audit finds."""

    @field_validator("gates", mode="before")
    @classmethod
    def _with_defaults(cls, gates: Any) -> Any:
        return {**GATES, **gates} if isinstance(gates, Mapping) else gates

    @model_validator(mode="after")
    def _known(self) -> "Audit":
        if unknown := [name for name in self.override if name not in self.gates]:
            names = ", ".join(self.gates)
            raise ValueError(f"override: no gate {unknown[0]!r}; the gates are {names}")
        return self
