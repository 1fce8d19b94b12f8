"""One scorer for all: this project's features and figures, with their floors and intervals."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from synthcohort.cohort import Cohort
from synthcohort.config import Evaluation
from synthcohort.evaluation import extractors
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import label_accuracy, precision_recall
from synthcohort.evaluation.sets import Set
from synthcohort.hardware import Hardware
from synthcohort.numerics.resampling import draw_patients
from synthcohort.seeds import derive

EXTRACTORS = ("inception", "classifier")
BATCH = 8  # larger batches of Inception's feature maps fall out of a CPU's cache
Features = dict[str, np.ndarray]
"""Those of a set of images, n×D float32 by extractor."""


def real_sets(data: Cohort, n: int, seed: int) -> dict[str, Set]:
    """ "test": `n` test images, or all, of whole patients; "train", the floor: as many train images
    of each label, of whole patients as far as that goes; fewer where train has fewer."""
    rows, classes = data.of("test"), data.classes
    chosen = draw_patients(rows, data.patients[rows], n, derive(seed, "peers", "test"))
    order = data.of("train")
    names, number = np.unique(data.patients[order], return_inverse=True)
    random = np.random.default_rng(derive(seed, "peers", "train"))
    order = order[np.argsort(random.permutation(len(names))[number], kind="stable")]
    wanted = np.bincount(classes[chosen], minlength=len(data.label_names))
    floor = [order[classes[order] == label][:count] for label, count in enumerate(wanted)]

    def of(rows: np.ndarray) -> Set:
        images = np.asarray(data.images[rows])
        return Set(images, classes[rows], data.patients[rows], rows)

    return {"test": of(chosen), "train": of(np.sort(np.concatenate(floor)))}


def extraction(settings: Evaluation, classifier: Path, threads: int) -> Callable:
    """A function that gives the `Features` of n×C×H×W uint8 or uint16 images; `classifier` is the
    folder that the stage of that name wrote."""
    import torch

    hardware = Hardware(device="cpu", threads=threads)
    opened = {
        name: extractors.module(name).open_extractor(
            settings, 0, {"classifier": classifier}, hardware
        )[-1]
        for name in EXTRACTORS
    }

    @torch.inference_mode()
    def features(images: np.ndarray) -> Features:
        parts = range(0, len(images), BATCH)
        return {
            name: np.concatenate([of(images[i : i + BATCH]).float().numpy() for i in parts])
            for name, of in opened.items()
        }

    return features


def score(
    settings: Evaluation,
    *,
    seed: int,
    sets: Mapping[str, Set],
    features: Mapping[str, Features],
    label_names: list[str],
    classifier: Path,
    labelled: bool,
) -> dict:
    """The figures of "synthetic" among the `sets`, beside "test" and "train": "fid" and
    "classifier" (Fréchet distances with interval and floor), "precision" and "recall"
    in Inception's features, and, where the labels were told (`labelled`), "label" (balanced
    accuracy of the label that was asked for, the floor that of real test images)."""
    by_extractor = {
        name: Material(
            sets=dict(sets),
            label_names=label_names,
            features={origin: of[name] for origin, of in features.items()},
            models={"classifier": classifier},
        )
        for name in EXTRACTORS
    }
    common = {"seed": seed, "hardware": Hardware(device="cpu")}
    among, _ = precision_recall.measure(settings, material=by_extractor["inception"], **common)
    found = {
        "fid": frechet.compare(seed, by_extractor["inception"]),
        "classifier": frechet.compare(seed, by_extractor["classifier"]),
        "precision": {key: among[key] for key in ("value", "interval", "floor")},
        "recall": among["details"]["recall"],
    }
    if labelled:
        found["label"], _ = label_accuracy.measure(
            settings, material=by_extractor["classifier"], **common
        )
    return found


def synthetic(test: Set, images: np.ndarray, labels: np.ndarray) -> Set:
    """A contestant's images as a set; each is a patient of its own."""
    rows = np.arange(len(images))
    patients = np.array([f"synthetic {row}" for row in rows])
    return replace(test, images=images, classes=labels, patients=patients, rows=rows)
