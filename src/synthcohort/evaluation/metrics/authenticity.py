"""Authenticity (AuthPct, Alaa 2022, section 4): the share of synthetic images that are not nearer
to their nearest train image than that image is to the nearest one of another patient.

It is taken in Inception-v3's features, where a copy stays near its original through small shifts,
noise and changes of brightness. The floor is the authenticity of real test images, which copy
nobody. An image that is far from all others in train is easily undercut, and a crowded region never
is: the figure says how often, not which image is a copy.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import draw_against_floor
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.neighbours import nearest_others, standardised
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.seeds import derive

EXTRACTOR = "inception"
MEASURES = (
    Measure(
        "authenticity",
        "Authentic share",
        310,
        "privacy",
        "higher",
        "The share of synthetic images farther from their nearest train image than that image is "
        "from its own nearest neighbour (AuthPct).",
    ),
)
CAPTION = """\
Share of synthetic images that are not nearer to their nearest train image than that image is to the
nearest one of another patient (AuthPct), in features of Inception-v3, against the floor: the same
share of real test images. Below the floor, synthetic images crowd around train images as if they
repeated them.
"""
SHUFFLES = 200


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """ "nearer_to_train" in the details: the share of synthetic images that are nearer to a train
    image than to any test image, of as many of each; 0.5 for a generator that remembers nobody. Its
    floor's interval is that share with the real patients shuffled between train and test."""
    features, sets = standardised(material.features), material.sets
    train = features["train"]
    other = nearest_others(train, sets["train"].patients, 1)[:, 0]
    room = np.linalg.norm(train - train[other], axis=1)

    def authentic(name: str) -> dict:
        distance = _distances(features[name], train)
        nearest = distance.argmin(1)
        found = distance[np.arange(len(distance)), nearest] >= room[nearest]
        weights = bootstrap_weights(sets[name].patients, derive(seed, "authenticity", name))
        return {
            "value": float(found.mean()),
            "interval": percentile_interval(weights @ found / weights.sum(1)),
        }

    result, floor = authentic("synthetic"), authentic("test")
    nearer, shuffled = _nearer(features, material, derive(seed, "authenticity", "nearer"))
    result |= {
        "interval_method": "bootstrap over images (synthetic) and patients (floor), percentiles; "
        "the train images stay, the generative model is not trained again",
        "floor": floor,
        "details": {"nearer_to_train": nearer, "floor_nearer_to_train": shuffled},
    }
    return result, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The share above its floor."""
    draw_against_floor(path, result, "Authenticity (share of images)", result["n"]["train"])


def _nearer(features: dict[str, np.ndarray], material: Material, seed: int) -> tuple[dict, dict]:
    real = np.concatenate([features["train"], features["test"]])
    patients = np.concatenate([material.sets[name].patients for name in ("train", "test")])
    distance = _distances(features["synthetic"], real)
    names, number = np.unique(patients, return_inverse=True)
    in_train = np.arange(len(real)) < len(features["train"])
    count = len(np.unique(patients[in_train]))
    random = np.random.default_rng(seed)

    def share(of: np.ndarray) -> tuple[float, np.ndarray]:
        found = distance[:, of].min(1) < distance[:, ~of].min(1)
        return float(found.mean()), found

    value, found = share(in_train)
    drawn = [share(random.permutation(len(names))[number] < count)[0] for _ in range(SHUFFLES)]
    weights = bootstrap_weights(np.arange(len(found)), derive(seed, "bootstrap"))
    return (
        {"value": value, "interval": percentile_interval(weights @ found / weights.sum(1))},
        {"value": float(np.mean(drawn)), "interval": percentile_interval(np.array(drawn))},
    )


def _distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """N×M Euclidean distances."""
    from scipy.spatial.distance import cdist

    return cdist(queries, references)
