"""Authenticity (AuthPct, Alaa 2022, section 4): the share of synthetic images that are not nearer
to their nearest train image than that image is to the nearest one of another patient.

Taken literally it cannot see what it is for: a copy that a latent model draws has been blurred by
the autoencoder, and lies farther from its sharp original than sharp images of two patients lie from
each other. Here all train images are references, in the autoencoder's latents, and what is compared
with them has been decoded once: the synthetic images, the real images of unseen patients that give
the floor, and the train image itself where its distance to other patients is taken.

Whether that sees copies on this cohort is measured: train images are planted, decoded once, and
those that are not authentic are the share found. Where these cannot be told from strangers, the
result says so ("cannot_tell"). An image far from all others in train is easily undercut, and a
crowded region never is: the figure says how often, not which image is a copy.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.cohort import blocks
from synthcohort.config import Evaluation
from synthcohort.evaluation.latent_shares import (
    PLANTED,
    SYNTHETIC,
    UNSEEN,
    draw_shares,
    of_images,
    open_space,
    result_of,
)
from synthcohort.evaluation.material import Material
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.manifold import squared_distances
from synthcohort.numerics.neighbours import nearest
from synthcohort.numerics.resampling import LEAST_PATIENTS, draw_patients
from synthcohort.samples import shards
from synthcohort.seeds import derive

EXTRACTOR = None
JOB = "membership"  # it needs networks too, whose import costs more than most
MODELS = ("autoencoder", "latents")
MEASURES = (
    Measure(
        "authenticity",
        "Authentic share",
        310,
        "privacy",
        "higher",
        "The share of synthetic images farther from their nearest train image than that image is "
        "from its own nearest neighbour of another patient (AuthPct).",
        span=1.0,
    ),
)
CAPTION = """\
Share of synthetic images that are not nearer to their nearest train image than that image is to the
nearest one of another patient (AuthPct), between the autoencoder's latents, against the floor: the
same share of real images of patients the model has not seen, put through the autoencoder once.
Below the floor, synthetic images crowd around train images as if they repeated them. The train
images planted as copies, put through the autoencoder once as well, show how few are authentic where
all are copies; where that is not far below the floor, the figure can tell nothing here.
"""
PLANTED_IMAGES = 100
MOST = 2_000
"""Synthetic images, and images of unseen patients, that are compared: a share of so many is known
to two per cent, and the time stays bounded."""


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """All train images are references; "n" tells how many images are held against them.

    In the details "planted", the share of planted train images found.
    """
    cohort, hardware, seed = material.cohort, hardware.exact(), derive(seed, "authenticity")
    train, strangers = cohort.of("train"), np.concatenate([cohort.of("val"), cohort.of("test")])
    patients = cohort.patients
    unseen = draw_patients(strangers, patients[strangers], MOST, derive(seed, "unseen"))
    random = np.random.default_rng(derive(seed, "images"))
    planted = np.sort(random.permutation(train)[:PLANTED_IMAGES])
    samples = shards.describe(material.samples)
    drawn = np.sort(random.permutation(len(samples.labels))[:MOST])
    with open_space(material, hardware) as space:
        references = space.undecoded(train, "train")
        images = (
            shards.pick(material.samples, samples, drawn[part])
            for part in blocks(np.arange(len(drawn)))
        )
        queries = {
            "synthetic": space.synthetic(images, len(drawn)),
            "unseen": space.real(unseen, "unseen")[0][len(unseen) :],
            "planted": space.real(planted, "planted")[0][len(planted) :],
        }
        found = {name: nearest(of, references, hardware) for name, of in queries.items()}
        asked = np.unique(np.concatenate([place for _, place in found.values()]))
        room = np.full(len(train), np.nan)
        decoded = space.real(train[asked], "neighbours")[0][len(asked) :]
        room[asked] = _to_others(decoded, patients[train[asked]], references, patients[train])
    authentic = {name: distance >= room[place] for name, (distance, place) in found.items()}
    result = result_of(authentic, material, unseen, derive(seed, "floor"))
    # Of copies those are found that are not authentic.
    power = of_images(~authentic["planted"]) | {"n": len(planted)}
    result["details"]["planted"] = power
    if why := _cannot_tell(result["patients"], power, result["floor"]):
        result["cannot_tell"] = why
    return result, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The share of synthetic images between that of planted copies and that of strangers."""
    found, n = result["details"]["planted"], result["n"]
    low, high = found["interval"]
    rows = {
        PLANTED: {"value": 1 - found["value"], "interval": [1 - high, 1 - low], "n": found["n"]},
        UNSEEN: result["floor"] | {"n": n["val"] + n["test"]},
        SYNTHETIC: result | {"n": n["synthetic"]},
    }
    draw_shares(path, rows, f"Authentic share, of {n['train']} train images")


def _to_others(
    queries: np.ndarray, own: np.ndarray, references: np.ndarray, patients: np.ndarray
) -> np.ndarray:
    """Of each query of patient `own` the root-mean-square difference to the nearest reference of
    another patient; infinite where there is none."""
    found = np.empty(len(queries))
    for rows in blocks(np.arange(len(queries))):
        distance = squared_distances(queries[rows], references)
        distance[own[rows, None] == patients] = np.inf
        found[rows] = distance.min(1)
    return np.sqrt(found / references.shape[1])


def _cannot_tell(patients: Mapping[str, int], power: Mapping, floor: Mapping) -> str:
    """Why the figure says nothing on this cohort; "" where it does."""
    if min(patients.values()) < LEAST_PATIENTS:
        return (
            f"It needs {LEAST_PATIENTS} patients in train and as many in val and test together; "
            f"there are {patients['train']} and {patients['unseen']}."
        )
    if power["value"] < 0.5:
        return (
            f"Of {power['n']} train images planted as copies it finds {power['value']:.0%} only: "
            "this autoencoder changes an image more than patients differ in its latents."
        )
    if floor["interval"][0] <= 1 - power["interval"][0]:
        return (
            "Images of unseen patients are as seldom authentic as copies may be: "
            f"{floor['value']:.0%} of them, {1 - power['value']:.0%} of the planted copies."
        )
    return ""
