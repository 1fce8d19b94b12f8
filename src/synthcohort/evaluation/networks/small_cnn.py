"""A small classifier of this cohort's labels: an extractor of features, and a test of realness."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from synthcohort.cohort import blocks, open_cohort
from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.files import atomic_directory, read_json, write_json
from synthcohort.models.pixels import to_model
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

BATCH = 32
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05


class SmallCNN(nn.Module):
    """Strided 3×3 convolutions down to 6×6 or less, so that a place sees most of the image, each
    with BatchNorm and SiLU; then the mean.

    Images are n×channels×H×W in [−1, 1] with H and W at least 8; `features` gives n×128, the
    network itself n×classes logits.
    """

    def __init__(self, channels: int, size: tuple[int, int], classes: int) -> None:
        super().__init__()
        levels = max(2, math.ceil(math.log2(min(size) / 6)))
        widths = [128 >> max(0, min(2, levels - 2 - level)) for level in range(levels)]
        layers: list[nn.Module] = []
        for before, after in zip([channels, *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.SiLU()]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.trunk(x).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def train(
    network: SmallCNN,
    draw: Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]],
    count: int,
    *,
    images: int,
    seed: int,
    hardware: Hardware,
    what: str = "",
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy,
) -> None:
    """Train `network` in place until it has seen `images` images, with a one-cycle learning rate.

    `draw(numbers, random)` gives the images (n×C×H×W uint8 or uint16) and targets (n class numbers,
    or what else `loss_of(logits, targets)` takes) of some of the numbers below `count`.
    """
    device, autocast = hardware.open(), hardware.autocast()
    network.to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=-(-images // BATCH)
    )
    random = np.random.default_rng(seed)
    passes = [random.permutation(count) for _ in range(-(-images // count))]
    with progress(what, total=images) as bar:
        for numbers in blocks(np.concatenate(passes)[:images], BATCH):
            pixels, targets = draw(numbers, random)
            with autocast:
                logits = network(to_model(pixels).to(device))
            loss = loss_of(logits.float(), torch.from_numpy(targets).to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            bar.update(len(numbers))
    network.eval()


def fresh(channels: int, size: tuple[int, int], classes: int, seed: int) -> SmallCNN:
    """A network whose weights come from `seed`; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SmallCNN(channels, size, classes)


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
