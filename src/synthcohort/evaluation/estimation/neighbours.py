"""Nearest neighbours in a space of features, never of the same patient."""

import numpy as np

BLOCK = 1024


def nearest_others(features: np.ndarray, patients: np.ndarray, k: int) -> np.ndarray:
    """N×k int64: the rows nearest to each row of N×D `features` that belong to other patients.

    Fewer than k where a row has fewer such rows; then all rows get the smaller number.
    """
    number = np.unique(patients, return_inverse=True)[1]
    k = min(k, len(number) - np.bincount(number).max())
    features = features.astype(np.float64)
    squares = (features**2).sum(1)
    found = np.empty((len(features), k), dtype=np.int64)
    for start in range(0, len(features), BLOCK):
        rows = slice(start, start + BLOCK)
        distance = squares - 2 * features[rows] @ features.T
        distance[number[rows, None] == number] = np.inf
        found[rows] = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return found


def standardised(features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each feature to zero mean and unit variance over the real train images."""
    mean, deviation = features["train"].mean(0), features["train"].std(0)
    scale = np.where(deviation > 0, deviation, 1)
    return {name: (values - mean) / scale for name, values in features.items()}
