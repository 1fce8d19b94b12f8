"""Improved precision and recall (Kynkäänniemi 2019) by torch-fidelity, in Inception features."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation.floors import Statistic, compared, paired
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import draw_pair
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics import manifold

EXTRACTOR = "inception"
MEASURES = (
    Measure(
        "precision_recall",
        "Precision",
        60,
        "fidelity",
        "higher",
        "Precision: the share of synthetic images that lie among the real ones in feature space.",
        span=1.0,
    ),
    Measure(
        "precision_recall.recall",
        "Recall",
        70,
        "diversity",
        "higher",
        "The share of real images that lie among the synthetic ones in feature space; low values "
        "mean that kinds of images are missing.",
        span=1.0,
    ),
)
CAPTION = """\
Improved precision and recall (Kynkäänniemi 2019) in Inception-v3 features: the share of synthetic
images that lie where real test images lie, and the share of real test images that lie where
synthetic images lie. Below each, the floor: the same of real train images; of those after one way
through the autoencoder; and, where patients have many images, of train images of as many patients
as there are.

Low precision means images unlike any real one; low recall means that kinds of real images are
missing. Both are as good as can be told when they reach the floor, which is below 1 for small
numbers of images. Images of few patients cover little, and synthetic images are independent of each
other: their recall compares with that of as many patients as there are. A single unusual real image
makes a large ball that much falls into: see *density and coverage*. The features are those of a
network trained on photographs.
"""
K = 3


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The value is precision; "details" has recall.

    The values are torch-fidelity's, the intervals are of `manifold`, which gives the same.
    """
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    features = material.features
    squared = manifold.squared_distances
    within = {name: squared(values, values) for name, values in features.items()}
    across = {name: squared(features["test"], values) for name, values in features.items()}

    @cache
    def both(name: str) -> dict[str, float]:
        first, second = torch.from_numpy(features[name]), torch.from_numpy(features["test"])
        return prc_features_to_metric(first, second, prc_neighborhood=K, verbose=False)

    def precision(name: str) -> Statistic:
        return lambda test, other: manifold.precision(
            within["test"][test][:, test], across[name][test][:, other], K
        )

    def recall(name: str) -> Statistic:
        return lambda test, other: manifold.recall(
            within[name][other][:, other], across[name][test][:, other], K
        )

    limits = {"seed": seed, "material": material, "least": 0.0, "most": 1.0, "share": True}
    result = compared(lambda name: both(name)["precision"], precision, **limits)
    recalled = compared(lambda name: both(name)["recall"], recall, **limits)
    return paired(result, "recall", recalled, neighbours=K), {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Both shares above their floors."""
    n = result["n"]["test"]
    what = f"Share of images, {K} neighbours\nN = {n} each, 95 % interval"
    draw_pair(path, result, "precision", "recall", what)
