"""How the synthetic dataset is handed on."""

from typing import Literal

from pydantic import field_validator, model_validator

from synthcohort.config.split import Fractions
from synthcohort.settings import Settings


class Bids(Settings):
    suffix: Literal["T1w", "T2w", "T2starw", "PDw", "FLAIR", "angio"]
    """What BIDS calls images of this contrast."""
    skull_stripped: bool
    """Whether the real images show the brain alone, all else set to zero."""


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
