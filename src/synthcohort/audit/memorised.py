"""What share of a set lies as near to train as copies would."""

import numpy as np

from synthcohort.numerics.resampling import DRAWS, percentile_interval, share


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
