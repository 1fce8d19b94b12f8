"""A simulated brain-MRI cohort, the embedded default: real in its layout, nobody's in its content.

Patients of two groups, AD and NC, lie on disk as a BIDS dataset of T1-weighted NIfTI volumes. The
anatomy belongs to the patient; the contrast, the bias field, the noise and the head's position
belong to the scan. Only the part of the head around the lateral ventricles is simulated.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from synthcohort.files import write_json
from synthcohort.hardware.variables import cores_here
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.settings import Settings
from synthcohort.sources import Image, Terms, nifti

if TYPE_CHECKING:
    from synthcohort.sources.phantom.anatomy import Patient

TERMS = Terms("CC0", "brain MRI simulated by synthcohort, of nobody")

_SHAPE = (48, 48, 6)
_VOXEL = (4.25, 4.25, 5.0)  # mm
_CENTRE = (0.0, -4.0, 22.0)  # mm, of the volume, from the commissures


class Source(Settings):
    kind: Literal["phantom"] = "phantom"
    patients: Annotated[int, Field(ge=2)] = 1_200
    """Patients, half of them in each group; the odd one is NC."""
    second_sessions: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Share of the patients who were scanned twice, one to two years apart."""
    slices: Annotated[int, Field(gt=0, le=6)] = 3
    """Axial slices taken from every volume, evenly spaced over 25 mm around the ventricles."""


def fetch(settings: Source, root: Path, seed: int) -> None:
    """Simulate the cohort into the empty folder `root`, as a BIDS dataset.

    It holds dataset_description.json, participants.tsv (participant_id, group, age, sex) and
    sub-*/ses-*/anat/*_T1w.nii.gz: 48×48×6 voxels of 4.25×4.25×5 mm, int16. The same settings and
    seed give the same bytes.
    """
    rng = np.random.default_rng(derive(seed, "phantom", "participants"))
    n = settings.patients
    groups = rng.permutation(["AD"] * (n // 2) + ["NC"] * (n - n // 2))
    ages = np.clip(rng.normal(74, 7, n), 55, 95).round().astype(int)
    sexes = rng.choice(["F", "M"], n)
    twice = set(rng.permutation(n)[: round(n * settings.second_sessions)].tolist())
    intervals = rng.uniform(1, 2, n)

    write_json(
        root / "dataset_description.json",
        {
            "Name": "synthcohort phantom: simulated T1-weighted brain MRI of nobody",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
        },
    )
    names = [f"sub-{i:0{max(3, len(str(n)))}d}" for i in range(1, n + 1)]
    rows = zip(names, groups, ages, sexes, strict=True)
    table = ["participant_id\tgroup\tage\tsex", *("\t".join(map(str, row)) for row in rows)]
    (root / "participants.tsv").write_text("\n".join(table) + "\n", encoding="utf-8")

    rows = zip(names, groups, ages, sexes, intervals, strict=True)
    people = [
        _Person(root, name, derive(seed, "phantom", i), str(group), float(age), str(sex), years)
        for i, (name, group, age, sex, interval) in enumerate(rows)
        for years in [(0.0, float(interval)) if i in twice else (0.0,)]
    ]
    # Spawned, since a fork of a process with threads may hang.
    workers = ProcessPoolExecutor(cores_here(), get_context("spawn"))
    with workers, progress("simulate", total=len(people), unit="patient") as bar:
        for _ in workers.map(_simulate, people):
            bar.update()


def read(settings: Source, root: Path) -> Iterator[Image]:
    """Axial slices of every volume, 48×48 uint8, labelled AD or NC."""
    volumes = nifti.Source(
        root=root,
        label="group",
        slices=settings.slices,
        slice_range=(0, 1),
        percentiles=(0.5, 99.9),
    )
    return nifti.read(volumes, root)


class _Person(NamedTuple):
    """One patient to be simulated, with everything that decides the bytes."""

    root: Path
    name: str
    seed: int
    group: str
    age: float
    sex: str
    years: tuple[float, ...]
    """When the scans were made, from the first one."""


def _simulate(person: _Person) -> None:
    from synthcohort.sources.phantom import anatomy as anatomy

    first = anatomy.draw_patient(person.seed, person.group, person.age, person.sex)
    for number, years in enumerate(person.years, 1):
        session = f"ses-{number:02d}"
        patient = anatomy.grow_older(first, years) if years else first
        _write(person.root, person.name, session, _scan(patient, derive(person.seed, session)))


def _scan(patient: "Patient", seed: int) -> np.ndarray:
    """One acquisition of a patient, X×Y×Z int16 towards right, anterior and superior."""
    from scipy.ndimage import gaussian_filter
    from scipy.spatial.transform import Rotation

    from synthcohort.sources.phantom.anatomy import Contrast, render

    rng = np.random.default_rng(seed)
    # Two points a voxel and direction in the plane, for partial volume.
    fine = (2 * _SHAPE[0], 2 * _SHAPE[1], _SHAPE[2])
    spacing = (_VOXEL[0] / 2, _VOXEL[1] / 2, _VOXEL[2])
    grid = np.stack(
        np.meshgrid(
            *((np.arange(n) - (n - 1) / 2) * step for n, step in zip(fine, spacing, strict=True)),
            indexing="ij",
        )
    )
    turn = Rotation.from_euler("xyz", rng.normal(0, (1.5, 1.0, 2.0)), degrees=True).as_matrix()
    shift = np.array(_CENTRE) + rng.normal(0, (1.0, 1.5, 1.5))
    points = np.tensordot(turn, grid, axes=1) + shift[:, None, None, None]
    contrast = Contrast(
        grey=rng.normal(0.62, 0.025),
        deep=rng.normal(0.72, 0.025),
        fluid=rng.normal(0.20, 0.03),
        fat=rng.normal(0.85, 0.06),
    )
    image = render(patient, points.astype(np.float32), spacing, contrast)
    image = image.reshape(_SHAPE[0], 2, _SHAPE[1], 2, _SHAPE[2]).mean(axis=(1, 3))
    image = gaussian_filter(image, (0.5, 0.5, 0))

    # The receive coils' sensitivity: smooth, and a few per cent to either side.
    u, v, w = np.meshgrid(*(np.linspace(-1, 1, n) for n in _SHAPE), indexing="ij")
    terms = (u, v, w, u * v, u**2, v**2)
    image = image * np.exp(sum(0.06 * rng.standard_normal() * term for term in terms))
    # Magnitude of a complex signal with Gaussian noise in both parts: Rician (Gudbjartsson 1995).
    noise = rng.uniform(0.007, 0.016) * rng.standard_normal((2, *_SHAPE))
    image = np.hypot(image + noise[0], noise[1])
    return np.rint(image * rng.uniform(700, 1300)).astype(np.int16)


def _write(root: Path, subject: str, session: str, voxels: np.ndarray) -> None:
    import nibabel

    affine = np.diag([*_VOXEL, 1.0])
    affine[:3, 3] = np.array(_CENTRE) - (np.array(_SHAPE) - 1) / 2 * _VOXEL
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", "sec")
    path = root / subject / session / "anat" / f"{subject}_{session}_T1w.nii.gz"
    path.parent.mkdir(parents=True)
    nibabel.save(image, path)
