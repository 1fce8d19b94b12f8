"""The settings of the source: where the volumes are, how they lie and what is taken from them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from synthcohort.intake.description import Described
from synthcohort.sources import Declared
from synthcohort.sources.nifti.slicing import Slicing

# Keys that one layout has and another ignores would be mistakes nobody is told of.
_ELSEWHERE = {
    "bids": {*Described.model_fields} - {"root"} | {"channel"},
    "decathlon": {"suffix", "label"},
    "nnunet": {"suffix", "label"},
    "folder": {"suffix", "label", "channel"},
}


class Source(Slicing, Described, Declared):
    kind: Literal["nifti"] = "nifti"
    root: Path
    """Folder of the data set: the one that holds sub-*/ and participants.tsv, imagesTr/, or the
    volumes at any depth."""
    layout: Literal["bids", "decathlon", "nnunet", "folder"] = "bids"
    """How the volumes lie below `root`, as told above. `suffix` and `label` are for `bids`,
    `channel` is for `decathlon` and `nnunet`; `pattern`, `expression`, `table` with `columns`,
    `labels` and `splits` are for all but `bids`."""
    suffix: str = "T1w"
    """Which images: the last part of the file names, such as T1w, T2w or FLAIR."""
    label: str = ""
    """Column of participants.tsv that holds the label; empty for a cohort without labels."""
    channel: Annotated[int, Field(ge=0)] = 0
    """Which channel, where there are several: the number at the end of nnU-Net's file names, the
    place along the fourth axis of a decathlon's volume."""

    @model_validator(mode="after")
    def _of_the_layout(self) -> "Source":
        for key in sorted(_ELSEWHERE[self.layout]):
            default = type(self).model_fields[key].get_default(call_default_factory=True)
            if getattr(self, key) != default:
                raise ValueError(f"{key} is not for layout: {self.layout}; leave it out")
        return self

    @property
    def groups(self) -> set[str]:
        """The attributes that the path gives, by `expression` or by the layout."""
        groups = super().groups
        given = "patient" in groups | set(self.named_columns)
        return groups if given or self.layout == "folder" else groups | {"patient"}
