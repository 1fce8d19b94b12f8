"""The stage that trains a small network to tell this cohort's labels: whose features are measured
in, and who judges whether an asked label has arrived."""

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
    2018). config.json says which, and the accuracy on the test split.
    """
    data = open_cohort(cohort, split)
    rows, held_out = data.of("train"), data.of("test")
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
    train(
        network,
        lambda numbers, random: examples(rows[numbers], random),
        len(rows),
        images=settings.classifier_images,
        seed=derive(seed, "classifier", "images"),
        hardware=hardware,
        what="Classifier of the real images",
    )
    random = np.random.default_rng(derive(seed, "classifier", "test"))
    right, numbers = 0, np.zeros(classes, dtype=int)
    for block in blocks(held_out):
        pixels, targets = examples(block, random)
        with torch.inference_mode():
            logits = network(to_model(pixels).to(hardware.open())).cpu()
        right += int((logits.argmax(1).numpy() == targets).sum())
        numbers += np.bincount(targets, minlength=classes)
    accuracy, majority = right / len(held_out), numbers.max() / len(held_out)
    about = {
        "channels": channels,
        "size": [height, width],
        "classes": classes,
        "task": "label" if labelled else "quarter turns (one label only)",
        "label_names": data.label_names,
        "test_accuracy": accuracy,
        "test_majority": float(majority),
        "n": {"train": len(rows), "test": len(held_out)},
        "images_seen": settings.classifier_images,
        "seed": seed,
    }
    with atomic_directory(out) as folder:
        save_file(network.cpu().state_dict(), folder / "model.safetensors")
        write_json(folder / "config.json", about)
    journal.result(classifier_test_accuracy=accuracy, classifier_test_majority=float(majority))


def load_classifier(path: Path) -> SmallCNN:
    """The network in a folder that `train_classifier` wrote, in eval mode on the CPU."""
    about = read_json(path / "config.json")
    network = SmallCNN(about["channels"], tuple(about["size"]), about["classes"])
    network.load_state_dict(load_file(path / "model.safetensors"))
    return network.eval()
