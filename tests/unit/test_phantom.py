"""The phantom source: its layout on disk, and what belongs to patient, scan and group."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import nibabel
import numpy as np
import pytest

from synthcohort import sources
from synthcohort.files import sha256
from synthcohort.sources import phantom
from synthcohort.sources.phantom.anatomy import draw_patient, grow_older

SETTINGS = phantom.Source(patients=16, second_sessions=0.5)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom")
    phantom.fetch(SETTINGS, root, seed=0)
    return root


@pytest.fixture(scope="module")
def images(root):
    return list(phantom.read(SETTINGS, root))


def table(root: Path) -> list[dict[str, str]]:
    with (root / "participants.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def checksums(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): sha256(p) for p in root.rglob("*") if p.is_file()}


def test_it_is_a_source():
    assert "phantom" in sources.names()
    assert phantom.Source().patients == 1_200


def test_it_lies_on_disk_as_a_bids_dataset(root):
    rows = table(root)
    assert list(rows[0]) == ["participant_id", "group", "age", "sex"]
    assert [row["participant_id"] for row in rows] == [f"sub-{i:03d}" for i in range(1, 17)]
    assert sorted(row["group"] for row in rows) == ["AD"] * 8 + ["NC"] * 8
    assert {row["sex"] for row in rows} == {"F", "M"}
    assert all(55 <= int(row["age"]) <= 95 for row in rows)
    description = json.loads((root / "dataset_description.json").read_text())
    assert {"Name", "BIDSVersion"} <= set(description)

    volumes = {p.relative_to(root).as_posix() for p in root.rglob("*.nii.gz")}
    first, second = (
        {f"sub-{i:03d}/{ses}/anat/sub-{i:03d}_{ses}_T1w.nii.gz" for i in range(1, 17)}
        for ses in ("ses-01", "ses-02")
    )
    assert first <= volumes <= first | second
    assert len(volumes) == 16 + 8

    volume = nibabel.load(root / min(volumes))
    assert volume.shape == (48, 48, 6)
    assert volume.get_data_dtype() == np.int16
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert volume.header.get_zooms() == pytest.approx((4.25, 4.25, 5.0))


def test_it_gives_labelled_slices(root, images):
    assert len(images) == 24 * 3
    groups = {row["participant_id"]: row["group"] for row in table(root)}
    assert all(image.label == groups[image.patient_id] for image in images)
    assert all(
        image.pixels.shape == (48, 48) and image.pixels.dtype == np.uint8 for image in images
    )
    assert len({image.image_id for image in images}) == len(images)
    assert images[0].image_id == "sub-001_ses-01_T1w_z000"
    # Black around the head, and the tissues spread over the grey levels inside.
    pixels = np.stack([image.pixels for image in images])
    assert np.median(pixels[:, :3, :3]) < 20
    assert pixels[:, 15:33, 15:33].std() > 40


def test_two_sessions_share_the_anatomy(images):
    by_scan = defaultdict(list)
    for image in images:
        by_scan[image.patient_id, image.session].append(image.pixels)
    flat = {scan: np.concatenate(pixels).ravel() for scan, pixels in by_scan.items()}
    first = sorted(scan for scan in flat if scan[1] == "ses-01")
    second = sorted(scan for scan in flat if scan[1] == "ses-02")
    table = np.corrcoef([flat[scan] for scan in second + first])[: len(second), len(second) :]
    same = np.array([[a[0] == b[0] for b in first] for a in second])
    # The head lay differently, so that a scan can be nearer to another patient's; rarely so.
    assert 1 - table[same].mean() < (1 - table[~same].mean()) / 2
    assert (table[same] >= table.max(axis=1)).mean() >= 0.75
    assert table[same].max() < 0.98


def test_the_groups_differ_on_the_pictures(images):
    # Dark pixels in the middle of the slices around the ventricles.
    dark = defaultdict(list)
    for image in images:
        if image.session == "ses-01" and int(image.slice) <= 3:
            dark[image.label, image.patient_id].append((image.pixels[13:35, 16:32] < 75).mean())
    ad, nc = (
        np.array([np.mean(v) for (label, _), v in dark.items() if label == group])
        for group in ("AD", "NC")
    )
    assert ad.mean() > nc.mean() + 0.5 * np.std(np.concatenate([ad, nc]))


@pytest.mark.parametrize(("part", "sign"), [("ventricles", 1), ("sulci", 1), ("cortex", -1)])
def test_the_groups_overlap(part, sign):
    ad, nc = (
        np.array([sign * getattr(draw_patient(i, group, 74, "F"), part) for i in range(300)])
        for group in ("AD", "NC")
    )
    higher = (ad[:, None] > nc).mean()
    assert 0.8 < higher < 0.95


def test_growing_older_keeps_the_patient():
    patient = draw_patient(3, "NC", 70, "M")
    older = grow_older(patient, 2)
    assert (older.seed, older.size) == (patient.seed, patient.size)
    assert patient.ventricles < older.ventricles < 1.1 * patient.ventricles
    assert 0.9 * patient.cortex < older.cortex < patient.cortex


def test_a_seed_fixes_every_byte(tmp_path):
    settings = phantom.Source(patients=2, second_sessions=0.5)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        phantom.fetch(settings, tmp_path / name, seed)
    a, b, c = (checksums(tmp_path / name) for name in "abc")
    assert a == b
    volumes_a, volumes_c = ({d for p, d in s.items() if p.endswith(".gz")} for s in (a, c))
    assert len(volumes_a) == 3 and not volumes_a & volumes_c
    # No time of writing in the gzip header (RFC 1952: bytes 4 to 7).
    assert all(p.read_bytes()[4:8] == bytes(4) for p in (tmp_path / "a").rglob("*.gz"))
