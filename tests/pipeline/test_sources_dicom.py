"""DICOM: a whole run from hospital files to an exported dataset, and nobody named on the way."""

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid
from scipy.ndimage import gaussian_filter
from tiny import configured, snakemake

RESULTS = "results/tiny"
PATIENTS = 24


def write_hospital(root: Path) -> list[str]:
    """A CT series of five slices of each patient, and a text beside it; all that identifies."""
    known = []
    for patient in range(PATIENTS):
        name, number = f"Schmidtke{patient:02d}^Ottilie", f"KH-77{patient:03d}"
        date = f"202311{patient + 1:02d}"
        known += [name.split("^")[0], number, date, "Ottilie", "19480317"]
        field = gaussian_filter(np.random.default_rng(patient).normal(size=(5, 32, 32)), (0, 3, 3))
        voxels = np.rint(field / field.std() * 100 + 1024).astype(np.uint16)
        for k in range(5):
            of = Dataset()
            of.file_meta = FileMetaDataset()
            of.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            of.SOPClassUID = pydicom.uid.CTImageStorage
            of.SOPInstanceUID = generate_uid(entropy_srcs=[number, str(k)])
            of.SeriesInstanceUID = generate_uid(entropy_srcs=[number, "series"])
            of.StudyInstanceUID = generate_uid(entropy_srcs=[number, "study"])
            known.append(of.SOPInstanceUID)
            of.PatientID, of.PatientName, of.StudyDate = number, name, date
            of.PatientBirthDate, of.PatientSex = "19480317", "FM"[patient % 2]
            of.PatientAge, of.Modality = f"{40 + patient:03d}Y", "CT"
            of.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            of.ImagePositionPatient, of.ImageOrientationPatient = [0, 0, 3 * k], [1, 0, 0, 0, 1, 0]
            of.PixelSpacing, of.Rows, of.Columns = [1, 1], 32, 32
            of.SamplesPerPixel, of.PhotometricInterpretation = 1, "MONOCHROME2"
            of.BitsAllocated, of.BitsStored, of.HighBit, of.PixelRepresentation = 16, 12, 11, 0
            of.RescaleSlope, of.RescaleIntercept = 1, -1024
            of.PixelData = voxels[k].tobytes()
            if patient % 3 == 0:
                of.compress(RLELossless, generate_instance_uid=False)
            path = root / f"{number} {name}" / date / of.SOPInstanceUID
            path.parent.mkdir(parents=True, exist_ok=True)
            of.save_as(path, enforce_file_format=True)
        (path.parent / "report.txt").write_text(name)
    return sorted(set(known))


def test_dicom(tmp_path, quick):
    known = write_hospital(tmp_path / "archive")
    source = {
        "kind": "dicom",
        "root": "archive",
        "window": [0, 600],
        "slices": 3,
        "slice_range": [0, 1],
        "label": "PatientSex",
        "attributes": ["PatientAge"],
    }
    config = configured(tmp_path, source=source)
    done = snakemake(tmp_path, f"{RESULTS}/export/SHA256SUMS", "--configfile", config, **quick)
    assert done.returncode == 0, done.stdout[-4000:]
    with (tmp_path / RESULTS / "cohort/manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * PATIENTS and {row["label"] for row in rows} == {"F", "M"}
    assert len({row["patient_id"] for row in rows}) == PATIENTS
    assert {row["session"] for row in rows} == {"1"}
    assert {float(row["PatientAge"]) for row in rows} == {40.0 + i for i in range(PATIENTS)}
    images = np.load(tmp_path / RESULTS / "cohort/images.npy", allow_pickle=False)
    assert images.shape == (72, 1, 32, 32) and 40 < images.std() < 60  # 100 HU of 600 are 42

    card = (tmp_path / RESULTS / "export/README.md").read_text()
    assert "burned into DICOM images" in card and "PatientAge" in card
    # Nobody is named anywhere but in the files themselves and in the private folder.
    private = tmp_path / "results/.private"
    assert (private / "dicom.key").is_file()
    key = (private / "dicom.key").read_bytes().strip()
    files = [
        path
        for folder in ("results", "logs", ".snakemake/log")
        for path in (tmp_path / folder).rglob("*")
        if path.is_file() and private not in path.parents
    ]
    assert (tmp_path / RESULTS / "journal/prepare.jsonl") in files and len(files) > 50
    texts = [text.encode() for text in known]
    telling = [
        (str(path), text)
        for path in files
        for content in [path.read_bytes()]
        for text in [*texts, key]
        if text in content
    ]
    assert not telling and not [text for text in known if text in done.stdout]
    end = json.loads((tmp_path / RESULTS / "journal/prepare.jsonl").read_text().splitlines()[-1])
    assert end["status"] == "finished"
