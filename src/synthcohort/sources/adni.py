"""ADNI brain MRI, from a folder of one's own: 2-D slices as JPEG, or NIfTI volumes.

JPEG slices lie in train/ and test/, each with AD/ and NC/, as <image id>_<slice>.jpeg. The image id
is a scan's, not a patient's, and neighbouring ids are often one brain: `table` tells whose. Without
it each scan counts as a patient; `split.near_duplicates: join` then keeps scans together that look
nearly identical, and only those.

NIfTI volumes lie as the archive packs them, <subject>/<description>/<date>/<image id>/*.nii[.gz],
with file names that end in _I<image id>; `table` gives subject and group.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from synthcohort.errors import UserError, first
from synthcohort.intake import ids, pictures, tables
from synthcohort.intake.finder import find, hidden
from synthcohort.progress import progress
from synthcohort.settings import Settings
from synthcohort.sources import Image, Terms, nifti

TERMS = Terms(
    name="ADNI Data Use Agreement",
    source="brain MRI of the Alzheimer's Disease Neuroimaging Initiative (ADNI, adni.loni.usc.edu)",
    note="They forbid passing on the data of individual participants in any manner, restrict "
    "whatever is derived from them and still describes participants, and ask publications to name "
    "ADNI as the source.",
    gated=True,
)
_LABELS = ("AD", "NC")
_JPEG = re.compile(r"(?P<scan>\d+)_(?P<slice>\d+)\.jpe?g", re.IGNORECASE)
_VOLUME = re.compile(r".*_I(?P<scan>\d+)\.nii(\.gz)?", re.IGNORECASE)
_PARTS = ("train", "test")


class Source(Settings):
    kind: Literal["adni"] = "adni"
    root: Path
    """Folder that holds train/ and test/ (`layout: jpeg`) or the archive's volumes, at any depth
    (`layout: nifti`)."""
    layout: Literal["jpeg", "nifti"] = "jpeg"
    """`jpeg`: slices as <image id>_<slice>.jpeg in folders by split and group; `nifti`: volumes in
    the archive's own folders."""
    table: Path | None = None
    """The CSV file that the archive gives with a collection (absolute, or relative to `root`), with
    the columns Image Data ID, Subject and Visit, for volumes Group as well. It decides the patient
    and the session; without it every scan of `layout: jpeg` is a patient of its own."""
    slicing: nifti.Slicing = nifti.Slicing()
    """Which slices are taken from a volume; `layout: jpeg` has its own."""

    @model_validator(mode="after")
    def _of_the_layout(self) -> "Source":
        if self.layout == "jpeg" and self.slicing != nifti.Slicing():
            raise ValueError("slicing is for layout: nifti; JPEG slices are cut already")
        if self.layout == "nifti" and self.table is None:
            raise ValueError("layout: nifti needs the archive's CSV file as `table`")
        return self


def read(settings: Source, root: Path | None = None) -> Iterator[Image]:
    """Every slice, sorted by path; `settings.root` is read, not `root`.

    JPEG slices come as they are (240×256 uint8 in the known set) with the label and the official
    split of their folders, volumes as `nifti.slices` gives them with the table's group as label.

    Raises:
        UserError: the folders or their files are not as described above, the table lacks a column
            or a scan, or an image cannot be read.
    """
    if not settings.root.is_dir():
        raise UserError(f"source.root: {settings.root} is not a folder; give the images' folder")
    return _jpegs(settings) if settings.layout == "jpeg" else _volumes(settings)


def _jpegs(settings: Source) -> Iterator[Image]:
    for part in _PARTS:
        _check_labels(settings.root / part)
    paths = find(
        settings.root,
        lambda path: path.parts[0] in _PARTS and path.parts[1:-1] in ((name,) for name in _LABELS),
        besides=[settings.table] if settings.table else [],
    ).files
    found = [
        (path, *path.relative_to(settings.root).parts[:2], match)
        for path, match in _matched(paths, _JPEG, "<image id>_<slice>.jpeg")
    ]
    found.sort(key=lambda of: (*of[1:3], int(of[3]["scan"]), int(of[3]["slice"])))
    rows = _rows(settings, [of[3]["scan"] for of in found])
    reader = pictures.Reader(settings.root)
    for path, part, label, match in progress("reading images", of=found):
        scan = match["scan"]
        row = rows.get(ids.key(scan), {})
        yield Image(
            pixels=reader.pixels(path),
            image_id=f"{scan}_{match['slice']}",
            patient_id=row.get("Subject", scan),
            session=row.get("Visit", ""),
            slice=match["slice"],
            source_file=path.relative_to(settings.root).as_posix(),
            label=label,
            split=part,
        )
    reader.judge()


def _volumes(settings: Source) -> Iterator[Image]:
    besides = [settings.table] if settings.table else []
    paths = find(settings.root, (".nii", ".nii.gz"), besides=besides).files
    if not paths:
        raise UserError(f"{settings.root}: no volumes; expected …/<image id>/*.nii[.gz]")
    found = _matched(paths, _VOLUME, "…_I<image id>.nii[.gz]")
    rows = _rows(settings, [match["scan"] for _, match in found])
    remarks = nifti.Remarks()
    for path, match in progress("reading volumes", of=found, unit="volume"):
        row = rows[ids.key(match["scan"])]
        for index, place, picture in nifti.slices(path, settings.slicing, remarks=remarks):
            yield Image(
                pixels=picture,
                image_id=f"I{match['scan']}_{place}",
                patient_id=row["Subject"],
                session=row["Visit"],
                slice=str(index),
                source_file=path.relative_to(settings.root).as_posix(),
                label=row["Group"],
            )
    remarks.tell()


def _check_labels(part: Path) -> None:
    """Refuse a part of the official split that holds other things than the labels' folders."""
    entries = sorted(part.iterdir()) if part.is_dir() else []
    names = [path.name for path in entries if not hidden(Path(path.name))]
    if sorted(names) != sorted(_LABELS) or not all((part / name).is_dir() for name in _LABELS):
        raise UserError(
            f"{part}: expected a folder with the folders {' and '.join(_LABELS)}, found "
            f"{first(names) or 'none'}; source.root is the folder that holds train/ and test/"
        )


def _matched(
    paths: list[Path], expression: re.Pattern[str], expected: str
) -> list[tuple[Path, re.Match[str]]]:
    matches = [(path, expression.fullmatch(path.name)) for path in paths]
    odd = [str(path) for path, match in matches if match is None]
    if odd:
        raise UserError(
            f"{len(odd)} files are not named {expected}, {first(odd)}; without the image id nobody "
            "knows which scan they are of: rename them or take them out"
        )
    return [(path, match) for path, match in matches if match]


def _rows(settings: Source, scans: list[str]) -> dict[str, dict[str, str]]:
    """The table's row of every scan by image id; none where there is no table."""
    if settings.table is None:
        return {}
    path = settings.root / settings.table
    needed = ["Subject", *(["Group"] if settings.layout == "nifti" else [])]
    rows: dict[str, dict[str, str]] = {}
    place: dict[str, int] = {}
    for line, row in tables.rows(path, dict.fromkeys(["Image Data ID", *needed, "Visit"], "")):
        scan = ids.key(row["Image Data ID"].removeprefix("I"))
        if rows.setdefault(scan, row) != row:
            raise UserError(
                f"{path}: line {line}: the image id {scan} has another row before, which differs; "
                "keep the right one"
            )
        place.setdefault(scan, line)
    wanted = sorted({ids.key(scan) for scan in scans}, key=int)
    there = [scan for scan in wanted if scan in rows]

    def unknown(name: str) -> list[str]:
        return [
            f"I{scan} in line {place[scan]} ({rows[scan][name]!r})"
            for scan in there
            if ids.is_unknown(rows[scan][name])
        ]

    for faults, what in (
        (
            [f"I{scan}" for scan in wanted if scan not in rows],
            "are not in its column Image Data ID",
        ),
        *((unknown(name), f"have no {name}") for name in needed),
    ):
        if faults:
            raise UserError(
                f"{path}: {len(faults)} of {len(wanted)} scans {what}, "
                f"{first(faults)}; fetch the collection's CSV file again "
                "with these images in it, or take the images out"
            )
    return rows
