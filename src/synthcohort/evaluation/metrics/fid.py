"""Fréchet Inception distance (Heusel 2017) as torch-fidelity gives it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import draw_by_label
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure

EXTRACTOR = "inception"
MEASURES = (
    Measure(
        "fid.autoencoder",
        "Autoencoder alone, FID",
        24,
        "fidelity",
        "lower",
        "FID of real train images that have gone through the autoencoder: about the best that a "
        "perfect diffusion model could reach behind it.",
    ),
    Measure(
        "fid",
        "FID",
        30,
        "fidelity",
        "lower",
        "Distance of the two sets in Inception-v3 features. It depends on the number of images: "
        "compare it with its floor, not with other papers.",
    ),
)
CAPTION = """\
Fréchet Inception distance (Heusel 2017) of synthetic images from real test images, beside its
floor: real train images from the same test images, as many of each. Between them, what train images
reach after one way through the autoencoder: what lies below is the autoencoder's, what lies above
the diffusion model's. Where patients have many images, a second floor is of as many patients as
there are. Below, the same by label, where a label has images enough.

Lower is better, and the floor is what real images of other patients reach. The distance depends on
the number of images, so it compares with the floor beside it, and neither with other labels nor
with figures from elsewhere; its interval is of the distance expected at this number, not of the
distance of the distributions. Inception-v3 was trained on photographs: it may miss what matters in
a medical image.
"""


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    return frechet.measure(seed, material)


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The distance above its floor, of all images and by label."""
    draw_by_label(path, result, arrays, "Fréchet Inception distance (squared feature units)")
