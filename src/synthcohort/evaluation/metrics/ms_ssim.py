"""Diversity: how alike are two synthetic images of one label (MS-SSIM; Odena 2017, section 4.2)?

A model that repeats itself makes images more alike than two patients are.
"""

from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation.estimation.resampling import bootstrap_weights, percentile_interval
from synthcohort.evaluation.figures_fidelity import draw_within
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set
from synthcohort.evaluation.similarity import ms_ssim, scales
from synthcohort.seeds import derive

EXTRACTOR = None
JOB = "images"
PAIRS = 500
SHOWN = 8


def measure(
    settings: Evaluation, *, seed: int, material: Material, figure: Path, hardware: Hardware
) -> dict:
    """The mean over at most 500 random pairs of two patients and one label within the synthetic
    set; the floor is the same within real test."""
    sets = material.sets
    # Real patients decide: where no label has two of them, pairs are of any labels.
    alike = bool(len(drawn_pairs(sets["test"], 0, True)[0]))
    found, similar, pairs = {}, {}, {}
    for name in ("test", "synthetic"):
        own = derive(seed, "evaluation", "ms_ssim", name)
        first, second = pairs[name] = drawn_pairs(sets[name], own, alike)
        similar[name] = ms_ssim(sets[name].images[first], sets[name].images[second])
        # A pair counts as often as both its patients were drawn.
        weights = bootstrap_weights(sets[name].patients, derive(own, "bootstrap"))
        weights = (weights[:, first] * weights[:, second]).astype(np.float64)
        total = weights.sum(1)
        means = weights @ similar[name] / np.where(total > 0, total, np.nan)
        found[name] = {
            "value": float(similar[name].mean()),
            "interval": percentile_interval(means),
        }
    images = sets["synthetic"].images
    most = np.argsort(-similar["synthetic"], kind="stable")[:SHOWN]
    draw_within(
        figure,
        similar,
        "MS-SSIM of two images of one label (1: equal)",
        [(images[a], images[b]) for a, b in np.stack(pairs["synthetic"], axis=1)[most]],
    )
    return found["synthetic"] | {
        "extractor": "none, pixels",
        "layer": None,
        "interval_method": "bootstrap over patients (real) and images (synthetic), percentiles; "
        "the generative model is not trained again",
        "floor": found["test"],
        "n": {name: len(sets[name].images) for name in ("test", "synthetic")},
        "details": {
            "scales": scales(*images.shape[-2:]),
            "pairs": {name: len(values) for name, values in similar.items()},
            "pairs_of_one_label": alike,
        },
    }


def drawn_pairs(part: Set, seed: int, alike: bool) -> tuple[np.ndarray, np.ndarray]:
    """The rows of at most 500 random pairs of two patients, of one label where `alike`."""
    random = np.random.default_rng(seed)
    classes = part.classes if alike else np.zeros_like(part.classes)
    order = np.argsort(classes, kind="stable")
    _, start, count = np.unique(classes[order], return_index=True, return_counts=True)
    label = np.unique(classes, return_inverse=True)[1]
    first = random.integers(len(classes), size=20 * PAIRS)
    of = label[first]
    second = order[start[of] + random.integers(count[of])]
    different = np.flatnonzero(part.patients[first] != part.patients[second])[:PAIRS]
    return first[different], second[different]
