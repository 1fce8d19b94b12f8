"""The Fréchet distance between Gaussians fitted to two samples of features (Heusel 2017, eq. 6)."""

from functools import cache

import numpy as np

from synthcohort.evaluation.estimation import floors
from synthcohort.evaluation.estimation.by_label import by_label
from synthcohort.evaluation.estimation.floors import Statistic, compared
from synthcohort.evaluation.material import Material

METHOD = (
    "of the distance expected at this number of images, which is larger than that of the "
    f"distributions; {floors.METHOD}"
)


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


def compare(seed: int, material: Material, ratio: bool = False) -> dict:
    """What `floors.compared` gives, of the sets' features."""
    features = material.features

    def statistic(name: str) -> Statistic:
        return lambda test, other: distance(features["test"][test], features[name][other])

    return compared(
        cache(lambda name: distance(features["test"], features[name])),
        statistic,
        seed=seed,
        material=material,
        least=0.0,
        ratio=ratio,
    )


def measure(seed: int, material: Material) -> tuple[dict, dict[str, np.ndarray]]:
    """The result of a metric that is this distance, of all images and by label ("by_label" in the
    details, where "autoencoder" is what that costs alone); and the "labels" in their order, which
    the result, sorted by name as files are, does not keep.

    The values are torch-fidelity's to six digits, without the eigenvalues of its 2048×2048 product.
    """
    result = compare(seed, material, ratio=True)
    labels = by_label(material, lambda part: compare(seed, part))
    order = np.array(list(labels["by_label"]), dtype=str)
    alone = {"autoencoder": result.pop("autoencoder")} if "autoencoder" in result else {}
    return result | {"interval_method": METHOD, "details": labels | alone}, {"labels": order}
