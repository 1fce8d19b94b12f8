"""What is told of the images that patients share: in words, in a table, in a figure."""

import csv

import numpy as np
import pytest
from cohorts import OFFICIAL, cohort_of, found, pictures, run
from PIL import Image

from synthcohort.cohort import leakage, open_cohort
from synthcohort.errors import UserError

WHOLE = {"fractions": {"train": 0.7, "val": 0, "test": 0.3}}


def table(folder) -> list[dict[str, str]]:
    with (folder / "near_duplicates.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_pairs_are_told_by_two_patients_and_listed_whole(tmp_path):
    """Patients a (train) and b (test) share four pictures, c (train) and d (test) one, and e and f,
    both of train, another."""
    images, patients = pictures(30), [f"p{i:02d}" for i in range(30)]
    patients[:4], patients[20:24] = ["a"] * 4, ["b"] * 4
    patients[5], patients[25], patients[6], patients[7] = "c", "d", "e", "f"
    images[20:24] = images[:4]
    images[25] = np.roll(images[5], 1, axis=1)
    images[7] = np.roll(images[6], 1, axis=0)
    labels = ["x"] * 15 + ["y"] * 15
    cohort = cohort_of(tmp_path / "cohort", images, patients, labels, OFFICIAL)
    with pytest.raises(UserError) as told:
        run(cohort, **WHOLE)
    lines = str(told.value).splitlines()
    assert lines[0].endswith(", 2 pairs of patients:") and "4 groups" in lines[0]
    assert lines[1] == (
        "  a/0 (a, train) and b/20 (b, test): same bytes (and 3 more of these two patients)"
    )
    assert lines[2] == "  c/5 (c, train) and d/25 (d, test): correlation 1.0000"
    assert "near_duplicates.csv" in lines[3] and "near-duplicates.png" in lines[3]

    # The table and the figure are there although the run has stopped.
    rows = table(tmp_path)
    assert [(row["image_id"], row["other_image_id"]) for row in rows] == [
        *((f"a/{i}", f"b/{20 + i}") for i in range(4)),
        ("c/5", "d/25"),
        ("e/6", "f/7"),
    ]
    assert rows[0] == {
        "image_id": "a/0",
        "patient_id": "a",
        "label": "x",
        "split": "train",
        "other_image_id": "b/20",
        "other_patient_id": "b",
        "other_label": "y",
        "other_split": "test",
        "correlation": "1.0000",
        "same_bytes": "yes",
        "across": "yes",
    }
    assert (rows[4]["same_bytes"], rows[5]["across"]) == ("no", "no")
    assert Image.open(tmp_path / "near-duplicates.png").height > 300
    assert not (tmp_path / "split.csv").exists()


def test_many_pairs_of_patients_are_cut_short_in_words_alone(tmp_path):
    images, patients = pictures(60), [f"p{i:02d}" for i in range(60)]
    images[30:] = images[:30]
    official = ["train"] * 30 + ["test"] * 30
    cohort = cohort_of(tmp_path / "cohort", images, patients, official=official)
    with pytest.raises(UserError, match=r"30 pairs of patients.*(?s:.)*… and 20 more"):
        run(cohort, **WHOLE)
    assert len(table(tmp_path)) == 30


def test_nothing_shared_is_said_too(tmp_path):
    run(cohort_of(tmp_path / "cohort", pictures(30), [f"p{i}" for i in range(30)]))
    assert (tmp_path / "near_duplicates.csv").read_text() == (
        "image_id,patient_id,label,split,other_image_id,other_patient_id,other_label,other_split,"
        "correlation,same_bytes,across\n"
    )
    assert Image.open(tmp_path / "near-duplicates.png").height < 300


def test_blank_images_are_listed_without_a_correlation(tmp_path):
    images = pictures(30)
    images[[2, 3, 25]] = 0
    cohort = cohort_of(tmp_path / "cohort", images, [f"p{i}" for i in range(30)])
    run(cohort, near_duplicates="allow")
    rows = table(tmp_path)
    assert {(row["patient_id"], row["other_patient_id"]) for row in rows} == {
        ("p2", "p3"),
        ("p2", "p25"),
    }
    assert {(row["correlation"], row["same_bytes"]) for row in rows} == {("", "yes")}


@pytest.mark.parametrize("name", ["$x$", "a{b}_\\frac", "名前", "p" * 300])
def test_any_name_can_be_drawn(tmp_path, name):
    images, patients = pictures(30), [f"p{i}" for i in range(30)]
    images[4], patients[4] = images[3], name
    run(cohort_of(tmp_path / "cohort", images, patients), near_duplicates="allow")
    assert table(tmp_path)[0]["other_patient_id"] == name


def test_too_many_pairs_to_list_still_join_all_and_stop_the_run(tmp_path, monkeypatch, capsys):
    """Two pictures that thirty patients share each: 870 pairs, of which forty are kept at first."""
    monkeypatch.setattr(leakage, "_MOST", 40)
    images, patients = pictures(120), [f"p{i:03d}" for i in range(120)]
    for first in (0, 60):
        for i in range(1, 30):
            images[first + i] = np.roll(images[first], i % 3 - 1, axis=i % 2)
    cohort = cohort_of(tmp_path / "cohort", images, patients)
    findings = leakage.search(open_cohort(cohort), 0.99)
    monkeypatch.setattr(leakage, "_MOST", 10_000)
    every = leakage.search(open_cohort(cohort), 0.99)
    assert findings.found == every.found == len(every.near_identical) == 2 * 30 * 29 / 2
    assert findings.near_identical[:40] == every.near_identical[:40]
    assert 40 <= len(findings.near_identical) <= 40 + 60
    opened = open_cohort(cohort)
    assert leakage.joined(opened, findings) == leakage.joined(opened, every)
    assert len(set(leakage.joined(opened, findings))) == 120 - 2 * 29

    monkeypatch.setattr(leakage, "_MOST", 40)
    with pytest.raises(UserError, match="leakage"):
        run(cohort)
    run(cohort, near_duplicates="join")
    assert "870 pairs of images are nearly identical" in capsys.readouterr().err
    assert found(cohort)["across_splits"]["near_identical"] == 0


def test_the_report_stays_short_and_counts_all(tmp_path, monkeypatch):
    monkeypatch.setattr(leakage, "_IN_REPORT", 3)
    images = pictures(30)
    images[20:28] = np.roll(images[:8], 1, axis=1)
    patients = [f"p{i:02d}" for i in range(30)]
    cohort = cohort_of(tmp_path / "cohort", images, patients, official=OFFICIAL)
    run(cohort, near_duplicates="allow", **WHOLE)
    assert len(found(cohort)["near_identical"]) == 3
    assert found(cohort)["across_splits"]["near_identical"] == 8 == len(table(tmp_path))
