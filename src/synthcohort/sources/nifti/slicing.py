"""Pictures from a volume: which slices are taken, and how they are scaled and resampled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from synthcohort.errors import UserError
from synthcohort.settings import Settings
from synthcohort.sources.nifti import geometry, volume
from synthcohort.sources.nifti.remarks import Remarks

# The axis a plane's slices follow, in right–anterior–superior order, and its letter in image ids.
_AXES = {"sagittal": (0, "x"), "coronal": (1, "y"), "axial": (2, "z")}

# Pixels that the side of a slice has at least, and at most where it is enlarged.
_SIDES = (4, 4096)
# Degrees from which it is told that slices do not follow the patient's axes, or that their rows
# and columns do not meet at right angles.
_OBLIQUE = 10
_SHEARED = 1


class Cut(Settings):
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
    def _ascending(self) -> "Cut":
        if self.slice_range[0] > self.slice_range[1]:
            raise ValueError("the ends of slice_range must not descend")
        if self.percentiles[0] >= self.percentiles[1]:
            raise ValueError("the two percentiles must ascend")
        return self


class Slicing(Cut):
    """Which pictures are taken from a NIfTI volume, and what of its header is believed."""

    form: geometry.Form | None = None
    """Which of the two geometries in a header is right where they disagree, by more than 1 % in a
    voxel's size or in the direction of an axis: `sform`, or `qform` with pixdim. By default a
    volume is refused then, unless one of them says no more than 1 mm along each axis, as nobody
    has set it; the other one is taken and told."""


def slices(
    path: Path, settings: Slicing, *, remarks: Remarks | None = None, channel: int | None = None
) -> Iterator[tuple[int, str, np.ndarray]]:
    """The slices of one volume: index along the patient's axis, its name (z012), the pixels.

    Pixels are square, H×W uint8 or uint16. What is worth a word goes to `remarks`, or is told at
    once without it. `channel` is taken of a volume with a fourth axis.

    Raises:
        UserError: the volume cannot be read, is not three-dimensional, has no certain geometry, is
            not finite, is constant, has too few slices or slices too small or large.
    """
    said = Remarks() if remarks is None else remarks
    voxels, steps = volume.load(path, settings.form, channel, said)
    axis, _ = _AXES[settings.plane]
    _tell_angles(steps, axis, path, said)
    if remarks is None:
        said.tell()
    yield from cut(_rescaled(voxels, settings, path), geometry.sizes(steps), settings, path)


def cut(
    voxels: np.ndarray, zooms: np.ndarray, settings: Cut, path: Path
) -> Iterator[tuple[int, str, np.ndarray]]:
    """The slices of a volume in memory, as `slices` gives them; `path` is for messages.

    `voxels` is X×Y×Z over [0, 1], towards right, anterior and superior; `zooms` are the three sizes
    of a voxel in mm.

    Raises:
        UserError: the volume has too few slices, or slices too small or large.
    """
    axis, letter = _AXES[settings.plane]
    in_plane = np.delete(zooms, axis)
    shape = _shape(np.delete(voxels.shape, axis)[::-1], in_plane[::-1], settings, path)
    for index in _positions(voxels.shape[axis], settings, path):
        # Rows run downwards and columns to the right: against both of the patient's axes.
        picture = np.take(voxels, index, axis=axis)[::-1, ::-1].T
        yield int(index), f"{letter}{index:03d}", _resampled(picture, shape, settings)


def _tell_angles(steps: np.ndarray, axis: int, path: Path, remarks: Remarks) -> None:
    towards = steps / geometry.sizes(steps)
    off = np.degrees(np.arccos(np.clip(np.diag(towards).min(), -1, 1)))
    if off >= _OBLIQUE:
        remarks.add(
            path,
            "oblique to the patient's axes: slices follow the voxels",
            f"by {off:.0f}°",
        )
    first, second = np.delete(towards, axis, axis=1).T
    shear = np.degrees(np.arcsin(np.clip(abs(first @ second), 0, 1)))
    if shear >= _SHEARED:
        remarks.add(
            path,
            "sheared: the rows and columns of slices do not meet at right angles and are shown as "
            "if they did",
            f"by {shear:.0f}°",
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


def _positions(count: int, settings: Cut, path: Path) -> np.ndarray:
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


def _shape(voxels: np.ndarray, zooms: np.ndarray, settings: Cut, path: Path) -> tuple[int, int]:
    """Rows and columns of the slices once their pixels have one size in both directions."""
    spacing = settings.spacing or min(zooms)
    sides = [n * float(zoom) / float(spacing) for n, zoom in zip(voxels, zooms, strict=True)]
    least, most = _SIDES
    large = [side > most and round(side) > n for side, n in zip(sides, voxels, strict=True)]
    if min(sides) < least or any(large):
        raise UserError(
            f"{path}: its {settings.plane} slices of {voxels[1]}×{voxels[0]} voxels, each "
            f"{geometry.in_words(zooms[::-1])} mm, would be {sides[1]:.4g}×{sides[0]:.4g} pixels "
            f"of {spacing:.4g} mm; expected {least} to {most} a side. Check the header's voxel "
            "sizes and its unit of length, and source.spacing"
        )
    rows, columns = (round(side) for side in sides)
    return rows, columns


def _resampled(picture: np.ndarray, shape: tuple[int, int], settings: Cut) -> np.ndarray:
    """`picture` at that shape, over the full range of its type."""
    if shape != picture.shape:
        from skimage.transform import resize

        picture = resize(picture, shape, order=1, anti_aliasing=True)
    full = np.iinfo(np.uint8 if settings.depth == 8 else np.uint16)
    return np.rint(picture * full.max).astype(full.dtype)
