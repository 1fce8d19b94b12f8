"""Fréchet and kernel distances, their intervals and floors, on features that are plain arrays."""

import numpy as np
import pytest
import torch
from evaluated import measure
from hypothesis import given, settings
from hypothesis import strategies as st

from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set
from synthcohort.numerics.resampling import groups, jackknife_interval, without_each


def material(features: dict[str, np.ndarray], images_each: int = 3) -> Material:
    def a_set(name: str, n: int) -> Set:
        patient = np.arange(n) // (1 if name == "synthetic" else images_each)
        return Set(
            images=np.zeros((n, 1, 8, 8), np.uint8),
            classes=np.zeros(n, int),
            patients=np.array([f"{name} {i}" for i in patient]),
            rows=np.arange(n),
        )

    sets = {name: a_set(name, len(values)) for name, values in features.items()}
    return Material(sets, ["a"], {k: v.astype(np.float32) for k, v in features.items()})


def normal(n: int, d: int, seed: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    features = {name: random.normal(size=(n, d)) for name in ("train", "test", "synthetic")}
    features["synthetic"] += shift
    return features


@settings(deadline=None)
@given(n=st.integers(3, 40), m=st.integers(3, 40), d=st.integers(2, 20), seed=st.integers(0, 99))
def test_the_low_rank_form_equals_torch_fidelity(n, m, d, seed):
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    random = np.random.default_rng(seed)
    a, b = random.normal(size=(n, d)), 0.5 + random.normal(size=(m, d)) * random.uniform(0.1, 3, d)
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (a, b)]
    (expected,) = fid_statistics_to_metric(*statistics, verbose=False).values()
    assert frechet.distance(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-5)


def test_the_distance_of_known_gaussians():
    # Means 0 and 3 in the first of two features, unit variances: the distance is 3².
    random = np.random.default_rng(0)
    a = random.normal(size=(200, 2))
    a = np.linalg.solve(np.linalg.cholesky(np.cov(a.T)), (a - a.mean(0)).T).T
    assert frechet.distance(a, a + np.array([3, 0])) == pytest.approx(9)
    assert frechet.distance(a, 2 * a) == pytest.approx(2)
    assert frechet.distance(a, a) == pytest.approx(0, abs=1e-9)


def test_the_unbiased_kernel_distance_equals_torch_fidelity(tmp_path):
    from torch_fidelity.metric_kid import kid_features_to_metric

    features = {k: v.astype(np.float32) for k, v in normal(40, 16, 3, shift=0.5).items()}
    found = measure("kid", material(features), tmp_path, seed=5)
    assert found["details"]["subset_size"] == 20
    from synthcohort.seeds import derive

    expected = kid_features_to_metric(
        torch.from_numpy(features["synthetic"]),
        torch.from_numpy(features["test"]),
        kid_subsets=100,
        kid_subset_size=20,
        rng_seed=derive(5, "evaluation", "kid") % 2**32,
        verbose=False,
    )
    assert found["value"] == expected["kernel_inception_distance_mean"]
    deviation = found["details"]["deviation_over_subsets"]
    assert deviation == expected["kernel_inception_distance_std"] > 0


@pytest.mark.parametrize("metric", ["fid", "kid", "frechet_classifier"])
def test_the_same_distribution_is_at_the_floor(metric, tmp_path):
    found = measure(metric, material(normal(120, 12, seed=1)), tmp_path)
    low, high = found["interval"]
    assert low <= found["floor"]["value"] <= high
    low, high = found["difference_to_floor"]["interval"]
    assert low <= 0 <= high
    assert (tmp_path / f"{metric}.png").stat().st_size > 1000


@pytest.mark.parametrize("metric", ["fid", "kid", "frechet_classifier"])
def test_another_distribution_is_above_the_floor(metric, tmp_path):
    found = measure(metric, material(normal(120, 12, seed=1, shift=0.6)), tmp_path)
    assert found["interval"][0] > found["floor"]["interval"][1]
    assert found["difference_to_floor"]["interval"][0] > 0


@pytest.mark.parametrize("metric", ["fid", "kid"])
def test_the_same_seed_gives_the_same_result_and_figure(metric, tmp_path):
    given = material(normal(30, 5, seed=2, shift=0.3))
    first, again = (tmp_path / "first", tmp_path / "again")
    assert measure(metric, given, first) == measure(metric, given, again)
    assert (first / f"{metric}.png").read_bytes() == (again / f"{metric}.png").read_bytes()
    other = measure(metric, given, tmp_path, seed=1)
    assert other["interval"] != measure(metric, given, first)["interval"]


def test_groups_keep_patients_whole():
    patients = np.repeat([f"p{i}" for i in range(50)], 4)
    group = groups(patients, seed=0)
    assert len(set(group)) == 20
    assert all(len(set(group[patients == p])) == 1 for p in set(patients))


def test_the_jackknife_of_a_difference_of_means_has_the_textbook_error():
    # With one image a group the jackknife variance of a mean is s²/n exactly.
    random = np.random.default_rng(0)
    a, b = random.normal(size=20), random.normal(2, size=16)
    without = without_each(
        lambda x, y: a[x].mean() - b[y].mean(), np.arange(len(a)), np.arange(len(b))
    )
    low, high = jackknife_interval(a.mean() - b.mean(), *without)
    from scipy.stats import t

    error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    assert high - low == pytest.approx(2 * t.ppf(0.975, len(b) - 1) * error)
    assert (low + high) / 2 == pytest.approx(a.mean() - b.mean())


def test_patients_with_many_images_widen_the_interval(tmp_path):
    # The same images, told to be of few patients, say less about the population.
    random = np.random.default_rng(4)
    features = normal(120, 4, seed=4)
    patient_effect = np.repeat(random.normal(size=(12, 4)), 10, axis=0) * 2
    features["test"] = features["test"] + patient_effect
    few = measure("frechet_classifier", material(features, images_each=10), tmp_path)
    many = measure("frechet_classifier", material(features, images_each=1), tmp_path)
    assert np.ptp(few["interval"]) > 1.2 * np.ptp(many["interval"])
