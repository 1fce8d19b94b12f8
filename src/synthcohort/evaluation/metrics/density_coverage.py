"""Density and coverage (Naeem 2020) in Inception features.

They mend what outliers do to precision and recall, whose balls are so large that much lies in them:
density counts balls, and coverage takes the balls of real images instead of synthetic ones.
"""

from pathlib import Path

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation.estimation import manifold
from synthcohort.evaluation.estimation.floors import Statistic, compared, paired
from synthcohort.evaluation.figures_fidelity import draw_rows
from synthcohort.evaluation.material import Material

EXTRACTOR = "inception"
K = 5


def measure(
    settings: Evaluation, *, seed: int, material: Material, figure: Path, hardware: Hardware
) -> dict:
    """The value is density; "details" has coverage, and what is expected of images of the same
    distribution, all independent: real images of one patient are not, see the floor."""
    features = material.features
    real = manifold.squared_distances(features["test"], features["test"])
    across = {
        name: manifold.squared_distances(features["test"], features[name])
        for name in ("synthetic", "train")
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
        )

    result, covered = found(manifold.density, float("inf")), found(manifold.coverage, 1.0)
    n = len(real)
    draw_rows(
        figure,
        {"density": result, "coverage": covered},
        f"Density (1 expected) and share covered, {K} neighbours\nN = {n} each, 95 % interval",
    )
    return paired(
        result,
        "coverage",
        covered,
        neighbours=K,
        expected_density=1.0,
        expected_coverage=manifold.expected_coverage(n, n, min(K, n - 1)),
    )
