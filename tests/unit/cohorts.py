"""Cohorts made up to be split, and what a split leaves."""

import csv
import hashlib
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from synthcohort.cohort import MANIFEST_COLUMNS
from synthcohort.cohort.overview import draw_cohort
from synthcohort.cohort.split import split
from synthcohort.config import Split
from synthcohort.tracking.journal import Journal


def cohort_of(folder: Path, images: np.ndarray, patients, labels=None, official=None) -> Path:
    """A prepared cohort: N×H×W images, one patient, label and official split an image."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images[:, None])
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, MANIFEST_COLUMNS, restval="")
        table.writeheader()
        for i, (image, patient) in enumerate(zip(images, patients, strict=True)):
            table.writerow(
                {
                    "image_id": f"{patient}/{i}",
                    "patient_id": patient,
                    "label": labels[i] if labels else "",
                    "official_split": official[i] if official else "",
                    "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
                }
            )
    return folder


def pictures(n: int, seed: int = 0, side: int = 48, sigma: float = 2.0) -> np.ndarray:
    """N unrelated uint8 images with structure of a few pixels, N×side×(side + 8)."""
    noise = np.random.default_rng(seed).normal(size=(n, side, side + 8))
    smooth = gaussian_filter(noise, (0, sigma, sigma))
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def run(cohort: Path, seed: int = 0, **options) -> dict[str, str]:
    """The split of every image_id."""
    folder = cohort.parent
    split(
        Split(**options),
        seed=seed,
        cohort=cohort,
        out=folder / "split.csv",
        leakage=folder / "leakage.json",
        pairs=folder / "near_duplicates.csv",
        drawn=folder / "near-duplicates.png",
        journal=Journal(None, "split", {}),
    )
    with (folder / "split.csv").open(newline="") as file:
        return {row["image_id"]: row["split"] for row in csv.DictReader(file)}


def drawn(cohort: Path) -> bytes:
    """The figure of a cohort that has been split."""
    folder = cohort.parent
    draw_cohort(
        seed=0,
        cohort=cohort,
        split=folder / "split.csv",
        out=folder / "cohort.png",
        journal=Journal(None, "draw-cohort", {}),
    )
    return (folder / "cohort.png").read_bytes()


def found(cohort: Path) -> dict:
    return json.loads((cohort.parent / "leakage.json").read_text())


def patients_by(splits: dict[str, str]) -> dict[str, set[str]]:
    by = defaultdict(set)
    for image, part in splits.items():
        by[image.split("/")[0]].add(part)
    return by


OFFICIAL = ["train"] * 20 + ["test"] * 10
