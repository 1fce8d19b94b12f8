"""MedMNIST (Yang 2023): any of its 2-D sets, or a user's own npz in the same layout."""

import difflib
import importlib.util
import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from synthcohort.errors import UserError
from synthcohort.intake import npz, published
from synthcohort.intake.download import download
from synthcohort.intake.used_range import UsedRange
from synthcohort.progress import progress
from synthcohort.sources import SPLITS, Declared, Image, Terms, stated
from synthcohort.sources.medmnist import layout


class Source(Declared):
    kind: Literal["medmnist"] = "medmnist"
    flag: str = ""
    """Which set, as the package medmnist calls it: pathmnist, chestmnist, pneumoniamnist, …"""
    size: Literal[28, 64, 128, 224] = 28
    """Which of the set's versions: height and width in pixels."""
    root: Path | None = None
    """Folder that holds the set's file as MedMNIST names it (chestmnist.npz, chestmnist_64.npz);
    without it the file is downloaded."""
    path: Path | None = None
    """In place of `flag`: an npz of one's own with {train,val,test}_images (N×H×W or N×H×W×3, uint8
    or uint16) and {train,val,test}_labels (N×1 class numbers, or N×K zeros and ones, a column a
    finding). Arrays {train,val,test}_patients (N numbers or texts) may say whose the images are;
    otherwise each image counts as a patient of its own. Arrays label_names and label_numbers, as
    the export writes them, name the classes or findings."""
    labels: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Names of the classes or findings in `path`, in order of their numbers from 0; by default
    those in the file, or the numbers themselves."""
    bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """How many bits of uint16 images in `path` are used: 12 where the values end at 4095. They are
    spread over the whole range. By default all 16 are, and a cohort that would come out dark so is
    refused."""
    altered: Annotated[dict[str, published.Checksum], Field(default_factory=dict)]
    """A file of `flag` that is used though it is not as MedMNIST published it, with its checksum:
    `pneumoniamnist.npz: md5:…`. The dataset card tells it."""

    @model_validator(mode="after")
    def _one_place(self) -> "Source":
        if bool(self.flag) == bool(self.path):
            raise ValueError("give either flag (a set of MedMNIST) or path (an npz of one's own)")
        if self.path and self.root:
            raise ValueError("root is where the file of a flag lies; with path leave it out")
        if self.flag and self.labels:
            raise ValueError("the labels of a flag have their names; give labels with path only")
        if self.flag and (self.licence or self.gated):
            raise ValueError("a flag has its licence; give licence and gated with path only")
        if self.flag and self.bits:
            raise ValueError("the images of a flag have 8 bits; give bits with path only")
        if self.path and self.altered:
            raise ValueError("nobody has published the file of a path; give altered with flag only")
        if self.flag.endswith("3d"):
            raise ValueError(f"{self.flag} holds volumes; the 2-D sets alone can be read")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels has a name twice; each needs one of its own")
        return self


def terms(settings: Source) -> Terms:
    """The licence of the chosen set, or what the user has declared of an npz of their own.

    Raises:
        UserError: an unknown flag.
    """
    if settings.path:
        return stated(settings)
    info = _info(settings.flag)
    source = f"{info['python_class']}, a set of MedMNIST (Yang 2023)"
    if settings.altered:
        return Terms(
            info["license"],
            f"{source}, {published.told(settings.altered)}",
            "They are those of the set as it was published.",
        )
    return Terms(info["license"], source)


def fetch(settings: Source, root: Path, seed: int) -> None:
    """Download the set's file into the empty folder `root`."""
    info = _info(settings.flag)
    version = _version(settings)
    print(f"Note: {settings.flag} has the licence {info['license']}", file=sys.stderr, flush=True)
    name = _file_name(settings)
    download(
        info[f"url{version}"],
        root / name,
        checksum=f"md5:{info[f'MD5{version}']}",
        otherwise=f"put it as {name} into a folder and name that as source.root",
    )


def read(settings: Source, root: Path | None) -> Iterator[Image]:
    """The images of train, val and test, H×W or H×W×3, uint8 or uint16, in the file's order.

    Classes become the label; findings of which an image may have several become its attributes, 0
    or 1 each, and the label stays empty.

    Raises:
        UserError: an unknown flag; the file is absent, cannot be read, or is not in the layout;
            labels that do not fit the images or the names.
    """
    info = _info(settings.flag) if settings.flag else None
    given = dict(enumerate(info["label"].values() if info else settings.labels))
    path = settings.path or (settings.root or root) / _file_name(settings)
    if not path.exists() and not path.is_symlink():
        raise UserError(
            f"{path}: there is no such file; check source.path or source.root, or leave "
            "source.root out to download a set of MedMNIST"
        )
    used = UsedRange(path, settings.bits, "source.bits")
    with npz.opened(path) as archive:
        if info:
            _check_published(settings, info, path)
        names = layout.names_of(archive, path, given)
        parts = [layout.part(archive, path, split) for split in SPLITS]
        several = layout.several(parts, names, path)
        if unread := sorted({*archive.names} - layout.KNOWN):
            print(f"Note: {path}: not read: {', '.join(unread)}", file=sys.stderr, flush=True)
        with progress("reading images", total=sum(part.shape[0] for part in parts)) as bar:
            for part in parts:
                pictures = archive.rows(f"{part.split}_images")
                rows = zip(pictures, part.labels.tolist(), strict=True)
                for i, (pixels, label) in enumerate(rows):
                    image_id = f"{part.split}-{i:06d}"
                    yield Image(
                        pixels=used.scaled(pixels, f"{path}: {part.split}_images[{i}]"),
                        image_id=image_id,
                        patient_id=part.patients[i] if part.patients else image_id,
                        source_file=path.name,
                        split=part.split,
                        label="" if several else names.get(label[0], str(label[0])),
                        class_number=None if several else label[0],
                        attributes={names.get(k, str(k)): float(has) for k, has in enumerate(label)}
                        if several
                        else {},
                    )
                    bar.update()
    used.judge()


def _info(flag: str) -> Mapping[str, Any]:
    """What the package medmnist knows of a set: addresses, md5, names of the labels, licence."""
    # Run alone: the package around it imports torch, and this is asked with every configuration.
    package = Path(importlib.util.find_spec("medmnist").origin)
    known = runpy.run_path(str(package.with_name("info.py")))["INFO"]
    sets = [name for name in known if not name.endswith("3d")]
    if flag not in sets:
        close = difflib.get_close_matches(flag, sets)
        raise UserError(
            f"source.flag: MedMNIST has no 2-D set {flag!r}; "
            + (f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sets)}")
        )
    return known[flag]


def _version(settings: Source) -> str:
    """What the size adds to the names of a set's file, address and md5."""
    return "" if settings.size == 28 else f"_{settings.size}"


def _file_name(settings: Source) -> str:
    return f"{settings.flag}{_version(settings)}.npz"


def _check_published(settings: Source, info: Mapping[str, Any], path: Path) -> None:
    with path.open("rb") as file:
        found = {path.name: published.checksum(file)}
    known = {path.name: f"md5:{info[f'MD5{_version(settings)}']}"}
    published.check(path.parent, found, known, settings.altered)
