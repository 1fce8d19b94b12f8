"""The sets that metrics compare: real train, real test and synthetic images, N of each.

Their labels are distributed alike, as in the test images, and the real sets are made of whole
patients, so that a distance and its floor differ in nothing but where the images come from.

Two more sets of real train images stand beside the floor where they can. "decoded" are those of
"train" after one way through this run's autoencoder (`decoded`): what it loses, synthetic images
lack too. "spread" are N train images of as many patients as there are: synthetic images are
independent of each other, and images of few patients are not.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthcohort.cohort import Cohort, open_cohort
from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.files import read_json, write_json
from synthcohort.samples import shards
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

NAMES = ("train", "test", "synthetic")
FEWEST_PATIENTS = 4
"""For anything to be compared: intervals leave out one group of patients after the other. Gates and
privacy figures ask for more (`resampling.LEAST_PATIENTS`)."""
SPREAD = 1.5
"""How many times the patients of "train" make a set of its own: fewer more change little."""


@dataclass(frozen=True)
class Set:
    """The images of one origin."""

    images: np.ndarray
    """N×C×H×W uint8 or uint16."""
    classes: np.ndarray
    """N int64 class numbers of the cohort."""
    patients: np.ndarray
    """N patient ids; every synthetic image is its own patient."""
    rows: np.ndarray
    """N int64: rows of the manifest, or of the samples one after the other."""


def choose(
    settings: Evaluation,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    samples: Sequence[Path],
    out: Path,
    journal: Journal,
) -> None:
    """Write which images are compared: {"train": rows, "test": rows, "synthetic": rows}.

    Test is all test images, or `settings.images` of them by whole patients; train and synthetic
    have as many of each label, so fewer of a label where one of them has fewer; "spread", where
    train has patients enough for it, too. "left_out" is how many test images are not compared.

    Raises:
        UserError: too few patients for an interval.
    """
    data, sampled = open_cohort(cohort, split), shards.describe(samples)
    made = classes_of(sampled, data, samples)
    there = np.bincount(made, minlength=len(data.label_names))
    wanted = _wanted(data, settings, seed, made)
    for label in np.flatnonzero(there < wanted):
        print(
            f"Note: {there[label]} synthetic images of label {data.label_names[label]!r} are "
            f"compared with as many of {wanted[label]} real test images; raise sampling.images to "
            "compare all",
            file=sys.stderr,
        )
    wanted = np.minimum(wanted, there)

    chosen = _real(data, seed, wanted)
    by_index = np.argsort(sampled.index, kind="stable")
    chosen["synthetic"] = _first(by_index, made[by_index], wanted)
    _require_patients(data, chosen, split)
    left_out = len(data.of("test")) - len(chosen["test"])
    write_json(out, chosen | {"left_out": left_out, "seed": seed})
    journal.result(images_compared=len(chosen["test"]), test_images_left_out=left_out)


def real_rows(settings: Evaluation, data: Cohort, seed: int, split: Path) -> np.ndarray:
    """The rows of the real images that `choose` will take where there are samples enough of every
    label, ascending, each once.

    Raises:
        UserError: as `choose`, already before there are samples.
    """
    chosen = _real(data, seed, _wanted(data, settings, seed, data.classes))
    _require_patients(data, chosen, split)
    return np.unique(np.concatenate([*chosen.values()]))


def open_sets(
    sets: Path,
    *,
    cohort: Path,
    split: Path,
    samples: Sequence[Path],
    decoded: Path | None = None,
) -> tuple[dict[str, Set], list[str]]:
    """The chosen images by name ("train", "test", "synthetic"; "decoded" where its file is given,
    "spread" where it was chosen), and the cohort's label names.

    Raises:
        UserError: the samples are another cohort's, or `decoded` is of other images.
    """
    data, rows = open_cohort(cohort, split), read_json(sets)

    def real(name: str) -> Set:
        return Set(
            images=np.asarray(data.images[rows[name]]),
            classes=data.classes[rows[name]],
            patients=data.patients[rows[name]],
            rows=np.array(rows[name]),
        )

    opened = {name: real(name) for name in ("train", "test")}
    sampled, take = shards.describe(samples), np.array(rows["synthetic"])
    opened["synthetic"] = Set(
        images=shards.pick(samples, sampled, take),
        classes=classes_of(sampled, data, samples)[take],
        patients=np.array([f"synthetic {row}" for row in take]),
        rows=take,
    )
    if decoded is not None:
        images = np.load(decoded, mmap_mode="r", allow_pickle=False)
        if images.shape != opened["train"].images.shape:
            raise UserError(
                f"{decoded}: holds {images.shape}, but the train images in {sets} are "
                f"{opened['train'].images.shape}; delete it and decode them again"
            )
        opened["decoded"] = replace(opened["train"], images=images)
    if "spread" in rows:
        opened["spread"] = real("spread")
    return opened, data.label_names


def _shuffled(data: Cohort, seed: int):
    """A function that puts rows in an order in which patients are shuffled but stay together."""
    names, number = np.unique(data.patients, return_inverse=True)
    random = np.random.default_rng(derive(seed, "evaluation", "sets"))
    turn = random.permutation(len(names))[number]
    return lambda rows: rows[np.argsort(turn[rows], kind="stable")]


def _require_patients(data: Cohort, chosen: dict[str, list[int]], split: Path) -> None:
    for name in ("train", "test"):
        patients = len(set(data.patients[chosen[name]]))
        if patients < FEWEST_PATIENTS:
            raise UserError(
                f"{split}: {patients} patients of {name} can be compared, but an interval over "
                f"patients needs at least {FEWEST_PATIENTS}; raise evaluation.images, or give "
                f"{name} more patients (split.fractions)"
            )


def _wanted(data: Cohort, settings: Evaluation, seed: int, labels: np.ndarray) -> np.ndarray:
    """How many images of each class number are compared, of those among `labels`."""
    test = _shuffled(data, seed)(data.of("test"))
    test = test[np.isin(data.classes[test], labels)][: settings.images]
    counts = (
        np.bincount(data.classes[rows], minlength=len(data.label_names))
        for rows in (test, data.of("train"))
    )
    return np.minimum(*counts)


def _real(data: Cohort, seed: int, wanted: np.ndarray) -> dict[str, list[int]]:
    """The rows of "train", "test" and, where there are patients enough, "spread"."""
    order = _shuffled(data, seed)
    rows = {name: order(data.of(name)) for name in ("train", "test")}
    chosen = {name: _first(of, data.classes[of], wanted) for name, of in rows.items()}
    spread = _spread(data, rows["train"], chosen["train"], wanted, seed)
    patients = [len(set(data.patients[of])) for of in (chosen["train"], spread)]
    return chosen | ({"spread": spread} if patients[1] >= SPREAD * patients[0] else {})


def _first(rows: np.ndarray, classes: np.ndarray, wanted: np.ndarray) -> list[int]:
    """The first `rows` of each of their `classes`, as many as are `wanted` of it, ascending."""
    parts = [rows[classes == label][:count] for label, count in enumerate(wanted)]
    return sorted(map(int, np.concatenate(parts)))


def _spread(
    data: Cohort, rows: np.ndarray, train: Sequence[int], wanted: np.ndarray, seed: int
) -> list[int]:
    """As many `rows` of each label as are `wanted`, of as many patients as there are: one image of
    each before a second one of any. Of a patient in `train` the images there come first, whose
    features are computed anyway; otherwise chance decides."""
    random = np.random.default_rng(derive(seed, "evaluation", "sets", "spread"))
    chance = random.random(len(data.rows)) + ~np.isin(np.arange(len(data.rows)), train)
    rows = rows[np.argsort(chance[rows], kind="stable")]
    chosen: list[int] = []
    for label, count in enumerate(wanted):
        of = rows[data.classes[rows] == label]
        turns: dict[str, int] = {}
        turn = []
        for patient in data.patients[of]:
            turns[patient] = turns.get(patient, -1) + 1
            turn.append(turns[patient])
        chosen += of[np.argsort(turn, kind="stable")][:count].tolist()
    return sorted(chosen)


def classes_of(sampled: shards.Samples, data: Cohort, samples: Sequence[Path]) -> np.ndarray:
    """N int64: the samples' labels as class numbers of the cohort."""
    unknown = sorted(set(sampled.label_names) - set(data.label_names))
    if unknown:
        raise UserError(
            f"{samples[0]}: the cohort has no label {unknown[0]!r}; these samples were made for "
            "another cohort, so delete the samples folder and sample again"
        )
    number = np.array([data.label_names.index(name) for name in sampled.label_names])
    return number[sampled.labels]
