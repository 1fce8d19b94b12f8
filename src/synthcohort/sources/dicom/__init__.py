"""DICOM, as hospitals' archives give it: a folder of files at any depth, from one study or many.

CT, MR and PET slices and the frames of enhanced objects are sorted by position into volumes and
sliced as NIfTI volumes are; radiographs, mammograms, ultrasound and every other image are pictures,
one a frame. Left out, and told: what is no image, localisers, derived images and secondary
captures, copies. Refused, all at once: files that are cut off, encrypted or of unknown syntax,
images without pixels or PatientID, slices that lie unevenly.

The patient is the PatientID, the session the place of the StudyDate among the patient's. Neither
they nor any name or path is kept on record as it is: codes stand for them, from a hash under a key
that is made once and lies, with a table of the files, in results/.private, which is never exported.
Delete it, and every code changes, and with them the split; copy it to have the same codes, and so
the same bytes, in another place.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from synthcohort.cohort import Image
from synthcohort.errors import UserError
from synthcohort.progress import progress
from synthcohort.sources import Declared, Terms, nifti, stated
from synthcohort.sources.dicom import describing, items
from synthcohort.sources.dicom.headers import Broken
from synthcohort.sources.dicom.pseudonyms import Pseudonyms

PRIVATE = True
_MOST_FAULTS = 5


class Source(nifti.Cut, Declared):
    kind: Literal["dicom"] = "dicom"
    root: Path
    """The folder that holds the files, at any depth, with or without a suffix."""
    modality: tuple[str, ...] = ()
    """Which modalities are taken, such as MR, CT, CR, DX, MG or US; all by default."""
    series: str = ""
    """A regular expression that is searched in every SeriesDescription; images of other series are
    left out."""
    derived: bool = False
    """Take derived images and secondary captures as well (ImageType DERIVED in CT, MR and PET,
    SECONDARY in all): reformats, maps, screenshots, and images that were compressed with loss."""
    window: tuple[float, Annotated[float, Field(gt=1)]] | None = None
    """Centre and width of the window, after Rescale (Hounsfield units in CT). By default that of
    the file, its VOI LUT or its first window; `percentiles` decide where it has none, or where the
    slices of a volume have several."""
    burned_in: Literal["refuse", "accept"] = "refuse"
    """What to do with images whose tag Burned In Annotation is YES."""
    label: str = ""
    """What holds the label: the keyword of a tag, such as PatientSex, or a column of `table`."""
    attributes: tuple[str, ...] = ()
    """What holds numbers that belong to each image: keywords of tags, such as PatientAge (034Y is
    34 years), or columns of `table`."""
    table: Path | None = None
    """A CSV file (absolute, or relative to `root`), of which a column is called as `key` says."""
    key: Literal["PatientID", "StudyInstanceUID", "SOPInstanceUID"] = "PatientID"
    """The tag by which a row of `table` belongs to an image, and the column with its values."""

    @field_validator("series")
    @classmethod
    def _expression(cls, series: str) -> str:
        try:
            re.compile(series)
        except re.error as error:
            raise ValueError(f"not a valid regular expression: {error}") from None
        return series

    @model_validator(mode="after")
    def _described(self) -> "Source":
        if self.columns and self.table is None:
            raise ValueError(
                f"{', '.join(self.columns)}: no keyword of a DICOM tag, and no column either, "
                "without a table; keywords are written as PatientSex is"
            )
        if self.table is not None and not self.columns:
            raise ValueError("a table is given, but neither label nor attributes name a column")
        if telling := [name for name in self.keywords if describing.is_telling(name)]:
            raise ValueError(
                f"{', '.join(telling)}: holds names, dates, ids or free text, which would be "
                "handed on as they are; take another tag, or a table"
            )
        return self

    @property
    def keywords(self) -> tuple[str, ...]:
        """Of label and attributes, those that are tags."""
        named = [*filter(None, [self.label]), *self.attributes]
        return tuple(name for name in named if describing.is_keyword(name))

    @property
    def columns(self) -> tuple[str, ...]:
        """Of label and attributes, those that are columns of the table."""
        named = [*filter(None, [self.label]), *self.attributes]
        return tuple(name for name in named if not describing.is_keyword(name))


def terms(settings: Source) -> Terms:
    """What the user has declared, and what nobody has looked for in the pictures."""
    said = stated(settings)
    burned = (
        "were refused"
        if settings.burned_in == "refuse"
        else "were not: text in them may come back in synthetic images"
    )
    note = (
        f"Names and dates can be burned into DICOM images. Those whose tag says so {burned}; where "
        "the tag is absent or wrong, nobody has looked."
    )
    return Terms(said.name, said.source, f"{said.note} {note}".strip(), said.gated)


def read(settings: Source, root: Path | None) -> Iterator[Image]:
    """Slices of volumes, H×W, and pictures, H×W or H×W×3 (RGB, uint8), by patient and session.

    Grey images are uint8 or uint16 as `depth` says; those of volumes have square pixels. Patients,
    images and source files have codes for names. `settings.root` is read; `root` is the private
    folder, in which the key of the codes is kept, and made where there is none.

    Raises:
        UserError: there is no such folder or nothing in it; files or series are not as described
            above; a label or an attribute is absent.
    """
    if root is None:
        raise UserError("source: dicom keeps the key of its pseudonyms: give a folder as --root")
    names = Pseudonyms(root, settings.root)
    whole = items.items(settings, names)
    faults: dict[tuple[str, str], list[str]] = defaultdict(list)
    scaled: Counter[str] = Counter()
    for item in progress("reading images", of=whole):
        try:
            yield from items.images(item, settings, scaled)
        except Broken as broken:
            faults[broken.args].append(broken.path)
            if sum(map(len, faults.values())) == _MOST_FAULTS:
                break
        except UserError as error:  # of the slicing, which knows the volume by its code
            shown = names.shown(item.headers[0].path)
            told = f"{error}\n{item.code} has {shown}; {names.index} lists all its files."
            raise UserError(told, str(error)) from None
    if faults:
        raise names.error(faults)
    if len(scaled) > 1:
        counts = ", ".join(f"{n} by {how}" for how, n in sorted(scaled.items()))
        print(f"Note: {settings.root}: images were scaled to grey: {counts}", file=sys.stderr)
