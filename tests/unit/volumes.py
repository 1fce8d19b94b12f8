"""NIfTI volumes made up to be read, and what the nifti source makes of them."""

from pathlib import Path

import nibabel
import numpy as np

from synthcohort.sources import nifti

SHAPE = (10, 14, 12)  # right, anterior, superior


def voxels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, SHAPE).astype(np.int16)


def save(root: Path, array: np.ndarray, name: str = "sub-01/anat/sub-01_T1w.nii", zooms=(1, 1, 1)):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([*zooms, 1.0])), path)
    return path


def read(root: Path, **keys):
    keys = {"slices": 3, "slice_range": (0, 1), **keys}
    return list(nifti.read(nifti.Source(root=root, **keys), None))


def pictures(root: Path, **keys) -> list[np.ndarray]:
    return [image.pixels for image in read(root, **keys)]
