"""Improved precision and recall (Kynkäänniemi 2019) by torch-fidelity, in Inception features."""

from functools import cache
from pathlib import Path

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation.estimation import manifold
from synthcohort.evaluation.estimation.floors import Statistic, compared, paired
from synthcohort.evaluation.figures_fidelity import draw_rows
from synthcohort.evaluation.material import Material

EXTRACTOR = "inception"
K = 3


def measure(
    settings: Evaluation, *, seed: int, material: Material, figure: Path, hardware: Hardware
) -> dict:
    """The value is precision; "details" has recall.

    The values are torch-fidelity's, the intervals are of `manifold`, which gives the same.
    """
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    features = material.features
    squared = manifold.squared_distances
    within = {name: squared(values, values) for name, values in features.items()}
    across = {name: squared(features["test"], features[name]) for name in ("synthetic", "train")}

    @cache
    def both(name: str) -> dict[str, float]:
        first, second = torch.from_numpy(features[name]), torch.from_numpy(features["test"])
        return prc_features_to_metric(first, second, prc_neighborhood=K, verbose=False)

    def precision(name: str) -> Statistic:
        return lambda test, other: manifold.precision(
            within["test"][test][:, test], across[name][test][:, other], K
        )

    def recall(name: str) -> Statistic:
        return lambda test, other: manifold.recall(
            within[name][other][:, other], across[name][test][:, other], K
        )

    limits = {"seed": seed, "material": material, "least": 0.0, "most": 1.0}
    result = compared(lambda name: both(name)["precision"], precision, **limits)
    recalled = compared(lambda name: both(name)["recall"], recall, **limits)
    draw_rows(
        figure,
        {"precision": result, "recall": recalled},
        f"Share of images, {K} neighbours\nN = {len(features['test'])} each, 95 % interval",
    )
    return paired(result, "recall", recalled, neighbours=K)
