"""DICOM files: Secondary Capture images that say that they are synthetic.

    dicom/train/<label>/000000.dcm    validation/…    test/…
    dicom/train/metadata.csv          as imagefolder/ has it

The images come from no modality, so that they are of the class Secondary Capture (PS3.3 A.8.1),
with Conversion Type SYN, which is that class's word for a synthetic image, and Synthetic Data
(0008,001C) YES. Every image is a subject, a study and a series of its own, since nothing
connects two of them, and the subject's name and id say what they are. Pixel spacing, orientation
and dates are left out: the images have none.
"""

import hashlib
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort import __version__
from synthcohort.cohort import number_text
from synthcohort.config import Config
from synthcohort.export.imagefolder import FOLDERS, file_names, write_tables
from synthcohort.progress import progress
from synthcohort.samples import shards

if TYPE_CHECKING:
    from pydicom import Dataset

# All UIDs are UUIDs under 2.25 (PS3.5 B.2), made from names in this space (RFC 9562, version 5).
SPACE = uuid.UUID("5b0c0a0e-6f0e-4c55-9a43-0d6f7f3f6d52")
LONGEST = 64  # characters of a text in DICOM's LO


def write(
    folder: Path,
    samples: Sequence[Path],
    sampled: shards.Samples,
    split: np.ndarray,
    system: Config,
) -> None:
    """Write `folder`/dicom/: grey images (MONOCHROME2) or RGB, of 8 or 16 bits, uncompressed."""
    names = file_names(sampled, ".dcm")
    write_tables(folder / "dicom", sampled, split, names)
    chosen = split != ""
    with progress("DICOM files", int(chosen.sum())) as bar:
        for row, image in shards.taken(samples, chosen):
            dataset = _dataset(image, _about(sampled, row), system)
            path = folder / "dicom" / FOLDERS[split[row]] / names[row]
            dataset.save_as(path, enforce_file_format=True)
            bar.update()


def _about(sampled: shards.Samples, row: int) -> dict[str, str]:
    """What the model was asked for, and the seed, as words."""
    label = sampled.label_names[sampled.labels[row]]
    attributes = map(number_text, sampled.attributes[row])
    return {
        **({"label": label} if label else {}),
        **dict(zip(sampled.attribute_names, attributes, strict=True)),
        "index": str(sampled.index[row]),
        "seed": str(sampled.seeds[row]),
    }


def _dataset(image: np.ndarray, about: dict[str, str], system: Config) -> "Dataset":
    """One image, C×H×W uint8 or uint16, as a whole file."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    asked = ", ".join(f"{name} {value}" for name, value in about.items())
    # Of the pixels as well: another model's image of the same seed is another image.
    identity = hashlib.sha256(f"{system.name} {asked} ".encode() + image.tobytes()).hexdigest()
    uid = {
        kind: UID(f"2.25.{uuid.uuid5(SPACE, f'{kind} {identity}').int}")
        for kind in ("image", "series", "study")
    }
    of = Dataset()
    of.file_meta = FileMetaDataset()
    of.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    of.SpecificCharacterSet = "ISO_IR 192"  # UTF-8
    of.ImageType = ["DERIVED", "SECONDARY"]
    of.SOPClassUID = SecondaryCaptureImageStorage
    of.SOPInstanceUID = uid["image"]
    of.SyntheticData = "YES"
    of.PatientName = f"SYNTHETIC^{identity[:16].upper()}"
    of.PatientID = f"SYNTHETIC-{identity[:16].upper()}"
    of.PatientBirthDate = of.PatientSex = ""
    of.StudyInstanceUID = uid["study"]
    of.StudyDate = of.StudyTime = of.AccessionNumber = of.StudyID = ""
    of.ReferringPhysicianName = ""
    of.StudyDescription = _short(system.export.title)
    of.SeriesInstanceUID = uid["series"]
    of.SeriesDescription = _short(f"Synthetic {about.get('label', '')}".strip())
    of.Modality = "OT"
    of.Laterality = ""
    of.SeriesNumber = of.InstanceNumber = 1
    of.ConversionType = "SYN"
    of.PatientOrientation = ""
    of.Manufacturer = of.SecondaryCaptureDeviceManufacturer = "synthcohort"
    of.SecondaryCaptureDeviceSoftwareVersions = __version__
    of.DerivationDescription = "Drawn by a diffusion model; shows no patient. Not for diagnosis."
    of.ImageComments = f"Synthetic image. {asked}"
    bits = 8 * image.dtype.itemsize
    of.SamplesPerPixel, of.Rows, of.Columns = image.shape
    of.PhotometricInterpretation = "MONOCHROME2" if len(image) == 1 else "RGB"
    if len(image) > 1:
        of.PlanarConfiguration = 0
    of.BitsAllocated = of.BitsStored = bits
    of.HighBit, of.PixelRepresentation = bits - 1, 0
    pixels = np.moveaxis(image, 0, -1).astype(image.dtype.newbyteorder("<")).tobytes()
    of.PixelData = pixels + b"\0" * (len(pixels) % 2)
    of["PixelData"].VR = "OB" if bits == 8 else "OW"
    return of


def _short(text: str) -> str:
    """`text` as an LO: a backslash would begin another value there, and a control sign a fault."""
    return re.sub(r"[\\\x00-\x1f\x7f]", " ", text)[:LONGEST].strip()
