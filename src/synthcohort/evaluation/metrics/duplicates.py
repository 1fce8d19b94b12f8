"""Diversity: the share of synthetic images that have a near duplicate among the synthetic images.

The distance of two images is the root mean square difference of their pixels. Near is what is as
near as 1 % of the real train images have another patient's image among as many; the share among
real test images, which had no part in that limit, is the floor. Blurred images are nearer to each
other than sharp ones, so a share above the floor is repetition or blur: the pairs drawn tell which.
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
from synthcohort.numerics.resampling import CONFIDENCE

EXTRACTOR = None
JOB = "images"
MEASURES = (
    Measure(
        "duplicates",
        "Near duplicates within the set",
        140,
        "diversity",
        "lower",
        "The share of synthetic images that are nearly the same as another one. Blur raises it, "
        "too: look at the pairs drawn.",
    ),
)
CAPTION = """\
Distance in pixels from each image to the nearest other image of the same set (real: of another
patient), for synthetic and for real test images. The dashed line is the limit below which two
images count as near duplicates: 1 % of the real train images have another patient's image that
near. Below: the closest synthetic pairs.

More near duplicates among synthetic images than among real ones mean that the model repeats itself,
or that its images are blurred and so nearer to each other: the pairs tell which. Shifted and
mirrored repetitions are not found. This compares synthetic images with each other; copies of train
images are under *Audit*.
"""
QUANTILE = 0.01
SHOWN = 8


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """ "details" has the limit, and the closest pairs by their rows among the samples."""
    sets = material.sets
    nearest = {name: nearest_other(part) for name, part in sets.items()}
    limit = float(np.quantile(nearest["train"][1], QUANTILE))
    result, floor = (
        share(nearest[name][1] <= limit, sets[name].patients) for name in ("synthetic", "test")
    )
    made, (other, distance) = sets["synthetic"], nearest["synthetic"]
    pairs = closest(other, distance)
    result |= {
        "extractor": "none, pixels",
        "layer": None,
        "interval_method": "Wilson, of as many independent images as there are patients (real) or "
        "images (synthetic); the limit as found",
        "floor": floor,
        "details": {
            "limit": limit,
            "limit_quantile": QUANTILE,
            "closest_pairs": [
                {"rows": made.rows[[a, b]].tolist(), "distance": round(float(distance[a]), 6)}
                for a, b in pairs
            ],
        },
    }
    arrays = {name: nearest[name][1] for name in ("test", "synthetic")}
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
    """The share of N bools, with Wilson's interval for as many as there are patients: images of one
    patient are alike. It says something where none is found too, as no bootstrap does."""
    from scipy.stats import norm

    p, n, z = float(found.mean()), len(set(patients)), float(norm.ppf((1 + CONFIDENCE) / 2))
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    margin = z / (1 + z**2 / n) * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    # Rounding must not put the ends beyond the value where it is 0 or 1.
    return {"value": p, "interval": [min(p, middle - margin), max(p, middle + margin)]}


def closest(other: np.ndarray, distance: np.ndarray) -> list[tuple[int, int]]:
    """The pairs with the smallest distances, each once."""
    found: dict[tuple[int, int], None] = {}
    for i in np.argsort(distance, kind="stable"):
        found.setdefault((int(min(i, other[i])), int(max(i, other[i]))))
        if len(found) == SHOWN:
            break
    return list(found)
