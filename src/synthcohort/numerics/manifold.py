"""Fidelity and diversity told apart: balls around images stand for where a distribution lies.

A ball is centred at an image's features and reaches to its k-th nearest neighbour within its own
set. All functions take matrices of distances, squared or not, so that parts of two sets cost no
new ones: `real` and `other` are symmetric N×N and M×M, `across` is N×M (real × other).
"""

import numpy as np


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """n×m float64 squared Euclidean distances of n×D and m×D features, by float64 products."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    # Around a common centre, lest large means cost digits of small distances.
    centre = b.mean(0)
    a, b = a - centre, b - centre
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)


def radii(within: np.ndarray, k: int) -> np.ndarray:
    """N distances to the k-th nearest other image of the same set (the last one where there are
    fewer)."""
    others = within.copy()
    np.fill_diagonal(others, np.inf)
    k = min(k, len(within) - 1)
    return np.partition(others, k - 1, axis=1)[:, k - 1]


def precision(real: np.ndarray, across: np.ndarray, k: int) -> float:
    """The share of the other images that lie in a ball of a real one (Kynkäänniemi 2019, eq. 2)."""
    return float((across <= radii(real, k)[:, None]).any(0).mean())


def recall(other: np.ndarray, across: np.ndarray, k: int) -> float:
    """The share of real images that lie in a ball of another one (Kynkäänniemi 2019, eq. 3)."""
    return float((across <= radii(other, k)).any(1).mean())


def density(real: np.ndarray, across: np.ndarray, k: int) -> float:
    """In how many real balls another image lies, over k (Naeem 2020, eq. 3): 1 is expected of
    images of the same distribution, and there is no upper end."""
    inside = across < radii(real, k)[:, None]
    return float(inside.sum() / (k * across.shape[1]))


def coverage(real: np.ndarray, across: np.ndarray, k: int) -> float:
    """The share of real balls that hold another image (Naeem 2020, eq. 4)."""
    return float((across < radii(real, k)[:, None]).any(1).mean())


def expected_coverage(real: int, other: int, k: int) -> float:
    """The coverage expected where both sets are of one distribution: 1 less the chance that the k
    nearest of all others of a real image are real ones too (Naeem 2020, eq. 8)."""
    real_left, all_left = real - 1 - np.arange(k), real + other - 1 - np.arange(k)
    return float(1 - np.prod(real_left / all_left))
