"""NIfTI volumes in BIDS naming: 2-D slices of every `sub-*/[ses-*/]anat/*_<suffix>.nii[.gz]`."""

import csv
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from synthcohort.cohort import Image
from synthcohort.errors import UserError
from synthcohort.settings import Settings
from synthcohort.sources import Declared

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

# The axis a plane's slices follow, in right–anterior–superior order, and its letter in image ids.
_AXES = {"sagittal": (0, "x"), "coronal": (1, "y"), "axial": (2, "z")}


class Slicing(Settings):
    """Which pictures are taken from a volume."""

    plane: Literal["axial", "coronal", "sagittal"] = "axial"
    """Plane of the slices. They are shown in the radiological convention: superior, or anterior in
    axial slices, at the top; the patient's right, or anterior in sagittal slices, on the left."""
    slices: Annotated[int, Field(gt=0)] = 12
    """Slices taken from every volume, evenly spaced within `slice_range`."""
    slice_range: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]] = (
        0.35,
        0.65,
    )
    """First and last slice as a share of the volume's extent, from inferior (axial), posterior
    (coronal) or the patient's left (sagittal) to the opposite side."""
    percentiles: tuple[
        Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]
    ] = (0.5, 99.5)
    """Percentiles of the whole volume's intensities that become black and white; intensities beyond
    them are clipped."""
    depth: Literal[8, 16] = 8
    """Bits a pixel."""
    spacing: Annotated[float, Field(gt=0)] | None = None
    """Pixel size in mm that slices are resampled to; by default the finer one of the two in the
    plane, so that slices whose pixels are square already stay as they are."""

    @model_validator(mode="after")
    def _ascending(self) -> "Slicing":
        if self.slice_range[0] > self.slice_range[1]:
            raise ValueError("the ends of slice_range must not descend")
        if self.percentiles[0] >= self.percentiles[1]:
            raise ValueError("the two percentiles must ascend")
        return self


class Source(Slicing, Declared):
    kind: Literal["nifti"] = "nifti"
    root: Path
    """Folder of the BIDS dataset: the one that holds sub-*/ and participants.tsv."""
    suffix: str = "T1w"
    """Which images: the last part of the file names, such as T1w, T2w or FLAIR."""
    label: str = ""
    """Column of participants.tsv that holds the label; empty for a cohort without labels."""


def read(settings: Source, root: Path | None) -> Iterator[Image]:
    """The slices of every volume, H×W uint8 or uint16 with square pixels, in order of file names.

    The patient and the session are named as their folders are, sub-… and ses-…; `slice` is the
    slice's index along the patient's axis. `settings.root` is read, not `root`.

    Raises:
        UserError: the root is absent or has no such volumes; a volume cannot be read, is not
            three-dimensional, has no orientation, is not finite, is constant or has too few slices;
            participants.tsv lacks the column, a participant or a participant's label.
    """
    volumes = _find(settings)
    labels = _labels(settings) if settings.label else {}
    for path in volumes:
        relative = path.relative_to(settings.root)
        patient = relative.parts[0]
        if settings.label and patient not in labels:
            raise UserError(
                f"{settings.root / 'participants.tsv'}: no row for {patient}, of which there is "
                f"{relative}; add the row or move the volume away"
            )
        for index, place, picture in slices(path, settings):
            yield Image(
                pixels=picture,
                image_id=f"{path.name.removesuffix('.gz').removesuffix('.nii')}_{place}",
                patient_id=patient,
                session=relative.parts[1] if len(relative.parts) == 4 else "",
                slice=str(index),
                source_file=relative.as_posix(),
                label=labels.get(patient, ""),
            )


def slices(path: Path, settings: Slicing) -> Iterator[tuple[int, str, np.ndarray]]:
    """The slices of one volume: index along the patient's axis, its name (z012), the pixels.

    Pixels are square, H×W uint8 or uint16.

    Raises:
        UserError: as `read` does for a volume.
    """
    voxels, zooms = _canonical(path)
    yield from cut(_rescaled(voxels, settings, path), zooms, settings, path)


def cut(
    voxels: np.ndarray, zooms: Sequence[float], settings: Slicing, path: Path
) -> Iterator[tuple[int, str, np.ndarray]]:
    """The slices of a volume in memory, as `slices` gives them; `path` is for messages.

    `voxels` is X×Y×Z float32 over [0, 1], towards right, anterior and superior; `zooms` are the
    three sizes of a voxel in mm.

    Raises:
        UserError: the volume has too few slices.
    """
    axis, letter = _AXES[settings.plane]
    in_plane = [zoom for i, zoom in enumerate(zooms) if i != axis]
    for index in _positions(voxels.shape[axis], settings, path):
        # Rows run downwards and columns to the right: against both of the patient's axes.
        picture = np.take(voxels, index, axis=axis)[::-1, ::-1].T
        squared = _squared(picture, in_plane[::-1], settings)
        yield int(index), f"{letter}{index:03d}", squared


def _find(settings: Source) -> list[Path]:
    if not settings.root.is_dir():
        raise UserError(f"source.root: {settings.root} is not a folder; give the BIDS dataset's")
    found = sorted(
        path
        for folder in ("sub-*/anat", "sub-*/ses-*/anat")
        for ending in (".nii", ".nii.gz")
        for path in settings.root.glob(f"{folder}/*_{settings.suffix}{ending}")
    )
    if not found:
        raise UserError(
            f"{settings.root}: no volumes; expected sub-*/anat/*_{settings.suffix}.nii[.gz] or "
            f"sub-*/ses-*/anat/*_{settings.suffix}.nii[.gz]; check source.root and source.suffix"
        )
    return found


def _labels(settings: Source) -> dict[str, str]:
    """The label of every participant that participants.tsv gives one."""
    path = settings.root / "participants.tsv"
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file, but source.label asks for its column "
            f"{settings.label!r}; add the file or leave source.label empty"
        )
    try:
        table = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter="\t")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error}); save it again as UTF-8") from error
    columns = table.fieldnames or []
    for column in ("participant_id", settings.label):
        if column not in columns:
            raise UserError(f"{path}: no column {column!r}; the columns are {', '.join(columns)}")
    labels: dict[str, str] = {}
    for row in table:
        patient, label = row["participant_id"], row[settings.label]
        if label in (None, "", "n/a"):
            raise UserError(
                f"{path}: line {table.line_num}: {patient} has no value in the column "
                f"{settings.label!r}; fill it in, or take the participant and the volumes out"
            )
        if patient in labels:
            raise UserError(
                f"{path}: line {table.line_num}: {patient} has a second row; keep one of them"
            )
        labels[patient] = label
    return labels


def _canonical(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    """The voxels, X×Y×Z float32 towards right, anterior and superior, and their sizes in mm."""
    import nibabel

    unreadable = (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
    )
    try:
        image = nibabel.funcs.squeeze_image(nibabel.load(path))
        _check_header(image, path)
        image = nibabel.as_closest_canonical(image)
        voxels = image.get_fdata(dtype=np.float32, caching="unchanged")
    except unreadable as error:
        raise UserError(
            f"{path}: cannot be read as a NIfTI volume: {error}; it may be truncated, so fetch or "
            "convert it again"
        ) from error
    bad = np.count_nonzero(~np.isfinite(voxels))
    if bad:
        raise UserError(
            f"{path}: {bad} of {voxels.size} voxels are NaN or infinite; mend the volume, for "
            "instance by setting them to the background's value"
        )
    return voxels, tuple(nibabel.affines.voxel_sizes(image.affine))


def _check_header(image: "SpatialImage", path: Path) -> None:
    if len(image.shape) != 3:
        raise UserError(
            f"{path}: expected a volume of three dimensions, got the shape {image.shape}"
        )
    if image.get_data_dtype().kind not in "iuf":
        raise UserError(
            f"{path}: expected one real number a voxel, got the type {image.get_data_dtype()}"
        )
    affine = image.affine[:3, :3]
    coded = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
    if not coded or not np.isfinite(affine).all() or np.linalg.det(affine) == 0:
        raise UserError(
            f"{path}: the header does not say how the patient lies (sform and qform are unset or "
            "singular); convert the volume again with a tool that keeps the orientation"
        )


def _rescaled(voxels: np.ndarray, settings: Slicing, path: Path) -> np.ndarray:
    """The intensities between the two percentiles over [0, 1]."""
    black, white = np.percentile(voxels, settings.percentiles)
    if black == white:
        raise UserError(
            f"{path}: the percentiles {settings.percentiles[0]:g} and {settings.percentiles[1]:g} "
            f"of its intensities are both {black:g}: the volume is constant, or nearly; take it "
            "out or change source.percentiles"
        )
    return np.clip((voxels - black) / (white - black), 0, 1)


def _positions(count: int, settings: Slicing, path: Path) -> np.ndarray:
    """The indices of the slices that are taken, ascending."""
    first, last = settings.slice_range
    indices = np.unique(
        np.rint(np.linspace(first, last, settings.slices) * (count - 1)).astype(int)
    )
    if len(indices) < settings.slices:
        raise UserError(
            f"{path}: has {count} {settings.plane} slices, too few for {settings.slices} different "
            f"ones between {first:g} and {last:g} of its extent; widen source.slice_range or lower "
            "source.slices"
        )
    return indices


def _squared(picture: np.ndarray, zooms: list[float], settings: Slicing) -> np.ndarray:
    """`picture` with pixels of one size in both directions, over the full range of its type."""
    spacing = settings.spacing or min(zooms)
    shape = tuple(
        max(1, round(float(n * zoom / spacing)))
        for n, zoom in zip(picture.shape, zooms, strict=True)
    )
    if shape != picture.shape:
        from skimage.transform import resize

        picture = resize(picture, shape, order=1, anti_aliasing=True)
    full = np.iinfo(np.uint8 if settings.depth == 8 else np.uint16)
    return np.rint(picture * full.max).astype(full.dtype)
