"""Which images count as memorised, and the shares with their intervals."""

import numpy as np

from synthcohort.audit import memorised as core
from synthcohort.numerics.resampling import draw_patients


def test_held_out_floor_is_about_the_quantile():
    rng = np.random.default_rng(0)
    distance = rng.normal(10, 1, 4000)
    found = core.held_out(distance, np.arange(4000) // 4, 0.05, seed=1)
    assert 0.035 < found.mean() < 0.065


def test_exact_copies_count_where_the_limit_is_zero():
    found, limit = core.memorised(np.array([0.0, 1.0]), np.array([0.0] * 5 + [2.0] * 5), 0.1)
    assert limit == 0
    assert found.tolist() == [True, False]


def test_patients_are_drawn_whole():
    patients = np.arange(40) // 4
    drawn = draw_patients(np.arange(40), patients, 12, seed=5)
    assert len(drawn) == 12
    assert len(set(patients[drawn])) == 3
