"""What must hold before anything is handed on."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from synthcohort.config.types import Positive
from synthcohort.settings import Settings

Threshold = Annotated[float, Field(allow_inf_nan=False)]


class Gate(Settings):
    at_most: Threshold | None = None
    """Passed where the whole 95 % interval is not above this, failed where all of it is."""
    at_least: Threshold | None = None
    """Passed where the whole 95 % interval is not below this, failed where all of it is; a gate has
    one of the two."""

    @model_validator(mode="before")
    @classmethod
    def _without_of(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "of" in given:
            raise ValueError(
                "a gate has no `of` any more; take it out: the bound of the interval that speaks "
                "against the gate decides, and what no bound decides is undecided"
            )
        return given

    @model_validator(mode="after")
    def _one(self) -> "Gate":
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a gate has either at_most or at_least")
        return self


# What holds where the configuration says nothing else. A gate passes by the bound of its interval
# that speaks against it, so that few images or patients never make it easier:
# - copies: with none found, 368 synthetic images decide (exact binomial). A search with a false
#   alarm in 500 images finds some in a perfect dataset, too: that passes in two of three cases with
#   600 images, in 6 of 7 with 1,000 and nearly always from 1,500 on.
# - memorised_share: 0.01 is what unseen patients reach, by the choice of the quantile. The bound is
#   five times that, because few test patients leave the limit uncertain, and with it the share: a
#   perfect dataset passes nearly always with 100 test patients of three images each, in two of
#   three cases with 100 of one image each, and in one of three with 12.
# - membership: 0.5 is chance, and that a long training gives away a little is the rule. A model
#   that gives nobody away passes in 9 of 10 cases with 180 patients in train and as many held out,
#   or with 280 and 130; with 65 and 65 it does in one of two.
GATES = {
    "copies": Gate(at_most=0.01),
    "memorised_share": Gate(at_most=0.05),
    "membership": Gate(at_most=0.6),
}


class Audit(Settings):
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """A synthetic image counts as memorised when it is nearer to a train image than this quantile
    of the real test images are."""
    gates: dict[str, Gate] = Field(GATES, validate_default=True)
    """What must hold for the export to go on: any figure of the results by name, such as `fid` or
    `real_or_synthetic.accuracy`. Gates given here come on top of the default ones or, by the same
    name, in their place. A figure without an interval is undecided, but for a count, which is
    exact."""
    undecided: Literal["stop", "go_on"] = "stop"
    """What a gate does that the data cannot decide, because too few patients or images make its
    interval too wide: stop the export, as a failed one does, or let it go on. It is told first of
    all in report, summary and card, either way."""
    drop_memorised: bool = True
    """Leave the copies and memorised images out of the export; how many there were goes on the
    card. The gates judge what was found before that: it is the sign of what was missed."""
    override: dict[str, Annotated[str, Field(pattern=r"\S")]] = Field({})
    """Failed or undecided gates that shall not stop the export, each with the reason, which is put
    on record: in audit.json, the report, the summary and the card."""
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
