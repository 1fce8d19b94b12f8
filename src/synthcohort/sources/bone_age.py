"""RSNA paediatric bone age: radiographs of left hands with sex and bone age.

The training set is read: boneage-training-dataset.csv (id, boneage in months, male) and
boneage-training-dataset/<id>.png, 8 bits grey, of differing sizes (`prepare.fit: pad` keeps their
aspect ratio). The test set is left out, as it comes without bone ages; the split makes a test part.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from synthcohort.errors import UserError, first
from synthcohort.intake import ids, pictures, tables
from synthcohort.intake.finder import find
from synthcohort.progress import progress
from synthcohort.settings import Settings
from synthcohort.sources import Image, Terms

TERMS = Terms(
    name="RSNA Pediatric Bone Age Challenge terms of use",
    source="hand radiographs of the RSNA Pediatric Bone Age Challenge 2017 (Halabi et al., "
    "Radiology 290, 2019)",
    note="The images are for non-commercial research and education; publications cite the "
    "challenge's paper.",
)
_SET = "boneage-training-dataset"
_SEX = {"true": "male", "false": "female"}


class Source(Settings):
    kind: Literal["bone_age"] = "bone_age"
    root: Path
    """Folder that holds boneage-training-dataset.csv and boneage-training-dataset/."""


def read(settings: Source, root: Path | None = None) -> Iterator[Image]:
    """Every training image, H×W uint8, sorted by id; `settings.root` is read, not `root`.

    The id is the patient, the sex is the label, and `attributes` holds `age_months`.

    Raises:
        UserError: no such folder or no images in it; the table lacks a column or says what it
            should not; an id without an image or an image without a row; an unreadable image.
    """
    if not settings.root.is_dir():
        raise UserError(f"source.root: {settings.root} is not a folder; give the data set's folder")
    rows, files = _rows(settings.root / f"{_SET}.csv"), _files(settings.root / _SET)
    for faults, what in (
        (sorted(set(rows) - set(files)), f"ids have no image <id>.png in {settings.root / _SET}"),
        (sorted(set(files) - set(rows)), f"images have no row in {_SET}.csv"),
    ):
        if faults:
            raise UserError(
                f"{settings.root}: {len(faults)} {what}, {first(faults)}; fetch the data set "
                "again, or take these out"
            )
    if (settings.root / "boneage-test-dataset").exists():
        print("Note: boneage-test-dataset is left out: it has no bone ages", file=sys.stderr)
    reader = pictures.Reader(settings.root)
    for name, (label, age) in progress("reading images", of=sorted(rows.items())):
        yield Image(
            pixels=reader.pixels(files[name]),
            image_id=files[name].stem,
            patient_id=files[name].stem,
            source_file=files[name].relative_to(settings.root).as_posix(),
            label=label,
            attributes={"age_months": age},
        )
    reader.judge()


def _rows(path: Path) -> dict[str, tuple[str, float]]:
    """Label and bone age in months by the key of the id."""
    rows: dict[str, tuple[str, float]] = {}
    for line, row in tables.rows(path, dict.fromkeys(("id", "boneage", "male"), "")):
        try:
            age = float(row["boneage"])
        except ValueError:
            age = 0.0
        if not 0 < age < 1200:
            raise UserError(
                f"{path}: line {line}: boneage is {row['boneage']!r}; expected months above 0"
            )
        if row["male"].lower() not in _SEX:
            raise UserError(f"{path}: line {line}: male is {row['male']!r}; expected True or False")
        name = ids.key(row["id"])
        if name in rows or ids.is_unknown(row["id"]):
            raise UserError(
                f"{path}: line {line}: the id {row['id']!r} is "
                f"{'there before' if name in rows else 'empty'}; expected one of its own for every "
                "row"
            )
        rows[name] = _SEX[row["male"].lower()], age
    if not rows:
        raise UserError(f"{path}: has no rows below its header; expected one an image")
    return rows


def _files(images: Path) -> dict[str, Path]:
    """The images by the key of their id, at any depth: one of the published archives has a folder
    in the folder."""
    files: dict[str, Path] = {}
    for path in find(images, (".png",)).files if images.is_dir() else ():
        name = ids.key(path.stem)
        if name in files:
            raise UserError(f"{path}: there is another {path.name} at {files[name]}; keep one")
        files[name] = path
    if not files:
        raise UserError(
            f"{images}: no images; expected a folder with <id>.png files; check source.root"
        )
    return files
