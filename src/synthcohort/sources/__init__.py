"""Sources of images, one file each; a new source is one new file in this folder.

A source module has

- `Source`: its settings, a `synthcohort.settings.Settings` with `kind: Literal["<name>"]`;
- `read(settings, root)`: yields one `Image` at a time, in an order that is always the same;
- `TERMS`: under which terms its images come, or `terms(settings)` where the settings decide; where
  the images are the user's own, `Source` is a `Declared` instead, and the user says it;
- optionally `fetch(settings, root, seed)`: writes the raw cohort into the empty folder `root` (a
  download or a simulation). Without it, or where the settings name a place of the user's own
  (`settings.root` or `settings.path`), the cohort is there, and `read` gets no root;
- optionally `PRIVATE = True`: `read` keeps something between the runs of all systems that nobody
  else may have, such as the key of pseudonyms, and gets a folder for it as `root`.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
from pydantic import model_validator

from synthcohort.errors import UserError
from synthcohort.settings import Settings

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Image:
    """One 2-D picture as a source gives it.

    `pixels` is uint8 or uint16, H×W (grey) or H×W×3 (RGB), over the full range of its type.
    `label` is the class name, "" where the cohort has none; `split` is the official split ("train",
    "val" or "test"), "" where there is none. `source_file` is relative to the source's root.
    `class_number` is the label's number where the source gives it one, None where it does not; the
    order of the labels, and what is exported, follow it. `attributes` are named numbers that belong
    to the image (an age; 0 or 1 for each finding of several), the same names for every image of a
    cohort.
    """

    pixels: np.ndarray
    image_id: str
    patient_id: str
    source_file: str
    label: str = ""
    session: str = ""
    slice: str = ""
    split: str = ""
    class_number: int | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Terms:
    """Under which terms a source's images may be used."""

    name: str
    """What the terms are called; of a gated source, what `export.acknowledge` has to repeat."""
    source: str
    """Whose images they are, as the dataset card says it."""
    note: str = ""
    """What the terms forbid or ask for, in whole sentences."""
    gated: bool = False
    """Whether the images are only for those who agreed to the terms."""


class Declared(Settings):
    """What users say about the terms of images of their own."""

    licence: str = ""
    """Name of the licence or the terms that the real images come under; the dataset card tells."""
    gated: bool = False
    """Whether the real images are only for those who agreed to these terms. The export of anything
    derived from them then needs `export.acknowledge`."""

    @model_validator(mode="after")
    def _named(self) -> "Declared":
        if self.gated and not self.licence:
            raise ValueError("gated images need the name of their terms; give it as `licence`")
        return self


def names() -> list[str]:
    """The kinds of source there are: the module names in this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module(kind: str) -> ModuleType:
    """The module of a source by its kind."""
    return importlib.import_module(f"{__name__}.{kind}")


def fetches(settings: Settings) -> bool:
    """Whether the raw cohort has to be fetched: the source can, and it is not in a place that the
    user has named."""
    named = any(getattr(settings, key, None) for key in ("root", "path"))
    return hasattr(module(settings.kind), "fetch") and not named


def keeps_private(settings: Settings) -> bool:
    """Whether `read` gets a private folder as `root`."""
    return getattr(module(settings.kind), "PRIVATE", False)


def terms(settings: Settings) -> Terms:
    """The terms of a configured source; unknown ones where it states none."""
    of = module(settings.kind)
    return of.terms(settings) if hasattr(of, "terms") else stated(settings)


def stated(settings: Settings) -> Terms:
    """The terms in `TERMS` or, of a `Declared` source, those that the user has declared."""
    source = f"images of the source “{settings.kind}”"
    unknown = Terms("unknown", source, "Nothing is known of the terms of the real images.")
    if not isinstance(settings, Declared):
        return getattr(module(settings.kind), "TERMS", unknown)
    if not settings.licence:
        return unknown
    note = "They are declared by the maker of this dataset."
    if settings.gated:
        note = "They bind those who were given access. " + note
    return Terms(settings.licence, source, note, settings.gated)


def require_acknowledged(settings: Settings, acknowledged: str) -> None:
    """Stop before anything derived from a gated source is exported unasked.

    Raises:
        UserError: the source is gated and `acknowledged` is not the name of its terms.
    """
    of = terms(settings)
    if of.gated and acknowledged != of.name:
        raise UserError(
            f"export.acknowledge: the synthetic images derive from {of.source}, under the terms "
            f"{of.name!r}. {of.note} Read the terms; if they and those who gave you access allow "
            "you to pass on what you make of the images, say so in the configuration:\n"
            f'  export:\n    acknowledge: "{of.name}"\n'
            f"It now holds {acknowledged!r}. The dataset card will tell it."
        )
