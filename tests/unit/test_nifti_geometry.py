"""The nifti source and headers that contradict themselves, units of length, and odd angles."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from volumes import SHAPE, pictures, read, voxels

from synthcohort.errors import UserError

ONE = (1.0, 1.0, 1.0)
FLAT = (1.3, 1.3, 10.0)
TURNED = Rotation.from_euler("x", 90, degrees=True).as_matrix()


def write(root: Path, sform=None, qform=None, pixdim=None, unit=0, name="sub-01") -> Path:
    """A volume whose header says just this; forms are 3×3 matrices or voxel sizes."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(SHAPE)
    if qform is not None:
        header.set_qform(whole(qform), code=1)
    if pixdim is not None:
        header["pixdim"][1:4] = pixdim
    if sform is not None:
        header.set_sform(whole(sform), code=2)
    header["xyzt_units"] = unit
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path = root / name / "anat" / f"{name}_T1w.nii"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.binaryblock + bytes(4) + voxels().tobytes(order="F"))
    return path


def whole(form) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag(form) if np.ndim(form) == 1 else form
    return matrix


def coronal(root: Path, **keys) -> tuple[int, int]:
    """Height and width of a coronal slice: the voxels' third and first side."""
    return pictures(root, plane="coronal", **keys)[0].shape


TALL = (round(SHAPE[2] * 10 / 1.3), SHAPE[0])
CUBES = (SHAPE[2], SHAPE[0])


@pytest.mark.parametrize(
    ("forms", "taken", "shape"),
    [
        ({"sform": ONE, "qform": FLAT}, "qform", TALL),
        ({"sform": ONE, "pixdim": FLAT}, "pixdim", TALL),
        ({"sform": FLAT, "qform": ONE}, "sform", TALL),
        ({"sform": FLAT, "pixdim": ONE}, "sform", TALL),
        ({"sform": (-1, 1, 1), "qform": FLAT}, "qform", TALL),
        ({"sform": np.zeros(3), "qform": FLAT}, "qform", TALL),
        ({"sform": np.full((3, 3), np.nan), "qform": FLAT}, "qform", TALL),
        ({"sform": np.ones((3, 3)), "qform": FLAT}, "qform", TALL),
    ],
)
def test_the_form_that_somebody_has_set_is_taken_and_told(tmp_path, capsys, forms, taken, shape):
    for i in range(3):
        write(tmp_path, **forms, name=f"sub-0{i}")
    assert coronal(tmp_path) == shape
    (note,) = capsys.readouterr().err.splitlines()
    assert note.startswith("Note: 3 volumes whose ")
    assert f"the {taken} is taken" in note
    assert "sub-00_T1w.nii" in note


@pytest.mark.parametrize(
    ("forms", "told"),
    [
        ({"sform": (1.2, 1.2, 9), "qform": FLAT}, "of 1.2×1.2×9 by its sform, of 1.3×1.3×10 by"),
        ({"sform": (1.2, 1.2, 9), "pixdim": FLAT}, "by its sform, of 1.3×1.3×10 by its pixdim"),
        ({"sform": (1.3, 1.3, 10.3), "qform": FLAT}, "voxels of 1.3×1.3×10.3"),
        ({"sform": (-1.3, 1.3, 10), "qform": FLAT}, "towards LAS by its sform, towards RAS by"),
        ({"sform": TURNED * 2, "qform": (2, 2, 2)}, "towards RSP by its sform, towards RAS by"),
    ],
)
def test_forms_that_disagree_are_refused_until_one_is_named(tmp_path, capsys, forms, told):
    path = write(tmp_path, **forms)
    with pytest.raises(UserError, match=told) as error:
        read(tmp_path)
    assert str(path) in str(error.value)
    assert "`form: sform` or `form: qform`" in str(error.value)
    one, other = (
        np.stack(pictures(tmp_path, form=form, plane="coronal", spacing=0.5))
        for form in ("sform", "qform")
    )
    assert one.shape != other.shape or (one != other).any()
    assert "as the settings ask" in capsys.readouterr().err


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.tuples(*[st.floats(0.3, 9)] * 3),
    factors=st.tuples(*[st.floats(0.7, 1.4)] * 3),
)
def test_a_difference_of_one_per_cent_is_told(tmp_path_factory, sizes, factors):
    root = tmp_path_factory.mktemp("bids")
    write(root, sform=sizes, qform=np.multiply(sizes, factors))
    off = max(max(factor, 1 / factor) for factor in factors)
    if off < 1.0099:
        assert read(root)
    elif off > 1.0101:
        with pytest.raises(UserError, match="contradicts itself"):
            read(root)


def test_forms_that_agree_are_not_mentioned(tmp_path, capsys):
    write(tmp_path, sform=FLAT, qform=(1.304, 1.3, 10))
    write(tmp_path, sform=FLAT, pixdim=FLAT, name="sub-02")
    write(tmp_path, qform=FLAT, name="sub-03")
    assert {image.pixels.shape for image in read(tmp_path, plane="coronal")} == {TALL}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("forms", "told"),
    [
        ({}, "sform is unset and qform is unset"),
        ({"pixdim": FLAT}, "sform is unset and qform is unset"),
        ({"sform": np.zeros(3)}, "sform is singular though its code is set and qform is unset"),
        ({"sform": (1, 1, 0)}, "sform is singular though its code is set"),
    ],
)
def test_a_header_without_a_valid_form_is_refused_truly(tmp_path, forms, told):
    write(tmp_path, **forms)
    with pytest.raises(UserError, match=told):
        read(tmp_path)


def test_a_qform_that_is_no_rotation_is_told(tmp_path):
    path = write(tmp_path, qform=FLAT)
    content = bytearray(path.read_bytes())
    content[256:264] = np.array([0.9, 0.9], "<f4").tobytes()  # quatern_b and quatern_c
    path.write_bytes(content)
    with pytest.raises(UserError, match="quaternion of its qform is longer than 1"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("unit", "scale"), [(0, 1), (1, 0.001), (2, 1), (3, 1000), (1 + 8, 0.001), (3 + 16, 1000)]
)
def test_units_of_length_are_heeded(tmp_path, unit, scale):
    write(tmp_path, sform=np.multiply(FLAT, scale), pixdim=np.multiply(FLAT, scale), unit=unit)
    assert coronal(tmp_path, spacing=1.3) == TALL
    assert coronal(tmp_path) == TALL


def test_an_unknown_unit_is_told(tmp_path):
    write(tmp_path, sform=FLAT, pixdim=FLAT, unit=5)
    with pytest.raises(UserError, match="unit of length has the code 5"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("forms", "keys", "told"),
    [
        ({"sform": ONE, "unit": 3}, {"spacing": 1}, r"0.01×0.014 pixels of 1 mm"),
        ({"sform": ONE, "unit": 1}, {"spacing": 1}, r"1e\+04×1.4e\+04 pixels of 1 mm"),
        ({"sform": (0.001, 1, 1), "pixdim": (0.001, 1, 1)}, {}, r"10×1.4e\+04 pixels"),
        ({"sform": ONE}, {"spacing": 1e-9}, "pixels of 1e-09 mm"),
        ({"sform": ONE}, {"spacing": 1e300}, "expected 4 to 4096 a side"),
        ({"sform": ONE}, {"spacing": 3}, "3.333×4.667 pixels"),
    ],
)
def test_slices_of_no_use_are_refused_by_their_size(tmp_path, forms, keys, told):
    path = write(tmp_path, **forms)
    with pytest.raises(UserError, match=told) as error:
        read(tmp_path, **keys)
    assert str(path) in str(error.value)
    assert "unit of length" in str(error.value)


@pytest.mark.parametrize(("angle", "noted"), [(4, False), (17, True), (40, True)])
def test_an_oblique_volume_is_told(tmp_path, capsys, angle, noted):
    turn = Rotation.from_euler("x", angle, degrees=True).as_matrix()
    write(tmp_path, sform=turn * 2.0, pixdim=(2, 2, 2))
    assert read(tmp_path)
    told = capsys.readouterr().err
    assert ("oblique to the patient's axes" in told and f"(by {angle}°)" in told) == noted
    assert bool(told) == noted


@pytest.mark.parametrize(("plane", "noted"), [("axial", False), ("sagittal", True)])
def test_shear_is_told_where_it_is_seen(tmp_path, capsys, plane, noted):
    # A CT whose gantry was tilted: slices lie straight, but one beside the other.
    tilted = np.array([[1, 0, 0], [0, 1, 0.2], [0, 0, 1]])
    write(tmp_path, sform=tilted * 2, pixdim=2 * np.sqrt([1, 1, 1.04]))
    assert read(tmp_path, plane=plane)
    assert ("sheared" in capsys.readouterr().err) == noted
