"""Precision, recall, density and coverage: against torch-fidelity, by hand, and planted truth."""

import numpy as np
import pytest
import torch
from evaluated import measure
from hypothesis import given, settings
from hypothesis import strategies as st
from test_evaluation_distances import material, normal

from synthcohort.numerics import manifold

METRICS = {"precision_recall": "recall", "density_coverage": "coverage"}


def holds(interval, value):
    return interval[0] <= value <= interval[1]


@settings(deadline=None)
@given(n=st.integers(5, 40), m=st.integers(5, 40), seed=st.integers(0, 99))
def test_precision_and_recall_equal_torch_fidelity(n, m, seed):
    from torch_fidelity.metric_prc import prc_features_to_metric

    random = np.random.default_rng(seed)
    real, made = random.normal(size=(n, 6)), 0.3 + random.normal(size=(m, 6))
    first, second = torch.from_numpy(made), torch.from_numpy(real)
    expected = prc_features_to_metric(first, second, prc_neighborhood=3, verbose=False)
    of = manifold.squared_distances
    across = of(real, made)
    assert manifold.precision(of(real, real), across, 3) == pytest.approx(expected["precision"])
    assert manifold.recall(of(made, made), across, 3) == pytest.approx(expected["recall"])


def test_density_and_coverage_counted_by_hand():
    # On a line, k = 1: the balls are (-1, 1), (0, 2), (1, 3), (-3, 17).
    real, made = (np.array(x, float)[:, None] for x in ([0, 1, 2, 10], [0.5, 1.5, 16, 30]))
    within, across = manifold.squared_distances(real, real), manifold.squared_distances(real, made)
    assert np.sqrt(manifold.radii(within, 1)).tolist() == [1, 1, 1, 8]
    # 0.5 lies in the first two balls, 1.5 in the next two (the last ends at 2), 16 in the last.
    assert manifold.density(within, across, 1) == 5 / 4
    assert manifold.coverage(within, across, 1) == 1
    assert manifold.coverage(within, across[:, :1], 1) == 2 / 4


def test_coverage_of_the_same_distribution_is_as_expected():
    random = np.random.default_rng(0)
    of = manifold.squared_distances
    found = []
    for _ in range(40):
        real, made = random.normal(size=(2, 60, 4))
        found.append(manifold.coverage(of(real, real), of(real, made), 5))
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(manifold.expected_coverage(60, 60, 5), abs=3 * error)


@pytest.mark.parametrize("metric", METRICS)
def test_the_same_distribution_is_at_the_floor(metric, tmp_path):
    found = measure(metric, material(normal(120, 6, seed=1)), tmp_path)
    details, further = found["details"], METRICS[metric]
    assert holds(found["interval"], found["floor"]["value"])
    assert holds(details[further]["interval"], details[further]["floor"]["value"])
    assert holds(found["difference_to_floor"]["interval"], 0)
    assert (tmp_path / f"{metric}.png").stat().st_size > 1000


@pytest.mark.parametrize("metric", METRICS)
def test_noise_lies_outside(metric, tmp_path):
    found = measure(metric, material(normal(60, 6, seed=1, shift=9.0)), tmp_path)
    assert found["value"] == 0 and found["floor"]["interval"][0] > 0.4
    share = found["details"][METRICS[metric]]
    # None of n cases: up to a share whose n misses still come up in 2.5 % of all samples.
    n = len(np.unique(material(normal(60, 6, seed=1)).sets["test"].patients))
    assert share["value"] == 0 and share["interval"] == [0, pytest.approx(1 - 0.025 ** (1 / n))]


@pytest.mark.parametrize("metric", METRICS)
def test_one_repeated_image_is_like_real_ones_but_covers_nothing(metric, tmp_path):
    features = normal(60, 6, seed=2)
    # A real image in the midst of the others.
    middle = features["test"][np.argmin((features["test"] ** 2).sum(1))]
    features["synthetic"] = np.tile(middle, (60, 1))
    found = measure(metric, material(features), tmp_path)
    further = METRICS[metric]
    assert found["value"] >= 1
    assert found["details"][further]["interval"][1] < found["details"][further]["floor"]["value"]


def test_the_same_seed_gives_the_same_result_and_figure(tmp_path):
    given = material(normal(30, 5, seed=2, shift=0.3))
    for metric in METRICS:
        first, again = tmp_path / "first", tmp_path / "again"
        assert measure(metric, given, first) == measure(metric, given, again)
        assert (first / f"{metric}.png").read_bytes() == (again / f"{metric}.png").read_bytes()
