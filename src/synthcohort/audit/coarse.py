"""The coarse search for how one image lies over another, as a whole and in part."""

from itertools import product

import numpy as np
import torch
from torch.nn import functional

# The grid of maps: factors of size and degrees; shifts by small pixels.
SIZES = (0.88, 0.94, 1.0, 1.06, 1.12)
ANGLES = (-8, -4, 0, 4, 8)
SMALL, SHIFTS, SMALL_BAND = 24, 2, (0.5, 2)
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
# Of the texture that a part should have by its size: what is as good as none.
FAINT = 0.05


def candidates(
    queries: torch.Tensor,
    references: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    size: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What is worth refining, of B pairs a, b of small textures (24×24): the best map of the whole
    as it is and mirrored, and the best of a part. B×3×2×3 maps, B×3 signs (−1: inverted) and B×3
    numbers of the part."""
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

    seen, moved, member = in_blocks(seen), in_blocks(moved), members(queries.device)
    power, own = (member @ images.square().sum(3) for images in (seen, moved))
    faint = FAINT * own[:, :1].mean(2, keepdim=True) * member.mean(1)[:, None]
    power, own = (power[a] + faint[b]).rsqrt(), (own + faint).rsqrt()[b]
    score = member @ (seen[a] @ moved[b].transpose(2, 3)).flatten(2)
    score = score.view(len(a), len(member), count, -1) * power[..., None] * own[:, :, None]
    best = score.abs().view(len(a), len(member), 2, -1)
    straight, mirrored = best[:, 0].argmax(2).unbind(1)
    half = best.shape[3]
    value, place = best.flatten(2)[:, 1:].max(2)
    part = 1 + weighed(torch.cat([0 * value[:, :1], value], 1), member)[:, 1:].argmax(1)
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


def blocks(length: int, device: torch.device) -> torch.Tensor:
    """4×length: 1 where a pixel belongs to a block."""
    return (torch.arange(length) * BLOCKS // length == torch.arange(BLOCKS)[:, None]).to(
        device, torch.float32
    )


def members(device: torch.device) -> torch.Tensor:
    """10×16: 1 where a block belongs to a part."""
    member = torch.zeros(len(PARTS), BLOCKS, BLOCKS, device=device)
    for part, (top, bottom, left, right) in zip(member, PARTS.values(), strict=True):
        part[top:bottom, left:right] = 1
    return member.flatten(1)


def overlapping() -> np.ndarray:
    """9×9 bools: which of the parts, the whole left out, have pixels in common."""
    member = members(torch.device("cpu")).numpy()[1:]
    return member @ member.T > 0


def weighed(score: torch.Tensor, member: torch.Tensor) -> torch.Tensor:
    """Correlations (…×10) as those of halves that would be as unlikely by chance: Fisher's z by the
    square root of the size."""
    z = score.clamp(-0.9999, 0.9999).atanh()
    return (z * (2 * member.mean(1)).sqrt()).tanh()
