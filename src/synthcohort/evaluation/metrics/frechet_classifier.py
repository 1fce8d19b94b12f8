"""The Fréchet distance in the features of a small classifier of this cohort's own labels.

Inception-v3 knows photographs; this network knows what matters in these images. Its figures can be
compared within one cohort and split only.
"""

from pathlib import Path

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material

EXTRACTOR = "classifier"


def measure(
    settings: Evaluation, *, seed: int, material: Material, figure: Path, hardware: Hardware
) -> dict:
    what = "Fréchet distance, classifier trained on this cohort's train split"
    return frechet.measure(what=what, seed=seed, material=material, figure=figure)
