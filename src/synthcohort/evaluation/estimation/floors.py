"""What the distance metrics share: the value, what it is held against and the intervals of all.

The floor is the same figure of real train images in the place of synthetic ones. Two more of the
kind stand beside it where there are such sets (`evaluation.sets`): of train images that have gone
through the autoencoder, and of train images of as many patients as there are.
"""

from collections.abc import Callable

import numpy as np

from synthcohort.evaluation.estimation import autoencoder_alone
from synthcohort.evaluation.material import Material
from synthcohort.numerics.resampling import (
    difference_interval,
    exact_interval,
    groups,
    jackknife_interval,
    without_each,
)
from synthcohort.seeds import derive

Statistic = Callable[[np.ndarray, np.ndarray], float]
METHOD = (
    "delete-a-group jackknife: up to 20 groups of patients (real) or images (synthetic), "
    "t quantile; of a share within a case of 0 or 1 the exact interval (Clopper and Pearson); the "
    "generative model is not trained again"
)
HELD_AGAINST = {"train": "floor", "decoded": "decoded", "spread": "floor_one_per_patient"}
"""What a result calls the figure of a set that takes the place of the synthetic images."""


def compared(
    value: Callable[[str], float],
    statistic: Callable[[str], Statistic],
    *,
    seed: int,
    material: Material,
    least: float = -np.inf,
    most: float = np.inf,
    share: bool = False,
    ratio: bool = False,
) -> dict:
    """The distance of the synthetic images from real test: {"value", "interval"}; by the names in
    HELD_AGAINST the same of other sets, of "spread" with its number of images "n" and of
    "patients"; and, as "difference_to_floor" and so on, the value less each of them. Where `ratio`
    and there are decoded images, "autoencoder" holds these against the floor
    (`autoencoder_alone.figure`).

    `value(name)` is the distance of the set `name` from test; `statistic(name)` the same of parts
    of them, given two boolean masks (test, `name`). `least` and `most` are the ends of what there
    can be: the jackknife's symmetric interval is cut there. Where `share`, next to an
    end almost none or all of the images are so, of which the interval is exact, over patients.
    """
    names = ["synthetic", *(name for name in HELD_AGAINST if name in material.sets)]
    group = {
        name: groups(material.sets[name].patients, derive(seed, "evaluation", "groups", name))
        for name in ("test", *names)
    }
    if "decoded" in group:  # the same images as "train", so the same patients left out together
        group["decoded"] = group["train"]
    without = {name: without_each(statistic(name), group["test"], group[name]) for name in names}
    patients = {name: len(np.unique(material.sets[name].patients)) for name in ("test", *names)}

    def cases(name: str) -> int:
        return min(patients["test"], patients[name])

    def at_an_end(found: float, name: str) -> bool:
        return share and min(found, most - found) * cases(name) < 1

    def measured(name: str) -> dict:
        found = value(name)
        low, high = jackknife_interval(found, *without[name])
        if at_an_end(found, name):
            # Nearly the same without any group: the jackknife is certain where it must not be.
            low, high = exact_interval(found, cases(name))
        return {"value": found, "interval": [max(low, least), min(high, most)]}

    found = {name: measured(name) for name in names}
    result = found.pop("synthetic")
    for name, of in found.items():
        key = HELD_AGAINST[name]
        # Both distances share the test images, so their difference has an interval of its own.
        difference = result["value"] - of["value"]
        shared = without["synthetic"][0] - without[name][0]
        own = jackknife_interval(difference, shared, without["synthetic"][1], without[name][1])
        if at_an_end(result["value"], "synthetic") or at_an_end(of["value"], name):
            # Nor can the jackknife of the difference see what it cannot see of each.
            own = difference_interval(result, of)
        result[key] = of
        result[f"difference_to_{key}"] = {
            "value": difference,
            "interval": [max(own[0], least - most), min(own[1], most - least)],
        }
        if name == "spread":
            of |= {"n": len(material.sets[name].images), "patients": patients[name]}
    if ratio and "decoded" in found:
        pair = ((found[name], without[name]) for name in ("decoded", "train"))
        result["autoencoder"] = autoencoder_alone.figure(*pair)
    return result


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
    return found | {"interval_method": METHOD, "details": {}}


def paired(result: dict, name: str, second: dict, **details: object) -> dict:
    """Two `compared` as the result of one metric: `result` gives its value, `second`, with what it
    is held against, stands in the details as `name`."""
    return result | {"interval_method": METHOD, "details": details | {name: second}}
