"""The nifti source: orientation, planes, slices, intensities, and what it refuses."""

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from volumes import SHAPE, pictures, read, save, voxels

from synthcohort.errors import UserError
from synthcohort.sources import nifti


@pytest.mark.parametrize(
    ("plane", "axis", "rows", "columns"),
    [("axial", 2, 1, 0), ("coronal", 1, 2, 0), ("sagittal", 0, 2, 1)],
)
def test_planes_are_shown_right_side_up(tmp_path, plane, axis, rows, columns):
    # One bright voxel off the middle towards right, anterior and superior.
    place = [8, 11, 10]
    array = np.zeros(SHAPE, np.int16)
    array[tuple(place)] = 100
    save(tmp_path, array)
    images = read(tmp_path, plane=plane, slices=SHAPE[axis], percentiles=(0, 100))
    lit = [image for image in images if image.pixels.any()]
    assert [image.slice for image in lit] == [str(place[axis])]
    assert lit[0].pixels.shape == (SHAPE[rows], SHAPE[columns])
    # Superior or anterior at the top; the patient's right or anterior on the left.
    assert np.argwhere(lit[0].pixels).tolist() == [
        [SHAPE[rows] - 1 - place[rows], SHAPE[columns] - 1 - place[columns]]
    ]


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_the_order_of_storage_does_not_matter(tmp_path, plane):
    original = nibabel.Nifti1Image(voxels(), np.diag([1.0, 2.0, 1.5, 1.0]))
    expected = None
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            stored = original.as_reoriented(np.array(list(zip(axes, flips, strict=True))))
            path = tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(stored, path)
            got = np.stack(pictures(tmp_path, plane=plane))
            expected = got if expected is None else expected
            np.testing.assert_array_equal(got, expected)


def test_an_oblique_affine_is_shown_along_its_nearest_axes(tmp_path):
    path = save(tmp_path, voxels())
    straight = pictures(tmp_path)
    angle = np.deg2rad(15)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    nibabel.save(nibabel.Nifti1Image(voxels()[::-1], affine @ np.diag([-1.0, 1, 1, 1])), path)
    np.testing.assert_array_equal(pictures(tmp_path), straight)


def test_names_follow_the_dataset(tmp_path):
    save(tmp_path, voxels(), "sub-02/ses-b/anat/sub-02_ses-b_T1w.nii.gz")
    save(tmp_path, voxels(), "sub-02/ses-a/anat/sub-02_ses-a_run-2_T1w.nii")
    save(tmp_path, voxels(), "sub-01/anat/sub-01_T1w.nii.gz")
    save(tmp_path, voxels(), "sub-01/anat/sub-01_FLAIR.nii.gz")
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tgroup\nsub-01\t60\tNC\nsub-02\t70\tAD\nsub-03\t80\tAD\n"
    )
    images = read(tmp_path, label="group", slices=1, slice_range=(0.5, 0.5))
    assert [
        (i.image_id, i.patient_id, i.session, i.slice, i.label, i.source_file, i.split)
        for i in images
    ] == [
        ("sub-01_T1w_z006", "sub-01", "", "6", "NC", "sub-01/anat/sub-01_T1w.nii.gz", ""),
        (
            "sub-02_ses-a_run-2_T1w_z006",
            *("sub-02", "ses-a", "6", "AD", "sub-02/ses-a/anat/sub-02_ses-a_run-2_T1w.nii", ""),
        ),
        (
            "sub-02_ses-b_T1w_z006",
            *("sub-02", "ses-b", "6", "AD", "sub-02/ses-b/anat/sub-02_ses-b_T1w.nii.gz", ""),
        ),
    ]
    assert [i.image_id for i in read(tmp_path, suffix="FLAIR", plane="coronal", slices=2)] == [
        "sub-01_FLAIR_y000",
        "sub-01_FLAIR_y013",
    ]


@settings(max_examples=25, deadline=None)
@given(
    bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    slices=st.integers(1, 12),
)
def test_slices_lie_evenly_within_the_range(tmp_path_factory, bounds, slices):
    root = tmp_path_factory.mktemp("bids")
    save(root, voxels())
    last = SHAPE[2] - 1
    try:
        got = [int(i.slice) for i in read(root, slices=slices, slice_range=tuple(bounds))]
    except UserError:
        # Only where the range holds too few slices.
        assert (bounds[1] - bounds[0]) * last < slices - 1 + 1e-6
        return
    assert len(got) == slices
    assert abs(got[0] - bounds[0] * last) <= 0.5 + 1e-6
    if slices > 1:
        assert abs(got[-1] - bounds[1] * last) <= 0.5 + 1e-6
        assert np.ptp(np.diff(got)) <= 1


def test_percentiles_are_of_the_whole_volume(tmp_path):
    # Slice k holds the value k: the percentiles 25 and 75 of 0…100 are 25 and 75.
    save(tmp_path, np.broadcast_to(np.arange(101, dtype=np.int16), (4, 4, 101)).copy())
    keys = {"slices": 5, "percentiles": (25, 75)}
    levels = [float(p.mean()) for p in pictures(tmp_path, **keys)]
    assert levels == [0, 0, 128, 255, 255]
    deep = pictures(tmp_path, depth=16, **keys)
    assert {p.dtype for p in deep} == {np.dtype(np.uint16)}
    assert [float(p.mean()) for p in deep] == [0, 0, 32768, 65535, 65535]


def test_scaled_integers_are_read_as_intensities(tmp_path):
    path = save(tmp_path, voxels())
    plain = pictures(tmp_path)
    image = nibabel.Nifti1Image(voxels().astype(np.float32) * 0.01 - 3, np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, path)
    for got, expected in zip(pictures(tmp_path), plain, strict=True):
        assert np.abs(got.astype(int) - expected).max() <= 1


def test_pixels_become_square(tmp_path):
    array = np.zeros(SHAPE, np.int16)
    array[2:5, 4:8] = 100
    save(tmp_path, array, zooms=(1, 2, 3))
    picture = pictures(tmp_path, percentiles=(0, 100))[0]
    assert picture.shape == (2 * SHAPE[1], SHAPE[0])
    # The block keeps its place and its 3 mm × 8 mm: columns 5 to 7, rows 12 to 19.
    assert np.argwhere(picture > 127).min(0).tolist() == [12, 5]
    assert np.argwhere(picture > 127).max(0).tolist() == [19, 7]
    assert pictures(tmp_path, spacing=2)[0].shape == (14, 5)
    assert pictures(tmp_path, plane="coronal")[0].shape == (36, 10)


def test_square_pixels_stay_as_they_are(tmp_path):
    save(tmp_path, voxels(), zooms=(1.2, 1.2, 5))
    top = pictures(tmp_path, percentiles=(0, 100))[-1]
    expected = voxels()[::-1, ::-1, -1].T / voxels().max() * 255
    np.testing.assert_array_equal(top, np.rint(expected))


def test_a_single_time_point_is_a_volume(tmp_path):
    save(tmp_path, voxels())
    expected = pictures(tmp_path)
    save(tmp_path, voxels()[..., None])
    np.testing.assert_array_equal(pictures(tmp_path), expected)


@pytest.mark.parametrize(
    "keys",
    [
        {"slice_range": (0.7, 0.3)},
        {"slice_range": (0, 1.5)},
        {"percentiles": (50, 50)},
        {"slices": 0},
        {"spacing": 0},
        {"plane": "oblique"},
        {"contrast": "T1w"},
    ],
)
def test_settings_out_of_range_are_refused(keys):
    with pytest.raises(ValidationError):
        nifti.Source(root=Path("bids"), **keys)


def test_an_unknown_orientation_is_told(tmp_path):
    path = save(tmp_path, voxels())
    nibabel.save(nibabel.Nifti1Image(voxels(), None), path)
    with pytest.raises(UserError, match="does not say how the patient lies"):
        read(tmp_path)


def test_an_absent_root_is_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.root: .*nowhere is not a folder"):
        read(tmp_path / "nowhere")


def test_an_empty_root_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no volumes; expected sub-\*/anat/\*_T1w"):
        read(tmp_path)
    save(tmp_path, voxels())
    with pytest.raises(UserError, match=r"no volumes; expected sub-\*/anat/\*_T2w"):
        read(tmp_path, suffix="T2w")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, "there is no such file, but source.label asks for its column 'group'"),
        (
            b"participant_id\tage\nsub-01\t60\n",
            "no column 'group' .*the columns are 'participant_id'",
        ),
        (b"", "no column 'participant_id'"),
        (b"participant_id\tgroup\nsub-02\tAD\n", "no row for sub-01"),
        (b"participant_id\tgroup\nsub-01\tn/a\n", "line 2: sub-01 has no value"),
        (b"participant_id\tage\tgroup\nsub-01\t60\n", "3 fields, but .* line 2 has 2"),
        (b"participant_id\tgroup\nsub-01\tAD\nsub-01\tNC\n", "line 3: sub-01 has a second row"),
        ("participant_id\tgroup\nsub-01\tgesünder\n".encode("latin-1"), "no text in UTF-8: line 2"),
    ],
)
def test_a_faulty_participants_table_is_told(tmp_path, table, told):
    save(tmp_path, voxels())
    path = tmp_path / "participants.tsv"
    if table is not None:
        path.write_bytes(table)
    with pytest.raises(UserError, match=told) as error:
        read(tmp_path, label="group")
    assert str(path) in str(error.value)
