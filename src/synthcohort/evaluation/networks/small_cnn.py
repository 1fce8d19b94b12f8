"""A small convolutional network and how it is trained, for all that the evaluation asks of one."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from synthcohort.cohort import blocks
from synthcohort.hardware import Hardware
from synthcohort.models.pixels import to_model
from synthcohort.progress import progress

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
    hardware.place(network)
    network.train()
    # Batches this small are bound by launches. On a CPU the results stay as they are.
    fused = True if device.type == "cuda" else None
    optimizer = torch.optim.AdamW(
        network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=fused
    )
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
