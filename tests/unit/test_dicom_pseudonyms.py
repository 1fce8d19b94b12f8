"""Names, dates, ids and paths of DICOM files stay out of records; codes stand for them."""

import csv
import json
import stat
from pathlib import Path

import numpy as np
import pytest
from dicoms import dataset, read, save, series, uid

from synthcohort.cohort.prepare import prepare
from synthcohort.config import Prepare
from synthcohort.errors import UserError
from synthcohort.sources import dicom, keeps_private, terms
from synthcohort.sources.dicom.pseudonyms import KEY, Pseudonyms
from synthcohort.tracking.journal import Journal

PIXELS = np.arange(256, dtype=np.uint16).reshape(16, 16)
TOLD = ("Meier", "Hanne", "PAT-4711", "4711", "19510607", "20231105", "ACC-99", "1.2.826.0.1.36")


def hospital(root: Path) -> Path:
    """Files as archives give them, in folders that are named as the patients are."""
    for patient, name in (("PAT-4711", "Meier^Hanne"), ("PAT-4712", "Kim^Lee"), ("A-5", "Ng^A")):
        for i, date in enumerate(("20231105", "20240110")):
            of = dataset(
                PIXELS + i,
                name=date,
                PatientID=patient,
                PatientName=name,
                PatientBirthDate="19510607",
                StudyDate=date,
                AccessionNumber=f"ACC-99{i}",
            )
            folder = root / f"{name.replace('^', '_')}_{patient}" / date
            save(of, folder / f"{of.SOPInstanceUID}.dcm")
    return root


def run(folder: Path, root: Path, **keys) -> None:
    """Prepare the cohort, with a journal."""
    source = dicom.Source(root=root, **keys)
    private = folder / ".private"
    record = {"source": source.model_dump(mode="json")}
    with Journal(folder / "journal" / "prepare.jsonl", "prepare", record) as journal:
        settings = Prepare(size=(16, 16))
        prepare(source, settings, root=private, out=folder / "cohort", journal=journal)


def records(folder: Path) -> str:
    """All that is written but the private folder."""
    files = [*(folder / "cohort").glob("*.csv"), *(folder / "journal").glob("*")]
    assert files
    return "".join(path.read_text(encoding="utf-8") for path in files)


def test_no_record_and_no_message_names_anybody(tmp_path, capsys):
    root = hospital(tmp_path / "files")
    cut = root / "Meier_Hanne_PAT-4711" / "PAT-4711-report.txt"
    cut.write_text("Befund")
    run(tmp_path, root)
    said = records(tmp_path) + capsys.readouterr().err
    assert "no DICOM files: 1 file, …/… [F" in said
    assert not [text for text in TOLD if text in said]
    with (tmp_path / "cohort" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["patient_id"] for row in rows}) == 3
    assert sorted(row["session"] for row in rows) == ["1", "1", "1", "2", "2", "2"]
    assert (tmp_path / "cohort" / "images.npy").read_bytes().count(b"Meier") == 0


@pytest.mark.parametrize("fault", ["cut", "burned", "gap"])
def test_neither_does_an_error(tmp_path, capsys, fault):
    root = hospital(tmp_path / "files")
    path = next((root / "Meier_Hanne_PAT-4711" / "20231105").iterdir())
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif fault == "burned":
        tags = {"PatientID": "PAT-4711", "PatientName": "Meier^Hanne", "StudyDate": "20231105"}
        tags |= {"PatientBirthDate": "19510607", "BurnedInAnnotation": "YES"}
        save(dataset(PIXELS, name="burned", **tags), path.with_name("IM7"))
    else:
        tags = {"PatientID": "PAT-4711", "PatientBirthDate": "19510607", "name": "Hanne"}
        voxels = np.zeros((8, 8, 9), np.int16)
        series(path.parent, voxels, np.eye(4), leave_out=(4,), **tags)
    with pytest.raises(UserError) as told:
        run(tmp_path, root)
    message = str(told.value)
    named = message.replace(str(tmp_path), "")
    assert not [text for text in TOLD if text in named]
    assert ("IM7" in named) == (fault == "burned")
    # What the journal keeps has no path at all.
    journal = (tmp_path / "journal" / "prepare.jsonl").read_text(encoding="utf-8")
    end = json.loads(journal.splitlines()[-1])
    assert end["status"] == "failed" and "1 file, F" in end["error"]
    assert str(root) not in end["error"] and "IM7" not in end["error"]
    # The table beside the key tells which file it is.
    code = message.split("[")[1].split("]")[0]
    (index,) = (tmp_path / ".private").glob("*.csv")
    with index.open(newline="", encoding="utf-8") as file:
        paths = {row["code"]: row["path"] for row in csv.DictReader(file)}
    assert (root / paths[code]).is_file() and "Meier_Hanne" in paths[code]
    assert code in end["error"]


def test_the_table_of_codes_has_every_file_of_an_image(tmp_path):
    root = tmp_path / "files"
    series(root / "a", np.random.default_rng(0).integers(0, 99, (8, 8, 5)).astype("i2"), np.eye(4))
    save(dataset(PIXELS, PatientID="Q"), root / "b" / "IM1")
    images = read(root, tmp_path / ".private")
    (index,) = (tmp_path / ".private").glob("*.csv")
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    of = {image.source_file: [r["path"] for r in rows if r["code"] == image.source_file]
          for image in images}  # fmt: skip
    assert sorted(len(paths) for paths in of.values()) == [1, 5]
    assert all(image.image_id.startswith(image.source_file) for image in images)


def test_the_same_key_gives_the_same_codes_and_another_others(tmp_path):
    root = hospital(tmp_path / "files")
    first = read(root, tmp_path / "one")
    moved = tmp_path / "moved"
    root.rename(moved)
    again = read(moved, tmp_path / "one")
    assert [i.image_id for i in first] == [i.image_id for i in again]
    assert [i.patient_id for i in first] == [i.patient_id for i in again]
    other = read(moved, tmp_path / "two")
    assert not {i.patient_id for i in first} & {i.patient_id for i in other}
    # Whoever has the key has the codes, also in another place.
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / KEY).write_bytes((tmp_path / "one" / KEY).read_bytes())
    assert [i.patient_id for i in read(moved, tmp_path / "three")] == [i.patient_id for i in first]


def test_the_key_is_random_and_for_its_owner_alone(tmp_path):
    keys = set()
    for i in range(3):
        Pseudonyms(tmp_path / str(i), tmp_path)
        path = tmp_path / str(i) / KEY
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        keys.add(path.read_text())
    assert len(keys) == 3


def test_a_damaged_key_is_told(tmp_path):
    (tmp_path / KEY).write_text("secret")
    with pytest.raises(UserError, match="expected the key of the pseudonyms"):
        Pseudonyms(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a/Meier/IM1", "a/…/IM1"),
        ("MEIERHANNE/x.dcm", "…/x.dcm"),
        ("2023-11-05/x.dcm", "…/x.dcm"),
        ("x/05_Lee.dcm", "x/…"),
        ("asleep/x", "asleep/x"),  # a short name counts where it stands alone
        (f"{uid('a')}/series", "…/series"),
        ("1.2.840.113619.2.5/x", "…/x"),  # of nobody who is known
        ("visit 1999-12-31/x", "…/x"),
        ("plain/file.dcm", "plain/file.dcm"),
    ],
)
def test_parts_of_paths_that_identify_are_left_out(tmp_path, path, shown):
    names = Pseudonyms(tmp_path, tmp_path)
    names.learn(["Meier", "Hanne", "Lee", "20231105", uid("a"), "", "^"])
    expected = shown if "…" not in shown else f"{shown} [{names.code('F', path)}]"
    assert names.shown(path) == expected


def test_without_a_private_folder_nothing_is_read(tmp_path):
    with pytest.raises(UserError, match="give a folder as --root"):
        list(dicom.read(dicom.Source(root=hospital(tmp_path / "files")), None))
    assert keeps_private(dicom.Source(root="x"))


def test_the_terms_tell_what_nobody_looked_for():
    refused = terms(dicom.Source(root="x", licence="CC0"))
    assert refused.name == "CC0" and "says so were refused; where the tag is absent" in refused.note
    accepted = terms(dicom.Source(root="x", burned_in="accept"))
    assert "may come back in synthetic images" in accepted.note
