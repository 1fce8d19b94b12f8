"""Copies in pixels: exact, shifted by up to two pixels, slightly noised, mirrored left to right.

Every image is compared with every train image by correlation over shifts, as it is and mirrored,
with the train image itself and with its reconstruction by the autoencoder, which is what a model
that has memorised a latent draws. Each of these four ways has its own limit, set by real test
images: what is missing from their largest correlation to 1, halved. Other patients' images don't
come near it, while a copy misses hardly anything: over 100 random halvings of the test patients of
simulated brain MRI, MNIST and chest X-rays each, no image of one half passed the limit of the other
half. The test images have been through the autoencoder once, as every synthetic image has:
blurred images correlate more than sharp ones.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthcohort.cohort import Cohort, blocks
from synthcohort.cohort.correlation import correlations, shifts_of, thumbnails
from synthcohort.hardware import Hardware
from synthcohort.progress import progress
from synthcohort.samples import shards
from synthcohort.seeds import derive

# Pairs with the most alike thumbnails, an image, that are compared at full resolution.
CANDIDATES = 4
MARGIN = 0.5
# What rounding takes from the correlation of an exact copy; counts as none.
ROUNDING = 1e-6
BLOCK, REFERENCES = 256, 4096
AS_IT_IS, MIRRORED = "as it is", "mirrored"


@dataclass(frozen=True)
class Match:
    """The most alike train image of each of N images, in one way of comparing."""

    missing: np.ndarray
    """N float64: 1 − correlation."""
    place: np.ndarray
    """N int64: its place in the rows of the references."""


def most_alike(
    blocks: Iterable[np.ndarray],
    count: int,
    references: np.ndarray,
    rows: np.ndarray,
    hardware: Hardware,
) -> dict[str, Match]:
    """Compare `count` images (in blocks of n×C×H×W) with those of the `references` (images of
    C×H×W, memory-mapped or not) that stand in `rows` (M numbers): AS_IT_IS and MIRRORED."""
    shifts = shifts_of(references.shape[2:])
    starts = range(0, len(rows), REFERENCES)
    fixed = np.concatenate([thumbnails(references[rows[i : i + REFERENCES]], 0)[0] for i in starts])
    found: dict[str, list] = {AS_IT_IS: [], MIRRORED: []}
    with progress("Copies in pixels", count) as bar:
        for block in blocks:
            for start in range(0, len(block), BLOCK):
                images = block[start : start + BLOCK]
                for way, turned in ((AS_IT_IS, images), (MIRRORED, images[..., ::-1])):
                    found[way].append(_compare(turned, references, rows, fixed, shifts, hardware))
                bar.update(len(images))
    return {
        way: Match(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        for way, parts in found.items()
    }


def _compare(
    images: np.ndarray,
    references: np.ndarray,
    rows: np.ndarray,
    fixed: np.ndarray,
    shifts: list[tuple[int, int]],
    hardware: Hardware,
) -> tuple[np.ndarray, np.ndarray]:
    import torch

    device, reach = hardware.open(), max(map(max, shifts))
    moved = torch.from_numpy(thumbnails(images, reach)).to(device)
    scores, places = [], []
    for start in range(0, len(fixed), REFERENCES):
        part = torch.from_numpy(fixed[start : start + REFERENCES]).to(device)
        best = moved[0] @ part.T
        for thumbs in moved[1:]:
            torch.maximum(best, thumbs @ part.T, out=best)
        score, place = best.topk(min(CANDIDATES, len(part)), dim=1)
        scores.append(score)
        places.append(place + start)
    score, place = torch.cat(scores, 1), torch.cat(places, 1)
    chosen = score.topk(min(CANDIDATES, score.shape[1]), dim=1).indices
    candidates = place.gather(1, chosen).cpu().numpy()  # n×K places in `rows`
    # The shift at which the thumbnails are most alike is the one to compare the pixels at.
    each = torch.from_numpy(fixed[candidates]).to(device)
    at = torch.einsum("snd,nkd->snk", moved, each).argmax(0).cpu().numpy()
    correlation = np.empty(candidates.shape)
    for number in np.unique(at):
        here = np.nonzero(at == number)
        pairs = np.stack([rows[candidates[here]], here[0]], axis=1)
        correlation[here] = correlations(references, images, pairs, shifts[number])
    best = correlation.argmax(1)
    every = np.arange(len(images))
    return 1 - correlation[every, best], candidates[every, best]


def limit(missing: np.ndarray) -> float:
    """The largest 1 − correlation that counts as a copy, given that of real test images.

    Where test images repeat train images it is what rounding leaves, so that exact copies count.
    """
    return max(MARGIN * float(missing.min()), ROUNDING)


def judged(synthetic: Mapping[str, Match], test: Mapping[str, Match]) -> dict[str, dict]:
    """Of every way of comparing its "limit" and which synthetic images are "found" (N bools)."""
    limits = {way: limit(match.missing) for way, match in test.items()}
    return {
        way: {"limit": limits[way], "found": match.missing <= limits[way]}
        for way, match in synthetic.items()
    }


def held_out(test: Mapping[str, Match], patients: np.ndarray, seed: int) -> np.ndarray:
    """Which test images would count as copies with limits set by the other half of the patients.

    `patients` are those of the test images. One bool a test image; their number is the floor.
    """
    names = np.unique(patients)
    half = np.random.default_rng(seed).permutation(names)[: len(names) // 2]
    first = np.isin(patients, half)
    found = np.zeros(len(patients), dtype=bool)
    for scored in (first, ~first):
        for match in test.values():
            found[scored] |= match.missing[scored] <= limit(match.missing[~scored])
    return found


def search(
    data: Cohort,
    train: np.ndarray,
    train_decoded: np.ndarray,
    test_decoded: np.ndarray,
    samples: Sequence[Path],
    made: int,
    hardware: Hardware,
) -> dict[str, tuple[dict, dict]]:
    """By form of the train images: the most alike of the synthetic and of the test images."""
    forms = {
        "train image": (data.images, train),
        "its reconstruction": (train_decoded, np.arange(len(train))),
    }
    count = len(test_decoded)

    def real() -> Iterator[np.ndarray]:
        return (test_decoded[rows] for rows in blocks(np.arange(count)))

    return {
        form: (
            most_alike(shards.pixels(samples), made, *among, hardware),
            most_alike(real(), count, *among, hardware),
        )
        for form, among in forms.items()
    }


def measure(
    in_pixels: dict[str, tuple[dict, dict]],
    data: Cohort,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, dict[int, dict], dict]:
    """Which images are copies (N bools); of each of these its train image ("row"), in which way
    it is a copy and 1 − correlation ("missing"); and the figure "copies" with floor and limits."""
    copied, told, limits = None, {}, {}
    floor = np.zeros(len(test), dtype=bool)
    for form, (synthetic, real) in in_pixels.items():
        floor |= held_out(real, data.patients[test], derive(seed, "audit", "held out"))
        for way, verdict in judged(synthetic, real).items():
            match, found = synthetic[way], verdict["found"]
            copied = found if copied is None else copied | found
            limits[f"{form}, {way}"] = 1 - verdict["limit"]
            for i in np.flatnonzero(found).tolist():
                one = {
                    "row": int(train[match.place[i]]),
                    "way": way if form == "train image" else f"{form}, {way}",
                    "missing": float(match.missing[i]),
                }
                if i not in told or one["missing"] < told[i]["missing"]:
                    told[i] = one
    measured = {
        "value": int(copied.sum()),
        "interval": None,
        "interval_method": None,
        "floor": {"value": int(floor.sum()), "interval": None},
        "correlation_limits": limits,
    }
    return copied, told, measured
