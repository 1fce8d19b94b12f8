"""Nearer to train than to test beyond the choice of patients, and the patient repeated most."""

import numpy as np

from synthcohort.audit import nearness
from synthcohort.hardware import Hardware

PATIENTS, EACH, D = 80, 4, 10


def cohort(seed=0, patients=PATIENTS):
    random = np.random.default_rng(seed)
    own = random.normal(size=(patients, 1, D))
    vectors = (own + 0.5 * random.normal(size=(patients, EACH, D))).reshape(-1, D)
    return vectors.astype("f4"), np.repeat(np.arange(patients), EACH).astype(str)


def nearer(synthetic, vectors, patients, trained):
    rows = np.arange(len(vectors))
    found, names = nearness.to_patients(synthetic, vectors, rows, patients, Hardware("cpu"))
    return nearness.nearer(found, np.isin(names, trained), seed=1)


def test_strangers_lie_where_the_shuffled_patients_say():
    vectors, patients = cohort()
    synthetic, _ = cohort(seed=1)
    trained = np.arange(60).astype(str)
    found = nearer(synthetic, vectors, patients, trained)
    low, high = found["floor"]["interval"]
    assert low <= found["value"] <= high
    assert found["interval"][0] <= found["expected"] <= found["interval"][1]


def test_repeated_train_images_lie_nearer_than_any_choice_of_patients_explains():
    vectors, patients = cohort()
    trained = np.arange(60).astype(str)
    noise = np.random.default_rng(2).normal(size=(240, D)).astype("f4")
    found = nearer(vectors[:240] + 0.1 * noise, vectors, patients, trained)
    assert found["value"] > 0.99 > found["floor"]["interval"][1] and "cannot_tell" not in found


def test_with_few_patients_it_cannot_tell_and_says_why():
    vectors, patients = cohort(patients=6)
    found = nearer(cohort(seed=1, patients=6)[0], vectors, patients, np.arange(3).astype(str))
    assert "3 test patients" in found["cannot_tell"]


def test_distances_are_those_to_the_nearest_image_of_each_patient():
    vectors, patients = cohort(patients=5)
    rows = np.arange(0, len(vectors), 2)
    found, names = nearness.to_patients(vectors[:3], vectors, rows, patients[rows], Hardware("cpu"))
    for i, name in enumerate(names):
        of = rows[patients[rows] == name]
        expected = np.linalg.norm(vectors[:3, None] - vectors[of], axis=2).min(1)
        assert np.allclose(found[:, i], expected, atol=1e-3)


def test_the_patient_repeated_most_is_named():
    random = np.random.default_rng(0)
    synthetic, unseen = random.integers(20, size=200), random.integers(20, size=100)
    synthetic[:80] = 7
    names = np.array([f"p{i}" for i in range(20)])
    figure, told, shares = nearness.hits(
        synthetic, np.array([7, 7, 3]), unseen, np.arange(100) // 4, names, seed=1
    )
    assert told[0]["patient"] == "p7" and told[0]["copies"] == 2 and told[1]["patient"] == "p3"
    assert figure["value"] == shares[0][7] > figure["floor"]["interval"][1]
    assert figure["interval"][0] <= figure["value"] <= figure["interval"][1]
    low, high = figure["floor"]["interval"]
    assert low < figure["floor"]["value"] < high


def test_as_many_strangers_hit_a_patient_as_often_as_images_of_nobody():
    """However many unseen images there are: the largest share of more of them is smaller."""
    random = np.random.default_rng(0)
    names = np.array([f"p{i}" for i in range(50)])
    for unseen in (100, 2000):
        figure, *_ = nearness.hits(
            random.integers(50, size=200),
            np.empty(0, int),
            random.integers(50, size=unseen),
            np.arange(unseen) // 2,
            names,
            seed=1,
        )
        floor = figure["floor"]
        assert floor["interval"][0] <= floor["value"] <= floor["interval"][1]
        assert figure["value"] <= floor["interval"][1]
    assert floor["interval"][0] <= figure["value"] and floor["value"] < 0.06
