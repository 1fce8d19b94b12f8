"""A small convolutional network and how it is trained, for all that the evaluation asks of one.

What such a network tells is only worth something once it has learnt what there is to learn, on any
budget. So BatchNorm's statistics do not run behind the weights (a short training leaves them stale,
and the network misjudges even its own training images) but are measured with the weights that are
kept (Wu and Johnson 2021, section 3), groups are seen equally often, and a training ends when it
knows its images and tells those of patients it has not learnt from no better any more.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from synthcohort.cohort import blocks
from synthcohort.hardware import Hardware
from synthcohort.models.pixels import to_model
from synthcohort.progress import progress
from synthcohort.seeds import derive

BATCH = 32
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05
WARMUP = 10
FEATURES = 128
SHARPNESS = 6
"""Of the weights' average over the training: the larger, the younger (Karras 2024, section 3.1)."""
WATCHED = 512
"""Most images that a training is watched by."""
HELD_OUT = 5
"""One patient in so many is watched and not learnt from."""
MEASURED = 256
"""Most images that BatchNorm's statistics are measured on."""
FIRST, RISE = 256, 1.4
"""After so many images a training is looked at first, and again after so many times as many."""
LEAST = 1_000
"""Images seen before a training may end by itself."""
KNOWN, TOLD = 0.8, 0.02
"""It knows its images when its loss on them is below this share of that on held-out ones: until
then, that these are told no better may be the calm before it learns. And it has learnt all where
the latter is below the second."""
SCALES = 2.0 ** torch.arange(-3, 1.01, 0.25)
"""Of the logits, of which the one that suits held-out images best is taken (temperature scaling;
Guo 2017, section 4.2): a network that is too sure is not judged as one that knows less."""
TIE = 1.02
"""A loss on the held-out images above the least by no more than this factor is no worse, so few are
the patients: the weights that have learnt longer are kept."""
RECENT = 0.1
"""The weight of a step's loss in the average of the last ones."""

Draw = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


class SmallCNN(nn.Module):
    """Strided 3×3 convolutions down to 6×6 or less, so that a place sees most of the image, each
    with BatchNorm and SiLU; then the mean.

    Images are n×channels×H×W in [−1, 1] with H and W at least 8; `features` gives n×128, the
    network itself n×classes logits.
    """

    def __init__(self, channels: int, size: tuple[int, int], classes: int) -> None:
        super().__init__()
        levels = max(2, math.ceil(math.log2(min(size) / 6)))
        widths = [max(32, FEATURES >> (levels - 1 - level)) for level in range(levels)]
        layers: list[nn.Module] = []
        for before, after in zip([channels, *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.SiLU()]
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.trunk(x).mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


@dataclass(frozen=True)
class Trained:
    """How a training went."""

    images_seen: int
    """By the weights that were kept."""
    loss: float | None
    """Theirs on the held-out patients; None where there were too few patients to hold any out."""
    held_still: bool
    """Whether it ended because it had stopped to improve, not because of the ceiling."""


def train(
    network: SmallCNN,
    draw: Draw,
    *,
    groups: np.ndarray,
    patients: np.ndarray,
    images: int,
    seed: int,
    hardware: Hardware,
    what: str = "",
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.cross_entropy,
) -> Trained:
    """Train `network` in place until it holds still, or has seen `images` images.

    `draw(numbers, random)` gives the images (n×C×H×W uint8 or uint16) and targets (n class numbers,
    or what else `loss_of(logits, targets)` takes) of some of the N numbers that `groups` (N ints:
    what is seen equally often) and `patients` (N ids) tell of. A fifth of the patients are held
    out. The weights kept are those, averaged over the training, whose loss on them was least; it
    ends when that was in the first half of what has been seen and its own images are known better.
    """
    device, autocast = hardware.open(), hardware.autocast()
    # A CPU is a third faster with channels last, as a GPU is.
    network.to(device, memory_format=torch.channels_last)
    network.train()
    random = np.random.default_rng(derive(seed, "order"))
    watched = _held_out(groups, patients, np.random.default_rng(derive(seed, "held out")))
    learned = np.flatnonzero(~watched)
    stream = _evenly(learned, groups[learned], random)
    judge = _judge(draw, watched, groups, derive(seed, "watched"), hardware, loss_of)
    # Batches this small are bound by launches. On a CPU the results stay as they are.
    fused = True if device.type == "cuda" else None
    optimizer = torch.optim.AdamW(
        network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=fused
    )
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP, total_iters=WARMUP)
    averaged = copy.deepcopy(network)
    norm = np.array([next(stream) for _ in range(min(MEASURED, len(learned)))])
    reference = draw(norm, random)[0]
    best = least = recent = None
    steps, seen, look, still = 0, 0, FIRST, False
    with progress(what, total=images) as bar:
        while seen < images and not still:
            numbers = np.array([next(stream) for _ in range(min(BATCH, images - seen))])
            pixels, targets = draw(numbers, random)
            with autocast:
                logits = network(to_model(pixels).to(device))
            loss = loss_of(logits.float(), torch.from_numpy(targets).to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            steps, seen = steps + 1, seen + len(numbers)
            _average(averaged, network, steps)
            bar.update(len(numbers))
            recent = loss.detach() if recent is None else torch.lerp(recent, loss.detach(), RECENT)
            if judge and (seen >= look or seen >= images):
                look = RISE * seen
                _measure_statistics(averaged, reference, hardware)
                found, scale = judge(averaged)
                if least is None or found < least[0]:
                    least = found, seen
                if found <= TIE * least[0]:
                    kept = {k: v.clone() for k, v in averaged.state_dict().items()}
                    for name in ("head.weight", "head.bias"):
                        kept[name] *= scale
                    best = found, seen, kept
                known = seen >= 2 * least[1] and recent.item() < KNOWN * least[0]
                still = seen >= LEAST and (known or found < TOLD)
    if best is None:
        _measure_statistics(averaged, reference, hardware)
    loss, at, weights = best or (None, seen, averaged.state_dict())
    network.load_state_dict(weights)
    network.eval()
    return Trained(at, loss, still)


def fresh(channels: int, size: tuple[int, int], classes: int, seed: int) -> SmallCNN:
    """A network whose weights come from `seed`; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SmallCNN(channels, size, classes)


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, steps: int) -> None:
    """The average over all steps so far in which a step counts by the SHARPNESS-th power of its
    number: it follows the last part of a training, however long that is (Karras 2024, eq. 2)."""
    share = 1 - (1 - 1 / steps) ** (SHARPNESS + 1)
    for mean, weight in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(weight, share)


def _measure_statistics(network: nn.Module, images: np.ndarray, hardware: Hardware) -> None:
    """BatchNorm's means and variances of these images (n×C×H×W), with the weights as they are."""
    device, places = hardware.open(), np.arange(len(images))
    parts = (to_model(images[block]).to(device) for block in blocks(places, 2 * BATCH))
    with hardware.autocast():
        update_bn(parts, network)


def _held_out(groups: np.ndarray, patients: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """N bools: the images of one patient in five of each group, as far as each group keeps one."""
    _, patient = np.unique(patients, return_inverse=True)
    chosen = np.zeros(patient.max() + 1, bool)
    for group in np.unique(groups):
        own = random.permutation(np.unique(patient[groups == group]))
        wanted = min(-(-len(own) // HELD_OUT), len(own) - 1) - chosen[own].sum()
        chosen[own[~chosen[own]][: max(0, wanted)]] = True
    held_out = chosen[patient]
    # Patients of several groups may have been chosen for one of them, and leave another without.
    if set(groups[~held_out]) != set(groups):
        held_out[:] = False
    return held_out


def _evenly(numbers: np.ndarray, groups: np.ndarray, random: np.random.Generator) -> Iterator[int]:
    """The numbers without end, shuffled anew at each pass, those of a smaller group repeated until
    every group has as many as the largest."""
    parts = [numbers[groups == group] for group in np.unique(groups)]
    most = max(map(len, parts))
    while True:
        repeated = [np.resize(random.permutation(part), most) for part in parts]
        yield from random.permutation(np.concatenate(repeated)).tolist()


def _judge(
    draw: Draw,
    watched: np.ndarray,
    groups: np.ndarray,
    seed: int,
    hardware: Hardware,
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> Callable[[nn.Module], tuple[float, float]] | None:
    """What gives a network's loss on the held-out images, every group counting alike, and the scale
    of its logits at which that is; None where there are none."""
    numbers = np.flatnonzero(watched)
    if not len(numbers):
        return None
    random = np.random.default_rng(seed)
    stream = _evenly(numbers, groups[numbers], random)
    each = (
        len(np.unique(groups[numbers]))
        * np.bincount(np.unique(groups[numbers], return_inverse=True)[1]).max()
    )
    shown = np.array([next(stream) for _ in range(min(WATCHED, each))])
    pixels, targets = draw(shown, random)
    device, truth = hardware.open(), torch.from_numpy(targets)

    def loss(network: nn.Module) -> tuple[float, float]:
        network.eval()
        logits = []
        with torch.inference_mode(), hardware.autocast():
            for block in blocks(np.arange(len(pixels))):
                logits.append(network(to_model(pixels[block]).to(device)).float().cpu())
        told = torch.cat(logits)
        losses = [float(loss_of(scale * told, truth)) for scale in SCALES]
        least = int(np.argmin(losses))
        return losses[least], float(SCALES[least])

    return loss
