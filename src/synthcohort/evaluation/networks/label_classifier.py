"""The stage that trains a small network to tell this cohort's labels: whose features are measured
in, and who judges whether an asked label has arrived."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from synthcohort.cohort import blocks, open_cohort
from synthcohort.config import Evaluation
from synthcohort.evaluation.networks.small_cnn import SmallCNN, fresh, train
from synthcohort.files import atomic_directory, read_json, write_json
from synthcohort.hardware import Hardware
from synthcohort.models.pixels import to_model
from synthcohort.numerics.resampling import bootstrap_weights, interval_of_share
from synthcohort.numerics.scores import balanced_accuracy
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal


def train_classifier(
    settings: Evaluation,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Train on the real train images and write the folder `out` (model.safetensors, config.json).

    Where all train images have one label, it learns instead how an image has been turned (Gidaris
    2018). config.json says which, how many images it saw, and its balanced "accuracy" on real
    patients it has not seen (val and test), beside "chance".
    """
    data = open_cohort(cohort, split)
    rows = data.of("train")
    _, channels, height, width = data.images.shape
    labelled = len(set(data.classes[rows])) > 1
    turns = (0, 1, 2, 3) if height == width else (0, 2)
    classes = len(data.label_names) if labelled else len(turns)

    def examples(of: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        pixels = data.images[of]
        if labelled:
            return pixels, data.classes[of]
        turned = random.integers(len(turns), size=len(of))
        pairs = zip(pixels, turned, strict=True)
        return np.stack([np.rot90(image, turns[i], (1, 2)) for image, i in pairs]), turned

    network = fresh(channels, (height, width), classes, derive(seed, "classifier", "weights"))
    trained = train(
        network,
        lambda numbers, random: examples(rows[numbers], random),
        groups=data.classes[rows] if labelled else np.zeros(len(rows), int),
        patients=data.patients[rows],
        images=settings.classifier_images,
        seed=derive(seed, "classifier", "images"),
        hardware=hardware,
        what="Classifier of the real images",
    )
    unseen = np.concatenate([data.of("val"), data.of("test")])
    unseen = unseen[np.isin(data.classes[unseen], data.classes[rows])]
    random = np.random.default_rng(derive(seed, "classifier", "test"))
    logits, truth = [], []
    for block in blocks(unseen):
        pixels, targets = examples(block, random)
        with torch.inference_mode():
            logits.append(network(to_model(pixels).to(hardware.open())).float().cpu().numpy())
        truth.append(targets)
    judged = balanced(
        np.concatenate(logits),
        np.concatenate(truth),
        data.patients[unseen],
        derive(seed, "classifier", "bootstrap"),
    )
    about = {
        "channels": channels,
        "size": [height, width],
        "classes": classes,
        "task": "label" if labelled else "quarter turns (one label only)",
        "label_names": data.label_names,
        "accuracy": judged,
        "chance": 1 / len(np.unique(np.concatenate(truth))),
        "n": {"train": len(rows), "unseen": len(unseen)},
        "patients": {
            "train": len(set(data.patients[rows])),
            "unseen": len(set(data.patients[unseen])),
        },
        "images_seen": trained.images_seen,
        "held_still": trained.held_still,
        "seed": seed,
    }
    with atomic_directory(out) as folder:
        # The file format knows one layout only.
        weights = {name: of.contiguous() for name, of in network.cpu().state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        write_json(folder / "config.json", about)
    low, high = judged["interval"]
    journal.result(
        classifier_accuracy=judged["value"],
        classifier_accuracy_low=low,
        classifier_accuracy_high=high,
        classifier_chance=about["chance"],
        classifier_images_seen=trained.images_seen,
    )


def balanced(logits: np.ndarray, truth: np.ndarray, patients: np.ndarray, seed: int) -> dict:
    """The balanced accuracy of N×C answers, with its interval over patients."""
    score = partial(balanced_accuracy, logits, truth)
    value = float(score(np.ones((1, len(truth))))[0])
    draws = score(bootstrap_weights(patients, seed))
    return {"value": value, "interval": interval_of_share(value, draws, len(set(patients)))}


def cannot_tell(path: Path) -> str | None:
    """Why nothing can be told from the classifier in the folder `path`, in one sentence: on real
    patients that it has not seen it is no better than guessing. None where it is better."""
    about = read_json(path / "config.json")
    (low, high), chance = about["accuracy"]["interval"], about["chance"]
    if low > chance:
        return None
    what = "labels" if about["task"] == "label" else "turned images"
    return (
        f"The classifier trained on this cohort tells its {what} no better than guessing: on "
        f"{about['patients']['unseen']} real patients it has not seen, a balanced accuracy of "
        f"{about['accuracy']['value']:.2f} (95 % interval {low:.2f} to {high:.2f}; guessing gives "
        f"{chance:.2f})."
    )


def load_classifier(path: Path) -> SmallCNN:
    """The network in a folder that `train_classifier` wrote, in eval mode on the CPU."""
    about = read_json(path / "config.json")
    network = SmallCNN(about["channels"], tuple(about["size"]), about["classes"])
    network.load_state_dict(load_file(path / "model.safetensors"))
    return network.eval()
