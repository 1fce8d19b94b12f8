"""The Fréchet distance in the features of CLIP, which has seen more kinds of images than
Inception-v3 (Kynkäänniemi 2023); measured where `evaluation.clip_weights` tells its weights."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import draw_by_label
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure

EXTRACTOR = "clip"
NEEDS = "clip_weights"
MEASURES = (
    Measure(
        "frechet_clip",
        "Fréchet distance, CLIP",
        110,
        "fidelity",
        "lower",
        "Distance in the features of CLIP, a network that has seen more kinds of images than "
        "Inception-v3.",
    ),
)
CAPTION = """\
Fréchet distance in the features of CLIP's image encoder between synthetic images and real test
images, beside its floor (real train patients against real test patients), and the same of train
images after one way through the autoencoder.

CLIP was trained on many more kinds of images than Inception-v3, so its distance often agrees better
with what people see; its scale is another one, and it can be compared with its own floor only.
"""


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    return frechet.measure(seed, material)


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The distance above its floor, of all images and by label."""
    draw_by_label(path, result, arrays, "Fréchet distance, CLIP (squared feature units)")
