"""Nearest neighbours in blocks, and what share of a set lies as near as copies would."""

import numpy as np

from synthcohort.device import Hardware
from synthcohort.progress import progress

BLOCK = 4096


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
    blocks = -(-len(queries) // BLOCK) * -(-len(among) // BLOCK)
    with progress("Nearest neighbours", blocks, unit="block") as bar:
        for i in range(0, len(queries), BLOCK):
            rows = slice(i, i + BLOCK)
            query = torch.from_numpy(np.array(queries[rows])).to(device)
            for j in range(0, len(among), BLOCK):
                numbers = among[j : j + BLOCK]
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
    for i in range(0, len(queries), BLOCK):
        rows = slice(i, i + BLOCK)
        difference = queries[rows].astype(np.float64) - references[place[rows]]
        distance[rows] = np.sqrt(np.mean(difference**2, axis=1))
    return distance, place


def memorised(synthetic: np.ndarray, test: np.ndarray, quantile: float) -> tuple[np.ndarray, float]:
    """Which synthetic images lie nearer to train than the `quantile` of real test images do.

    Takes the distances to the nearest train image, of the synthetic images (N) and of the test
    images; returns N bools and the limit. An image at the limit itself counts, so that exact
    copies count even where real test images repeat train images and the limit is 0.
    """
    limit = float(np.quantile(test, quantile))
    return synthetic <= limit, limit


def share_interval(
    synthetic: np.ndarray, test: np.ndarray, patients: np.ndarray, quantile: float, seed: int
) -> list[float]:
    """The 95 % interval of the memorised share: it is as uncertain as its limit.

    The bootstrap draws the test patients anew, and with them the limit; the Wilson interval of the
    synthetic images with the limit as found is the least that it may be.
    """
    from synthcohort.evaluation.estimation.resampling import DRAWS, percentile_interval

    names, number = np.unique(patients, return_inverse=True)
    random = np.random.default_rng(seed)
    order = np.argsort(test, kind="stable")
    ordered, ascending = np.sort(synthetic), test[order]
    drawn = np.empty(DRAWS)
    for i in range(DRAWS):
        times = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))
        weight = np.cumsum(times[number][order])
        limit = ascending[np.searchsorted(weight, quantile * weight[-1])]
        drawn[i] = np.searchsorted(ordered, limit, side="right") / len(synthetic)
    low, high = percentile_interval(drawn)
    least = share(memorised(synthetic, test, quantile)[0])["interval"]
    return [min(low, least[0]), max(high, least[1])]


def held_out(test: np.ndarray, patients: np.ndarray, quantile: float, seed: int) -> np.ndarray:
    """Which test images would count as memorised, with a limit set by other test patients.

    The patients are halved at random; the distances of each half set the limit for the other.
    Returns one bool a test image; its mean is the floor of the memorised share.
    """
    names = np.unique(patients)
    half = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
    first = np.isin(patients, half)
    found = np.zeros(len(test), dtype=bool)
    for scored in (first, ~first):
        found[scored], _ = memorised(test[scored], test[~scored], quantile)
    return found


def draw_patients(rows: np.ndarray, patients: np.ndarray, size: int, seed: int) -> np.ndarray:
    """`size` of the `rows` (row numbers, whose patients are `patients`), by whole patients.

    Patients are taken in random order until there are enough images; only the last one is cut.
    Images of as few patients as in the other set: single images would spread over more patients
    and be nearer to anything for that reason alone.
    """
    names, number = np.unique(patients, return_inverse=True)
    turn = np.random.default_rng(seed).permutation(len(names))[number]
    return np.sort(rows[np.argsort(turn, kind="stable")[:size]])


def share(found: np.ndarray) -> dict:
    """The share of True with its Wilson 95 % interval."""
    from synthcohort.evaluation.estimation.resampling import binomial_interval

    interval = binomial_interval(int(found.sum()), len(found), "wilson")
    return {"value": float(found.mean()), "interval": interval}
