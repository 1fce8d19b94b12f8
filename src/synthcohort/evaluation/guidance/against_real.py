"""Features of a few images held against real test images: fidelity, diversity, label accuracy."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from synthcohort.cohort import Cohort, blocks
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.estimation.floors import Statistic
from synthcohort.numerics.resampling import (
    bootstrap_weights,
    groups,
    jackknife_interval,
    percentile_interval,
    without_each,
)
from synthcohort.numerics.scores import balanced_accuracy
from synthcohort.seeds import derive


class Reference:
    """Real test images in the classifier's features, for others to be measured against."""

    def __init__(
        self,
        data: Cohort,
        test: np.ndarray,
        features: Callable,
        classifier: Path | None,
        seed: int,
    ) -> None:
        self.features = features_of(features, (data.images[rows] for rows in blocks(test)))
        self.classes, self.patients = data.classes[test], data.patients[test]
        self.seed, self.classifier = seed, classifier

    def distances(self, features: np.ndarray, classes: np.ndarray, patients: np.ndarray) -> dict:
        """ "fidelity" and "diversity" of N×D features."""

        def fidelity(test: np.ndarray, other: np.ndarray) -> float:
            return frechet.distance(self.features[test], features[other])

        def diversity(test: np.ndarray, other: np.ndarray) -> float:
            within = variance_within(features[other], classes[other])
            return within / variance_within(self.features[test], self.classes[test])

        group = [
            groups(of, derive(self.seed, name))
            for name, of in (("test", self.patients), ("other", patients))
        ]

        def figure(statistic: Statistic) -> dict:
            value = statistic(np.ones(len(self.features), bool), np.ones(len(features), bool))
            low, high = jackknife_interval(value, *without_each(statistic, *group))
            return {"value": value, "interval": [max(0.0, low), high]}

        return {"fidelity": figure(fidelity), "diversity": figure(diversity)}

    def label_accuracy(self, features: np.ndarray | None, classes: np.ndarray) -> dict | None:
        """The balanced accuracy of the classifier on synthetic features, or (None) on these."""
        if self.classifier is None:
            return None
        import torch

        from synthcohort.evaluation.networks.label_classifier import load_classifier

        real = features is None
        head = load_classifier(self.classifier).head
        with torch.inference_mode():
            judged = head(torch.from_numpy(self.features if real else features)).numpy()
        units = self.patients if real else np.arange(len(classes))
        weights = bootstrap_weights(units, derive(self.seed, "bootstrap"))
        score = partial(balanced_accuracy, judged, classes)
        return {
            "value": float(score(np.ones((1, len(classes))))[0]),
            "interval": percentile_interval(score(weights)),
        }


def variance_within(features: np.ndarray, classes: np.ndarray) -> float:
    """The variance of N×D features around their label's mean, summed over features."""
    labels = np.unique(classes)
    around = [features[classes == c] - features[classes == c].mean(0) for c in labels]
    return float(sum((part**2).sum() for part in around) / max(1, len(features) - len(labels)))


def features_of(features: Callable, images: Iterable[np.ndarray]) -> np.ndarray:
    """N×D float32: the features of images that come as blocks of n×C×H×W."""
    import torch

    with torch.inference_mode():
        return np.concatenate([features(block).float().cpu().numpy() for block in images])
