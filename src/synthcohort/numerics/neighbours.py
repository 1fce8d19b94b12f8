"""Nearest neighbours in a space of features, within a set or between two."""

import numpy as np

from synthcohort.hardware import Hardware
from synthcohort.progress import progress

WITHIN, BETWEEN = 1024, 4096  # rows at once


def nearest_others(features: np.ndarray, patients: np.ndarray, k: int) -> np.ndarray:
    """N×k int64: the rows nearest to each row of N×D `features` that belong to other patients.

    Fewer than k where a row has fewer such rows; then all rows get the smaller number.
    """
    number = np.unique(patients, return_inverse=True)[1]
    k = min(k, len(number) - np.bincount(number).max())
    features = features.astype(np.float64)
    squares = (features**2).sum(1)
    found = np.empty((len(features), k), dtype=np.int64)
    for start in range(0, len(features), WITHIN):
        rows = slice(start, start + WITHIN)
        distance = squares - 2 * features[rows] @ features.T
        distance[number[rows, None] == number] = np.inf
        found[rows] = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return found


def nearest(
    queries: np.ndarray,
    references: np.ndarray,
    hardware: Hardware,
    among: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of `references` (M×D) to each of `queries` (N×D), both float32.

    `among` are the row numbers of the references that take part; by default all. Returns N float64
    root-mean-square differences over the D elements, and N int64 row numbers in `references`.
    Both arrays may be memory-mapped: only blocks of them are ever in memory.
    """
    import torch

    device = hardware.open()
    among = np.arange(len(references)) if among is None else among
    best = np.full(len(queries), np.inf, dtype=np.float32)
    place = np.zeros(len(queries), dtype=np.int64)
    blocks = -(-len(queries) // BETWEEN) * -(-len(among) // BETWEEN)
    with progress("Nearest neighbours", blocks, unit="block") as bar:
        for i in range(0, len(queries), BETWEEN):
            rows = slice(i, i + BETWEEN)
            query = torch.from_numpy(np.array(queries[rows])).to(device)
            for j in range(0, len(among), BETWEEN):
                numbers = among[j : j + BETWEEN]
                reference = torch.from_numpy(np.asarray(references[numbers])).to(device)
                # |q − r|² without |q|², which is the same for all references.
                score = reference.square().sum(1) - 2 * query @ reference.T
                value, column = (found.cpu().numpy() for found in score.min(1))
                nearer = value < best[rows]
                best[rows] = np.where(nearer, value, best[rows])
                place[rows] = np.where(nearer, numbers[column], place[rows])
                bar.update()
    # Rounding in the expanded square hides small distances, the ones that matter: take them anew.
    distance = np.empty(len(queries))
    for i in range(0, len(queries), BETWEEN):
        rows = slice(i, i + BETWEEN)
        difference = queries[rows].astype(np.float64) - references[place[rows]]
        distance[rows] = np.sqrt(np.mean(difference**2, axis=1))
    return distance, place


def standardised(features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each feature to zero mean and unit variance over the real train images."""
    mean, deviation = features["train"].mean(0), features["train"].std(0)
    scale = np.where(deviation > 0, deviation, 1)
    return {name: (values - mean) / scale for name, values in features.items()}
