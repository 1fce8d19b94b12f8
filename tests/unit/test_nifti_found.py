"""Which volumes of a BIDS folder the nifti source takes, and what it says of the others."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from volumes import read, save, voxels

from synthcohort.errors import UserError

ONE = {"slices": 1, "slice_range": (0.5, 0.5)}


def add(root: Path, name: str) -> Path:
    """A volume of its own under a name in any case."""
    plain = save(root, voxels(len(name)), f"{name.lower().removesuffix('.gz')}.tmp.nii")
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.lower().endswith(".gz"):
        nibabel.save(nibabel.load(plain), plain.with_name("tmp.nii.gz"))
        plain.with_name("tmp.nii.gz").rename(path)
        plain.unlink()
    else:
        plain.rename(path)
    return path


def taken(root: Path, **keys) -> list[tuple[str, str, str]]:
    return [(i.patient_id, i.session, i.image_id) for i in read(root, **ONE, **keys)]


@pytest.mark.parametrize(
    "name", ["._sub-01_T1w.nii.gz", ".sub-02_T1w.nii", ".hidden/sub-01_T1w.nii.gz"]
)
def test_hidden_files_are_passed_over_and_told(tmp_path, capsys, name):
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    path = tmp_path / "sub-01/anat" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(128))
    assert len(taken(tmp_path)) == 1
    assert "not taken: 1 hidden" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        "sub-02/anat/sub-02_T1w.NII.GZ",
        "sub-02/anat/sub-02_T1w.Nii",
        "sub-02/anat/sub-02_T1w.nii.GZ",
        "sub-02/anat/sub-02_t1w.nii.gz",
    ],
)
def test_the_case_of_an_ending_does_not_matter(tmp_path, capsys, name):
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    add(tmp_path, name)
    assert [patient for patient, *_ in taken(tmp_path)] == ["sub-01", "sub-02"]
    assert capsys.readouterr().err == ""


def test_sessions_may_be_called_anything(tmp_path):
    for name in ("01/anat/sub-01_T1w.nii", "02/anat/sub-01_T1w.nii", "ses-3/anat/scan_T1w.nii"):
        add(tmp_path, f"sub-01/{name}")
    add(tmp_path, "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii")
    assert taken(tmp_path) == [
        ("sub-01", "01", "sub-01/01/anat/sub-01_T1w_z006"),
        ("sub-01", "02", "sub-01/02/anat/sub-01_T1w_z006"),
        ("sub-01", "ses-3", "sub-01/ses-3/anat/scan_T1w_z006"),
        ("sub-02", "ses-1", "sub-02_ses-1_T1w_z006"),
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sub-02/anat/sub-02_FLAIR.nii.gz", "1 *.nii.gz (sub-02/anat/sub-02_FLAIR.nii.gz)"),
        ("sub-02/sub-02_T1w.nii", "1 *.nii (sub-02/sub-02_T1w.nii)"),
        ("sub-02/a/b/anat/sub-02_T1w.nii", "1 *.nii (sub-02/a/b/anat/sub-02_T1w.nii)"),
        ("patient2/anat/patient2_T1w.nii", "1 *.nii (patient2/anat/patient2_T1w.nii)"),
    ],
)
def test_volumes_elsewhere_are_counted(tmp_path, capsys, name, told):
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii")
    add(tmp_path, name)
    (tmp_path / "dataset_description.json").write_text("{}")
    assert len(taken(tmp_path)) == 1
    assert capsys.readouterr().err == f"Note: {tmp_path}: not taken: {told}\n"


def test_links_to_nothing_are_told(tmp_path):
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    for name in ("sub-02", "sub-03"):
        path = tmp_path / name / "anat" / f"{name}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        path.symlink_to("../../.git/annex/objects/5.nii.gz")
    with pytest.raises(UserError, match=r"2 files are links that lead to nothing, sub-02/anat"):
        taken(tmp_path)


def test_links_are_followed_and_rings_are_not(tmp_path, capsys):
    store = tmp_path / "store"
    add(store, "a.nii.gz")
    anat = tmp_path / "bids/sub-01/anat"
    anat.mkdir(parents=True)
    (anat / "sub-01_T1w.nii.gz").symlink_to(store / "a.nii.gz")
    (anat / "again").symlink_to(anat)
    (tmp_path / "bids/sub-01/ses-1").symlink_to(tmp_path / "bids/sub-01")
    # The same file a second time, as another patient.
    (tmp_path / "bids/sub-02").symlink_to("sub-01")
    assert [patient for patient, *_ in taken(tmp_path / "bids")] == ["sub-01"]
    assert "links to a folder around them" in capsys.readouterr().err


@pytest.mark.parametrize(
    "other", ["sub-02/anat/sub-02_T1w.nii.gz", "sub-01/2/anat/sub-01_T1w.nii.gz"]
)
def test_links_to_one_volume_from_two_folders_are_told(tmp_path, other):
    add(tmp_path, "store/a.nii.gz")
    for name in ("sub-01/anat/sub-01_T1w.nii.gz", other):
        path = tmp_path / "bids" / name
        path.parent.mkdir(parents=True)
        path.symlink_to(tmp_path / "store/a.nii.gz")
    with pytest.raises(UserError, match=r"sub-01_T1w.nii.gz and .* are links to one file"):
        taken(tmp_path / "bids")


def test_two_formats_of_one_volume_are_told(tmp_path):
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii")
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    with pytest.raises(UserError, match=r"1 volumes are there in two formats, sub-01/anat/sub-01"):
        taken(tmp_path)


def test_a_volume_in_another_patients_folder_is_told(tmp_path):
    add(tmp_path, "sub-01/anat/sub-01_T1w.nii")
    add(tmp_path, "sub-01/anat/sub-02_T1w.nii")
    with pytest.raises(UserError, match=r"named after another patient .*sub-01/anat/sub-02_T1w"):
        taken(tmp_path)


@pytest.mark.parametrize(
    ("image", "header"), [(".IMG", ".HDR"), (".img", ".HDR"), (".Img", ".hdr")]
)
def test_pairs_may_be_in_capitals(tmp_path, capsys, image, header):
    path = tmp_path / "sub-01/anat/sub-01_T1w.img"
    path.parent.mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Pair(voxels(), np.eye(4)), path)
    path.with_suffix(".hdr").rename(path.with_suffix(header))
    path.rename(path.with_suffix(image))
    assert taken(tmp_path) == [("sub-01", "", "sub-01_T1w_z006")]
    assert capsys.readouterr().err == ""
