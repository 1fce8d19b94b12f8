"""A small cohort and samples of it, made up to be evaluated."""

import csv

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.draw import draw_record
from synthcohort.evaluation.evaluate import measured
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.records import write_record
from synthcohort.files import read_json
from synthcohort.hardware import Hardware
from synthcohort.tracking.journal import Journal

SIZE = 16
CPU = Hardware(device="cpu", precision="fp32", threads=1)
QUIET = Journal(None, "test", {})


def pictures(classes: np.ndarray, seed: int) -> np.ndarray:
    """A bright disc at a random place over noise; its size tells the class."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    made = []
    for label in classes:
        a, b = random.uniform(5, 11, 2)
        disc = (y - a) ** 2 + (x - b) ** 2 < (2 + 2 * label) ** 2
        made.append(40 + 150 * disc + random.normal(0, 12, (SIZE, SIZE)))
    return np.clip(made, 0, 255).astype(np.uint8)[:, None]


def write_cohort(folder, labels=("a", "b"), train=40, test=40, images_each=2, seed=0, values=None):
    """Patients with one label each, alternating; the first `train` of them are the train split.

    `values` are attributes: name → one value an image; with them a disc's size tells the first.
    """
    n = (train + test) * images_each
    patient = np.arange(n) // images_each
    classes = patient % len(labels)
    folder.mkdir(parents=True, exist_ok=True)
    values = values or {}
    np.save(folder / "images.npy", pictures(next(iter(values.values()), classes), seed))
    with (folder / "manifest.csv").open("w") as manifest, (folder / "split.csv").open("w") as split:
        rows, splits = csv.writer(manifest), csv.writer(split)
        rows.writerow(["image_id", "patient_id", "label", *values])
        splits.writerow(["image_id", "patient_id", "split"])
        for i in range(n):
            rows.writerow(
                [f"i{i}", f"p{patient[i]}", labels[classes[i]], *(of[i] for of in values.values())]
            )
            splits.writerow([f"i{i}", f"p{patient[i]}", "train" if patient[i] < train else "test"])
    return {"cohort": folder, "split": folder / "split.csv"}


def write_samples(folder, images, classes, labels=("a", "b"), values=None):
    """Two shards in which labels take turns; `values` as in `write_cohort`."""
    known = {}
    if values:
        known["attributes"] = np.stack(list(values.values()), axis=1).astype(np.float32)
        known["attribute_names"] = np.array(list(values))
    folder.mkdir(parents=True, exist_ok=True)
    index = np.array([np.sum(classes[:i] == c) for i, c in enumerate(classes)])
    paths = []
    for number, rows in enumerate(np.array_split(np.arange(len(classes)), 2)):
        paths.append(folder / f"shard-{number:05d}.npz")
        np.savez(
            paths[-1],
            images=images[rows],
            labels=classes[rows].astype(np.int64),
            label_names=np.array(labels),
            index=index[rows].astype(np.int64),
            seeds=index[rows].astype(np.int64),
            **{name: of[rows] if name == "attributes" else of for name, of in known.items()},
        )
    return paths


def measure(name: str, given: Material, folder, seed: int = 0) -> dict:
    """The result of a metric as its file holds it, and `folder`/<name>.png drawn from the files."""
    found = measured(name, Evaluation(), seed=seed, material=given, hardware=CPU)
    write_record(folder / f"{name}.json", *found)
    draw_record(folder / f"{name}.json", folder)
    return read_json(folder / f"{name}.json")
