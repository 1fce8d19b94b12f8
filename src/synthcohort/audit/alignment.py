"""Whether one image is another one in disguise: moved, turned, mirrored, bent, inverted, in part.

A pair is laid over each other before it is compared. A coarse search tries all maps of a grid on
small images, for the whole and for parts of it at once; the best are refined at full resolution.
What is compared is not grey values but texture (`registration.texture`), which brightness,
contrast, gamma and shading leave as it is: images of one kind all have the same outlines, and what
tells one from the other is fine.

How alike strangers become when they are laid over each other differs from cohort to cohort. So no
limit is set here: whoever calls compares with pairs of strangers, treated the same way. A blurred
or noisy copy is less alike than two sharp strangers, yet more alike than that same image and any
other: `margins` is what tells them apart.
"""

from dataclasses import dataclass

import numpy as np
import torch

from synthcohort.audit import coarse
from synthcohort.audit.registration import bent, blurred, refined, texture, warped
from synthcohort.hardware import Hardware
from synthcohort.progress import progress

# Larger images are compared at this length of their longer side.
LARGEST = 64
PAIRS = 64  # at once
ROUNDING = 1e-4  # what a perfect score may lack
OVERLAP = 0.6  # of a part: less is not compared
# Forty-eighths of the longer side by which a reference is blurred to be as blurred as the query,
# which has been through an autoencoder or more; what is most alike counts. No more than so many
# pixels: larger images are not blurred more. Maps are refined with the one in the middle.
BLURS, REFINED = (0, 1, 2), 1
# The squared texture, summed over the pixels, of an image that has none but rounding; others have
# hundreds.
NONE = 0.01


@dataclass(frozen=True)
class Aligned:
    """P pairs of images, laid over each other. Scores are correlations: higher is more alike."""

    whole: np.ndarray
    """P float32: of the whole images, at the best map."""
    elastic: np.ndarray
    """P float32: the same, with the query bent by a few pixels to lie on the reference."""
    parts: np.ndarray
    """P×9 float32: of each part (`coarse.PARTS` without the whole), at the best map tried. A part
    smaller than a half has to be more alike to reach the same score."""
    how: np.ndarray
    """P rows that say what has been done to the reference, by the best map of the whole: "size"
    (1.05: larger by 5 %), "angle" (degrees, counter-clockwise), then "mirrored" and "inverted"
    (bool); "down" and "across" (pixels): where its middle is in the query. And "part": the name of
    the part that is most alike."""

    @property
    def part(self) -> np.ndarray:
        """P float32: of the part that is most alike."""
        return self.parts.max(1)


def aligned(
    queries: np.ndarray, references: np.ndarray, pairs: np.ndarray, hardware: Hardware
) -> Aligned:
    """Compare pairs of images up to geometry, grey values, elasticity, and in part.

    The maps tried are sizes of ±12 %, turns by ±8°, shifts of ±10 % of the side, mirrored left to
    right too, and what a gradient finds from there: shear and unequal sizes as well. A pair of
    48×48 takes some 4 ms of one core.

    Args:
        queries: N×C×H×W uint8 or uint16, memory-mapped or not.
        references: M×C×H×W, of the same size; best decoded once where the queries are.
        pairs: P×2 int64, rows in `queries` and `references`.
    """
    order = np.argsort(pairs[:, 0], kind="stable")  # so that a query is prepared once a block
    device, found = hardware.exact().open(), [_NOTHING]
    with progress("Alignment", len(pairs), unit="pair") as bar:
        for start in range(0, len(pairs), PAIRS):
            block = pairs[order[start : start + PAIRS]]
            found.append(_compare(queries, references, block, device))
            bar.update(len(block))
    back = np.argsort(order)
    return Aligned(*(np.concatenate(column)[back] for column in zip(*found, strict=True)))


def margins(scores: np.ndarray, pairs: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """How far P scores stand above the highest that their query has with another patient: s − r of
    the rival, by √(1 − s), so that near 1 a small step counts.

    Give every query as many references of at least four patients, of a stranger as of what is
    judged. Where a query has been compared with one patient only there is nothing to be told:
    0, which is what any limit lies above.

    Args:
        scores: P correlations.
        pairs: P×2 int64, rows of queries and references.
        patients: of the M references.
    """
    if not len(pairs):
        return np.empty(0, np.float32)
    query, person = (np.unique(a, return_inverse=True)[1] for a in (pairs[:, 0], patients))
    key = query * (person.max() + 1) + person[pairs[:, 1]]
    groups, group = np.unique(key, return_inverse=True)  # a query and a patient each
    highest = np.full(len(groups), -np.inf)
    np.maximum.at(highest, group, scores)
    of = groups // (person.max() + 1)
    # By query, its patients from the best down.
    order = np.lexsort([-highest, of])
    first = np.searchsorted(of[order], np.arange(of.max() + 1))
    second = np.minimum(first + 1, len(order) - 1)
    best = order[first][query]
    rival = np.where(group == best, order[second][query], best)
    met = of[rival] == query
    scores = np.asarray(scores, np.float64)
    stands = (scores - highest[rival]) / np.sqrt(np.maximum(1 - scores, ROUNDING))
    return np.where(met & (rival != group), stands, 0).astype(np.float32)


_HOW = [
    ("mirrored", bool),
    ("inverted", bool),
    ("size", np.float32),
    ("angle", np.float32),
    ("down", np.float32),
    ("across", np.float32),
    ("part", "U20"),
]
_NOTHING = (
    *[np.empty(0, np.float32)] * 2,
    np.empty((0, len(coarse.PARTS) - 1), np.float32),
    np.empty(0, _HOW),
)


def _compare(
    queries: np.ndarray, references: np.ndarray, pairs: np.ndarray, device: torch.device
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The four columns of `Aligned` for B pairs."""
    sides = []
    for images, rows, blurs in ((queries, pairs[:, 0], (0,)), (references, pairs[:, 1], BLURS)):
        unique, place = np.unique(rows, return_inverse=True)
        sides.append((*_textures(images[unique], blurs, device), torch.from_numpy(place)))
    ((query,), small_query, a), (targets, small_reference, b) = sides
    a, b = a.to(device), b.to(device)
    maps, signs, parts = coarse.candidates(small_query, small_reference, a, b, queries.shape[2:])
    tried = maps.shape[1]
    query, reference = query[a], targets[REFINED][b]
    down, across = (coarse.blocks(length, device) for length in query.shape[1:])
    member = coarse.members(device)
    # The maps of the whole, and that of a part: the parts differ, so that they are on their own.
    maps = torch.cat(
        [
            refined(query, reference, maps[:, :-1], signs[:, :-1], torch.ones_like(reference)),
            refined(
                query,
                reference,
                maps[:, -1:],
                signs[:, -1:],
                down.T @ member[parts[:, -1]].view(-1, coarse.BLOCKS, coarse.BLOCKS) @ across,
            ),
        ],
        1,
    ).flatten(0, 1)
    query, repeated, signs = (
        query.repeat_interleave(tried, 0),
        b.repeat_interleave(tried),
        signs.flatten(),
    )
    seen, inside = warped(query, maps)
    seen = seen * inside * signs[:, None, None]

    def of_parts(image: torch.Tensor) -> torch.Tensor:
        return (down @ image @ across.T).flatten(1) @ member.T

    covered = of_parts(inside) / of_parts(torch.ones_like(inside[:1]))
    power, scores = of_parts(seen.square()) + NONE, []
    for target in targets:
        target = target[repeated]
        own = of_parts(inside * target.square())
        score = of_parts(seen * target) / (power * (own + NONE)).sqrt()
        # A part with hardly any texture is alike by chance.
        faint = own < coarse.FAINT * member.mean(1) * own[:, :1]
        scores.append(score.masked_fill(faint | (covered < OVERLAP), -1))
    score, blur = torch.stack(scores).max(0)
    score = score.view(-1, tried, len(coarse.PARTS))
    whole, at = score[:, :, 0].max(1)
    in_parts = coarse.weighed(score, member)[:, :, 1:].amax(1)
    every = torch.arange(len(at), device=device) * tried + at
    target = targets[blur[every, 0], b]
    bowed = bent(seen[every], inside[every], target).flatten(1)
    target = target.flatten(1)
    elastic = (bowed * target).sum(1) / (bowed.norm(dim=1) * target.norm(dim=1)).clamp_min(NONE)
    found = (values.cpu().numpy() for values in (whole, elastic, in_parts))
    names = np.array(list(coarse.PARTS))[1 + in_parts.argmax(1).cpu().numpy()]
    return *found, _how(maps[every], signs[every], queries.shape[2:], names)


def _textures(
    images: np.ndarray, blurs: tuple[float, ...], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of N×C×H×W images the textures that are compared, after each blur (K×N×h×w), and those of the
    coarse search (N×24×24)."""
    grey = images.mean(1, dtype=np.float32) / np.iinfo(images.dtype).max
    shrink = min(1, LARGEST / max(grey.shape[1:]))
    grey = torch.from_numpy(grey).to(device)
    small = texture(resized(grey, coarse.SMALL, coarse.SMALL), coarse.SMALL_BAND)
    grey = resized(grey, *(round(shrink * length) for length in grey.shape[1:]))
    pixel = min(1, max(grey.shape[1:]) / 48)
    views = [grey if blur == 0 else blurred(grey, blur * pixel) for blur in blurs]
    return torch.stack([texture(view) for view in views]), small


def resized(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """N×H×W to another size, by the mean of what each new pixel covers."""
    sides = []
    for length, new in zip(images.shape[1:], (height, width), strict=True):
        edges, pixel = np.linspace(0, length, new + 1), np.arange(length)
        covers = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
        covers = np.maximum(covers, 0) * (new / length)
        sides.append(torch.from_numpy(covers.astype(np.float32)).to(images.device))
    return sides[0] @ images @ sides[1].T


def _how(
    maps: torch.Tensor, signs: torch.Tensor, size: tuple[int, int], parts: np.ndarray
) -> np.ndarray:
    """The column `how` of N maps: what has been done to the reference to get the query."""
    height, width = size
    maps = maps.double().cpu().numpy()
    half = np.array([width, height]) / 2
    linear = maps[:, :, :2] * half[:, None] / half  # in pixels
    told = np.empty(len(maps), _HOW)
    told["mirrored"] = np.linalg.det(linear) < 0
    linear[told["mirrored"], 0] *= -1
    told["inverted"] = signs.cpu().numpy() < 0
    told["size"] = np.sqrt(np.abs(np.linalg.det(linear)))
    turned = np.arctan2(linear[:, 1, 0] - linear[:, 0, 1], linear[:, 0, 0] + linear[:, 1, 1])
    # Rows grow downwards, so that this way round is clockwise to the eye.
    told["angle"] = -np.rad2deg(turned)
    told["across"], told["down"] = (maps[:, :, 2] * half).T
    told["part"] = parts
    return told
