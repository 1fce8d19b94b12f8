"""The source `adni`: JPEG slices by scan, volumes by the archive's table, and what both refuse."""

import csv
import json
import re
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
from pydantic import ValidationError

from synthcohort.cohort.prepare import prepare
from synthcohort.cohort.split import split
from synthcohort.config import Prepare, Split
from synthcohort.errors import UserError
from synthcohort.sources import adni
from synthcohort.tracking.journal import Journal

HEADER = ["Image Data ID", "Subject", "Group", "Sex", "Age", "Visit", "Modality"]
SCANS = {"1001": "train/AD", "1002": "train/AD", "1010": "train/NC", "2001": "test/AD"}
SCANS["2002"] = "test/NC"


def jpeg(path: Path, seed: int = 0, quality: int = 95) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 10), "u1")
    PIL.Image.fromarray(coarse).resize((40, 48)).save(path, quality=quality)
    return path


def jpegs(root: Path, scans: dict[str, str] = SCANS) -> Path:
    """A stand-in for the slices: two a scan; slice 100 comes after slice 99."""
    for scan, folder in scans.items():
        for number in (99, 100):
            jpeg(root / folder / f"{scan}_{number}.jpeg", int(scan) * 1000 + number)
    return root


def table(path: Path, rows: list[tuple[str, str, str, str]], header: list[str] = HEADER) -> Path:
    """The archive's CSV file, quoted as it is there: image id, subject, group and visit a row."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        for scan, subject, group, visit in rows:
            writer.writerow([scan, subject, group, "F", "74", visit, "MRI"])
    return path


def read(root: Path, **settings) -> list:
    return list(adni.read(adni.Source(root=root, **settings)))


SUBJECTS = [
    ("I1001", "002_S_0295", "AD", "sc"),
    ("I1002", "002_S_0295", "AD", "m12"),
    ("I1010", "011_S_0003", "CN", "sc"),
    ("I2001", "011_S_0004", "AD", "sc"),
    ("I2002", "011_S_0005", "CN", ""),
    ("I9999", "011_S_0006", "MCI", "sc"),  # of the collection, but not among the images
]


def test_without_a_table_a_scan_is_a_patient(tmp_path):
    images = read(jpegs(tmp_path))
    assert [i.image_id for i in images[-4:]] == ["1002_99", "1002_100", "1010_99", "1010_100"]
    assert {(i.patient_id, i.split, i.label, i.session) for i in images} == {
        (scan, *folder.split("/"), "") for scan, folder in SCANS.items()
    }
    assert images[-1].source_file == "train/NC/1010_100.jpeg" and images[-1].slice == "100"
    assert images[0].pixels.shape == (48, 40) and images[0].pixels.dtype == np.uint8


def test_the_table_says_whose_scan_it_is(tmp_path):
    table(tmp_path / "collection.csv", SUBJECTS)
    images = read(jpegs(tmp_path), table="collection.csv")
    assert {(i.image_id[:4], i.patient_id, i.session, i.label) for i in images} == {
        ("1001", "002_S_0295", "sc", "AD"),
        ("1002", "002_S_0295", "m12", "AD"),
        ("1010", "011_S_0003", "sc", "NC"),
        ("2001", "011_S_0004", "sc", "AD"),
        ("2002", "011_S_0005", "", "NC"),
    }


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        (SUBJECTS[1:3], HEADER, "3 of 5 scans are not in its column Image Data ID, .*I1001, I2001"),
        (SUBJECTS, ["Image ID", *HEADER[1:]], "no column 'Image Data ID'; the columns are 'Image"),
        ([*SUBJECTS, ("I1001", "011_S_0003", "AD", "sc")], HEADER, "line 8: the image id 1001"),
        (
            [("I1001", "", "AD", "sc"), *SUBJECTS[1:]],
            HEADER,
            "1 of 5 scans have no Subject, .*1001",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_told(tmp_path, rows, header, said):
    path = table(tmp_path / "collection.csv", rows, header)
    with pytest.raises(UserError, match=f"{re.escape(str(path))}: {said}"):
        read(jpegs(tmp_path), table=path)


def test_what_is_not_the_layout_is_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.root: .*nowhere is not a folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"train: expected a folder with the folders AD and NC"):
        read(tmp_path)
    jpegs(tmp_path)
    (tmp_path / "test/AD/.hidden").touch()
    assert len(read(tmp_path)) == 10
    jpeg(tmp_path / "test/NC/scan_2002.jpeg")
    with pytest.raises(
        UserError, match=r"1 files are not named <image id>_<slice>\.jpeg, .*scan_2"
    ):
        read(tmp_path)
    (tmp_path / "train/MCI").mkdir()
    with pytest.raises(UserError, match=r"train: expected .*found AD, MCI, NC"):
        read(tmp_path)


def test_a_truncated_slice_is_named(tmp_path):
    jpegs(tmp_path)
    path = tmp_path / "train/AD/1001_99.jpeg"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"1001_99\.jpeg: cannot be read as an image"):
        read(tmp_path)


def made(tmp_path: Path, scans: dict[str, str], **settings) -> tuple[dict[str, set[str]], dict]:
    """The splits of every patient after prepare and split, and what the split's journal ends with.

    The scans of 2001 and 2002 are one brain: all but the same picture.
    """
    root = jpegs(tmp_path / "raw", scans)
    for number in (99, 100):
        jpeg(root / scans["2001"] / f"2001_{number}.jpeg", number)
        jpeg(root / scans["2002"] / f"2002_{number}.jpeg", number, quality=90)
    size = Prepare(size=(32, 32), centre_crop=(40, 40))
    source = adni.Source(root=root)
    prepare(source, size, root=None, out=tmp_path / "cohort", journal=Journal(None, "prepare", {}))
    with Journal(tmp_path / "split.jsonl", "split", {}) as journal:
        split(
            Split(near_duplicates="join", **settings),
            seed=0,
            cohort=tmp_path / "cohort",
            out=tmp_path / "split.csv",
            leakage=tmp_path / "leakage.json",
            pairs=tmp_path / "near_duplicates.csv",
            drawn=tmp_path / "near-duplicates.png",
            journal=journal,
        )
    parts: dict[str, set[str]] = {}
    with (tmp_path / "split.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            parts.setdefault(row["patient_id"], set()).add(row["split"])
    events = map(json.loads, (tmp_path / "split.jsonl").read_text().splitlines())
    return parts, next(event["values"] for event in events if event["event"] == "result")


MANY = {f"{part}{i:03d}": f"{name}/{label}"
        for part, name in ((1, "train"), (2, "test"))
        for i, label in enumerate(["AD"] * 6 + ["NC"] * 6)}  # fmt: skip


def test_validation_comes_out_of_test_by_joined_scans_and_the_run_says_what_it_joined(
    tmp_path, capsys
):
    parts, told = made(tmp_path, MANY, validation_from="test")
    assert all(parts[scan] == {"train"} for scan in MANY if scan.startswith("1"))
    tests = {scan: found for scan, found in parts.items() if scan.startswith("2")}
    # A third of the six AD scans and of the six NC scans, as val : test is 0.1 : 0.2.
    assert sum(found == {"val"} for found in tests.values()) in (3, 4)
    assert set().union(*tests.values()) == {"val", "test"}
    assert len(parts["2001"] | parts["2002"]) == 1
    assert told["joined patients"] == 2 and told["groups of joined patients"] == 1
    said = capsys.readouterr().err
    assert "no val; it is carved out of test" in said
    assert "join 2 of 24 patients into 1 groups. Scans of one person that do not" in said


def test_scans_of_one_brain_across_the_official_parts_stop_the_run_with_a_way_forward(tmp_path):
    scans = MANY | {"2002": "train/AD"}
    with pytest.raises(UserError, match=r"(?s)2002, train.*set split\.official: ignore") as told:
        made(tmp_path, scans)
    assert "leakage" in str(told.value)
    parts, _ = made(tmp_path / "again", scans, official="ignore")
    assert len(parts["2001"] | parts["2002"]) == 1


def volume(root: Path, subject: str, scan: str, name: str = "") -> Path:
    name = name or f"ADNI_{subject}_MR_MPR__GradWarp_Br_20070319114732435_S13408_I{scan}.nii"
    path = root / "ADNI" / subject / "MPR__GradWarp" / "2006-04-18_08_20_30.0" / f"I{scan}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(int(scan)).integers(0, 1000, (10, 14, 12)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
    return path


def test_volumes_get_group_subject_and_visit_from_the_table(tmp_path):
    volume(tmp_path, "002_S_0295", "1001")
    volume(tmp_path, "002_S_0295", "1002", "ADNI_002_S_0295_MR_I1002.nii.gz")
    path = table(tmp_path / "collection.csv", SUBJECTS)
    images = read(tmp_path, layout="nifti", table=path, slicing={"slices": 2, "plane": "coronal"})
    assert [(i.image_id, i.patient_id, i.session, i.label, i.split) for i in images] == [
        ("I1001_y005", "002_S_0295", "sc", "AD", ""),
        ("I1001_y008", "002_S_0295", "sc", "AD", ""),
        ("I1002_y005", "002_S_0295", "m12", "AD", ""),
        ("I1002_y008", "002_S_0295", "m12", "AD", ""),
    ]
    assert images[0].pixels.shape == (12, 10)
    assert images[0].source_file.startswith("ADNI/002_S_0295/MPR__GradWarp/")


def test_volumes_that_cannot_be_attributed_are_told(tmp_path):
    settings = {"layout": "nifti", "table": table(tmp_path / "collection.csv", SUBJECTS)}
    with pytest.raises(UserError, match="no volumes"):
        read(tmp_path, **settings)
    volume(tmp_path, "002_S_0295", "1001").rename(tmp_path / "brain.nii")
    with pytest.raises(UserError, match=r"1 files are not named .*_I<image id>\.nii.*brain\.nii"):
        read(tmp_path, **settings)
    (tmp_path / "brain.nii").unlink()
    volume(tmp_path, "002_S_0295", "7")
    with pytest.raises(UserError, match="1 of 1 scans are not in its column Image Data ID, I7"):
        read(tmp_path, **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"layout": "nifti"}, "needs the archive's CSV file"),
        ({"slicing": {"slices": 3}}, "slicing is for layout: nifti"),
        ({"layout": "dicom"}, "'jpeg' or 'nifti'"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, settings, said):
    with pytest.raises(ValidationError, match=said):
        adni.Source(root=tmp_path, **settings)
