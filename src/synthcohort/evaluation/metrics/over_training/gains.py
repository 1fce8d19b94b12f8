"""How good each moment of a training is, and by how much its end is better."""

from collections.abc import Sequence

import numpy as np

from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material
from synthcohort.numerics.resampling import (
    CONFIDENCE,
    groups,
    jackknife_interval,
    without_each,
)
from synthcohort.seeds import derive


def distances(
    test: np.ndarray, made: Sequence[np.ndarray], material: Material, seed: int
) -> list[dict]:
    """The Fréchet distance of each moment's features (n×D) from those of real test images,
    {"value", "interval"}, and how much smaller it is at the end, "gain", with its paired interval.
    """
    first = groups(material.sets["test"].patients, derive(seed, "groups", "test"))
    second = groups(np.arange(len(made[0])), derive(seed, "groups", "synthetic"))

    def figure(statistic) -> dict:
        value = statistic(np.ones(len(first), bool), np.ones(len(second), bool))
        interval = jackknife_interval(value, *without_each(statistic, first, second))
        return {"value": float(value), "interval": interval}

    def distance(features: np.ndarray):
        return lambda real, other: frechet.distance(test[real], features[other])

    *_, last = map(distance, made)
    found = []
    for of in map(distance, made):
        quality = figure(of)
        quality["interval"][0] = max(0.0, quality["interval"][0])
        gain = figure(lambda real, other, of=of: of(real, other) - last(real, other))
        found.append(quality | {"gain": gain})
    return found


def mean_losses(losses: Sequence[np.ndarray]) -> list[dict]:
    """The mean of each moment's losses of the same P patients, {"value", "interval"}, and how much
    smaller it is at the end, "gain", with its paired interval."""
    return [_mean(loss) | {"gain": _mean(loss - losses[-1])} for loss in losses]


def _mean(values: np.ndarray) -> dict:
    from scipy.stats import t

    value, error = float(values.mean()), values.std(ddof=1) / np.sqrt(len(values))
    margin = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * error
    return {"value": value, "interval": [float(value - margin), float(value + margin)]}
