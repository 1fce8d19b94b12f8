"""DICOM, BIDS and Parquet: read back by the tools of their receivers, and by their validators."""

import csv
import io
import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from exports import SPLITS, front_matter, make, metadata, run, write_audit
from PIL import Image
from pyarrow import parquet as arrow
from pydantic import ValidationError

from synthcohort import config
from synthcohort.errors import UserError
from synthcohort.export import parquet

ALL = ["imagefolder", "medmnist", "parquet", "dicom", "bids"]
T1W = {"suffix": "T1w", "skull_stripped": False}
NAMES = ("no finding", "a\\µ")
KINDS = [(1, "u1"), (1, "u2"), (3, "u1")]


def pixels(made, label: str, index: int) -> np.ndarray:
    """What a file has to hold, H×W or H×W×3."""
    (row,) = np.flatnonzero((made.labels == NAMES.index(label)) & (made.index == index))
    image = made.images[row]
    return image[0] if len(image) == 1 else image.transpose(1, 2, 0)


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
def test_dicom_files_hold_the_samples_and_say_what_they_are(tmp_path, channels, dtype):
    made = make(tmp_path / "run", NAMES, channels, dtype)
    folder = run(made, formats=["parquet", "dicom"], title="Of a\\b\n" + "long " * 20) / "dicom"
    uids, subjects = set(), set()
    for split in SPLITS.values():
        for row in metadata(folder / split):
            dataset = pydicom.dcmread(folder / split / row["file_name"])
            expected = pixels(made, row["label"], int(row["index"]))
            np.testing.assert_array_equal(dataset.pixel_array, expected)
            assert dataset.pixel_array.dtype == np.dtype(dtype)
            assert dataset[0x0008, 0x001C].value == "YES" and dataset.ConversionType == "SYN"
            assert dataset.PatientID.startswith("SYNTHETIC-")
            assert str(dataset.PatientName).startswith("SYNTHETIC^")
            assert not dataset.PatientBirthDate and not dataset.StudyDate
            assert f"label {row['label']}, index {row['index']}" in dataset.ImageComments
            own = [dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dataset.StudyInstanceUID]
            assert all(uid.is_valid and uid.startswith("2.25.") for uid in own)
            uids.update(own)
            subjects.add(dataset.PatientID)
    assert len(uids) == 150 and len(subjects) == 50, "no two images are connected"


def test_dicom_files_are_what_the_standard_asks_for(tmp_path):
    validator = shutil.which("dciodvfy")
    if not validator and not os.environ.get("CI"):
        pytest.skip("dciodvfy is not there; it is in Debian's package dicom3tools")
    for channels, dtype in KINDS:
        made = make(tmp_path / f"{channels}{dtype}", NAMES, channels, dtype, counts=(3, 2))
        for path in (run(made, formats=["parquet", "dicom"]) / "dicom").rglob("*.dcm"):
            told = subprocess.run([validator, path], capture_output=True, text=True).stderr
            assert "SCImage" in told
            # The tag is younger than the validator.
            faults = [line for line in told.splitlines() if line.startswith("Error")]
            assert all("(0x0008,0x001c)" in line for line in faults), told


def test_another_model_s_image_of_the_same_seed_is_another_instance(tmp_path):
    made = make(tmp_path / "run", counts=(1, 0))
    (shard,) = made.shards
    instances = set()
    for changed in (0, 1):
        arrays = dict(np.load(shard))
        arrays["images"][0, 0, 0, 0] += changed
        np.savez(shard, **arrays)
        write_audit(made.root, made.shards)
        (path,) = run(made, formats=["parquet", "dicom"]).rglob("*.dcm")
        instances.add(pydicom.dcmread(path).SOPInstanceUID)
    assert len(instances) == 2


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_the_bids_derivative_is_valid_and_holds_the_samples(tmp_path, dtype):
    made = make(tmp_path / "run", NAMES, dtype=dtype)
    folder = (
        run(made, formats=["parquet", "bids"], bids={"suffix": "FLAIR", "skull_stripped": True})
        / "bids"
    )
    told = subprocess.run(
        ["bids-validator-deno", "--format", "json", folder], capture_output=True, text=True
    )
    issues = json.loads(told.stdout)["issues"]["issues"]
    assert told.returncode == 0
    assert not [issue for issue in issues if issue["severity"] == "error"], issues
    described = json.loads((folder / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "synthcohort"
    assert "digits" in described["SourceDatasets"][0]["Description"].lower()
    with (folder / "participants.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    assert Counter(row["split"] for row in rows) == {"train": 40, "validation": 5, "test": 5}
    assert set(rows[0]) == set(json.loads((folder / "participants.json").read_text()))
    for row in rows:
        subject = row["participant_id"]
        image = nibabel.load(folder / subject / f"anat/{subject}_desc-synthetic_FLAIR.nii.gz")
        voxels = np.asanyarray(image.dataobj)
        assert voxels.dtype == np.dtype(dtype) and voxels.shape == (10, 12, 1)
        expected = pixels(made, row["label"], int(row["index"]))
        np.testing.assert_array_equal(voxels[:, ::-1, 0].T, expected)
    assert len(list(folder.glob("sub-*"))) == 50


def test_parquet_files_hold_the_samples_in_the_npz_s_order(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "FILE", 15 * 240)
    monkeypatch.setattr(parquet, "GROUP", 4 * 240)
    made = make(tmp_path / "run", NAMES, dtype="u2")
    folder = run(made, formats=["medmnist", "parquet"])
    assert not (folder / "imagefolder").exists()
    files = sorted(path.name for path in (folder / "parquet").iterdir())
    assert [name for name in files if "train" in name] == [
        f"train-{number:05d}-of-00003.parquet" for number in range(3)
    ]
    assert {arrow.ParquetFile(folder / "parquet" / name).num_row_groups for name in files} <= {4, 2}
    with np.load(folder / "tiny.npz", allow_pickle=False) as arrays:
        for split, name in SPLITS.items():
            files = sorted((folder / "parquet").glob(f"{name}-*"))
            rows = [row for file in files for row in arrow.read_table(file).to_pylist()]
            for row, image, number in zip(
                rows, arrays[f"{split}_images"], arrays[f"{split}_labels"], strict=True
            ):
                picture = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
                np.testing.assert_array_equal(picture, image)
                np.testing.assert_array_equal(
                    picture, pixels(made, NAMES[row["label"]], row["index"])
                )
                assert row["class"] == number[0]


def test_datasets_loads_the_parquet_files_from_the_card_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    made = make(tmp_path / "run", NAMES)
    folder = run(made, formats=["parquet"], fractions={"train": 0.5, "val": 0.0, "test": 0.5})
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "test"}
    assert loaded["train"].features["label"].names == list(NAMES)
    row = loaded["test"][3]
    label = loaded["test"].features["label"].int2str(row["label"])
    np.testing.assert_array_equal(np.asarray(row["image"]), pixels(made, label, row["index"]))
    _, body = front_matter(folder)
    assert "the Parquet files" in body and "PNG files" not in body and "npz" not in body


def test_all_formats_are_the_same_bytes_again_and_have_their_checksums(tmp_path):
    made = make(tmp_path / "run", NAMES)
    folder = run(made, formats=ALL, bids=T1W)
    sums = (folder / "SHA256SUMS").read_text()
    for name in (
        "dicom/train/no_finding/",
        "bids/sub-000001/anat/",
        "parquet/train-00000-of-00001",
    ):
        assert f"  {name}" in sums
    other = run(make(tmp_path / "other", NAMES, shard=7), formats=ALL, bids=T1W)
    assert (other / "SHA256SUMS").read_text() == sums
    _, body = front_matter(folder)
    assert all(f"`{name}/`" in body for name in ("parquet", "dicom", "bids"))


def test_dropped_images_are_in_no_format(tmp_path):
    made = make(tmp_path / "run")
    write_audit(made.root, made.shards, copies=1, dropped=[("a", 7)], outcome="passed")
    folder = run(made, formats=ALL, bids=T1W)
    assert len(list(folder.rglob("*.dcm"))) == len(list(folder.rglob("*.nii.gz"))) == 49
    assert len((folder / "bids/participants.tsv").read_text().splitlines()) == 50
    assert sum(arrow.read_table(path).num_rows for path in folder.glob("parquet/*")) == 49
    assert not list(folder.glob("dicom/*/a/000007.dcm"))


def test_colour_is_no_mri(tmp_path):
    made = make(tmp_path / "run", channels=3)
    with pytest.raises(UserError, match="bids takes grey images"):
        run(made, formats=["parquet", "bids"], bids=T1W)
    assert not (Path(made.root) / "export").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"formats": ["dicom"]}, "one of imagefolder and parquet"),
        ({"formats": ["parquet", "parquet"]}, "stands twice"),
        ({"formats": ["imagefolder", "bids"]}, "has to be told of the images"),
    ],
)
def test_formats_that_do_not_do_are_told_with_the_settings(settings, told):
    with pytest.raises(ValidationError, match=told):
        config.Export(**settings)
