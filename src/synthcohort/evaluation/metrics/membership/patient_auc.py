"""What an attack's scores of patients show: how well they tell train patients from unseen ones.

The unit is the patient: one score each, the higher the surer that the patient was trained on.
"""

import math
from collections.abc import Mapping

import numpy as np

from synthcohort.numerics.resampling import CONFIDENCE, binomial_interval

PERMUTATIONS = 2000


def told_apart(members: np.ndarray, others: np.ndarray, share: float = 1.0) -> dict:
    """The area under the ROC curve, {"value", "interval"}, of M and N scores: the share of pairs in
    which the member's is higher, ties counting half.

    The interval is DeLong's (1988) on the logit scale, with the t quantile of Welch's degrees of
    freedom, so that few patients cost what they must; of an area of 0 or 1, where that is
    degenerate, the exact one of as many cases as the smaller side has patients. It is left out with
    a probability of 5 % or, for one of several attacks, a `share` of that (Bonferroni).
    """
    from scipy.stats import rankdata, t

    m, n = len(members), len(others)
    ranks = rankdata(np.concatenate([members, others]))
    above = (ranks[:m] - rankdata(members)) / n  # DeLong's V10: the share of the others below each
    below = 1 - (ranks[m:] - rankdata(others)) / m  # V01: the share of the members above each
    value, cases = float(above.mean()), min(m, n)
    parts = np.array([above.var(), below.var()]) / (np.array([m, n]) - 1).clip(1)
    if cases < 2 or parts.sum() == 0:
        return {"value": value, "interval": binomial_interval(round(value * cases), cases, "exact")}
    freedom = parts.sum() ** 2 / (parts**2 / np.array([m - 1, n - 1])).sum()
    margin = t.ppf(1 - share * (1 - CONFIDENCE) / 2, freedom) * np.sqrt(parts.sum())
    logit, slope = np.log(value / (1 - value)), 1 / (value * (1 - value))
    ends = logit + slope * margin * np.array([-1, 1])
    return {"value": value, "interval": (1 / (1 + np.exp(-ends))).tolist()}


def strongest(
    attacks: Mapping[str, tuple[np.ndarray, np.ndarray]], moments: int = 1
) -> tuple[str, dict]:
    """The name of the attack (members' and others' scores by name) with the largest area, and that
    area with an interval that holds for the largest of them all: from the highest lower bound to
    the highest upper one, each attack having its share of the 5 % (Bonferroni), at each of so many
    `moments` at which somebody looks."""
    part = 1 / (len(attacks) * moments)
    areas = {name: told_apart(*sides, part) for name, sides in attacks.items()}
    best = max(areas, key=lambda name: areas[name]["value"])
    interval = [max(area["interval"][end] for area in areas.values()) for end in (0, 1)]
    return best, {"value": areas[best]["value"], "interval": interval}


def chance(members: np.ndarray, others: np.ndarray, seed: int) -> float:
    """The one-sided p-value of that area: the share of 2,000 random exchanges of the patients
    between both sides, and of what was found, that give as much."""
    from scipy.stats import rankdata

    ranks, m = rankdata(np.concatenate([members, others])), len(members)
    random, found = np.random.default_rng(seed), ranks[:m].sum()
    drawn = [random.permutation(ranks)[:m].sum() for _ in range(PERMUTATIONS)]
    return float((1 + np.sum(np.array(drawn) >= found - 1e-9)) / (1 + PERMUTATIONS))


def exposed(members: np.ndarray, others: np.ndarray, false_positives: float) -> dict:
    """The share of the members with a higher score than all but that share of the others
    (Carlini 2022: the true positive rate at a low false positive rate).

    Returns {"value", "interval", "n", "chance", "false_positives"}. The interval is the exact one
    of the members above this threshold; "false_positives" has the share of the others above it and
    the exact interval of what share of further patients will be, which with few patients is far
    from 0. "chance" is the share of members expected above it where nothing tells them apart.
    """
    n = {"train": len(members), "unseen": len(others)}
    allowed = int(false_positives * len(others) + 1e-9)
    if false_positives and not allowed:
        needed = math.ceil(1 / false_positives)
        told = (
            f"{false_positives:.0%} of {len(others)} unseen patients is less than one of them; "
            f"at least {needed} are needed"
        )
        return {"value": None, "interval": None, "n": n, "cannot_tell": told}
    threshold = np.sort(others)[::-1][allowed]
    found, false = int((members > threshold).sum()), int((others > threshold).sum())
    return {
        "value": found / len(members),
        "interval": binomial_interval(found, len(members), "exact"),
        "n": n,
        "chance": (allowed + 1) / (len(others) + 1),
        "false_positives": {
            "value": false / len(others),
            "interval": binomial_interval(false, len(others), "exact"),
        },
    }
