"""The Fréchet distance in the features of CLIP, which has seen more kinds of images than
Inception-v3 (Kynkäänniemi 2023); measured where `evaluation.clip_weights` tells its weights."""

from pathlib import Path

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material

EXTRACTOR = "clip"
NEEDS = "clip_weights"


def measure(
    settings: Evaluation, *, seed: int, material: Material, figure: Path, hardware: Hardware
) -> dict:
    what = "Fréchet distance, CLIP (squared feature units)"
    return frechet.measure(what=what, seed=seed, material=material, figure=figure)
