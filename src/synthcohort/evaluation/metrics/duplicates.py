"""Diversity: the share of synthetic images that have a near duplicate among the synthetic images.

The distance of two images is the root mean square difference of their pixels. Near is what is as
near as 1 % of the real train images have another patient's image among as many; the share among
real test images, which had no part in that limit, is the floor. Blurred images are nearer to each
other than sharp ones, and synthetic images are as blurred as the autoencoder makes them: theirs is
the limit of train images that have gone through it, where there is an autoencoder.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set
from synthcohort.evaluation.shared_figures import draw_within
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.neighbours import nearest_others
from synthcohort.numerics.resampling import exact_interval, groups
from synthcohort.seeds import derive

EXTRACTOR = None
JOB = "images"
MEASURES = (
    Measure(
        "duplicates",
        "Near duplicates within the set",
        140,
        "diversity",
        "lower",
        "The share of synthetic images that are nearer to another one than 99 % of real images, "
        "put through the same autoencoder, are to another patient's.",
        span=1.0,
    ),
)
CAPTION = """\
Distance in pixels from each image to the nearest other image of the same set (real: of another
patient), for synthetic images, real test images, and real train images after one way through the
autoencoder. The lines are the limits below which two images count as near duplicates: 1 % of train
images have another patient's image that near. The limit of synthetic images comes from those that
have gone through the autoencoder, because blurred images are nearer to each other.

More near duplicates among synthetic images than among real ones mean that the model repeats itself,
or blurs more than its autoencoder: the closest pairs, below, tell which. Shifted and mirrored
repetitions are not found. This compares synthetic images with each other; copies of train images
are under *Audit*.
"""
QUANTILE = 0.01
SHOWN = 8


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """ "details" has the limits, the share that the limit of sharp images would give, and the
    closest pairs by their rows among the samples."""
    sets = material.sets
    names = [name for name in ("train", "test", "synthetic", "decoded") if name in sets]
    nearest = {name: nearest_other(sets[name]) for name in names}
    # Images count as near by a limit from images that are as blurred as they are.
    judge = "decoded" if "decoded" in sets else "train"
    limit, sharp = (float(np.quantile(nearest[name][1], QUANTILE)) for name in (judge, "train"))
    limits = {"real": sharp} if judge == "train" else {"synthetic": limit, "real": sharp}
    made, (other, distance) = sets["synthetic"], nearest["synthetic"]
    pairs = closest(other, distance)
    result = share(distance <= limit, made.patients) | {
        "extractor": "none, pixels",
        "layer": None,
        "interval_method": "exact (Clopper and Pearson), of as many independent images as there "
        "are patients (real) or images (synthetic); the limit as found",
        "floor": share(nearest["test"][1] <= sharp, sets["test"].patients),
        "details": {
            "limits": limits,
            "limit_quantile": QUANTILE,
            "share_by_limit_of_real": float((distance <= sharp).mean()),
            "closest_pairs": [
                {"rows": made.rows[[a, b]].tolist(), "distance": round(float(distance[a]), 6)}
                for a, b in pairs
            ],
        },
    }
    if judge == "decoded":
        part = sets["decoded"]
        half = groups(part.patients, derive(seed, "evaluation", "duplicates")) % 2
        result["decoded"] = share(crossed(nearest["decoded"][1], half), part.patients)
    arrays = {name: nearest[name][1] for name in names if name != "train"}
    return result, arrays | {"pairs": made.images[np.array(pairs, int).reshape(-1, 2)]}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The distances to the nearest other image, and the closest pairs."""
    what = "Root mean square difference to the nearest other image (share of the grey range)"
    draw_within(path, result, arrays, what)


def nearest_other(part: Set) -> tuple[np.ndarray, np.ndarray]:
    """N rows and N distances: of each image, the nearest one of another patient."""
    pixels = part.images.reshape(len(part.images), -1).astype(np.float32)
    pixels /= np.iinfo(part.images.dtype).max
    other = nearest_others(pixels, part.patients, 1)[:, 0]
    return other, np.sqrt(((pixels - pixels[other]) ** 2).mean(1, dtype=np.float64))


def share(found: np.ndarray, patients: np.ndarray) -> dict:
    """The share of N bools with the exact interval for as many as there are patients: images of one
    patient are alike."""
    value = float(found.mean())
    return {"value": value, "interval": exact_interval(value, len(set(patients)))}


def crossed(distance: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Which of N distances are within the limit that those of the other half set (`half`: 0 or 1):
    in their own limit they would have had a part."""
    limit = [np.quantile(distance[half != one], QUANTILE) for one in (0, 1)]
    return distance <= np.array(limit)[half]


def closest(other: np.ndarray, distance: np.ndarray) -> list[tuple[int, int]]:
    """The pairs with the smallest distances, each once."""
    found: dict[tuple[int, int], None] = {}
    for i in np.argsort(distance, kind="stable"):
        found.setdefault((int(min(i, other[i])), int(max(i, other[i]))))
        if len(found) == SHOWN:
            break
    return list(found)
