"""The settings of the DICOM source."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from synthcohort.sources import Declared, nifti
from synthcohort.sources.dicom import tags


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
        if telling := [name for name in self.keywords if tags.is_telling(name)]:
            raise ValueError(
                f"{', '.join(telling)}: holds names, dates, ids or free text, which would be "
                "handed on as they are; take another tag, or a table"
            )
        return self

    @property
    def keywords(self) -> tuple[str, ...]:
        """Of label and attributes, those that are tags."""
        named = [*filter(None, [self.label]), *self.attributes]
        return tuple(name for name in named if tags.is_keyword(name))

    @property
    def columns(self) -> tuple[str, ...]:
        """Of label and attributes, those that are columns of the table."""
        named = [*filter(None, [self.label]), *self.attributes]
        return tuple(name for name in named if not tags.is_keyword(name))
