"""What the distance metrics share: the value, its floor and the intervals of both."""

from collections.abc import Callable

import numpy as np

from synthcohort.evaluation.material import Material
from synthcohort.numerics.resampling import (
    binomial_interval,
    groups,
    jackknife_interval,
    without_each,
)
from synthcohort.seeds import derive

Statistic = Callable[[np.ndarray, np.ndarray], float]
METHOD = (
    "delete-a-group jackknife: up to 20 groups of patients (real) or images (synthetic), "
    "t quantile; of a share of 0 or 1 the exact interval (Clopper and Pearson); the generative "
    "model is not trained again"
)


def compared(
    value: Callable[[str], float],
    statistic: Callable[[str], Statistic],
    *,
    seed: int,
    material: Material,
    least: float = -np.inf,
    most: float = np.inf,
) -> dict:
    """The distance of the synthetic images from real test: {"value", "interval"}; "floor", the same
    of real train from real test; and "above_floor", the difference of the two.

    `value(name)` is the distance of the set `name` from test; `statistic(name)` the same of parts
    of them, given two boolean masks (test, `name`). `least` and `most` are the ends of what there
    can be: the jackknife's symmetric interval is cut there.
    """
    group = {
        name: groups(part.patients, derive(seed, "evaluation", "groups", name))
        for name, part in material.sets.items()
    }
    without = {
        name: without_each(statistic(name), group["test"], group[name])
        for name in ("synthetic", "train")
    }

    def measured(name: str) -> dict:
        found = value(name)
        low, high = jackknife_interval(found, *without[name])
        if (least, most) == (0, 1) and found in (0, 1):
            # The same without any group, which makes the jackknife certain where it must not be.
            cases = min(len(np.unique(material.sets[of].patients)) for of in ("test", name))
            low, high = binomial_interval(round(found * cases), cases, "exact")
        return {"value": found, "interval": [max(low, least), min(high, most)]}

    result, floor = measured("synthetic"), measured("train")
    # Both distances share the test images, so their difference has an interval of its own.
    above = result["value"] - floor["value"]
    shared = without["synthetic"][0] - without["train"][0]
    above_interval = jackknife_interval(above, shared, without["synthetic"][1], without["train"][1])
    return result | {"floor": floor, "above_floor": {"value": above, "interval": above_interval}}


def against_floor(
    value: Callable[[str], float],
    statistic: Callable[[str], Statistic],
    *,
    seed: int,
    material: Material,
    least: float = -np.inf,
) -> dict:
    """`compared` as the result of a metric."""
    found = compared(value, statistic, seed=seed, material=material, least=least)
    above = found.pop("above_floor")
    return found | {"interval_method": METHOD, "details": {"above_floor": above}}


def paired(result: dict, name: str, second: dict, **details: object) -> dict:
    """Two `compared` as the result of one metric: `result` gives its value, `second` stands in the
    details as `name`."""
    return {
        "value": result["value"],
        "interval": result["interval"],
        "interval_method": METHOD,
        "floor": result["floor"],
        "details": details
        | {
            name: {"value": second["value"], "interval": second["interval"]},
            f"floor_{name}": second["floor"],
            "above_floor": result["above_floor"],
            f"above_floor_{name}": second["above_floor"],
        },
    }
