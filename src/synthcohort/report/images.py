"""How many images there are, real and synthetic, and what the leakage check found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthcohort.cohort import open_cohort
from synthcohort.files import read_json
from synthcohort.samples import shards
from synthcohort.samples.listing import listed
from synthcohort.sources import SPLITS


@dataclass(frozen=True)
class Images:
    """How many images there are of each label."""

    labels: list[tuple[str, list[str], int]]
    """Name, images (patients) in train, val and test, synthetic images."""
    total: tuple[str, list[str], int]
    attributes: list[str]
    format: str
    leakage: str


def images(results: Path) -> Images:
    """Counted in the manifest, the split and the shards of the folder `results/<name>`."""
    cohort = results / "cohort"
    data = open_cohort(cohort, cohort / "split.csv")
    made = shards.describe(listed([results / "samples/shards.csv"]))
    synthetic = Counter(made.label_names[number] for number in made.labels.tolist())
    names = list(dict.fromkeys([*data.label_names, *synthetic]))

    def real(label: str | None) -> list[str]:
        told = []
        for split in SPLITS:
            rows = [data.rows[i] for i in data.of(split)]
            rows = [row for row in rows if label is None or row["label"] == label]
            patients = len({row["patient_id"] for row in rows})
            told.append(f"{len(rows):,} ({patients:,})")
        return told

    channels, height, width = made.shape
    colour = "grey" if channels == 1 else "RGB"
    return Images(
        labels=[(name or "(none)", real(name), synthetic[name]) for name in names],
        total=("All", real(None), len(made.labels)),
        attributes=made.attribute_names,
        format=f"{height}×{width} pixels, {colour}, {8 * made.dtype.itemsize} bits",
        leakage=_leakage(read_json(cohort / "leakage.json")),
    )


def _leakage(found: Mapping[str, Any]) -> str:
    shared = len(found["patients_in_two_splits"])
    across = found["across_splits"]
    return (
        f"{shared} patients are in two splits. Between patients of different splits, the leakage "
        f"check found {across['same_bytes']} images with the same bytes and "
        f"{across['near_identical']} nearly identical pairs (correlation from "
        f"{found['method']['correlation']})."
    )
