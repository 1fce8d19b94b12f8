"""The computations behind the metrics, on numbers made up for them."""

import numpy as np
import pytest

from synthcohort.evaluation import metrics
from synthcohort.evaluation.metrics.embedding import mixing
from synthcohort.evaluation.metrics.real_or_synthetic import area
from synthcohort.statistics.neighbours import nearest_others


def test_the_area_by_pairs_is_scikit_learns_within_a_fold():
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    score, target = random.integers(0, 9, 60) / 9, np.arange(60) % 2
    one = area(score, target, np.zeros(60, int), np.ones((1, 60)))
    assert one == pytest.approx(roc_auc_score(target, score))
    # A constant added to one fold's scores changes nothing: folds are not compared.
    fold = np.arange(60) // 30
    ones = np.ones((1, 60))
    shifted = area(score + 5 * fold, target, fold, ones)
    assert shifted == pytest.approx(area(score, target, fold, ones))


def test_neighbours_are_of_other_patients_and_nearest():
    features = np.array([[0.0], [0.1], [0.3], [1.0], [1.5]])
    patients = np.array(["a", "a", "b", "c", "c"])
    assert nearest_others(features, patients, 1)[:, 0].tolist() == [2, 2, 1, 2, 2]
    # More neighbours than every row has: all rows get as many as the one with fewest.
    assert nearest_others(features, patients, 9).shape == (5, 3)


def test_mixing_is_one_for_shuffled_and_nought_for_separate_origins():
    features = np.random.default_rng(0).normal(size=(200, 3))
    patients = np.array([f"p{i}" for i in range(200)])
    origin = np.arange(200) % 2
    shuffled = mixing(features, origin, patients, 5, seed=0)
    assert shuffled["interval"][0] <= 1 <= shuffled["interval"][1]
    assert mixing(features + 50 * origin[:, None], origin, patients, 5, seed=0)["value"] == 0


def test_every_metric_names_its_extractor():
    from synthcohort.evaluation import extractors

    assert {"fid", "kid", "precision_recall", "density_coverage"} <= set(metrics.names())
    for name in metrics.names():
        assert metrics.module(name).EXTRACTOR in (None, *extractors.names())
