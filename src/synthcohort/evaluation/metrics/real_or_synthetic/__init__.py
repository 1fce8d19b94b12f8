"""Classifier two-sample test (Lopez-Paz and Oquab 2017): can a small CNN tell real from synthetic?

The value is the area under the ROC curve on images it was not trained on: 0.5 if it cannot. That
says something only of a network that could have: where it found nothing, it is given real images
blurred by a pixel as well, and if it does not find these either, the figure cannot tell.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics.real_or_synthetic.cross_validation import area, told_apart
from synthcohort.evaluation.metrics.real_or_synthetic.real_or_synthetic_figure import (
    PICTURED,
    SHOWN,
    draw,
)
from synthcohort.evaluation.sets import Set
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.seeds import derive

__all__ = ["CAPTION", "EXTRACTOR", "MEASURES", "area", "draw", "measure"]

EXTRACTOR = None
MEASURES = (
    Measure(
        "real_or_synthetic",
        "Real or synthetic, AUC",
        170,
        "real_or_synthetic",
        "lower",
        "How well a network tells synthetic from real images, cross-validated by patient; 0.5 is "
        "guessing and what we want, 1 means that every image gives itself away.",
        span=0.5,
    ),
    Measure(
        "real_or_synthetic.against_decoded",
        "Synthetic or real through the autoencoder, AUC",
        175,
        "real_or_synthetic",
        "lower",
        "The same against real train images that have gone through this run's autoencoder: what "
        "gives synthetic images away besides the autoencoder's blur.",
        span=0.5,
    ),
    Measure(
        "real_or_synthetic.accuracy",
        "Real or synthetic, accuracy",
        180,
        "real_or_synthetic",
        "lower",
        "The same as the share of images told rightly, where the network's probabilities are "
        "calibrated.",
    ),
)
CAPTION = """\
How well a small network tells synthetic images from real test images it was not trained on
(cross-validation by patient, a curve a fold), beside the floor: real train from real test images;
and beside real train images that have gone through the autoencoder, which lose what it loses. In
the middle: how far the network's probabilities can be believed. Right: the synthetic images and the
real test images that it is surest of, each with those it most takes for the other kind.

An area under the curve of 0.5 is guessing. A value near 1 means that there is a visible difference,
which may be as harmless as the autoencoder's blur: then decoded real images are told as well, and
synthetic images are not told from these. Look at the images on the right for what it is.
"""
PLANTED_FOLDS = 2


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """Synthetic images against real test images; the floor is real train against real test.

    "details" names the synthetic images that are told most surely and those most taken for real,
    and the same of real test images; "probability" is that of being synthetic. Where there is a set
    "decoded", "decoded" is that against test, and "against_decoded" in the details the synthetic
    images against it.
    """
    sets, seed = material.sets, derive(seed, "evaluation", "real_or_synthetic")

    def compared(first: Set, second: Set, name: str, folds: int | None = None):
        return told_apart(
            settings,
            first,
            second,
            seed=derive(seed, name),
            hardware=hardware,
            what=f"Real or synthetic ({name})",
            most_folds=folds,
        )

    result, probability, pictured = compared(sets["test"], sets["synthetic"], "synthetic")
    floor, _, of_floor = compared(sets["test"], sets["train"], "train")
    arrays = dict(pictured) | {"floor_curves": of_floor["curves"]}
    details = {key: result[key] for key in ("accuracy", "calibration_error", "folds")}
    details |= {"images_seen": result["images_seen"], "floor_accuracy": floor["accuracy"]}
    found = {
        "extractor": "small CNN trained for this test alone",
        "layer": None,
        "value": result["value"],
        "interval": result["interval"],
        "interval_method": "bootstrap over patients (real) and images (synthetic), percentiles; at "
        "an end of the scale the exact interval (Clopper and Pearson) of the smaller number of "
        "them; neither the classifiers nor the generative model are trained again",
        "floor": _plain(floor),
        "details": details,
    }
    if "decoded" in sets:
        decoded, _, of_decoded = compared(sets["test"], sets["decoded"], "decoded")
        beside, _, of_beside = compared(sets["decoded"], sets["synthetic"], "against decoded")
        found["decoded"] = _plain(decoded)
        details |= {"against_decoded": _plain(beside), "floor_against_decoded": _plain(floor)}
        arrays["decoded_curves"] = of_decoded["curves"]
        arrays["against_decoded_curves"] = of_beside["curves"]
    if result["interval"][0] <= 0.5:
        planted, *_ = compared(sets["test"], _blurred(sets["train"]), "blurred", PLANTED_FOLDS)
        details["blurred"] = _plain(planted)
        if planted["interval"][0] <= 0.5:
            found["cannot_tell"] = (
                "With as many images the network does not even tell real images that were blurred "
                f"by a pixel (AUC {planted['value']:.2f}), so that it finds no difference in the "
                "synthetic ones says nothing."
            )
    shown, pictures = _pictured(material, probability)
    details |= shown
    return found, arrays | pictures


def _pictured(material: Material, probability: np.ndarray) -> tuple[dict, dict[str, np.ndarray]]:
    """By the keys of PICTURED: what is known of the images, and the images themselves."""
    sets = material.sets
    of = dict(zip(("test", "synthetic"), np.split(probability, [len(sets["test"].rows)]),
                  strict=True))  # fmt: skip
    known, pictures = {}, {}
    for key, (_, name, as_what) in PICTURED.items():
        rising = np.argsort(of[name], kind="stable")  # most surely real first
        chosen = (rising if as_what == "real" else rising[::-1])[:SHOWN]
        pictures[key] = sets[name].images[chosen]
        known[key] = [
            {
                "row": int(sets[name].rows[i]),
                "label": material.label_names[sets[name].classes[i]],
                "probability": round(float(of[name][i]), 4),
            }
            for i in chosen
        ]
    return known, pictures


def _blurred(part: Set) -> Set:
    """The images blurred by a Gaussian of one pixel: a difference that can be seen."""
    from scipy.ndimage import gaussian_filter

    images = gaussian_filter(part.images.astype(np.float32), (0, 0, 1, 1))
    return replace(part, images=np.rint(images).astype(part.images.dtype))


def _plain(figure: Mapping) -> dict:
    return {key: figure[key] for key in ("value", "interval")}
