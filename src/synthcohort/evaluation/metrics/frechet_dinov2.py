"""The Fréchet distance in the features of DINOv2, which was trained without labels and agrees with
what people see better than Inception-v3 (Stein 2023); measured where `evaluation.dinov2_weights`
tells its file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import draw_by_label
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure

EXTRACTOR = "dinov2"
NEEDS = "dinov2_weights"
MEASURES = (
    Measure(
        "frechet_dinov2",
        "Fréchet distance, DINOv2",
        115,
        "fidelity",
        "lower",
        "Distance in the features of DINOv2, a network that was trained without labels.",
    ),
)
CAPTION = """\
Fréchet distance in the features of DINOv2 between synthetic images and real test images, beside its
floor (real train patients against real test patients), and the same of train images after one way
through the autoencoder.

DINOv2 was trained without labels, so it keeps more of an image than what tells classes of
photographs apart; its scale is another one than Inception-v3's, and it can be compared with its own
floor only.
"""


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    return frechet.measure(seed, material)


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The distance above its floor, of all images and by label."""
    draw_by_label(path, result, arrays, "Fréchet distance, DINOv2 (squared feature units)")
