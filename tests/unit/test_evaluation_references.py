"""What a figure is held against beside its floor, exact intervals, and how diverse a set is."""

import json
from dataclasses import replace

import numpy as np
import pytest
from evaluated import measure
from test_evaluation_distances import material, normal

from synthcohort.evaluation.metrics import vendi
from synthcohort.evaluation.metrics.embedding import mixing
from synthcohort.numerics.resampling import binomial_interval, exact_interval


def lossy(shift: float, n: int = 120, d: int = 6, each: int = 3):
    """Synthetic images off by what an autoencoder costs in one feature, and by `shift` in
    another; train images once decoded; and train images of one patient each."""
    random = np.random.default_rng(5)
    patient = 1.5 * np.repeat(random.normal(size=(2, n // each, d)), each, axis=1)
    train, test = patient + random.normal(size=(2, n, d))
    spread, synthetic = np.sqrt(1.5**2 + 1) * random.normal(size=(2, n, d))
    cost, fault = np.zeros(d), np.zeros(d)
    cost[0], fault[1] = 4, shift
    synthetic = synthetic + cost + fault
    made = material({"train": train, "test": test, "synthetic": synthetic}, each)
    own = replace(made.sets["train"], patients=np.array([f"train {i}" for i in range(n)]))
    return replace(
        made,
        sets=made.sets | {"decoded": made.sets["train"], "spread": own},
        features=made.features
        | {"decoded": (train + cost).astype(np.float32), "spread": spread.astype(np.float32)},
    )


@pytest.mark.parametrize("metric", ["fid", "kid", "frechet_classifier"])
def test_what_the_autoencoder_costs_is_told_from_what_the_diffusion_model_does(metric, tmp_path):
    good, bad = (measure(metric, lossy(shift), tmp_path / str(shift)) for shift in (0.0, 9.0))
    for found in (good, bad):
        assert found["floor"]["value"] < found["decoded"]["value"]
        assert found["difference_to_floor"]["interval"][0] > 0
        difference = found["value"] - found["decoded"]["value"]
        assert found["difference_to_decoded"]["value"] == pytest.approx(difference)
    assert good["difference_to_decoded"]["interval"][0] < 0
    assert bad["difference_to_decoded"]["interval"][0] > 0
    assert (tmp_path / f"9.0/{metric}.png").stat().st_size > 1000


def test_recall_of_many_patients_is_above_that_of_few(tmp_path):
    found = measure("precision_recall", lossy(0.0, each=10), tmp_path)
    share = found["details"]["recall"]
    spread = share["floor_one_per_patient"]
    assert spread["value"] > share["floor"]["value"] + 0.1
    assert spread["n"] == spread["patients"] == 120
    paired = share["difference_to_floor_one_per_patient"]
    assert paired["value"] == pytest.approx(share["value"] - spread["value"])
    assert -1 <= paired["interval"][0] < paired["value"] < paired["interval"][1] <= 1
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("metric", ["density_coverage", "fid_infinity", "vendi"])
def test_others_are_held_against_the_same(metric, tmp_path):
    found = measure(metric, lossy(0.0), tmp_path)
    for key in ("floor", "decoded", "floor_one_per_patient"):
        low, high = found[key]["interval"]
        assert low <= found[key]["value"] <= high
        assert f"difference_to_{key}" in found
    assert (tmp_path / f"{metric}.png").stat().st_size > 1000


def test_without_further_sets_there_is_the_floor_alone(tmp_path):
    found = measure("fid", material(normal(60, 4, seed=1)), tmp_path)
    assert not {"decoded", "floor_one_per_patient"} & found.keys()
    assert "expected at this number of images" in found["interval_method"]


def test_exact_intervals_are_never_without_width():
    for count in (0, 3, 20):
        assert exact_interval(count / 20, 20) == pytest.approx(
            binomial_interval(count, 20, "exact")
        )
    low, high = exact_interval(1.0, 12)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 12)), 1.0)
    # A part of a patient's images: between the whole numbers.
    assert exact_interval(0.1, 20)[0] < exact_interval(0.125, 20)[0] < exact_interval(0.15, 20)[0]


def test_nothing_mixed_is_not_certain():
    features = np.random.default_rng(0).normal(size=(40, 3))
    origin, patients = np.arange(40) % 2, np.array([f"p{i}" for i in range(40)])
    found = mixing(features + 50 * origin[:, None], origin, patients, 5, seed=0)
    assert found["value"] == 0 and 0.1 < found["interval"][1] < 0.5


def test_the_vendi_score_counts_images_that_have_nothing_in_common():
    apart = np.eye(7)
    assert vendi.score(vendi.similarities(apart)) == pytest.approx(7)
    assert vendi.score(vendi.similarities(apart[[0] * 5])) == pytest.approx(1)
    # Two kinds, one of three times as many: exp of the entropy of 3/4 and 1/4.
    kinds = vendi.similarities(apart[[0, 0, 0, 1]] * [[1], [2], [3], [9]])
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert vendi.score(kinds) == pytest.approx(np.exp(entropy))


def test_a_set_that_repeats_itself_has_a_lower_vendi_score_than_real_images(tmp_path):
    features = normal(60, 12, seed=2)
    features["synthetic"] = np.repeat(features["synthetic"][:6], 10, axis=0)
    found = measure("vendi", material(features, images_each=1), tmp_path)
    assert found["value"] < 7 and found["difference_to_floor"]["interval"][1] < 0
