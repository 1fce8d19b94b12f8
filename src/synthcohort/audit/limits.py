"""From which score an image counts as a copy: what real images of unseen patients do not reach."""

from collections.abc import Mapping

import numpy as np

from synthcohort.numerics.resampling import binomial_interval

# Of the images of strangers, how many one way of looking may take for copies. There are two dozen
# ways, and hardly ever do two of them err at the same image.
STRANGERS = 0.0002
TAIL = 0.05

# The score of an exact copy in pixels. It counts even where strangers repeat train images.
EXACT = -np.log(1e-6)


def limit(scores: np.ndarray, share: float = STRANGERS) -> float:
    """The score that a `share` of all strangers reaches, given those of N (higher: more alike).

    A share this small lies beyond what N images show. So the excess of the highest 5 % of them over
    the others is taken as exponential and drawn out (peaks over threshold, Pickands 1975, with the
    shape of a tail that neither ends nor is heavy). Its scale is known from few excesses only, and
    that puts the limit higher: it is that of the next score given these (a Lomax distribution).
    """
    ascending = np.sort(scores)
    count = min(max(10, round(TAIL * len(scores))), len(scores) - 1)
    above = ascending[-count - 1]
    excess = float((ascending[-count:] - above).mean())
    rarer = (count / len(scores) / share) ** (1 / count)
    reached = max(above + excess * count * (rarer - 1), ascending[-1])
    return float(min(np.nextafter(reached, np.inf), EXACT))


def judged(
    scores: Mapping[str, np.ndarray], strangers: Mapping[str, np.ndarray]
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """By way of looking: its limit, set by the `strangers`, and which of the `scores` reach it."""
    limits = {way: limit(reached) for way, reached in strangers.items()}
    return limits, {way: scores[way] >= limits[way] for way in scores}


def held_out(
    strangers: Mapping[str, np.ndarray], patients: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """By way: which strangers would be taken for copies with limits set by the other half of the
    `patients`, halved at random (N bools)."""
    names = np.unique(patients)
    half = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
    first = np.isin(patients, half)
    found = {way: np.zeros(len(patients), dtype=bool) for way in strangers}
    for scored in (first, ~first):
        for way, reached in strangers.items():
            found[way][scored] = reached[scored] >= limit(reached[~scored])
    return found


def false_alarms(found: np.ndarray, patients: np.ndarray) -> dict:
    """The share of N images of strangers that were `found` (N bools, or shares of the halvings),
    and its exact 95 % interval as if there were as many images as patients: those of one patient
    are alike and err together."""
    count = len(np.unique(patients))
    share = float(found.mean())
    return {
        "value": share,
        "interval": binomial_interval(round(share * count), count, "exact"),
        "n": len(found),
        "patients": count,
    }
