"""The Fréchet distance between Gaussians fitted to two samples of features (Heusel 2017, eq. 6)."""

from functools import cache
from pathlib import Path

import numpy as np

from synthcohort.evaluation.distances import Statistic, against_floor
from synthcohort.evaluation.material import Material


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The squared Fréchet distance of n×D and m×D features.

    The trace of the root of Σ₁Σ₂ is the sum of the singular values of A·Bᵀ, where A and B are the
    centred features over √(n−1) and √(m−1): an n×m matrix, small where n < D. Where n > D, A is
    replaced by its triangular factor, which has the same AᵀA.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    roots = []
    for x in (a, b):
        root = (x - x.mean(0)) / np.sqrt(len(x) - 1)
        roots.append(np.linalg.qr(root, mode="r") if len(x) > x.shape[1] else root)
    first, second = roots
    trace = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    means = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return float(means + np.sum(first**2) + np.sum(second**2) - 2 * trace)


def measure(*, what: str, seed: int, material: Material, figure: Path) -> dict:
    """The result of a metric that is this distance; `what` names it on the figure.

    The values are torch-fidelity's, the intervals are of `distance`, which gives the same.
    """
    import torch
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    features = material.features
    statistics = {
        name: fid_features_to_statistics(torch.from_numpy(features[name])) for name in features
    }

    @cache
    def value(name: str) -> float:
        found = fid_statistics_to_metric(statistics[name], statistics["test"], verbose=False)
        return found[KEY_METRIC_FID]

    def statistic(name: str) -> Statistic:
        return lambda test, other: distance(features["test"][test], features[name][other])

    return against_floor(
        value, statistic, what=what, seed=seed, material=material, figure=figure, least=0.0
    )
