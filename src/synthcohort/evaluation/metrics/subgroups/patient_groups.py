"""Which groups of patients there are: by label, and by every attribute of the manifest."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthcohort.cohort import Cohort, number_text
from synthcohort.evaluation.material import Material, restricted
from synthcohort.samples.shards import Samples

MOST = 12
"""Labels beyond these, the most frequent ones, are no groups of their own: with every further one
less could be said of each."""
VALUES = 4
"""An attribute of no more values than these has a group for each; others are cut into thirds."""


@dataclass(frozen=True)
class Group:
    """Patients that have something in common."""

    of: str
    """"label" or an attribute's name."""
    name: str
    """The label, or the attribute's value or range."""
    real: np.ndarray
    """Which of all real images belong to it, N bools."""
    synthetic: np.ndarray
    """Which of all synthetic images were asked for it, M bools."""


def groups(data: Cohort, sampled: Samples, label_names: Sequence[str]) -> list[Group]:
    """The groups by label and by attribute; none by what does not vary among train images."""
    found, train = [], data.of("train")
    classes = np.bincount(data.classes[train], minlength=len(label_names))
    if (classes > 0).sum() > 1:
        names = np.array(sampled.label_names)[sampled.labels]
        for label in sorted(np.argsort(-classes, kind="stable")[:MOST]):
            if classes[label]:
                own = names == label_names[label]
                found.append(Group("label", label_names[label], data.classes == label, own))
    if sampled.attribute_names != data.attribute_names:
        return found
    for i, name in enumerate(data.attribute_names):
        real, made = data.attributes[:, i], sampled.attributes[:, i]
        values = np.unique(real[train])
        if 1 < len(values) <= VALUES:
            found += [
                Group(name, number_text(float(value)), real == value, made == value)
                for value in values
            ]
        elif len(values) > VALUES:
            found += _thirds(name, real, made, train)
    return found


def within(material: Material, group: Group) -> Material:
    """The compared images of a group and their features, of each set as many as of the smallest."""
    kept = {
        name: np.flatnonzero((group.synthetic if name == "synthetic" else group.real)[part.rows])
        for name, part in material.sets.items()
    }
    n = min(map(len, kept.values()))
    return restricted(material, {name: places[:n] for name, places in kept.items()})


def _thirds(name: str, real: np.ndarray, made: np.ndarray, train: np.ndarray) -> list[Group]:
    """Thirds of the train images; fewer where many have the same value."""
    cuts = np.unique(np.quantile(real[train], [1 / 3, 2 / 3]))
    ends = [-np.inf, *cuts.tolist(), np.inf]
    found = []
    for low, high in itertools.pairwise(ends):
        masks = [(of > low) & (of <= high) for of in (real, made)]
        if not masks[0][train].any():
            continue
        if low == -np.inf:
            text = f"up to {high:.4g}"
        else:
            text = f"above {low:.4g}" + ("" if high == np.inf else f" up to {high:.4g}")
        found.append(Group(name, text, *masks))
    return found if len(found) > 1 else []
