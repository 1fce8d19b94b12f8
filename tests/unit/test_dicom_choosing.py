"""Which DICOM files are taken, left out and told, or refused by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from dicoms import CLASSES, dataset, read, save, series, shipped, uid
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from synthcohort.errors import UserError

PIXELS = np.arange(256, dtype=np.uint16).reshape(16, 16)


def cohort(root: Path, count: int = 3) -> Path:
    """Radiographs of so many patients."""
    for i in range(count):
        save(dataset(PIXELS + i, PatientID=f"P{i}", PatientName=f"N{i}^X"), root / f"a/b{i}/IM{i}")
    return root


def test_files_are_found_at_any_depth_with_and_without_a_suffix(tmp_path):
    root = tmp_path / "root"
    for i, name in enumerate(("IM1", "a/b.dcm", "a/b/c/d.IMA", "a/.hidden/no", "x/1.2.840.1")):
        save(dataset(PIXELS, PatientID=f"P{i}"), root / name)
    assert len(read(root)) == 4


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "Modality": "CT"}, "localisers"),
        ({"ImageType": ["DERIVED", "PRIMARY", "MPR"], "Modality": "CT"}, "derived images"),
        ({"ImageType": ["DERIVED ", "PRIMARY"], "Modality": "MR"}, "derived images"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"], "Modality": "PT"}, "secondary images"),
        ({"ImageType": ["ORIGINAL", "SECONDARY"], "Modality": "US"}, "secondary images"),
        ({"SOPClassUID": CLASSES["SC"], "ImageType": None, "Modality": "OT"}, "and captures"),
        ({"SOPClassUID": CLASSES["SR"], "Modality": "SR", "PixelData": None}, "no images but SR"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4", "Modality": "SEG"}, "no images but SEG"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.2", "Modality": "RTDOSE"}, "but RTDOSE"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1", "Modality": "PR"}, "no images but PR"),
        ({"SOPInstanceUID": uid("object", "P0", "1"), "PatientID": "p0"}, "copies, with the SOP"),
    ],
)
def test_what_the_rules_leave_out_is_told(tmp_path, capsys, tags, told):
    root = cohort(tmp_path / "root")
    save(dataset(PIXELS, name="other", **{"PatientID": "P1"} | tags), root / "z" / "odd")
    assert len(read(root)) == 3
    said = capsys.readouterr().err
    assert "left out, " in said and told in said and "1 file, z/odd" in said


def test_derived_images_are_taken_where_the_settings_say_so(tmp_path, capsys):
    root = cohort(tmp_path / "root")
    save(dataset(PIXELS, PatientID="P8", ImageType=["DERIVED", "PRIMARY"]), root / "processed")
    save(dataset(PIXELS, PatientID="P9", ImageType=["DERIVED", "SECONDARY"]), root / "capture")
    # A radiograph is derived as soon as it has been processed to be looked at.
    assert len(read(root)) == 4
    assert len(read(root, derived=True)) == 5


def test_disc_directories_and_other_files_are_told(tmp_path, capsys):
    root = cohort(tmp_path / "root")
    shutil.copy(shipped("DICOMDIR"), root / "DICOMDIR")
    (root / "README.txt").write_text("Viewer on this disc")
    (root / "VIEWER.EXE").write_bytes(b"MZ\x90\0")
    (root / "AUTORUN").write_text("\x08\0 nothing of DICOM")
    (root / "loop").symlink_to(root)
    assert len(read(root)) == 3
    said = capsys.readouterr().err
    assert "DICOMDIR, a disc's table of contents: 1 file, DICOMDIR" in said
    assert "no DICOM files: 3 files, AUTORUN, README.txt, VIEWER.EXE" in said


def test_modality_and_series_choose(tmp_path, capsys):
    root = cohort(tmp_path / "root")
    save(dataset(PIXELS, PatientID="U", Modality="US"), root / "us")
    described = {"Modality": "US", "SeriesDescription": "Liver long"}
    save(dataset(PIXELS, PatientID="U", name="2", **described), root / "us2")
    assert len(read(root, modality=["CR"])) == 3
    assert "of the modality US: 2 files" in capsys.readouterr().err
    assert len(read(root, series="(?i)liver")) == 1
    with pytest.raises(UserError, match=r"no images; .*3 of the modality CR.*check source.root"):
        read(root, modality=["CT"])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"no DICOM file, whatever its name says: it is empty"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"PK\x03\x04rest", "it is a zip archive; unpack it"),
        (b"\x7f" * 400, "no DICOM file, whatever its name says; fetch it again"),
        (b"\x30\x82\x10\x00" + b"\x81" * 200, "it is encrypted; decrypt it"),
        (b"Salted__" + b"\x81" * 200, "it is encrypted; decrypt it"),
        (b"\0" * 128 + b"DICM", "cannot be read|does not say what it is"),
    ],
)
def test_files_that_are_not_what_their_name_says_are_refused(tmp_path, content, told):
    root = cohort(tmp_path / "root")
    (root / "odd.dcm").write_bytes(content)
    with pytest.raises(UserError, match=f"1 file, odd.dcm: .*({told})"):
        read(root)


def test_an_encrypted_file_is_refused_whatever_its_name(tmp_path):
    root = cohort(tmp_path / "root")
    (root / "odd").write_bytes(b"\x30\x80" + b"\x81" * 200)
    with pytest.raises(UserError, match="1 file, odd: it is encrypted"):
        read(root)


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"PixelData": None}, "it has no pixels"),
        ({"PatientID": None}, "it has no PatientID, so"),
        ({"PatientID": " "}, "it has no PatientID, so"),
        ({"PatientID": "n/a"}, "it has no PatientID, so"),
        ({"SOPInstanceUID": ""}, "it has no SOPInstanceUID"),
        ({"BurnedInAnnotation": "YES"}, "Burned In Annotation is YES"),
        ({"Modality": "CT"}, r"it is a slice \(CT\) and does not say where it lies"),
    ],
)
def test_images_that_lack_something_are_refused_by_file(tmp_path, tags, told):
    root = cohort(tmp_path / "root")
    for i in range(2):
        of = dataset(PIXELS, name=f"odd{i}", **{"PatientID": f"Q{i}"} | tags)
        save(of, root / f"z/odd{i}")
    with pytest.raises(UserError, match=f"2 files, z/odd0, z/odd1: {told}"):
        read(root)


def test_encrypted_ids_are_told(tmp_path):
    root = cohort(tmp_path / "root")
    of = dataset(PIXELS, PatientID=None)
    of.EncryptedAttributesSequence = Sequence([Dataset()])
    save(of, root / "odd")
    with pytest.raises(UserError, match=r"odd: it has no PatientID \(its ids are encrypted\)"):
        read(root)


def test_all_faults_are_told_at_once(tmp_path):
    root = cohort(tmp_path / "root")
    (root / "page.dcm").write_text("<html>")
    save(dataset(PIXELS, PatientID="Q", BurnedInAnnotation="YES"), root / "burned")
    whole = (root / "a/b0/IM0").read_bytes()
    (root / "cut").write_bytes(whole[:-300])
    with pytest.raises(UserError) as told:
        read(root)
    said = str(told.value)
    assert len(said.splitlines()) == 3
    assert "page.dcm: " in said and "burned: " in said
    assert "cut: it is cut off, 300 bytes of its pixels are missing" in said


def test_burned_in_annotation_is_accepted_by_name(tmp_path, capsys):
    root = cohort(tmp_path / "root")
    save(dataset(PIXELS, PatientID="Q", BurnedInAnnotation="YES"), root / "burned")
    assert len(read(root, burned_in="accept")) == 4
    assert "annotations are burned in as the tag says: 1 file, burned" in capsys.readouterr().err


@pytest.mark.parametrize(
    "ids", [("P7", "p7"), ("7", "007"), ("Ä1", "A\u03081"), ("X1", "X1\u200b")]
)
def test_ids_that_differ_in_nothing_that_matters_are_one_patient(tmp_path, capsys, ids):
    for i, of in enumerate(ids):
        tags = {"PatientID": of, "SpecificCharacterSet": "ISO_IR 192"}
        save(dataset(PIXELS, name=str(i), **tags), tmp_path / "root" / str(i))
    assert len({image.patient_id for image in read(tmp_path / "root")}) == 1
    assert "1 PatientIDs are written in several ways" in capsys.readouterr().err


@pytest.mark.parametrize("tags", [{"PatientBirthDate": "19700101"}, {"PatientSex": "M"}])
def test_two_people_of_one_id_are_refused(tmp_path, tags):
    one = {"PatientID": "7", "PatientSex": "F"}
    save(dataset(PIXELS, **one), tmp_path / "root" / "a")
    save(dataset(PIXELS, name="2", **one), tmp_path / "root" / "b")
    save(dataset(PIXELS, name="3", **one | {"PatientID": "007"} | tags), tmp_path / "root" / "c")
    with pytest.raises(UserError, match="2 files, a, c: files of one PatientID"):
        read(tmp_path / "root")


def test_one_object_of_two_patients_is_refused(tmp_path):
    root = cohort(tmp_path / "root")
    other = dataset(PIXELS, PatientID="Q", SOPInstanceUID=uid("object", "P0", "1"))
    save(other, root / "z")
    with pytest.raises(UserError, match="with the same SOPInstanceUID name different patients"):
        read(root)


def test_sessions_follow_the_dates_of_the_studies(tmp_path, capsys):
    root = tmp_path / "root"
    for i, date in enumerate(("20240301", "20231224", "2024.03.02", "20240301", "")):
        save(dataset(PIXELS + i, name=str(i), StudyDate=date), root / str(i))
    for i in range(12):
        tags = {"PatientID": "Q", "StudyDate": f"2020{i + 1:02d}01"}
        save(dataset(PIXELS, name=str(i), **tags), root / f"q{i}")
    images = read(root, percentiles=(0, 100))
    one = [image.session for image in images if image.patient_id == images[-1].patient_id]
    two = [image.session for image in images if image.patient_id == images[0].patient_id]
    short, long = sorted((one, two), key=len)
    assert short == ["", "1", "2", "2", "3"]
    assert long == [str(i) for i in range(1, 13)]
    assert "1 files have no StudyDate" in capsys.readouterr().err


def test_reading_the_header_does_not_depend_on_what_else_is_in_the_file(tmp_path):
    (path, *_) = series(tmp_path / "root", PIXELS[:, :, None].astype("i2"), np.eye(4))
    of = dcmread(path)
    of.add_new(0x00091001, "LO", "private")
    of.add_new(0xFFFCFFFC, "OB", b"\0" * 20)
    of.save_as(path)
    assert len(read(tmp_path / "root", slices=1, slice_range=(0, 0))) == 1
