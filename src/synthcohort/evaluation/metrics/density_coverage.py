"""Density and coverage (Naeem 2020) in Inception features.

They mend what outliers do to precision and recall, whose balls are so large that much lies in them:
density counts balls, and coverage takes the balls of real images instead of synthetic ones.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation.floors import Statistic, compared, paired
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import draw_pair
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics import manifold

EXTRACTOR = "inception"
MEASURES = (
    Measure(
        "density_coverage",
        "Density",
        80,
        "fidelity",
        "higher",
        "Density: how thick the synthetic images lie around the real ones; about 1 where the two "
        "sets are alike.",
    ),
    Measure(
        "density_coverage.coverage",
        "Coverage",
        90,
        "diversity",
        "higher",
        "The share of real images with a synthetic image in their neighbourhood.",
        span=1.0,
    ),
)
CAPTION = """\
Density and coverage (Naeem 2020) in Inception-v3 features: in how many real test images'
neighbourhoods a synthetic image lies, over what is expected of real ones, and the share of real
test images with a synthetic image in their neighbourhood. Below each, the floor: the same of real
train images; of those after one way through the autoencoder; and, where patients have many images,
of train images of as many patients as there are.

Density below the floor means images unlike real ones; above it, images that crowd where real ones
are densest. Low coverage means that kinds of real images are missing. Real images of one patient
lie close together, so the floor may be below the 1 expected of independent images, as synthetic
ones are: the coverage of as many patients as there are compares better. No synthetic image near any
real one (0) has the exact interval of a share of images.
"""
K = 5


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The value is density; "details" has coverage, and what is expected of images of the same
    distribution, all independent: real images of one patient are not, see the floor."""
    features = material.features
    real = manifold.squared_distances(features["test"], features["test"])
    across = {
        name: manifold.squared_distances(features["test"], values)
        for name, values in features.items()
    }

    def of(measure, name: str) -> Statistic:
        return lambda test, other: measure(real[test][:, test], across[name][test][:, other], K)

    def found(measure, most: float) -> dict:
        return compared(
            lambda name: measure(real, across[name], K),
            lambda name: of(measure, name),
            seed=seed,
            material=material,
            least=0.0,
            most=most,
            share=True,
        )

    result, covered = found(manifold.density, float("inf")), found(manifold.coverage, 1.0)
    n = len(real)
    result = paired(
        result,
        "coverage",
        covered,
        neighbours=K,
        expected_density=1.0,
        expected_coverage=manifold.expected_coverage(n, n, min(K, n - 1)),
    )
    return result, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Density and coverage above their floors."""
    n = result["n"]["test"]
    what = f"Density (1 expected) and share covered, {K} neighbours\nN = {n} each, 95 % interval"
    draw_pair(path, result, "density", "coverage", what)
