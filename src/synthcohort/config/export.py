"""How the synthetic dataset is handed on."""

from datetime import date as Date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from synthcohort.config.split import Fractions
from synthcohort.settings import Settings


class Bids(Settings):
    suffix: Literal["T1w", "T2w", "T2starw", "PDw", "FLAIR", "angio"]
    """What BIDS calls images of this contrast."""
    skull_stripped: bool
    """Whether the real images show the brain alone, all else set to zero."""


class Release(Settings):
    version: Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]
    """MAJOR.MINOR.PATCH, such as 1.0.0. The exported version has a hash of the images behind it
    (1.0.0+3f2a9c…), so that two datasets never have the same."""
    date: Date
    """Day of the release, such as 2026-11-25. It is stated here and not taken from the clock, so
    that the same run exports the same bytes on any day."""
    changes: str
    """What is in it, or what has changed, for its receivers."""


class Export(Settings):
    formats: tuple[Literal["imagefolder", "medmnist", "parquet", "dicom", "bids"], ...] = (
        "imagefolder",
        "medmnist",
    )
    """In which formats the images are written, each of them all images: `imagefolder` (PNG files
    with metadata.csv), `medmnist` (one npz in MedMNIST's layout), `parquet` (a few files of a
    quarter of a gigabyte, for hundreds of thousands of images, where PNG files alone would be a
    burden), `dicom` (Secondary Capture, marked as Synthetic Data) and `bids` (a derivative of
    single-slice NIfTI files; for grey MRI of the head alone). One of imagefolder and parquet has to
    be among them."""
    bids: Bids | None = None
    """What BIDS wants to know of the images and only you can tell; for the format of that name."""
    fractions: Fractions = Fractions(train=0.8, val=0.1, test=0.1)
    """How the synthetic images are shared out in the exported dataset, label by label."""
    title: str = "Synthetic images"
    """Title of the dataset card."""
    licence: str = "unknown"
    """Licence of the exported dataset, as the Hugging Face hub names it; the default grants
    nothing."""
    creator: str = ""
    """Who makes the dataset, as it is to be cited."""
    contact: str = ""
    """Where receivers can ask and report, such as an e-mail address."""
    url: str = ""
    """Page of the dataset, where it has one."""
    releases: tuple[Release, ...] = ()
    """The releases of the dataset, the oldest first; the last is what is exported now. Version,
    date and changelog follow from them; without any the version is 0.0.0 with the hash of the
    images, and there is no date."""
    acknowledge: str = ""
    """For restricted real images: the name of their terms, to say that you have read them and that
    they let you pass on what is derived. Without it nothing runs; the message tells the name."""

    @field_validator("formats")
    @classmethod
    def _loadable(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        if not {"imagefolder", "parquet"} & set(formats):
            raise ValueError("one of imagefolder and parquet has to be there; add one of them")
        if len(set(formats)) < len(formats):
            raise ValueError("a format stands twice")
        return formats

    @model_validator(mode="after")
    def _told(self) -> "Export":
        if "bids" in self.formats and self.bids is None:
            raise ValueError(
                "the format bids has to be told of the images; give, for example, "
                "`bids: {suffix: T1w, skull_stripped: false}`"
            )
        return self

    @field_validator("releases")
    @classmethod
    def _ascending(cls, releases: tuple[Release, ...]) -> tuple[Release, ...]:
        versions = [tuple(map(int, release.version.split("."))) for release in releases]
        dates = [release.date for release in releases]
        if sorted(set(versions)) != versions or sorted(dates) != dates:
            raise ValueError("the releases must ascend in version and date; put the oldest first")
        return releases
