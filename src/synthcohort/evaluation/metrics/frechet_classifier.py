"""The Fréchet distance in the features of a small classifier of this cohort's own labels.

Inception-v3 knows photographs; this network knows what matters in these images. Its figures can be
compared within one cohort and split only.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.networks.label_classifier import cannot_tell
from synthcohort.evaluation.shared_figures import draw_by_label
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure

EXTRACTOR = "classifier"
MODELS = ("classifier",)
MEASURES = (
    Measure(
        "frechet_classifier.autoencoder",
        "Autoencoder alone, own classifier",
        26,
        "fidelity",
        "lower",
        "The same in the features of a classifier trained on this cohort: whether what tells its "
        "labels apart gets through the autoencoder.",
    ),
    Measure(
        "frechet_classifier",
        "Fréchet distance, own classifier",
        100,
        "fidelity",
        "lower",
        "Distance in the features of a classifier trained on this cohort: what tells its labels "
        "apart, and little else.",
    ),
)
CAPTION = """\
Fréchet distance in the features of a small classifier that was trained on the labels of this
cohort's train split, beside its floor: real train images from real test images, as they are and
after one way through the autoencoder; below, the same by label, where a label has images enough.

Lower is better. These features respond to what tells the labels apart in these images, and to
little else. The figures can be compared within this cohort and split only.
"""


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    result, arrays = frechet.measure(seed, material)
    judge = material.models.get("classifier")
    if judge and (why := cannot_tell(judge)):
        result["cannot_tell"] = why
    return result, arrays


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The distance above its floor, of all images and by label."""
    what = "Fréchet distance, classifier trained on this cohort's train split"
    draw_by_label(path, result, arrays, what)
