"""The ways in which a train image is looked for among others, and what each says of every image.

In pixels, by a detector trained for it, of the whole image and of its halves, and by aligning an
image with the train images that these name. A way gives each image a score, the higher the more
alike, and its most alike train image. From which score on an image counts as a copy is `limits`'s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from synthcohort.audit import copies, detector
from synthcohort.audit.alignment import aligned
from synthcohort.audit.limits import EXACT
from synthcohort.audit.reenacting import reenacted
from synthcohort.cohort import blocks
from synthcohort.hardware import Hardware

# What people read, in the order in which a way is named where several have found an image.
PIXELS, REPEATED, ALIGNED, BENT, PART, DETECTOR, HALVES = (
    "pixels",
    "re-enacted",
    "aligned",
    "bent",
    "in part",
    "detector",
    "detector, halves",
)
GROUPS = (PIXELS, REPEATED, ALIGNED, BENT, PART, DETECTOR, HALVES)
# Of the train images that the detector finds most alike, as a whole and by a half, how many are
# aligned with an image; the one most alike in pixels is, too.
WHOLE, IN_PART = 2, 1


@dataclass(frozen=True)
class Known:
    """The train images in every form that others are compared with."""

    images: np.ndarray
    """All images of the cohort."""
    train: np.ndarray
    """The rows of the M train images in them."""
    decoded: np.ndarray
    """M×C×H×W: what the autoencoder makes of these."""
    patients: np.ndarray
    """Those of the M train images."""
    network: detector.Network
    descriptors: dict
    """Of M images by part, as the detector takes them."""
    through: Callable[[np.ndarray], np.ndarray]
    """What puts images through the autoencoder."""


@dataclass(frozen=True)
class Look:
    """What one way of looking says of N images."""

    score: np.ndarray
    """N float64, higher: more alike."""
    place: np.ndarray
    """N int64: the train image that it is most alike to, as a place among the M."""


def known(
    images: np.ndarray,
    train: np.ndarray,
    decoded: np.ndarray,
    patients: np.ndarray,
    network: detector.Network,
    through: Callable[[np.ndarray], np.ndarray],
    hardware: Hardware,
) -> Known:
    """All that is known of the train images, for looking at others."""
    import torch

    every, top = np.arange(len(train)), np.iinfo(images.dtype).max

    def described(of: np.ndarray, rows: np.ndarray, part: int = 0) -> torch.Tensor:
        return detector.descriptors(network, of, rows, part, hardware)

    of_parts = {name: [described(decoded, every, part)] for part, name in enumerate(detector.PARTS)}
    of_parts["whole"].append(described(images, train))
    # What the autoencoder makes of a negative is not the negative of what it makes.
    negatives = (top - through(top - images[train[block]]) for block in blocks(every))
    of_parts["whole"].append(
        torch.cat([described(block, np.arange(len(block))) for block in negatives])
    )
    return Known(images, train, decoded, patients, network, of_parts, through)


def look(queries: np.ndarray, among: Known, hardware: Hardware) -> dict[str, Look]:
    """Every way of looking at N×C×H×W uint8 or uint16 `queries`, by its name: one of GROUPS, or
    that and how it was compared with which form of the train images."""
    found = {}
    forms = {
        "train image": (among.images, among.train),
        "its reconstruction": (among.decoded, np.arange(len(among.train))),
    }
    for form, references in forms.items():
        parts = (queries[rows] for rows in blocks(np.arange(len(queries))))
        matches = copies.most_alike(parts, len(queries), *references, hardware)
        for way, match in matches.items():
            found[f"{PIXELS}: {form}, {way}"] = Look(_score(match.missing), match.place)
    named = detector.most_alike(among.network, queries, among.descriptors, among.patients, hardware)
    candidates = [
        named["whole"].places[:, :WHOLE],
        named["part"].places[:, :IN_PART],
        found[f"{PIXELS}: its reconstruction, {copies.AS_IT_IS}"].place[:, None],
    ]
    found |= _aligned(queries, among, np.concatenate(candidates, axis=1), hardware)
    for way, name in ((DETECTOR, "whole"), (HALVES, "part")):
        found[way] = Look(named[name].score, named[name].places[:, 0])
    return found


def _aligned(
    queries: np.ndarray, among: Known, candidates: np.ndarray, hardware: Hardware
) -> dict[str, Look]:
    """By aligning each of the N queries with its K candidates (N×K places): its best score."""
    every = np.arange(len(queries))
    numbered = np.stack([np.repeat(every, candidates.shape[1]), candidates.ravel()], 1)
    pairs, back = np.unique(numbered, axis=0, return_inverse=True)
    back = back.reshape(candidates.shape)
    result = aligned(queries, among.decoded, pairs, hardware)
    found = {}
    for way, alike in ((ALIGNED, result.whole), (BENT, result.elastic), (PART, result.part)):
        score = _score(1 - alike.astype(np.float64))[back]
        best = score.argmax(1)
        found[way] = Look(score[every, best], candidates[every, best])
    best = back[every, result.whole[back].argmax(1)]
    missing = reenacted(
        queries, among.images, among.train, pairs[best], result.how[best], among.through, hardware
    )
    return found | {REPEATED: Look(_score(missing), pairs[best, 1])}


def _score(missing: np.ndarray) -> np.ndarray:
    """What is missing to a perfect likeness varies by factors, not by amounts."""
    return -np.log(np.maximum(missing, np.exp(-EXACT)))


def group(way: str) -> str:
    """The one of GROUPS that a way belongs to."""
    return way.split(":")[0]


def learnt(way: str) -> bool:
    """Whether its score is the detector's and not a correlation."""
    return way in (DETECTOR, HALVES)


def by_group(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Which images were found (N bools a way) by each of GROUPS, and by "any"."""
    count = len(next(iter(found.values())))
    made = {name: np.zeros(count, dtype=bool) for name in (*GROUPS, "any")}
    for way, which in found.items():
        made[group(way)] |= which
        made["any"] |= which
    return made


def first(found: Mapping[str, np.ndarray], looks: Mapping[str, Look], i: int) -> str:
    """The way that is named for image `i`, which several may have found: the plainest, and of one
    group the one with the highest score."""
    hits = [way for way, which in found.items() if which[i]]
    return min(hits, key=lambda way: (GROUPS.index(group(way)), -looks[way].score[i]))
