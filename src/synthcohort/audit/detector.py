"""A network that knows a train image again whatever was done to it: a self-supervised detector of
copies after SSCD (Pizzi 2022), trained anew in every audit, on this cohort's train images alone.

It turns an image into a point on a sphere. In the training an image, disguised at random
(`disguises.composed`) and in half of the batches put through this run's autoencoder, has to lie
nearer to itself than to the images of other patients in its batch (InfoNCE; other images of the
same patient are neither alike nor different), and images are spread evenly over the sphere (KoLeo's
entropy, Sablayrolles 2019). A batch is made of groups that look alike at first sight, so that there
is something to tell apart. Halves of images are trained beside whole ones, each against the same
half of the others.

A likeness counts for what it is above the next best ones, the mean of the most alike images of
other patients: an image like any other is like all of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from synthcohort.audit import disguises
from synthcohort.cohort import blocks
from synthcohort.hardware import Hardware
from synthcohort.progress import progress

SIDE = disguises.SIDE
DIMENSIONS = 128
BATCH = 128
TEMPERATURE = 0.07
LEARNING_RATE = 2e-3
ENTROPY = 0.1
# Images that take part in the training at most; those of a larger cohort are found as well.
TRAINED = 4096
GROUP = 8
"""Images of a batch that look alike."""
PARTS = ("whole", "left", "right", "upper", "lower")
IN_PART = 0.4
"""The share of the training's images of which a half is seen."""
NEGATIVE = 0.15
"""The share of the decoded images that are decoded as a negative."""
MOVED = 3.0
AROUND, CANDIDATES = 10, 6


class Network(nn.Module):
    """n×C×48×48 to n×128 of norm 1; strided convolutions down to 6×6, whose places are kept apart.

    GroupNorm, not BatchNorm: nothing that lags behind the weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

        def layer(before: int, after: int, stride: int) -> nn.Sequential:
            convolution = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            return nn.Sequential(convolution, nn.GroupNorm(8, after), nn.SiLU())

        self.fine = nn.Sequential(layer(channels, 16, 2), layer(16, 32, 2))
        self.middle, self.down = layer(32, 32, 1), layer(32, 64, 2)
        self.coarse, self.narrow = layer(64, 64, 1), nn.Conv2d(64, 48, 1)
        self.head = nn.Linear(48 * (SIDE // 8) ** 2, DIMENSIONS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(self._raw(x), dim=1)

    @torch.no_grad()
    def centre(self, x: torch.Tensor) -> None:
        """Shift and scale the head so that the points of these images lie around the sphere: fresh
        weights put all images in one place, from where hardly anything is learnt."""
        deviation, mean = torch.std_mean(self._raw(x), dim=0)
        self.head.bias.sub_(mean).div_(deviation + 1e-3)
        self.head.weight.div_(deviation[:, None] + 1e-3)

    def _raw(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fine(x)
        x = self.down(x + self.middle(x))
        x = F.silu(self.narrow(x + self.coarse(x)))
        return self.head(x.flatten(1))


@dataclass(frozen=True)
class Alike:
    """What the detector says of N images, in one way of looking."""

    score: np.ndarray
    """N float64: how much more alike the image is to its train image than to those of others."""
    places: np.ndarray
    """N×K int64: of each of the K most alike patients the most alike train image, the best first,
    as places in the references. There are CANDIDATES, or as many as there are patients."""


def train(
    images: np.ndarray,
    rows: np.ndarray,
    decoded: np.ndarray,
    patients: np.ndarray,
    through: Callable[[np.ndarray], np.ndarray],
    *,
    seen: int,
    seed: int,
    hardware: Hardware,
) -> Network:
    """A detector of the train images, `rows` of `images` (C×H×W uint8 or uint16 each, of so many
    `patients`), trained until it has seen `seen` of them; `decoded` are the same images after the
    autoencoder, and `through` puts others through it."""
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(rows))[:TRAINED])
    images, number = images[rows[chosen]], np.unique(patients[chosen], return_inverse=True)[1]
    device, top = hardware.open(), np.iinfo(images.dtype).max
    both = torch.stack([_small(images), _small(decoded[chosen])]).to(device)
    of = torch.from_numpy(number).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(images.shape[1]).to(device)
    windows = _windows().to(device)
    network.centre(_seen(both[0, : 2 * BATCH], windows[0]))
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=0.01)
    steps = -(-seen // min(BATCH, len(images)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    with progress("Training the detector of copies", seen) as bar:
        for step, batch in enumerate(_batches(both[0], seen, random)):
            others = random.integers(len(images), size=len(batch))
            if step % 2:
                pair = (
                    torch.from_numpy(images[r].astype(np.float32) / top) for r in (batch, others)
                )
                made = disguises.composed(*pair, random)
                made = (made * top).round().numpy().astype(images.dtype)
                # What the autoencoder makes of a negative is not the negative of what it makes.
                negative = random.random(len(batch)) < NEGATIVE
                made[negative] = top - made[negative]
                made = through(made)
                made[negative] = top - made[negative]
                queries = _small(made).to(device)
            else:
                queries = disguises.composed(both[0, batch], both[0, others], random)
            form = torch.from_numpy(random.integers(2, size=len(batch))).to(device)
            part = np.where(
                random.random(len(batch)) < IN_PART, random.integers(1, len(PARTS), len(batch)), 0
            )
            part, place = (torch.from_numpy(x).to(device) for x in (part, batch))
            views = [_seen(x, windows[part]) for x in (queries, both[form, place])]
            found, wanted = network(torch.cat(views)).chunk(2)
            loss = _loss(found, wanted, part, of[place])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.update(len(batch))
    return network.eval()


def _batches(images: torch.Tensor, seen: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Numbers of the images until `seen` have been drawn, each image as often as any other."""
    small = F.adaptive_avg_pool2d(images, 8).flatten(1).double()
    _, _, axes = torch.linalg.svd(small - small.mean(0), full_matrices=False)
    small = (small @ axes[:8].T).cpu().numpy()
    passes = []
    for _ in range(-(-seen // len(images))):
        # Neighbours along a random direction are alike in it; their groups are drawn at random.
        along = random.permutation(len(images))
        along = along[np.argsort(small[along] @ random.standard_normal(small.shape[1]))]
        groups = np.array_split(along, max(1, len(images) // GROUP))
        passes += [groups[i] for i in random.permutation(len(groups))]
    return blocks(np.concatenate(passes)[:seen], min(BATCH, len(images)))


def _loss(
    found: torch.Tensor, wanted: torch.Tensor, part: torch.Tensor, patient: torch.Tensor
) -> torch.Tensor:
    """InfoNCE, both ways, of the disguised images against those they were made of, among the images
    of other patients in the batch of which the same part is seen; and KoLeo's entropy."""
    own = torch.arange(len(part), device=part.device)
    barred = (patient[:, None] == patient) | (part[:, None] != part)
    barred.fill_diagonal_(False)
    alike = (found @ wanted.T / TEMPERATURE).masked_fill(barred, -torch.inf)
    loss = F.cross_entropy(alike, own) + F.cross_entropy(alike.T, own)
    others = (wanted @ wanted.T).masked_fill(barred, -1).fill_diagonal_(-1)
    nearest = (2 - 2 * others.amax(1)).clamp_min(1e-6).sqrt()
    return loss - ENTROPY * nearest.log().mean()


def descriptors(
    network: Network,
    images: np.ndarray,
    rows: np.ndarray,
    part: int,
    hardware: Hardware,
) -> torch.Tensor:
    """M×128 on the device: of the images (N×C×H×W uint8 or uint16) `rows`, or a half of them."""
    device = hardware.open()
    window = _windows()[part].to(device)
    with torch.inference_mode():
        small = (_small(images[r]).to(device) for r in blocks(rows))
        return torch.cat([network(_seen(part, window)) for part in small])


def most_alike(
    network: Network,
    queries: np.ndarray,
    references: dict[str, list[torch.Tensor]],
    patients: np.ndarray,
    hardware: Hardware,
) -> dict[str, Alike]:
    """Of N×C×H×W `queries`, "whole" (as they are, mirrored, inverted, moved a little) and "part"
    (the best of their halves). `references` are the descriptors of M train images, a list by part,
    one of each form of the images; `patients` are those of the M images."""
    device, number = hardware.open(), np.unique(patients, return_inverse=True)[1]
    of, windows = torch.from_numpy(number).to(device), _windows().to(device)
    found: dict[str, list] = {"whole": [], "part": []}
    with progress("Copies by the detector", len(queries)) as bar, torch.inference_mode():
        for rows in blocks(np.arange(len(queries))):
            small = _small(queries[rows]).to(device)
            views = [small, small.flip(3), 1 - small, 1 - small.flip(3)]
            for change in _CHANGES:
                views.append(disguises.warped(small, mode="bilinear", **change))
            whole = [(network(_seen(view, windows[0])), references["whole"]) for view in views]
            halves = [
                (network(_seen(small, windows[i])), references[name])
                for i, name in enumerate(PARTS[1:], 1)
            ]
            for way, looks in (("whole", whole), ("part", halves)):
                found[way].append(_best(looks, of))
            bar.update(len(rows))
    return {
        way: Alike(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        for way, parts in found.items()
    }


# What a descriptor bears less well than others: an image is looked at so changed, too.
_CHANGES = (
    *({"shift": shift} for shift in ((MOVED, 0), (-MOVED, 0), (0, MOVED), (0, -MOVED))),
    {"zoom": 0.92},
    {"zoom": 1.08},
)


def _best(
    looks: list[tuple[torch.Tensor, list[torch.Tensor]]], of: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    best = None
    for query, forms in looks:
        for form in forms:
            likeness = query @ form.T
            best = likeness if best is None else torch.maximum(best, likeness)
    value, place = best.topk(min(AROUND * 4, best.shape[1]), dim=1)
    strange = of[place] != of[place[:, :1]]
    rank = strange.cumsum(1)
    taken = strange & (rank <= AROUND)
    around = (value * taken).sum(1) / taken.sum(1).clamp_min(1)
    score = (value[:, 0] - around).double().cpu().numpy()
    places = []
    for _ in range(min(CANDIDATES, int(of.max()) + 1)):
        places.append(best.argmax(1))
        best = best.masked_fill(of == of[places[-1], None], -torch.inf)
    return score, torch.stack(places, 1).cpu().numpy()


def _small(images: np.ndarray) -> torch.Tensor:
    """uint8 or uint16 as float32 in [0, 1], n×C×48×48."""
    made = []
    for rows in blocks(np.arange(len(images))):
        pixels = torch.from_numpy(images[rows].astype(np.float32) / np.iinfo(images.dtype).max)
        if pixels.shape[2:] != (SIDE, SIDE):
            pixels = F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)
        made.append(pixels)
    return torch.cat(made)


def _windows() -> torch.Tensor:
    """5×1×48×48: what is seen of an image, in the order of PARTS."""
    seen, half = torch.ones(len(PARTS), 1, SIDE, SIDE), SIDE // 2
    seen[1, :, :, half:] = seen[2, :, :, :half] = seen[3, :, half:] = seen[4, :, :half] = 0
    return seen


def _seen(images: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """What lies in the window, at mean 0 and variance 1: neither brightness nor contrast."""
    window = window.expand(images.shape)
    size = window.sum((1, 2, 3), keepdim=True)
    centred = (images - (images * window).sum((1, 2, 3), keepdim=True) / size) * window
    return centred / (centred.square().sum((1, 2, 3), keepdim=True) / size).sqrt().clamp_min(1e-3)
