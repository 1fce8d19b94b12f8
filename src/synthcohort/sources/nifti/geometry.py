"""How a volume's voxels lie in the patient, and how large they are, as its NIfTI header says it.

A header says it up to three times: the sform (an affine matrix), the qform (a rotation and the
voxel sizes in pixdim) and the unit of length. Where they contradict each other, nothing is guessed
but what is plain: a form that only says 1 mm along the axes was never set.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from synthcohort.errors import UserError
from synthcohort.sources.nifti.remarks import Remarks

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

Form = Literal["sform", "qform"]

# Relative difference of voxel sizes from which two forms disagree.
_TOLERANCE = 0.01
# Millimetres a unit, by NIfTI's code; files without a unit are in millimetres by custom.
_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
# Share of the box of its axes that a voxel must fill; below it, they lie in one plane.
_FLAT = 1e-3


def affine(header: "Nifti1Header", path: Path, form: Form | None, remarks: Remarks) -> np.ndarray:
    """3×3 float64: the steps in mm towards right, anterior and superior, a column a voxel axis.

    `form` decides where sform and qform (or pixdim) disagree: by more than 1 % in a voxel's size,
    or in the direction of an axis.

    Raises:
        UserError: no form is valid, they disagree and nothing says which is right, or the unit of
            length is unknown.
    """
    forms, invalid = _forms(header)
    if not forms:
        raise UserError(
            f"{path}: the header does not say how the patient lies ({' and '.join(invalid)}); "
            "convert the volume again with a tool that keeps the orientation"
        )
    broken = [text for text in invalid if "unset" not in text]
    if broken:
        (taken,) = forms
        remarks.add(path, f"whose {broken[0]}: the {taken} is taken")
    chosen = _agreed(forms, header, path, form, remarks)
    code = int(header["xyzt_units"]) & 7
    if code not in _UNITS:
        raise UserError(
            f"{path}: the header's unit of length has the code {code}, which NIfTI does not know; "
            "expected metres (1), millimetres (2) or microns (3): mend the header"
        )
    return chosen * _UNITS[code]


def sizes(matrix: np.ndarray) -> np.ndarray:
    """The lengths of a matrix's columns."""
    return np.sqrt((matrix**2).sum(axis=0))


def in_words(lengths: np.ndarray) -> str:
    """Voxel sizes as text: 1.3×1.3×10."""
    return "×".join(f"{length:.4g}" for length in lengths)


def _forms(header: "Nifti1Header") -> tuple[dict[str, np.ndarray], list[str]]:
    """The valid ones of the two forms, 3×3 in the header's unit, and what the others are."""
    from nibabel.spatialimages import HeaderDataError

    forms: dict[str, np.ndarray] = {}
    invalid = []
    for name, get in (("sform", header.get_sform), ("qform", header.get_qform)):
        if header[f"{name}_code"] <= 0:
            invalid.append(f"{name} is unset")
            continue
        try:
            matrix = get()[:3, :3]
        except (ValueError, HeaderDataError) as error:
            invalid.append(f"{name} is invalid though its code is set: {error}")
            continue
        lengths = sizes(matrix)
        if not np.isfinite(matrix).all():
            invalid.append(f"{name} is not finite though its code is set")
        elif not lengths.all() or abs(np.linalg.det(matrix)) < _FLAT * lengths.prod():
            invalid.append(f"{name} is singular though its code is set")
        else:
            forms[name] = matrix
    return forms, invalid


def _agreed(
    forms: dict[str, np.ndarray],
    header: "Nifti1Header",
    path: Path,
    asked: Form | None,
    remarks: Remarks,
) -> np.ndarray:
    if "sform" not in forms:
        return forms["qform"]
    sform, other = forms["sform"], "qform"
    qform = forms.get("qform")
    if qform is None:
        # The voxel sizes stand in pixdim whether the qform is set or not.
        pixdim = np.asarray(header["pixdim"][1:4], dtype=float)
        if not np.isfinite(pixdim).all() or (pixdim <= 0).any():
            return sform
        qform, other = sform / sizes(sform) * pixdim, "pixdim"
    fault = _disagreement(sform, qform, other)
    if not fault:
        return sform
    # Of pixdim alone, the axes are the sform's.
    plain = qform if other == "qform" else np.diag(sizes(qform))
    unset = _says_nothing(sform), _says_nothing(plain)
    taken = asked or {(True, False): "qform", (False, True): "sform"}.get(unset)
    if taken is None:
        raise UserError(
            f"{path}: the header contradicts itself: {fault}. Find out which is right, in the "
            f"scanner's protocol or a viewer, and set `form: sform` or `form: qform` (beside "
            "`plane`; it holds for all volumes that disagree), or mend the header"
        )
    name = "sform" if taken == "sform" else other
    why = "as the settings ask" if asked else "since the other was never set"
    remarks.add(path, f"whose headers contradict themselves: the {name} is taken, {why}", fault)
    return sform if taken == "sform" else qform


def _disagreement(sform: np.ndarray, qform: np.ndarray, other: str) -> str:
    """In what the two differ, "" where they agree."""
    import nibabel

    lengths, others = sizes(sform), sizes(qform)
    if (np.maximum(lengths, others) > (1 + _TOLERANCE) * np.minimum(lengths, others)).any():
        return f"voxels of {in_words(lengths)} by its sform, of {in_words(others)} by its {other}"
    codes = ["".join(nibabel.aff2axcodes(_square(matrix))) for matrix in (sform, qform)]
    if codes[0] != codes[1]:
        return f"axes towards {codes[0]} by its sform, towards {codes[1]} by its {other}"
    return ""


def _says_nothing(matrix: np.ndarray) -> bool:
    """Whether a form is what tools write who know nothing: 1 mm along each axis."""
    return bool(np.allclose(np.sort(np.abs(matrix), axis=0), [[0] * 3, [0] * 3, [1] * 3]))


def _square(matrix: np.ndarray) -> np.ndarray:
    whole = np.eye(4)
    whole[:3, :3] = matrix
    return whole
