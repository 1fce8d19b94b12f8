"""The ways in which a train image is looked for among others, and what each says of every image.

In pixels, in patches, by a detector trained for it, of the whole image and of its halves, and by
aligning an image with the train images that these name. A way gives each image a score, the higher
the more alike, and its most alike train image. From which score on an image counts as a copy is
`limits`'s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from synthcohort.audit import copies, detector, patches
from synthcohort.audit.alignment import aligned, margins
from synthcohort.audit.coarse import overlapping
from synthcohort.audit.limits import EXACT
from synthcohort.audit.reenacting import reenacted
from synthcohort.cohort import blocks
from synthcohort.hardware import Hardware

# What people read, in the order in which a way is named where several have found an image.
PIXELS, REPEATED, ALIGNED, BENT, PART, PATCHES, DETECTOR, HALVES = (
    "pixels",
    "re-enacted",
    "aligned",
    "bent",
    "in part",
    "in patches",
    "detector",
    "detector, halves",
)
# The same as of that name, by how far the score stands above those of other patients.
APART = {way: f"{way}, apart" for way in (ALIGNED, BENT, PART)}
GROUPS = (PIXELS, REPEATED, ALIGNED, BENT, PART, *APART.values(), PATCHES, DETECTOR, HALVES)
# An image is aligned with train images of so many patients, or of all: what it is like beside them
# tells a copy from an image that is like everybody's.
PATIENTS = detector.CANDIDATES


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
    """N float64, higher: more alike. Of a correlation what is missing to 1, as −log; of the
    detector, in patches and of what stands apart how far it is above that of other patients."""
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
    plain = found[f"{PIXELS}: its reconstruction, {copies.AS_IT_IS}"].place
    found[PATCHES] = Look(*patches.most_alike(queries, among.decoded, among.patients, hardware))
    candidates = _candidates(
        named["whole"].places,
        named["part"].places,
        [plain, found[PATCHES].place],
        among.patients,
    )
    found |= _aligned(queries, among, candidates, hardware)
    for way, name in ((DETECTOR, "whole"), (HALVES, "part")):
        found[way] = Look(named[name].score, named[name].places[:, 0])
    return found


def _candidates(
    whole: np.ndarray, part: np.ndarray, others: list[np.ndarray], patients: np.ndarray
) -> np.ndarray:
    """N×K places, some of them twice: the most alike train images by the detector as a `whole` and
    by a `part` (N×k, a patient each, the best first) and in `others` (N places each), and more
    until there are PATIENTS patients, or as many as there are."""
    first = np.stack([whole[:, 0], part[:, 0], *others], 1)
    ranked = np.concatenate([first, part[:, 1:2], whole[:, 1:]], 1)
    number = np.unique(patients, return_inverse=True)[1][ranked]
    # Whether there is one of the same patient before it.
    again = np.tril(number[:, :, None] == number[:, None], -1).any(2)
    order = np.argsort(again, axis=1, kind="stable")[:, : whole.shape[1]]
    return np.concatenate([first, np.take_along_axis(ranked, order, 1)], 1)


def _aligned(
    queries: np.ndarray, among: Known, candidates: np.ndarray, hardware: Hardware
) -> dict[str, Look]:
    """By aligning each of the N queries with its K candidates (N×K places): its best score, and how
    far that stands above the best of another patient."""
    every = np.arange(len(queries))
    numbered = np.stack([np.repeat(every, candidates.shape[1]), candidates.ravel()], 1)
    pairs, back = np.unique(numbered, axis=0, return_inverse=True)
    back = back.reshape(candidates.shape)
    result = aligned(queries, among.decoded, pairs, hardware)
    found = {}
    for way, alike in ((ALIGNED, result.whole), (BENT, result.elastic), (PART, result.part)):
        best = back[every, alike[back].argmax(1)]
        place = pairs[best, 1]
        found[way] = Look(_score(1 - alike[best].astype(np.float64)), place)
        # The other half may be somebody else's, just as alike.
        rivals = _where(result.parts, best, pairs) if way == PART else alike
        above = margins(rivals, pairs, among.patients)
        found[APART[way]] = Look(above[best].astype(np.float64), place)
    best = back[every, result.whole[back].argmax(1)]
    missing = reenacted(
        queries, among.images, among.train, pairs[best], result.how[best], among.through, hardware
    )
    return found | {REPEATED: Look(_score(missing), pairs[best, 1])}


def _where(parts: np.ndarray, best: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Of P pairs, with P×9 scores by part, the highest where the best pair of the same query is
    most alike: of the parts that overlap with that one."""
    there = overlapping()[parts[best].argmax(1)]
    return np.where(there[pairs[:, 0]], parts, -1).max(1)


def _score(missing: np.ndarray) -> np.ndarray:
    """What is missing to a perfect likeness varies by factors, not by amounts."""
    return -np.log(np.maximum(missing, np.exp(-EXACT)))


def group(way: str) -> str:
    """The one of GROUPS that a way belongs to."""
    return way.split(":")[0]


def correlates(way: str) -> bool:
    """Whether its score comes from one correlation: not the detector's, nor a margin."""
    return group(way) in (PIXELS, REPEATED, ALIGNED, BENT, PART)


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
