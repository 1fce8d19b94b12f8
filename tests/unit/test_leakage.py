"""The leakage check: nearly identical images of two patients."""

import numpy as np
import pytest
from cohorts import OFFICIAL, cohort_of, found, patients_by, pictures, run
from hypothesis import given, settings
from hypothesis import strategies as st

from synthcohort.cohort import leakage, open_cohort
from synthcohort.errors import UserError


def test_copies_across_splits_stop_the_run_and_are_listed(tmp_path):
    images = pictures(30)
    images[28] = images[3]
    images[29] = np.roll(images[5], 1, axis=0)
    patients = [f"p{i:02d}" for i in range(30)]
    cohort = cohort_of(tmp_path / "cohort", images, patients, official=OFFICIAL)
    options = {"fractions": {"train": 0.7, "val": 0, "test": 0.3}}
    with pytest.raises(UserError) as told:
        run(cohort, **options)
    text = str(told.value)
    assert "p03/3 (p03, train) and p28/28 (p28, test): same bytes" in text
    assert "p05/5 (p05, train) and p29/29 (p29, test): correlation 1.0000" in text
    assert "near_duplicates: join" in text
    assert not (tmp_path / "split.csv").exists()
    assert found(cohort)["across_splits"] == {"same_bytes": 1, "near_identical": 2}

    with pytest.raises(UserError, match=r"split\.official: ignore"):
        run(cohort, near_duplicates="join", **options)
    assert list(run(cohort, near_duplicates="allow", **options).values()) == OFFICIAL
    assert found(cohort)["across_splits"] == {"same_bytes": 1, "near_identical": 2}


def test_patients_that_share_images_are_joined(tmp_path):
    # A chain: p0 and p1 share one image, p1 and p2 another; and so on, fifteen threes.
    images = pictures(60)
    patients = []
    for i in range(0, 60, 4):
        images[i + 1] = images[i]
        images[i + 3] = np.roll(images[i + 2], 2, axis=1)
        k = i // 4 * 3
        patients += [f"p{k:02d}", f"p{k + 1:02d}", f"p{k + 1:02d}", f"p{k + 2:02d}"]
    cohort = cohort_of(tmp_path / "cohort", images, patients)
    with pytest.raises(UserError, match="leakage"):
        run(cohort)
    by = patients_by(run(cohort, near_duplicates="join"))
    for k in range(0, 45, 3):
        assert len(by[f"p{k:02d}"] | by[f"p{k + 1:02d}"] | by[f"p{k + 2:02d}"]) == 1
    assert found(cohort)["across_splits"] == {"same_bytes": 0, "near_identical": 0}
    assert len(found(cohort)["near_identical"]) == 30


@given(
    seed=st.integers(0, 2**32),
    shift=st.tuples(st.integers(-2, 2), st.integers(-2, 2)),
    noise=st.floats(0, 3),
    contrast=st.floats(0.4, 1),
    sigma=st.sampled_from([0.7, 1.5, 3.0, 6.0]),
)
@settings(max_examples=30, deadline=None)
def test_planted_copies_are_found_and_nothing_else(
    tmp_path_factory, seed, shift, noise, contrast, sigma
):
    """`noise` is in grey levels, on images with a standard deviation of 45 times `contrast`."""
    random = np.random.default_rng(seed)
    large = pictures(12, seed, side=64, sigma=sigma)
    images = large[:, 4:-4, 4:-4]
    # What a shift brings in at one side is new, as when a scan is cropped anew.
    y, x = (4 + shift[0], 4 + shift[1])
    copy = large[5, y : y + images.shape[1], x : x + images.shape[2]] * contrast + 20
    copy = copy + random.normal(0, noise * contrast, copy.shape)
    images = np.concatenate([images, [np.clip(np.rint(copy), 0, 255).astype(np.uint8)]])
    patients = [f"p{i}" for i in range(len(images))]
    cohort = cohort_of(tmp_path_factory.mktemp("planted"), images, patients)
    findings = leakage.search(open_cohort(cohort), 0.99)
    assert [(pair.first, pair.second) for pair in findings.near_identical] == [(5, 12)]
    assert findings.method["pairs_compared"] == 13 * 12 // 2


def test_copies_of_one_patient_are_no_leak(tmp_path):
    images = pictures(30)
    images[1] = images[0]
    images[3] = np.roll(images[2], 1, axis=0)
    patients = ["p0", "p0", "p2", "p2"] + [f"p{i}" for i in range(4, 30)]
    findings = leakage.search(open_cohort(cohort_of(tmp_path, images, patients)), 0.99)
    assert findings.same_bytes == [] and findings.near_identical == []


def test_blank_images_are_found_by_their_bytes_alone(tmp_path):
    images = pictures(6)
    images[2:4] = 0
    images[4] = 9
    cohort = open_cohort(cohort_of(tmp_path, images, "abcdef"))
    findings = leakage.search(cohort, 0.99)
    assert findings.same_bytes == [[2, 3]] and findings.near_identical == []
    assert leakage.joined(cohort, findings) == ["a", "b", "c", "c", "e", "f"]


def test_copies_are_found_from_block_to_block(tmp_path):
    images = pictures(2100, side=16, sigma=1)
    images[2090] = np.roll(images[3], 1, axis=1)
    images[2050] = images[1500]
    patients = [f"p{i}" for i in range(2100)]
    findings = leakage.search(open_cohort(cohort_of(tmp_path, images, patients)), 0.99)
    assert [(pair.first, pair.second) for pair in findings.near_identical] == [
        (3, 2090),
        (1500, 2050),
    ]
