"""Limits that strangers set, the false alarms they allow, and how they are told."""

import numpy as np
import pytest

from synthcohort.audit import limits


@pytest.mark.parametrize("kind", ["exponential", "normal", "uniform"])
def test_few_strangers_set_a_limit_that_hardly_any_other_reaches(kind):
    random = np.random.default_rng(0)
    draw = getattr(random, kind)
    limit = np.array([limits.limit(draw(size=500)) for _ in range(20)])
    assert np.mean(draw(size=100_000)[:, None] >= limit) < 0.001


def test_strangers_who_repeat_train_images_hide_no_exact_copy():
    scores = np.concatenate([np.full(60, limits.EXACT), np.ones(60)])
    limits_of, found = limits.judged({"pixels": np.array([limits.EXACT, 2.0])}, {"pixels": scores})
    assert found["pixels"].tolist() == [True, False] and limits_of["pixels"] <= limits.EXACT


def test_few_patients_make_a_wide_interval_whatever_their_images():
    patients = np.repeat(np.arange(12), 50)
    told = limits.false_alarms(np.zeros(600, dtype=bool), patients)
    assert told["value"] == 0 and told["patients"] == 12 and told["interval"][1] > 0.2


def test_a_patient_sets_no_limit_for_his_own_images():
    random = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 10)
    scores = random.normal(size=400)
    scores[patients == 7] += 30
    found = limits.held_out({"way": scores}, patients, seed=1)["way"]
    assert found[patients == 7].all() and not found[patients != 7].any()
