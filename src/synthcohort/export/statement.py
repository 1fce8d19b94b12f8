"""What an exported dataset is, whatever files it lies in: its content, version, makers and origin.

The statement stands in results.json under "dataset". Card and croissant.json are written from it,
and `synthcohort verify` holds all files of the folder against it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from synthcohort import __version__, sources
from synthcohort.cohort import number_text
from synthcohort.config import Config
from synthcohort.export.imagefolder import FOLDERS
from synthcohort.models.start_folder import GivenWeights
from synthcohort.samples import shards

# What precedes the hash in the version of a dataset of which no release is stated.
UNRELEASED = "0.0.0"


class Software(BaseModel):
    """What has made the dataset."""

    name: str = "synthcohort"
    version: str = __version__
    revision: str
    """Of git; "" where it is not known."""


class Origin(BaseModel):
    """The real images that the model was trained on."""

    kind: str
    images: str
    """Whose they are."""
    terms: str
    note: str
    gated: bool


class Statement(BaseModel):
    """Everything a receiver holds the files against."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    title: str
    version: str
    """<release>+<the first 12 digits of `content`>, a semantic version."""
    content: str
    """The sha256 of the images with their labels and splits, see `content_hash`."""
    date: str
    """Day of the release, as 2026-11-25; "" where none is stated."""
    licence: str
    creator: str
    contact: str
    url: str
    formats: list[str]
    """In which the images are there."""
    shape: tuple[int, int, int]
    """C×H×W of an image."""
    bits: int
    label_names: list[str]
    """In the order of their numbers; [""] without labels."""
    label_numbers: list[int]
    """The class number of each."""
    attributes: list[str]
    multi_label: bool
    """Whether the attributes, 0 or 1 each, are the labels."""
    splits: list[str]
    """The folders of those that have images."""
    counts: list[list[int]]
    """How many images each split has of each label."""
    software: Software
    origin: Origin
    given_weights: tuple[GivenWeights, ...] = ()
    """Those that a training started from; none where all began at random."""

    @property
    def labels(self) -> dict[str, int]:
        """The class number of each label."""
        return dict(zip(self.label_names, self.label_numbers, strict=True))

    @property
    def images(self) -> dict[str, int]:
        """How many images each split has."""
        return {name: sum(of) for name, of in zip(self.splits, self.counts, strict=True)}

    @property
    def count(self) -> int:
        """How many images there are."""
        return sum(self.images.values())

    @property
    def labelled(self) -> bool:
        """Whether each image has one label."""
        return self.label_names != [""]

    @model_validator(mode="after")
    def _whole(self) -> "Statement":
        labels = len(self.label_names)
        if len(set(self.label_names)) != labels or len(self.label_numbers) != labels:
            raise ValueError("label_names and label_numbers do not belong together")
        if len(self.counts) != len(self.splits) or any(len(of) != labels for of in self.counts):
            raise ValueError("counts has not one number for each split and label")
        if not self.splits or not set(self.splits) <= set(FOLDERS.values()):
            raise ValueError(f"splits has others than {', '.join(FOLDERS.values())}, or none")
        return self


def state(
    system: Config,
    samples: Sequence,
    sampled: shards.Samples,
    split: np.ndarray,
    revision: str,
    given_weights: Sequence[GivenWeights] = (),
) -> Statement:
    """The statement of the dataset that is made of the shards `samples` by `split` (N texts, see
    `assign`), with the software at `revision` and trainings that started from `given_weights`."""
    content = content_hash(_records(samples, sampled, split))
    settings, terms = system.export, sources.terms(system.source)
    places = range(len(sampled.label_names))
    release = settings.releases[-1] if settings.releases else None
    return Statement(
        name=system.name,
        title=settings.title,
        version=f"{release.version if release else UNRELEASED}+{content[:12]}",
        content=content,
        date=release.date.isoformat() if release else "",
        licence=settings.licence,
        creator=settings.creator,
        contact=settings.contact,
        url=settings.url,
        formats=settings.formats,
        shape=sampled.shape,
        bits=8 * sampled.dtype.itemsize,
        label_names=sampled.label_names,
        label_numbers=sampled.label_numbers.tolist(),
        attributes=sampled.attribute_names,
        multi_label=sampled.multi_label,
        splits=[folder for part, folder in FOLDERS.items() if part in split],
        counts=[
            [int(np.sum((split == part) & (sampled.labels == place))) for place in places]
            for part in FOLDERS
            if part in split
        ],
        software=Software(revision=revision),
        origin=Origin(
            kind=system.source.kind,
            images=terms.source,
            terms=terms.name,
            note=terms.note,
            gated=terms.gated,
        ),
        given_weights=tuple(given_weights),
    )


def _records(samples: Sequence, sampled: shards.Samples, split: np.ndarray) -> Iterable[str]:
    for row, image in shards.taken(samples, split != ""):
        label = sampled.labels[row]
        yield record(
            FOLDERS[split[row]],
            sampled.label_names[label],
            int(sampled.label_numbers[label]),
            [number_text(value) for value in sampled.attributes[row]],
            image[0] if len(image) == 1 else np.moveaxis(image, 0, -1),
        )


def record(
    folder: str, label: str, number: int, attributes: Sequence[str], image: np.ndarray
) -> str:
    """One image as it counts for the content: the folder of its split, its label and class number,
    its attributes as metadata.csv has them, and the sha256 of its pixels (see `pixel_hash`), as a
    JSON list."""
    values = [folder, label, number, list(attributes), pixel_hash(image)]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def pixel_hash(image: np.ndarray) -> str:
    """The sha256 of an image (H×W or H×W×3, uint8 or uint16): its type and shape as in "uint8
    48x48", a line feed, and its pixels row by row, the low byte first."""
    head = f"{image.dtype.name} {'x'.join(map(str, image.shape))}\n".encode()
    low_first = image.astype(image.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(head + np.ascontiguousarray(low_first).tobytes()).hexdigest()


def content_hash(records: Iterable[str]) -> str:
    """The sha256 of all `record`s, sorted, each with a line feed behind it. Neither the files'
    format nor the order of the images nor the software's version has a part in it."""
    whole = hashlib.sha256()
    for line in sorted(records):
        whole.update(line.encode() + b"\n")
    return whole.hexdigest()


def count_table(stated: Statement) -> str:
    """The number of images by label and split, as a Markdown table."""
    lines = [
        "| Class | Label | " + " | ".join(stated.splits) + " |",
        "|---:|---" + "|---:" * len(stated.splits) + "|",
    ]
    for place, (name, number) in enumerate(stated.labels.items()):
        label = (name or "(none)").replace("|", "\\|")
        counts = " | ".join(str(of[place]) for of in stated.counts)
        lines.append(f"| {number} | {label} | {counts} |")
    return "\n".join(lines)
