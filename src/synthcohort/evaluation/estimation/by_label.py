"""The same comparison within each label, where a label has images enough for it."""

from collections.abc import Callable

import numpy as np

from synthcohort.evaluation.material import Material, restricted
from synthcohort.evaluation.sets import FEWEST_PATIENTS, NAMES

LEAST = 40


def by_label(material: Material, compare: Callable[[Material], dict]) -> dict:
    """{"by_label": label → what `compare` finds in its images alone, with their number "n";
    "labels_left_out": label → why it has no entry}; both empty where there is one label only."""
    found: dict[str, dict] = {}
    left_out: dict[str, str] = {}
    labels = np.unique(material.sets["test"].classes)
    for label in labels if len(labels) > 1 else ():
        name, part = material.label_names[label], _of(material, label)
        n = min(len(part.sets[origin].images) for origin in NAMES)
        patients = min(len(set(part.sets[real].patients)) for real in ("train", "test"))
        if n < LEAST or patients < FEWEST_PATIENTS:
            left_out[name] = (
                f"{n} images of {patients} patients; needs {LEAST} of {FEWEST_PATIENTS} or more"
            )
        else:
            found[name] = compare(part) | {"n": n}
    return {"by_label": found, "labels_left_out": left_out}


def _of(material: Material, label: int) -> Material:
    """The images of one label and their features."""
    return restricted(
        material,
        {name: np.flatnonzero(part.classes == label) for name, part in material.sets.items()},
    )
