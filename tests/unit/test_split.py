"""The split by patient and its leakage check."""

import csv
import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from synthcohort.cohort import MANIFEST_COLUMNS, SPLITS, leakage, open_cohort
from synthcohort.cohort.split import split
from synthcohort.config import Split
from synthcohort.errors import UserError
from synthcohort.tracking.journal import Journal


def cohort_of(folder: Path, images: np.ndarray, patients, labels=None, official=None) -> Path:
    """A prepared cohort: N×H×W images, one patient, label and official split an image."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images[:, None])
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, MANIFEST_COLUMNS, restval="")
        table.writeheader()
        for i, (image, patient) in enumerate(zip(images, patients, strict=True)):
            table.writerow(
                {
                    "image_id": f"{patient}/{i}",
                    "patient_id": patient,
                    "label": labels[i] if labels else "",
                    "official_split": official[i] if official else "",
                    "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
                }
            )
    return folder


def pictures(n: int, seed: int = 0, side: int = 48, sigma: float = 2.0) -> np.ndarray:
    """N unrelated uint8 images with structure of a few pixels, N×side×(side + 8)."""
    noise = np.random.default_rng(seed).normal(size=(n, side, side + 8))
    smooth = gaussian_filter(noise, (0, sigma, sigma))
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def run(cohort: Path, seed: int = 0, **options) -> dict[str, str]:
    """The split of every image_id."""
    folder = cohort.parent
    split(
        Split(**options),
        seed=seed,
        cohort=cohort,
        out=folder / "split.csv",
        leakage=folder / "leakage.json",
        figure=folder / "cohort.png",
        journal=Journal(None, "split", {}),
    )
    with (folder / "split.csv").open(newline="") as file:
        return {row["image_id"]: row["split"] for row in csv.DictReader(file)}


def found(cohort: Path) -> dict:
    return json.loads((cohort.parent / "leakage.json").read_text())


def patients_by(splits: dict[str, str]) -> dict[str, set[str]]:
    by = defaultdict(set)
    for image, part in splits.items():
        by[image.split("/")[0]].add(part)
    return by


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr("synthcohort.cohort.split.draw_cohort", lambda *_: None)


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
    assert (tmp_path / "cohort.png").read_bytes().startswith(b"\x89PNG")
    assert open_cohort(cohort, tmp_path / "split.csv").of("test").size == 32


def test_the_same_input_gives_the_same_bytes_and_another_seed_another_split(tmp_path):
    patients = [f"p{i}" for i in range(40)]
    written = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        run(cohort_of(tmp_path / name / "cohort", pictures(40), patients), seed)
        files = ("split.csv", "leakage.json", "cohort.png")
        written.append([(tmp_path / name / file).read_bytes() for file in files])
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
def test_no_cohort_ever_shares_a_patient(tmp_path_factory, undrawn, counts, seed, val, data):
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


OFFICIAL = ["train"] * 20 + ["test"] * 10


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


def test_many_labels_are_drawn_as_far_as_they_fit(tmp_path):
    patients = [f"p{i:02d}" for i in range(60)]
    labels = [f"label {i % 15:02d}" for i in range(60)]
    run(cohort_of(tmp_path / "cohort", pictures(60), patients, labels))
    assert (tmp_path / "cohort.png").stat().st_size > 10_000
