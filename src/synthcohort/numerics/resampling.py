"""Intervals over patients: the delete-a-group jackknife and the bootstrap.

Images of one patient are alike, so patients, not images, are what is left out or drawn. None of
these intervals covers how the result would vary if the generative model were trained again.
"""

from collections.abc import Callable, Mapping

import numpy as np

CONFIDENCE = 0.95
GROUPS = 20
DRAWS = 2000
LEAST_PATIENTS = 10
"""Of fewer, the intervals over patients are far too narrow, whatever way they are made: no gate
passes and no privacy figure tells."""


def groups(patients: np.ndarray, seed: int) -> np.ndarray:
    """N int64 group numbers: whole patients, shuffled, dealt out to at most 20 groups."""
    names, number = np.unique(patients, return_inverse=True)
    turn = np.random.default_rng(seed).permutation(len(names))
    return turn[number] % min(GROUPS, len(names))


def draw_patients(rows: np.ndarray, patients: np.ndarray, size: int, seed: int) -> np.ndarray:
    """`size` of the `rows` (row numbers, whose patients are `patients`), by whole patients.

    Patients are taken in random order until there are enough images; only the last one is cut.
    Images of as few patients as in the other set: single images would spread over more patients
    and be nearer to anything for that reason alone.
    """
    names, number = np.unique(patients, return_inverse=True)
    turn = np.random.default_rng(seed).permutation(len(names))[number]
    return np.sort(rows[np.argsort(turn, kind="stable")[:size]])


def without_each(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    first: np.ndarray,
    second: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The statistic with one group left out, for every group of the first and second sample.

    `first` and `second` are group numbers; `statistic` takes two boolean masks of what is kept.
    """
    all_first, all_second = np.ones(len(first), bool), np.ones(len(second), bool)
    return (
        np.array([statistic(first != group, all_second) for group in np.unique(first)]),
        np.array([statistic(all_first, second != group) for group in np.unique(second)]),
    )


def jackknife_interval(value: float, *without: np.ndarray) -> list[float]:
    """value ± t · standard error; the samples, each with its values without one group, are
    independent, so their variances add up (Efron and Stein 1981; Busing 1999 for groups)."""
    from scipy.stats import t

    variance = sum((len(w) - 1) / len(w) * np.sum((w - w.mean()) ** 2) for w in without)
    freedom = min(map(len, without)) - 1
    margin = t.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(variance)
    return [float(value - margin), float(value + margin)]


def exact_interval(share: float, cases: int) -> list[float]:
    """Clopper and Pearson's interval (1934) of a share of so many independent cases. share·cases
    need not be whole: of the images of one patient, which are one case, a part may be found."""
    from scipy.stats import beta

    tail, hit, missed = (1 - CONFIDENCE) / 2, share * cases, (1 - share) * cases
    return [
        float(beta.ppf(tail, hit, missed + 1)) if hit > 0 else 0.0,
        float(beta.ppf(1 - tail, hit + 1, missed)) if missed > 0 else 1.0,
    ]


def difference_interval(first: Mapping, second: Mapping) -> list[float]:
    """The interval of a difference of two figures ({"value", "interval"}) as if they were
    independent (Zou and Donner 2008, "MOVER", eq. 7)."""
    (a, (low_a, high_a)), (b, (low_b, high_b)) = (
        (of["value"], of["interval"]) for of in (first, second)
    )
    return [
        float(a - b - np.hypot(a - low_a, high_b - b)),
        float(a - b + np.hypot(high_a - a, b - low_b)),
    ]


def binomial_interval(count: int, of: int, method: str) -> list[float]:
    """The interval of a share of independent cases: "exact" (Clopper and Pearson 1934) or "wilson"
    (Wilson 1927)."""
    from scipy.stats import binomtest

    return [float(x) for x in binomtest(count, of).proportion_ci(CONFIDENCE, method)]


def share(found: np.ndarray) -> dict:
    """The share of True with its Wilson 95 % interval."""
    interval = binomial_interval(int(found.sum()), len(found), "wilson")
    return {"value": float(found.mean()), "interval": interval}


def bootstrap_weights(patients: np.ndarray, seed: int) -> np.ndarray:
    """2000×N int64: how often each image counts when patients are drawn with replacement."""
    names, number = np.unique(patients, return_inverse=True)
    random = np.random.default_rng(seed)
    draws = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    return draws[:, number]


def percentile_interval(draws: np.ndarray) -> list[float]:
    """The central 95 % of the bootstrap draws; draws that are not defined (NaN) do not count."""
    tail = (1 - CONFIDENCE) / 2
    return [float(x) for x in np.nanquantile(draws, [tail, 1 - tail])]


def interval_of_share(value: float, draws: np.ndarray, cases: int) -> list[float]:
    """`percentile_interval` of the draws of a share, an accuracy or an area under the ROC curve.

    A bootstrap of units that all agree does not leave an end of the scale, or any other value,
    however few they are. There the interval is widened by the exact one (Clopper and Pearson 1934)
    of as large a share of `cases`: the independent units (patients), of the smaller side where
    there are two.
    """
    low, high = percentile_interval(draws)
    if 0 < low < high < 1:
        return [low, high]
    least, most = binomial_interval(round(value * cases), cases, "exact")
    return [min(low, least), max(high, most)]
