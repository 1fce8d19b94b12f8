"""UMAP of the U-Net's bottleneck features: do labels separate, and do origins mix?

The figure is the map; the numbers are taken in the space of the features themselves, because UMAP
pulls clusters apart that are not (McInnes 2018; Chari and Pachter 2023).
"""

from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation.estimation.neighbours import nearest_others, standardised
from synthcohort.evaluation.estimation.resampling import bootstrap_weights, percentile_interval
from synthcohort.evaluation.figures import draw_map
from synthcohort.evaluation.material import Material
from synthcohort.seeds import derive

EXTRACTOR = "bottleneck"


def measure(
    settings: Evaluation, *, seed: int, material: Material, figure: Path, hardware: Hardware
) -> dict:
    """The value is origin mixing (see `mixing`) of synthetic and real test images; "details" has
    the label separation (see `separation`)."""
    k, sets = settings.neighbours, material.sets
    features = standardised(material.features)
    result, floor = (
        mixing(
            np.concatenate([features[name], features["test"]]),
            np.repeat([0, 1], [len(features[name]), len(features["test"])]),
            np.concatenate([sets[name].patients, sets["test"].patients]),
            k,
            derive(seed, "evaluation", "mixing", name),
        )
        for name in ("synthetic", "train")
    )
    separated = separation(features, material, k, derive(seed, "evaluation", "separation"))
    draw_map(
        figure,
        umap(features, derive(seed, "evaluation", "umap") % 2**32),
        {name: part.classes for name, part in sets.items()},
        material.label_names,
        f"By label: {k} nearest name the label of {separated['value']:.0%} of real images\n"
        f"(most frequent label: {separated['majority']:.0%})",
        f"By origin: mixing of synthetic and test {result['value']:.2f} "
        f"[{result['interval'][0]:.2f}, {result['interval'][1]:.2f}]\n"
        f"(train and test: {floor['value']:.2f}; complete: 1, none: 0)",
    )
    return result | {
        "interval_method": "bootstrap over patients (real) and images (synthetic), percentiles; "
        "neighbours as found, the generative model is not trained again",
        "floor": floor,
        "details": {"neighbours": k, "complete_mixing": 1.0, "label_separation": separated},
    }


def mixing(
    features: np.ndarray, origin: np.ndarray, patients: np.ndarray, k: int, seed: int
) -> dict:
    """How many of the k nearest neighbours from other patients are of the other origin, over how
    many would be if origins were shuffled: 1 is complete mixing, 0 none. {"value", "interval"}.

    `features` are N×D, `origin` N numbers 0 or 1, `patients` N ids.
    """
    others = origin[nearest_others(features, patients, k)] != origin[:, None]
    different = patients[:, None] != patients
    expected = (different & (origin[:, None] != origin)).sum(1) / different.sum(1)
    weights = bootstrap_weights(patients, seed)
    drawn = weights @ others.mean(1) / (weights @ expected)
    return {
        "value": float(others.mean() / expected.mean()),
        "interval": percentile_interval(drawn),
    }


def separation(features: dict[str, np.ndarray], material: Material, k: int, seed: int) -> dict:
    """The share of real images whose label is the most frequent one among their k nearest real
    neighbours from other patients, with interval, and the share of the most frequent label.

    "synthetic" is the share of synthetic images that lie among real ones of their own label.
    """
    sets = material.sets
    real = np.concatenate([features["train"], features["test"]])
    classes = np.concatenate([sets["train"].classes, sets["test"].classes])
    patients = np.concatenate([sets["train"].patients, sets["test"].patients])
    right = _vote(classes[nearest_others(real, patients, k)], classes)
    weights = bootstrap_weights(patients, seed)
    # Synthetic images count as one patient here, so that they have real neighbours only.
    everything = np.concatenate([real, features["synthetic"]])
    owner = np.concatenate([patients, np.full(len(features["synthetic"]), "synthetic")])
    near = nearest_others(everything, owner, k)[len(real) :]
    return {
        "value": float(right.mean()),
        "interval": percentile_interval(weights @ right / weights.sum(1)),
        "majority": float(np.bincount(classes).max() / len(classes)),
        "synthetic": float(_vote(classes[near], sets["synthetic"].classes).mean()),
    }


def umap(features: dict[str, np.ndarray], random_state: int) -> dict[str, np.ndarray]:
    """A common map of all sets, N×2 float32 each."""
    from umap import UMAP

    everything = np.concatenate(list(features.values()))
    reducer = UMAP(n_neighbors=min(15, len(everything) - 1), random_state=random_state, n_jobs=1)
    places = reducer.fit_transform(everything)
    ends = np.cumsum([len(values) for values in features.values()])
    return dict(zip(features, np.split(places, ends[:-1]), strict=True))


def _vote(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """N bools: whether the most frequent class of each row of N×k is `own` (a tie: the lower)."""
    votes = np.stack([(found == label).sum(1) for label in range(max(found.max(), own.max()) + 1)])
    return votes.argmax(0) == own
