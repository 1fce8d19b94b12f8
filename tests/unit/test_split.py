"""The split by patient."""

from collections import Counter

import numpy as np
import pytest
from cohorts import OFFICIAL, cohort_of, drawn, found, patients_by, pictures, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthcohort.cohort import open_cohort
from synthcohort.errors import UserError
from synthcohort.sources import SPLITS


def test_fractions_are_met_in_every_label(tmp_path):
    patients = [f"p{i:03d}" for i in range(80) for _ in range(2)]
    labels = ["a" if i < 120 else "b" for i in range(160)]
    cohort = cohort_of(tmp_path / "cohort", pictures(160), patients, labels)
    splits = run(cohort)
    counts = Counter((image < "p060", part) for image, part in splits.items())
    assert counts == {
        (True, "train"): 84,
        (True, "val"): 12,
        (True, "test"): 24,
        (False, "train"): 28,
        (False, "val"): 4,
        (False, "test"): 8,
    }
    assert drawn(cohort).startswith(b"\x89PNG")
    assert open_cohort(cohort, tmp_path / "split.csv").of("test").size == 32


def test_the_same_input_gives_the_same_bytes_and_another_seed_another_split(tmp_path):
    patients = [f"p{i}" for i in range(40)]
    written = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        cohort = cohort_of(tmp_path / name / "cohort", pictures(40), patients)
        run(cohort, seed)
        files = ("split.csv", "leakage.json")
        written.append([(tmp_path / name / file).read_bytes() for file in files] + [drawn(cohort)])
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]


@given(
    counts=st.lists(st.integers(1, 4), min_size=9, max_size=40),
    seed=st.integers(0, 2**32),
    val=st.sampled_from([0, 0.1, 0.3]),
    data=st.data(),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_cohort_ever_shares_a_patient(tmp_path_factory, counts, seed, val, data):
    patients = [f"p{i}" for i, count in enumerate(counts) for _ in range(count)]
    # Patients may carry several labels; the first nine make sure that each label has enough.
    labels = [
        "abc"[int(patient[1:]) % 3]
        if int(patient[1:]) < 9
        else data.draw(st.sampled_from("abc"), label=patient)
        for patient in patients
    ]
    fractions = {"train": 0.7 - val, "val": val, "test": 0.3}
    images = np.random.default_rng(seed).integers(0, 255, (len(patients), 16, 16), "u1")
    cohort = cohort_of(tmp_path_factory.mktemp("any") / "cohort", images, patients, labels)
    splits = run(cohort, seed, fractions=fractions)
    assert list(splits) == [row["image_id"] for row in open_cohort(cohort).rows]
    by = patients_by(splits)
    assert all(len(parts) == 1 for parts in by.values())
    assert set(splits.values()) == {part for part in SPLITS if fractions[part]}
    sizes = Counter(part for (part,) in by.values())
    for part, share in fractions.items():
        # Each of the three labels is rounded by itself, or lifted to its first patient.
        assert abs(sizes[part] - share * len(by)) <= 3 * (1 if share else 0)

    # The same images in another order are split alike.
    order = data.draw(st.permutations(range(len(patients))))
    again = cohort_of(
        tmp_path_factory.mktemp("again") / "cohort",
        images[order],
        [patients[i] for i in order],
        [labels[i] for i in order],
    )
    assert patients_by(run(again, seed, fractions=fractions)) == by


def test_a_label_with_too_few_patients_is_told(tmp_path):
    patients = [f"p{i}" for i in range(10)] + ["p9"]
    labels = ["a"] * 8 + ["b"] * 3  # three images of two patients
    cohort = cohort_of(tmp_path / "cohort", pictures(11), patients, labels)
    with pytest.raises(UserError, match=r"label 'b' has 2, needed are 3 \(one each for train, val"):
        run(cohort)
    run(cohort, fractions={"train": 0.7, "val": 0, "test": 0.3})


def test_an_official_split_is_respected(tmp_path, capsys):
    official = ["train"] * 20 + ["val"] * 4 + ["test"] * 6
    patients = [f"p{i:02d}" for i in range(30)]
    cohort = cohort_of(tmp_path / "cohort", pictures(30), patients, official=official)
    assert list(run(cohort).values()) == official
    assert list(run(cohort, official="ignore").values()) != official
    assert capsys.readouterr().err == ""


def test_an_official_split_without_val_gets_one_out_of_train(tmp_path, capsys):
    patients = [f"p{i // 2:02d}" for i in range(30)]
    cohort = cohort_of(tmp_path / "cohort", pictures(30), patients, official=OFFICIAL)
    splits = run(cohort, fractions={"train": 0.6, "val": 0.2, "test": 0.2})
    assert list(splits.values())[20:] == ["test"] * 10
    by = patients_by(splits)
    assert Counter(part for (part,) in by.values()) == {"train": 8, "val": 2, "test": 5}
    assert "carved out of train" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("official", "said"),
    [
        (["train"] * 19 + [""] + ["test"] * 10, r"1 of 30 images have none, the first is p19/19"),
        (["train"] * 30, "no image is in test"),
        (["test"] * 30, "no image is in train"),
    ],
)
def test_an_official_split_that_is_not_whole_is_refused(tmp_path, official, said):
    patients = [f"p{i:02d}" for i in range(30)]
    cohort = cohort_of(tmp_path / "cohort", pictures(30), patients, official=official)
    with pytest.raises(UserError, match=said):
        run(cohort)


def test_a_patient_in_two_official_parts_is_refused(tmp_path):
    patients = [f"p{i:02d}" for i in range(30)]
    patients[25] = "p07"
    cohort = cohort_of(tmp_path / "cohort", pictures(30), patients, official=OFFICIAL)
    with pytest.raises(UserError, match=r"(?s)1 patients are in two.*p07: test and.*: ignore"):
        run(cohort, fractions={"train": 0.7, "val": 0, "test": 0.3})
    assert found(cohort)["patients_in_two_splits"] == {"p07": ["test", "train"]}
    assert not (tmp_path / "split.csv").exists()
    assert len(patients_by(run(cohort, official="ignore"))["p07"]) == 1


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("test", "no image in test has the label 'b', so no figure of the evaluation"),
        ("train", "no image in train has the label 'b', so the model cannot learn it"),
        ("val", "no image in val has the label 'b'"),
    ],
)
def test_a_label_that_a_part_lacks_is_told(tmp_path, capsys, lacks, said):
    official = ["train", "val", "test"] * 10
    labels = ["b" if i % 2 and part != lacks else "a" for i, part in enumerate(official)]
    patients = [f"p{i:02d}" for i in range(30)]
    run(cohort_of(tmp_path / "cohort", pictures(30), patients, labels, official))
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and said in told[0]


def test_a_label_that_only_a_minority_of_a_patients_images_has_is_told(tmp_path, capsys):
    patients = [f"p{i // 3:02d}" for i in range(60)]
    labels = ["b" if i == 2 else "a" for i in range(60)]
    splits = run(cohort_of(tmp_path / "cohort", pictures(60), patients, labels))
    lacking = {"train", "val", "test"} - {splits["p00/2"]}
    told = capsys.readouterr().err
    assert all(f"no image in {part} has the label 'b'" in told for part in lacking)
    assert told.count("has the label") == 2


def test_many_labels_are_drawn_as_far_as_they_fit(tmp_path):
    patients = [f"p{i:02d}" for i in range(60)]
    labels = [f"label {i % 15:02d}" for i in range(60)]
    cohort = cohort_of(tmp_path / "cohort", pictures(60), patients, labels)
    run(cohort)
    assert len(drawn(cohort)) > 10_000


def test_a_dollar_in_a_label_begins_no_formula(tmp_path):
    figures = []
    for names in (("a$\\x$", "_b"), ("$x$", "_b"), ("x", "_b")):
        patients, labels = [f"p{i}" for i in range(12)], [names[i % 2] for i in range(12)]
        cohort = cohort_of(tmp_path / names[0].strip("$") / "c", pictures(12), patients, labels)
        run(cohort)
        figures.append(drawn(cohort))
    assert len(set(figures)) == 3
