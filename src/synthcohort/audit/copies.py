"""Copies in pixels: exact, shifted by up to two pixels, slightly noised, mirrored, upside down or
turned by quarters.

Every image is compared with every train image by correlation over shifts, in each orientation, with
the train image itself and with its reconstruction by the autoencoder, which is what a model
that has memorised a latent draws. What else may have been done to a copy is for the other `ways`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from synthcohort.cohort.correlation import correlations, shifts_of, thumbnails
from synthcohort.hardware import Hardware
from synthcohort.progress import progress

# Pairs with the most alike thumbnails, an image, that are compared at full resolution.
CANDIDATES = 4
BLOCK, REFERENCES = 256, 4096
AS_IT_IS = "as it is"
# N×C×H×W images in the orientations of a rectangle, and in the further ones of a square.
RECTANGLE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    AS_IT_IS: lambda x: x,
    "mirrored": lambda x: x[..., ::-1],
    "upside down": lambda x: x[..., ::-1, :],
    "turned by 180°": lambda x: x[..., ::-1, ::-1],
}
SQUARE = RECTANGLE | {
    "turned by 90°": lambda x: np.rot90(x, 1, (2, 3)),
    "turned by 270°": lambda x: np.rot90(x, 3, (2, 3)),
    "transposed": lambda x: np.swapaxes(x, 2, 3),
    "transposed, turned by 180°": lambda x: np.swapaxes(x, 2, 3)[..., ::-1, ::-1],
}


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
    C×H×W, memory-mapped or not) that stand in `rows` (M numbers), in each orientation."""
    height, width = references.shape[2:]
    shifts, orientations = shifts_of((height, width)), SQUARE if height == width else RECTANGLE
    starts = range(0, len(rows), REFERENCES)
    fixed = np.concatenate([thumbnails(references[rows[i : i + REFERENCES]], 0)[0] for i in starts])
    found: dict[str, list] = {way: [] for way in orientations}
    with progress("Copies in pixels", count) as bar:
        for block in blocks:
            for start in range(0, len(block), BLOCK):
                images = block[start : start + BLOCK]
                for way, turned in orientations.items():
                    match = _compare(turned(images), references, rows, fixed, shifts, hardware)
                    found[way].append(match)
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
