"""Kernel Inception distance (Bińkowski 2018) by torch-fidelity."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation.floors import Statistic, against_floor
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import draw_against_floor
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.seeds import derive

EXTRACTOR = "inception"
MEASURES = (
    Measure(
        "kid",
        "KID",
        50,
        "fidelity",
        "lower",
        "Distance in the same features without a bias from the number of images; 0 is no "
        "difference, small negative values are chance.",
    ),
)
CAPTION = """\
Kernel Inception distance (Bińkowski 2018) of synthetic images from real test images, beside its
floor: real train images from the same test images; and the same of train images after one way
through the autoencoder.

Lower is better; around 0 the two sets cannot be told apart by these features, and small negative
values occur by chance. Unlike the Fréchet distance it has no bias from the number of images. The
features are those of Inception-v3, trained on photographs.
"""
SUBSETS = 100
LARGEST_SUBSET = 1000


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The mean over subsets of at most half of the images; "details" has their deviation."""
    import torch
    from torch_fidelity.metric_kid import (
        KEY_METRIC_KID_MEAN,
        KEY_METRIC_KID_STD,
        kernel_poly,
        kid_features_to_metric,
    )

    features = material.features
    # Subsets of all images would be the same one a hundred times.
    subset = min(LARGEST_SUBSET, len(features["test"]) // 2)

    @cache
    def over_subsets(name: str) -> dict[str, float]:
        return kid_features_to_metric(
            torch.from_numpy(features[name]),
            torch.from_numpy(features["test"]),
            kid_subsets=SUBSETS,
            kid_subset_size=subset,
            rng_seed=derive(seed, "evaluation", "kid") % 2**32,
            verbose=False,
        )

    def kernel(first: str, second: str) -> np.ndarray:
        return kernel_poly(features[first].astype(float), features[second].astype(float))

    within = {name: kernel(name, name) for name in features}

    def statistic(name: str) -> Statistic:
        across = kernel("test", name)

        def mmd(test: np.ndarray, other: np.ndarray) -> float:
            """The unbiased squared maximum mean discrepancy (Gretton 2012, eq. 3)."""
            first, second = test.astype(float), other.astype(float)
            between = first @ across @ second / (first.sum() * second.sum())
            return _mean(within["test"], first) + _mean(within[name], second) - 2 * between

        return mmd

    result = against_floor(
        lambda name: over_subsets(name)[KEY_METRIC_KID_MEAN],
        statistic,
        seed=seed,
        material=material,
    )
    result["details"] = {
        "subsets": SUBSETS,
        "subset_size": subset,
        "deviation_over_subsets": over_subsets("synthetic")[KEY_METRIC_KID_STD],
        "floor_deviation_over_subsets": over_subsets("train")[KEY_METRIC_KID_STD],
    }
    return result, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The distance above its floor."""
    draw_against_floor(path, result, "Kernel Inception distance", result["n"]["test"])


def _mean(kernel: np.ndarray, chosen: np.ndarray) -> float:
    """The mean kernel value over all pairs of two different chosen images."""
    n = chosen.sum()
    return (chosen @ kernel @ chosen - chosen @ kernel.diagonal()) / (n * (n - 1))
