"""DICOM files for tests: single images, and series cut from a volume with a NIfTI affine."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from synthcohort.sources import Image, dicom

CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "SC": "1.2.840.10008.5.1.4.1.1.7",
    "SR": "1.2.840.10008.5.1.4.1.1.88.11",
}


def shipped(name: str) -> Path:
    """A file that comes with pydicom; nothing is downloaded."""
    path = get_testdata_file(name, download=False)
    assert path is not None
    return Path(path)


def uid(*parts: Any) -> str:
    """The same unique identifier for the same parts."""
    return generate_uid(entropy_srcs=["test", *map(str, parts)])


def dataset(pixels: np.ndarray | None = None, name: str = "1", **tags: Any) -> Dataset:
    """An image object of a patient, uncompressed; `tags` are keywords with their values, or None
    for those to leave out."""
    modality = tags.get("Modality", "CR")
    of = Dataset()
    of.file_meta = FileMetaDataset()
    of.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    of.file_meta.MediaStorageSOPInstanceUID = uid("file")
    patient = tags.get("PatientID", "Pat-0815")
    values = {
        "SOPClassUID": CLASSES.get(modality, CLASSES["CR"]),
        "SOPInstanceUID": uid("object", patient, name),
        "SeriesInstanceUID": uid("series", patient),
        "StudyInstanceUID": uid("study", patient, tags.get("StudyDate", "")),
        "Modality": modality,
        "PatientID": patient,
        "PatientName": "Mustermann^Erika",
        "PatientBirthDate": "19640812",
        "StudyDate": "20240229",
        "ImageType": ["ORIGINAL", "PRIMARY"],
    }
    if pixels is not None:
        colour = pixels.ndim > 2 and pixels.shape[-1] == 3
        frames = pixels.shape[:-3] if colour else pixels.shape[:-2]
        rows, columns = pixels.shape[len(frames) : len(frames) + 2]
        values |= {
            "Rows": rows,
            "Columns": columns,
            "SamplesPerPixel": 3 if colour else 1,
            "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
            "BitsAllocated": 8 * pixels.itemsize,
            "BitsStored": 8 * pixels.itemsize,
            "HighBit": 8 * pixels.itemsize - 1,
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "PixelData": pixels.tobytes() + b"\0" * (pixels.nbytes % 2),
        }
        values |= {"PlanarConfiguration": 0} if colour else {}
        values |= {"NumberOfFrames": frames[0]} if frames else {}
    for keyword, value in (values | tags).items():
        if value is not None:
            setattr(of, keyword, value)
    return of


def save(of: Dataset, path: Path) -> Path:
    """Write an object with preamble and file meta information."""
    path.parent.mkdir(parents=True, exist_ok=True)
    of.save_as(path, enforce_file_format=True)
    return path


def series(
    folder: Path, voxels: np.ndarray, affine: np.ndarray, leave_out: tuple = (), **tags: Any
) -> list[Path]:
    """Write a volume, columns × rows × slices with an affine to RAS, as a series in LPS.

    File names tell nothing of the order."""
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    sizes = np.linalg.norm(lps[:3, :3], axis=0)
    across, down = (lps[:3, :2] / sizes[:2]).T
    tags = {"Modality": "MR", "name": "volume"} | tags
    name = tags.pop("name")
    paths = []
    for k in range(voxels.shape[2]):
        if k in leave_out:
            continue
        of = dataset(
            np.ascontiguousarray(voxels[:, :, k].T),
            name=f"{name}-{k}",
            **{
                "ImagePositionPatient": [f"{x:.6f}" for x in lps[:3, :] @ [0, 0, k, 1]],
                "ImageOrientationPatient": [f"{x:.8f}" for x in (*across, *down)],
                "PixelSpacing": [float(sizes[1]), float(sizes[0])],
                "InstanceNumber": 1,
            }
            | tags,
        )
        paths.append(save(of, folder / f"{name}-{(7 * k) % 101:03d}-{k}"))
    return paths


def read(root: Path, private: Path | None = None, **keys: Any) -> list[Image]:
    """All images that the source gives."""
    keys = {"slices": 3, "slice_range": (0, 1), **keys}
    private = private or root.parent / f"{root.name}.private"
    return list(dicom.read(dicom.Source(root=root, **keys), private))


def as_nifti(root: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    """The same volume as a BIDS data set of one."""
    path = root / "sub-01" / "anat" / "sub-01_T1w.nii"
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return root


__all__ = ["as_nifti", "dataset", "pydicom", "read", "save", "series", "shipped", "uid"]
