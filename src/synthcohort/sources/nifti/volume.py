"""One NIfTI volume from its file: checked, turned towards right, anterior and superior."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synthcohort.errors import UserError
from synthcohort.intake.lookalikes import what
from synthcohort.sources.nifti import damage, geometry
from synthcohort.sources.nifti.remarks import Remarks

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Pair

ENDINGS = (".nii", ".nii.gz", ".img", ".img.gz")
"""What the names of volumes end in, in any case; an .img has its header in an .hdr beside it."""

HEADERS = (".hdr", ".hdr.gz")

# Different values of a volume up to which it looks like a segmentation.
_FEW = 10


class Volume(NamedTuple):
    voxels: np.ndarray
    """X×Y×Z float32 towards right, anterior and superior; float64 where float32 would round."""
    steps: np.ndarray
    """3×3 float64, a column an axis of the voxels: its step in mm towards right, anterior and
    superior."""


def stem(name: str) -> str:
    """A file's name or path without the ending of a volume."""
    name = name[:-3] if name.lower().endswith(".gz") else name
    return name[:-4] if name.lower().endswith((".nii", ".img", ".hdr")) else name


def load(path: Path, form: geometry.Form | None, channel: int | None, remarks: Remarks) -> Volume:
    """The volume in a file; of several along a fourth axis, number `channel`.

    Raises:
        UserError: the file is absent, damaged or no NIfTI volume of real numbers; it has more
            dimensions than are asked for, values that are not finite or a faulty geometry.
    """
    files = [*_header_of(path), path]
    image = _opened(path, files)
    _check_type(image, path)
    matrix = geometry.affine(image.header, path, form, remarks)
    try:
        voxels = _values(image, path, channel, remarks)
    except _unreadable() as error:
        raise UserError(
            f"{path}: cannot be read as a NIfTI volume: {damage.why(files, str(error))}"
        ) from error
    except MemoryError:
        raise UserError(
            f"{path}: has the shape {image.shape}, {np.prod(image.shape, dtype=float):.3g} voxels, "
            "for which there is not enough memory here; the header may be damaged, otherwise run "
            "on a larger machine"
        ) from None
    bad = np.count_nonzero(~np.isfinite(voxels))
    if bad:
        raise UserError(
            f"{path}: {bad} of {voxels.size} voxels are NaN or infinite; mend the volume, for "
            "instance by setting them to the background's value"
        )
    if _is_of_few_values(voxels):
        remarks.add(
            path,
            f"with {_FEW} different values or fewer, as segmentations have: if that is one, leave "
            "it out",
        )
    return _canonical(voxels, matrix)


def _is_of_few_values(voxels: np.ndarray) -> bool:
    # Images show it in a few voxels; counting all takes as long as reading them.
    flat = voxels.ravel(order="K")
    return all(len(np.unique(part)) <= _FEW for part in (flat[:: flat.size // 1000 + 1], flat))


def _opened(path: Path, files: list[Path]) -> "Nifti1Pair":
    """The volume in `files`: the header's, if it has one of its own, and the voxels'."""
    from nibabel import Nifti1Image, Nifti1Pair, Nifti2Image, Nifti2Pair
    from nibabel.fileholders import FileHolder
    from nibabel.openers import ImageOpener

    for file in files:
        if fault := damage.fault(file):
            raise UserError(f"{file}: cannot be read as a NIfTI volume: {fault}")
    pair = len(files) > 1
    # nibabel.load would look for the files' names in one case throughout.
    places = zip(("header", "image") if pair else ("image",), files, strict=True)
    places = {part: FileHolder(str(file)) for part, file in places}
    try:
        with ImageOpener(str(files[0])) as file:
            head = file.read(damage.HEADER)
        for kind in (Nifti1Pair, Nifti2Pair) if pair else (Nifti1Image, Nifti2Image):
            if kind.header_class.may_contain_header(head):
                # As it stands: nibabel takes for 1 mm what is 0 in it.
                raw = head[: kind.header_class.sizeof_hdr]
                if told := damage.header_fault(kind.header_class(raw, check=False), pair):
                    raise UserError(f"{files[0]}: {told}; mend the header, or convert it again")
                return kind.from_file_map(places)
    except _unreadable() as error:
        raise UserError(
            f"{path}: cannot be read as a NIfTI volume: {damage.why(files, str(error))}"
        ) from error
    if pair and head.startswith(damage.BEGINNINGS):
        raise UserError(
            f"{path}: is an Analyze 7.5 volume, not NIfTI: its header does not say how the patient "
            "lies; convert it from the original images, or with a tool that is told the orientation"
        )
    packed = files[0].name.lower().endswith(".gz") and what(head)
    within = packed and f"inside its compression {packed}"
    reason = within or damage.why(files, "its first bytes are not the header of one")
    raise UserError(f"{path}: cannot be read as a NIfTI volume: {reason}")


def _unreadable() -> tuple[type[Exception], ...]:
    import nibabel

    return (
        OSError,
        EOFError,
        ValueError,
        OverflowError,
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
        nibabel.wrapstruct.WrapStructError,
    )


def _header_of(path: Path) -> list[Path]:
    """The header beside an .img; none for a file that has its own."""
    if not path.name.lower().endswith((".img", ".img.gz")):
        return []
    bare = stem(path.name)
    beside = [
        other
        for other in sorted(path.parent.iterdir())
        if other.name.lower().endswith(HEADERS) and stem(other.name) == bare
    ]
    if not beside:
        raise UserError(
            f"{path}: its header, {bare}.hdr, is not beside it; fetch that too, or take this out"
        )
    return beside[:1]


def _check_type(image: "Nifti1Pair", path: Path) -> None:
    kind = image.get_data_dtype()
    if kind.kind not in "iuf":
        colours = {("R", "G", "B"): "RGB colours", ("R", "G", "B", "A"): "RGB colours with alpha"}
        raise UserError(
            f"{path}: expected one real number a voxel, got "
            f"{colours.get(kind.names, f'the type {kind}')}; convert the volume"
        )


def _values(image: "Nifti1Pair", path: Path, channel: int | None, remarks: Remarks) -> np.ndarray:
    """The three-dimensional intensities, scaled as the header says."""
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if min(shape) < 1:
        raise UserError(f"{path}: its header gives the shape {shape}; convert the volume again")
    several = len(shape) == 4 and channel is not None
    if len(shape) != 3 and not several:
        raise UserError(
            f"{path}: expected a volume of three dimensions, got the shape {image.shape}"
            + ("; write the volume that is meant to a file of its own" if len(shape) > 3 else "")
        )
    channels = shape[3] if several else 1
    if channel is not None and channel >= channels:
        raise UserError(
            f"{path}: has {channels} channel{'s' * (channels > 1)}, but source.channel is "
            f"{channel} (the first is 0)"
        )
    # Floats of 32 bits hold integers up to 2^24 only.
    stored = image.get_data_dtype()
    exact = stored.itemsize <= (4 if stored.kind == "f" else 2)
    dtype = np.float32 if exact else np.float64
    if not several:
        return image.get_fdata(dtype=dtype, caching="unchanged").reshape(shape)
    remarks.add(path, f"with several channels, of which number {channel} is taken (source.channel)")
    return np.asarray(image.dataobj[..., channel], dtype=dtype).reshape(shape[:3])


def _canonical(voxels: np.ndarray, matrix: np.ndarray) -> Volume:
    from nibabel import orientations

    whole = np.eye(4)
    whole[:3, :3] = matrix
    turn = orientations.io_orientation(whole)
    back = orientations.inv_ornt_aff(turn, voxels.shape)
    return Volume(orientations.apply_orientation(voxels, turn), (whole @ back)[:3, :3])
