"""The computations behind the metrics, on numbers made up for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcohort.evaluation import metrics
from synthcohort.evaluation.metrics.embedding import mixing
from synthcohort.evaluation.metrics.real_or_synthetic import area
from synthcohort.hardware import Hardware
from synthcohort.numerics import neighbours
from synthcohort.numerics.neighbours import nearest, nearest_others
from synthcohort.numerics.resampling import share


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


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_nearest_is_what_comparing_all_pairs_gives(queries, references, width, seed):
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(queries, width)).astype("f4")
    r = rng.normal(size=(references, width)).astype("f4")
    distance, place = nearest(q, r, Hardware())
    every = np.sqrt(((q[:, None].astype(float) - r[None]) ** 2).mean(2))
    np.testing.assert_allclose(distance, every.min(1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(every[np.arange(queries), place], distance)


def test_nearest_over_many_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "BETWEEN", 7)
    rng = np.random.default_rng(0)
    q, r = rng.normal(size=(30, 5)).astype("f4"), rng.normal(size=(50, 5)).astype("f4")
    among = np.arange(10, 50, 3)
    distance, place = nearest(q, r, Hardware(), among=among)
    every = np.sqrt(((q[:, None] - r[None, among]) ** 2).mean(2))
    np.testing.assert_array_equal(place, among[every.argmin(1)])
    np.testing.assert_allclose(distance, every.min(1), rtol=1e-5)


def test_share_and_its_interval():
    # Wilson's formula by hand for 5 of 100.
    z, p, n = 1.959964, 0.05, 100
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    result = share(np.arange(100) < 5)
    assert result["value"] == 0.05
    np.testing.assert_allclose(result["interval"], [middle - half, middle + half], rtol=1e-5)
