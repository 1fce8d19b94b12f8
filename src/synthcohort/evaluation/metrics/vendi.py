"""The Vendi score: how many images that have nothing in common a set is worth (Friedman 2023)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation.floors import HELD_AGAINST, METHOD
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import draw_rows
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import groups, jackknife_interval
from synthcohort.seeds import derive

EXTRACTOR = "inception"
MEASURES = (
    Measure(
        "vendi",
        "Vendi score (diversity)",
        135,
        "diversity",
        "higher",
        "How many images without anything in common the synthetic images are worth in Inception-v3 "
        "features; below its floor they repeat each other.",
    ),
)
CAPTION = """\
Vendi score (Friedman 2023) in Inception-v3 features: the exponential of the entropy of the
eigenvalues of the images' cosine similarities. It is 1 for a set of equal images and N for N images
without anything in common. Beside it, the same of as many real test images (floor), of train images
after one way through the autoencoder, and, where patients have many images, of train images of as
many patients as there are.

A score below that of real images means that the synthetic images are more alike. Images of few
patients are alike, too, so the score of as many patients as there are is the one to reach. Noise
scores high: read it beside precision.
"""
WITHIN = {
    "synthetic": "synthetic",
    "decoded": "real train, through the autoencoder",
    "train": "floor: real test",
    "spread": "real train of as many patients as there are",
}


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The score of the synthetic images; the floor is that of real test."""
    held_against = HELD_AGAINST | {"test": HELD_AGAINST["train"]}
    del held_against["train"]
    names = ["synthetic", *(name for name in held_against if name in material.sets)]
    found, without = {}, {}
    for name in names:
        patients = material.sets[name].patients
        alike = similarities(material.features[name])
        group = groups(patients, derive(seed, "evaluation", "groups", name))
        kept = [group != one for one in np.unique(group)]
        without[name] = np.array([score(alike[rows][:, rows]) for rows in kept])
        value = score(alike)
        low, high = jackknife_interval(value, without[name])
        found[name] = {"value": value, "interval": [max(low, 1.0), min(high, float(len(alike)))]}
        if name == "spread":
            found[name] |= {"n": len(alike), "patients": len(np.unique(patients))}
    result = found.pop("synthetic") | {"interval_method": METHOD, "details": {}}
    for name, of in found.items():
        key, difference = held_against[name], result["value"] - of["value"]
        interval = jackknife_interval(difference, without["synthetic"], without[name])
        result[key] = of
        result[f"difference_to_{key}"] = {"value": difference, "interval": interval}
    return result, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The score above what it is held against."""
    what = f"Vendi score (1: all alike)\nN = {result['n']['test']} each, 95 % interval"
    draw_rows(path, {"": result}, what, WITHIN)


def similarities(features: np.ndarray) -> np.ndarray:
    """N×N float64 cosine similarities of N×D features."""
    features = features.astype(np.float64)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return features @ features.T


def score(similar: np.ndarray) -> float:
    """The exponential of the Shannon entropy of the eigenvalues of K/N (Friedman 2023, eq. 3)."""
    weight = np.linalg.eigvalsh(similar / len(similar))
    weight = weight[weight > 0]
    return float(np.exp(-np.sum(weight * np.log(weight))))
