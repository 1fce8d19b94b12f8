"""Whether one image is another one in disguise: moved, turned, mirrored, bent, inverted, in part.

A pair is laid over each other before it is compared. A coarse search tries all maps of a grid on
small images, for the whole and for parts of it at once; the best are refined at full resolution.
What is compared is not grey values but texture (`registration.texture`), which brightness,
contrast, gamma and shading leave as it is: images of one kind all have the same outlines, and what
tells one from the other is fine.

How alike strangers become when they are laid over each other differs from cohort to cohort. So no
limit is set here: whoever calls compares with pairs of strangers, treated the same way.
"""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.hardware import Hardware
from synthcohort.progress import progress

if TYPE_CHECKING:
    import torch

# The grid of the coarse search: factors of size and degrees; shifts by small pixels.
SIZES = (0.88, 0.94, 1.0, 1.06, 1.12)
ANGLES = (-8, -4, 0, 4, 8)
SMALL, SHIFTS = 24, 2
# Larger images are compared at this length of their longer side.
LARGEST = 64
PAIRS = 64  # at once
# The parts are made of four by four blocks of the image. The first is the whole.
BLOCKS = 4
PARTS = {
    "whole": (0, 4, 0, 4),
    "left half": (0, 4, 0, 2),
    "right half": (0, 4, 2, 4),
    "upper half": (0, 2, 0, 4),
    "lower half": (2, 4, 0, 4),
    "upper left quarter": (0, 2, 0, 2),
    "upper right quarter": (0, 2, 2, 4),
    "lower left quarter": (2, 4, 0, 2),
    "lower right quarter": (2, 4, 2, 4),
    "centre": (1, 3, 1, 3),
}
# Parts with less than this share of the texture they should have are not compared, nor those of
# which less than that share lies within both images.
FAINT, OVERLAP = 0.05, 0.6
TINY = 1e-6


@dataclass(frozen=True)
class Aligned:
    """P pairs of images, laid over each other. Scores are correlations: higher is more alike."""

    whole: np.ndarray
    """P float32: of the whole images, at the best map."""
    elastic: np.ndarray
    """P float32: of patches, each of which may lie a few pixels beside the best map."""
    part: np.ndarray
    """P float32: of the part that is most alike, at its own best map. A part smaller than a half
    has to be more alike to reach the same score."""
    how: np.ndarray
    """P rows with the fields "mirrored", "inverted" (bool), "size" (1.05: the query shows the
    reference 5 % larger), "angle" (degrees, counter-clockwise), "down" and "across" (pixels that
    the reference's middle has moved by): the best map of the whole; and "part": the name of the
    part that is most alike."""


def aligned(
    queries: np.ndarray, references: np.ndarray, pairs: np.ndarray, hardware: Hardware
) -> Aligned:
    """Compare pairs of images up to geometry, grey values, elasticity, and in part.

    The maps tried are sizes of ±12 %, turns by ±8°, shifts of ±10 % of the side, mirrored left to
    right too, and what a gradient finds from there: shear and unequal sizes as well.

    Args:
        queries: N×C×H×W uint8 or uint16, memory-mapped or not.
        references: M×C×H×W, of the same size.
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


_HOW = [
    ("mirrored", bool),
    ("inverted", bool),
    ("size", np.float32),
    ("angle", np.float32),
    ("down", np.float32),
    ("across", np.float32),
    ("part", "U20"),
]
_NOTHING = (*[np.empty(0, np.float32)] * 3, np.empty(0, _HOW))


def _compare(
    queries: np.ndarray, references: np.ndarray, pairs: np.ndarray, device: "torch.device"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The four columns of `Aligned` for B pairs."""
    import torch

    from synthcohort.audit.registration import patchwise, refined, warped

    sides = []
    for images, rows in zip((queries, references), pairs.T, strict=True):
        unique, place = np.unique(rows, return_inverse=True)
        sides.append((*_textures(images[unique], device), torch.from_numpy(place).to(device)))
    (query, small_query, a), (reference, small_reference, b) = sides
    maps, signs, parts = _coarse(small_query, small_reference, a, b, queries.shape[2:])
    tried = maps.shape[1]
    query, target = query[a].repeat_interleave(tried, 0), reference[b].repeat_interleave(tried, 0)
    down, across = (_blocks(length, device) for length in target.shape[1:])
    member = _members(device)
    where = down.T @ member[parts.flatten()].view(-1, BLOCKS, BLOCKS) @ across
    maps, signs = maps.flatten(0, 1), signs.flatten()
    maps = refined(query, target, maps, signs, where)
    seen, inside = warped(query, maps)
    seen = seen * inside * signs[:, None, None]

    def of_parts(image: torch.Tensor) -> torch.Tensor:
        return (down @ image @ across.T).flatten(1) @ member.T

    own, covered = target.square(), of_parts(inside) / of_parts(torch.ones_like(inside))
    power = (of_parts(seen.square()) + TINY) * (of_parts(inside * own) + TINY)
    score = of_parts(seen * target) / power.sqrt()
    # A part with hardly any texture is alike by chance.
    faint = of_parts(own) < FAINT * member.sum(1) / BLOCKS**2 * of_parts(own)[:, :1]
    score = score.masked_fill(faint | (covered < OVERLAP), -1).view(-1, tried, len(PARTS))
    whole, at = score[:, :, 0].max(1)
    part, name = _weighed(score, member)[:, :, 1:].amax(1).max(1)
    every = torch.arange(len(at), device=device) * tried + at
    elastic = patchwise(seen[every], inside[every], target[every])
    scores = (values.cpu().numpy() for values in (whole, elastic, part))
    names = np.array(list(PARTS))[1 + name.cpu().numpy()]
    return *scores, _how(maps[every], signs[every], queries.shape[2:], names)


def _textures(images: np.ndarray, device: "torch.device") -> tuple["torch.Tensor", "torch.Tensor"]:
    """Of N×C×H×W images the textures that are compared, and those of the coarse search."""
    import torch

    from synthcohort.audit.registration import texture

    grey = images.mean(1, dtype=np.float32) / np.iinfo(images.dtype).max
    shrink = min(1, LARGEST / max(grey.shape[1:]))
    sizes = [round(shrink * length) for length in grey.shape[1:]], (SMALL, SMALL)
    return tuple(
        texture(_resized(torch.from_numpy(grey).to(device), *size).contiguous()) for size in sizes
    )


def _resized(images: "torch.Tensor", height: int, width: int) -> "torch.Tensor":
    """N×H×W to another size, by the mean of what each new pixel covers."""
    import torch

    sides = []
    for length, new in zip(images.shape[1:], (height, width), strict=True):
        edges, pixel = np.linspace(0, length, new + 1), np.arange(length)
        covers = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
        covers = np.maximum(covers, 0) * (new / length)
        sides.append(torch.from_numpy(covers.astype(np.float32)).to(images.device))
    return sides[0] @ images @ sides[1].T


def _blocks(length: int, device: "torch.device") -> "torch.Tensor":
    """4×length: 1 where a pixel belongs to a block."""
    import torch

    return (torch.arange(length) * BLOCKS // length == torch.arange(BLOCKS)[:, None]).to(
        device, torch.float32
    )


def _members(device: "torch.device") -> "torch.Tensor":
    """10×16: 1 where a block belongs to a part."""
    import torch

    member = torch.zeros(len(PARTS), BLOCKS, BLOCKS, device=device)
    for part, (top, bottom, left, right) in zip(member, PARTS.values(), strict=True):
        part[top:bottom, left:right] = 1
    return member.flatten(1)


def _weighed(score: "torch.Tensor", member: "torch.Tensor") -> "torch.Tensor":
    """Correlations (…×10) as those of halves that would be as unlikely by chance: Fisher's z by the
    square root of the size."""
    z = score.clamp(-0.9999, 0.9999).atanh()
    return (z * (2 * member.mean(1)).sqrt()).tanh()


def _coarse(
    queries: "torch.Tensor",
    references: "torch.Tensor",
    a: "torch.Tensor",
    b: "torch.Tensor",
    size: tuple[int, int],
) -> tuple["torch.Tensor", "torch.Tensor", "torch.Tensor"]:
    """What is worth refining, of B pairs a, b of small textures (24×24): the best map of the whole
    as it is and mirrored, and the best of a part. B×3×2×3 maps, B×3 signs (−1: inverted) and B×3
    numbers of the part."""
    import torch
    from torch.nn import functional

    maps = torch.tensor(_grid(size), dtype=torch.float32, device=queries.device)
    count, inner = len(maps), SMALL - 2 * SHIFTS
    grid = functional.affine_grid(maps, (count, 1, SMALL, SMALL), align_corners=False)
    grid = grid.view(1, -1, SMALL, 2).expand(len(queries), -1, -1, -1)
    seen = functional.grid_sample(queries[:, None], grid, align_corners=False)
    seen = seen.view(-1, count, SMALL, SMALL)[:, :, SHIFTS:-SHIFTS, SHIFTS:-SHIFTS]
    moved = references.unfold(1, inner, 1).unfold(2, inner, 1).flatten(1, 2)

    def in_blocks(images: torch.Tensor) -> torch.Tensor:  # N×K×20×20 → N×16×K×25
        side = inner // BLOCKS
        parted = images.reshape(*images.shape[:2], BLOCKS, side, BLOCKS, side)
        return parted.permute(0, 2, 4, 1, 3, 5).reshape(len(images), BLOCKS**2, -1, side**2)

    seen, moved, member = in_blocks(seen), in_blocks(moved), _members(queries.device)
    power, own = (member @ images.square().sum(3) for images in (seen, moved))
    faint = FAINT * own[:, :1].mean(2, keepdim=True) * member.mean(1)[:, None]
    power, own = (power[a] + faint[b]).rsqrt(), (own + faint).rsqrt()[b]
    score = member @ (seen[a] @ moved[b].transpose(2, 3)).flatten(2)
    score = score.view(len(a), len(member), count, -1) * power[..., None] * own[:, :, None]
    best = score.abs().view(len(a), len(member), 2, -1)
    straight, mirrored = best[:, 0].argmax(2).unbind(1)
    half = best.shape[3]
    value, place = best.flatten(2)[:, 1:].max(2)
    part = 1 + _weighed(torch.cat([0 * value[:, :1], value], 1), member)[:, 1:].argmax(1)
    parts = torch.stack([0 * part, 0 * part, part], 1)
    place = place.gather(1, part[:, None] - 1)[:, 0]
    places = torch.stack([straight, mirrored + half, place], 1)
    score = score.flatten(2).gather(1, parts[:, :, None].expand(-1, -1, 2 * half))
    signs = score.gather(2, places[:, :, None])[:, :, 0].sign()
    signs = torch.where(signs == 0, 1, signs)
    shifts = torch.tensor(list(product(range(-SHIFTS, SHIFTS + 1), repeat=2)), device=maps.device)
    chosen, shift = maps[places // len(shifts)].clone(), shifts[places % len(shifts)].flip(-1)
    # A place of the reference less the shift is the place in its window, which the map is for.
    chosen[..., 2] -= (chosen[..., :2] @ (shift * (2 / SMALL))[..., None])[..., 0]
    return chosen, signs, parts


def _grid(size: tuple[int, int]) -> list[list[list[float]]]:
    """The maps of the coarse search for images of H×W: first all unmirrored ones, then the rest."""
    ratio, found = size[0] / size[1], []
    for mirror, scale, angle in product((1, -1), SIZES, np.deg2rad(ANGLES)):
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        found.append([[mirror * c, -mirror * s * ratio, 0], [s / ratio, c, 0]])
    return found


def _how(
    maps: "torch.Tensor", signs: "torch.Tensor", size: tuple[int, int], parts: np.ndarray
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
