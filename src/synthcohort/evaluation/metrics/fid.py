"""Fréchet Inception distance (Heusel 2017) as torch-fidelity gives it."""

from pathlib import Path

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material

EXTRACTOR = "inception"


def measure(
    settings: Evaluation, *, seed: int, material: Material, figure: Path, hardware: Hardware
) -> dict:
    what = "Fréchet Inception distance (squared feature units)"
    return frechet.measure(what=what, seed=seed, material=material, figure=figure)
