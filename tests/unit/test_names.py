"""What the names of patients and labels become in a cohort, whatever source they come from."""

import csv

import numpy as np
import pytest
from test_prepare import given

from synthcohort.cohort import open_cohort
from synthcohort.cohort.prepare import prepare
from synthcohort.config import Prepare
from synthcohort.errors import UserError
from synthcohort.sources import Image
from synthcohort.tracking.journal import Journal


def cohort(tmp_path, monkeypatch, images: list[dict]):
    """The cohort that a source's images make; what is not given is unremarkable."""
    images = [
        Image(
            np.full((4, 4), i, np.uint8),
            **{"image_id": f"i{i}", "patient_id": f"p{i}", "source_file": f"f{i}"} | of,
        )
        for i, of in enumerate(images)
    ]
    prepare(
        given(monkeypatch, images),
        Prepare(size=(4, 4)),
        root=None,
        out=tmp_path / "cohort",
        journal=Journal(None, "prepare", {}),
    )
    return open_cohort(tmp_path / "cohort")


def test_patients_and_labels_that_are_one_are_joined_and_told(tmp_path, monkeypatch, capsys):
    names = [("7", "AD"), ("007", "ad "), ("8", "NC"), ("7.0", "AD\u200b"), ("9", "NC")]
    images = [{"patient_id": patient, "label": label} for patient, label in names]
    made = cohort(tmp_path, monkeypatch, images)
    assert made.patients.tolist() == ["7", "7", "8", "7", "9"]
    assert [row["label"] for row in made.rows] == ["AD", "AD", "NC", "AD", "NC"]
    told = capsys.readouterr().err
    assert "1 patients are written in several ways and are taken as one each, '007' = '7'" in told
    assert r"1 labels are written in several ways and are taken as one each, 'AD' = " in told


def test_the_session_has_its_normal_form_or_is_empty(tmp_path, monkeypatch, capsys):
    made = cohort(tmp_path, monkeypatch, [{"session": of} for of in ("n/a", " m12 ", "m\u200b12")])
    assert [row["session"] for row in made.rows] == ["", "m12", "m12"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ({"patient_id": "nan"}, "f1: 'i1' has the patient_id 'nan', which means that it is not"),
        ({"patient_id": "\u200b"}, r"has the patient_id '\u200b', which means"),
        ({"label": "None"}, "f1: 'i1' has the label 'None', which means that it is not known"),
        ({"label": "-"}, "f1: 'i1' has the label '-'"),
        ({"patient_id": "1.23457E+11"}, "a long number that a spreadsheet has shortened"),
    ],
)
def test_what_is_not_known_is_no_name(tmp_path, monkeypatch, image, said):
    with pytest.raises(UserError) as error:
        cohort(tmp_path, monkeypatch, [{"label": "a"}, {"label": "b"} | image])
    assert said in str(error.value)


def numbered(*classes) -> list[dict]:
    return [{"label": label, "class_number": number} for label, number in classes]


def test_class_numbers_of_the_source_order_the_labels(tmp_path, monkeypatch):
    images = numbered(("normal", 0), ("odd", 3), ("abnormal", 1), ("normal", 0))
    made = cohort(tmp_path, monkeypatch, images)
    assert made.label_names == ["normal", "abnormal", "odd"]
    assert made.class_numbers == [0, 1, 3]
    assert made.classes.tolist() == [0, 2, 1, 0]
    assert made.attribute_names == []
    with (tmp_path / "cohort/manifest.csv").open(newline="") as file:
        assert [row["class"] for row in csv.DictReader(file)] == ["0", "3", "1", "0"]


def test_labels_that_are_numbers_are_ordered_as_numbers(tmp_path, monkeypatch):
    made = cohort(tmp_path, monkeypatch, [{"label": label} for label in ("10", "2", "0", "2")])
    assert made.label_names == ["0", "2", "10"]
    assert made.class_numbers == [0, 2, 10]
    assert made.classes.tolist() == [2, 1, 0, 1]
    assert "class" not in made.rows[0]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ([("a", 0), ("A", 1)], "the label 'a' with the class number 1, but before it had 0"),
        ([("a", 0), ("b", 0)], "the label 'b' with the class number 0, but before that was 'a'"),
        ([("a", 0), ("a", 1)], "class number 1, but before it had 0"),
        ([("a", 0), ("b", None)], "some labels have a class number and others none"),
        ([("a", None), ("b", 0)], "some labels have a class number and others none"),
    ],
)
def test_class_numbers_that_contradict_are_refused(tmp_path, monkeypatch, classes, said):
    with pytest.raises(UserError) as error:
        cohort(tmp_path, monkeypatch, numbered(*classes))
    assert said in str(error.value)
