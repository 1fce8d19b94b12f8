"""Labels and attributes of DICOM images: from tags, or from a table by one of the ids."""

from pathlib import Path

import numpy as np
import pytest
from dicoms import dataset, read, save, series, uid
from pydantic import ValidationError
from pydicom import dcmread

from synthcohort.errors import UserError
from synthcohort.sources import dicom
from synthcohort.sources.dicom.describing import as_number

PIXELS = np.arange(256, dtype=np.uint16).reshape(16, 16)


def cohort(root: Path, **tags) -> Path:
    """Four radiographs of four patients; each tag holds a value for each."""
    for i in range(4):
        own = {"PatientID": f"P{i}", "StudyDate": f"2024020{i + 1}"}
        own |= {keyword: values[i] for keyword, values in tags.items()}
        save(dataset(PIXELS + i, **own), root / f"IM{i}")
    return root


def described(root: Path, **keys) -> list[tuple]:
    images = [(image.label, dict(image.attributes)) for image in read(root, **keys)]
    return sorted(images, key=str)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        *(("034Y", 34), ("018M", 1.5), ("026W", 26 * 7 / 365.25), ("010D", 10 / 365.25)),
        *(("7y", 7), ("1.75", 1.75), ("-3", -3)),
    ],
)
def test_ages_are_years(text, years):
    assert as_number(text) == pytest.approx(years)


@pytest.mark.parametrize("text", ["", "34X", "Y", "inf", "nan", "0034Y", "1,5"])
def test_what_is_no_number_is_none(text):
    assert np.isnan(as_number(text))


def test_tags_give_label_and_attributes(tmp_path):
    tags = {"PatientSex": "FMfM", "PatientAge": ["034Y", "071Y", "018M", "100Y"]}
    root = cohort(tmp_path / "root", **tags, PatientSize=["1.6", "1.8", "0.8", "1.7"])
    keys = {"label": "PatientSex", "attributes": ["PatientAge", "PatientSize"]}
    found = described(root, **keys)
    assert [label.casefold() for label, _ in found] == ["f", "f", "m", "m"]
    assert len({label for label, _ in found}) == 2  # written as the first of them is
    ages = [of["PatientAge"] for _, of in found]
    assert sorted(ages) == [1.5, 34, 71, 100]
    assert all(set(of) == {"PatientAge", "PatientSize"} for _, of in found)


def test_the_label_of_a_volume_is_that_of_all_its_files(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 99, (8, 8, 5)).astype("i2")
    tags = {"Manufacturer": "Acme", "EchoTime": 5}
    paths = series(tmp_path / "root", voxels, np.eye(4), **tags)
    images = read(tmp_path / "root", label="Manufacturer", attributes=["EchoTime"])
    assert {(i.label, i.attributes["EchoTime"]) for i in images} == {("Acme", 5)}
    of = dcmread(paths[0])
    of.Manufacturer = "Another"
    of.save_as(paths[0])
    with pytest.raises(UserError, match="the files of its series differ in Manufacturer"):
        read(tmp_path / "root", label="Manufacturer")


KEYS = {
    "PatientID": [f"p{i}" for i in range(4)],
    "StudyInstanceUID": [uid("study", f"P{i}", f"2024020{i + 1}") for i in range(4)],
    "SOPInstanceUID": [uid("object", f"P{i}", "1") for i in range(4)],
}


@pytest.mark.parametrize("key", KEYS)
def test_a_table_gives_label_and_attributes_by_an_id(tmp_path, capsys, key):
    root = cohort(tmp_path / "root")
    rows = [f"{of},x{i % 2},{i}.5" for i, of in enumerate(KEYS[key])]
    (root / "table.csv").write_text("\n".join([f"{key},finding,score", *rows, "more,x0,1"]))
    keys = {"key": key, "table": "table.csv", "label": "finding", "attributes": ["score"]}
    assert described(root, **keys) == [
        *(("x0", {"score": 0.5}), ("x0", {"score": 2.5})),
        *(("x1", {"score": 1.5}), ("x1", {"score": 3.5})),
    ]
    said = capsys.readouterr().err
    assert "1 rows of table.csv are of no image here" in said and "no DICOM" not in said


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["P0,a", "P1,b", "P2,c"], r"1 file, IM3: table.csv has no row for its PatientID"),
        (["P0,a", "P1,", "P2,c", "P3,n/a"], r"2 files, IM1, IM3: it has no finding; fill it in"),
        (["P0,a", "P1,b", "P2,c", "P3,d", "p0,b"], r"line 6: its PatientID has another row"),
        (["P0,a", "P1,b", "P2,c", "P3,d", ",b"], r"line 6: has no PatientID"),
    ],
)
def test_a_table_that_lacks_something_is_refused(tmp_path, lines, told):
    root = cohort(tmp_path / "root")
    (root / "table.csv").write_text("\n".join(["PatientID,finding", *lines]) + "\n")
    with pytest.raises(UserError, match=told) as refused:
        read(root, table="table.csv", label="finding")
    assert "P3" not in refused.value.recorded


def test_a_table_without_the_column_is_refused(tmp_path):
    root = cohort(tmp_path / "root")
    (root / "table.csv").write_text("id,finding\nP0,a\n")
    with pytest.raises(UserError, match=r"no column 'PatientID' \(source.key\)"):
        read(root, table="table.csv", label="finding")


@pytest.mark.parametrize(
    ("tags", "keys", "told"),
    [
        ({"PatientSex": ["F", "", "M", "M"]}, {"label": "PatientSex"}, "IM1: it has no PatientSex"),
        ({}, {"attributes": ["PatientAge"]}, "4 files, IM0, IM1, IM2, IM3: it has no PatientAge"),
        ({"PatientSex": "FMFM"}, {"attributes": ["PatientSex"]}, "as PatientSex it has no number"),
    ],
)
def test_a_tag_that_lacks_something_is_refused(tmp_path, tags, keys, told):
    root = cohort(tmp_path / "root", **tags)
    with pytest.raises(UserError, match=told):
        read(root, **keys)


@pytest.mark.parametrize(
    "keyword",
    [
        *("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "SOPInstanceUID"),
        *("AccessionNumber", "StudyID", "PatientAddress", "PatientComments", "InstitutionName"),
        *("ReferringPhysicianName", "MedicalRecordLocator", "StudyTime", "OtherPatientIDs"),
    ],
)
def test_tags_that_point_to_somebody_are_refused(keyword):
    for keys in ({"label": keyword}, {"attributes": [keyword]}):
        with pytest.raises(ValidationError, match="holds names, dates, ids or free text"):
            dicom.Source(root="x", **keys)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"label": "finding"}, "finding: no keyword of a DICOM tag"),
        ({"table": "t.csv", "label": "PatientSex"}, "neither label nor attributes name a column"),
        ({"series": "("}, "not a valid regular expression"),
        ({"window": (40, 0)}, "greater than 1"),
        ({"slice_range": (0.6, 0.4)}, "must not descend"),
    ],
)
def test_settings_that_make_no_sense_are_refused(keys, told):
    with pytest.raises(ValidationError, match=told):
        dicom.Source(root="x", **keys)
