"""Laying one image over another: the texture that is compared, affine steps, and bending.

All tensors are float32 on one device. An affine map A (2×3) takes a place in the reference, in
coordinates from −1 to 1 across and down, to the place in the query where the same is seen, as
`torch.nn.functional.affine_grid` has it.
"""

from functools import cache
from itertools import product

import numpy as np
import torch
from torch.nn import functional

# In pixels: finer than the first is the autoencoder's loss, coarser than the second is brightness,
# shading and what all images of a kind share.
BAND = (0.7, 2.5)
# The reach of the local contrast.
LOCAL = 3.0
# What counts as no texture at all, in the image's own root-mean-square texture.
FAINT = 0.3
# And in grey, of which white is 1: less is rounding.
NOTHING = 1e-3
STEPS = 6
DAMPING = 0.02
# Of a step, an element of A; a sixth of the image's half is as far as its gradients see.
LARGEST_STEP = 0.15
# Less overlap, in the part that is compared, is no alignment; nor is a change of area beyond this.
OVERLAP, AREA = 0.6, 1.7
# Bending: patches along a side, how much the mean of the neighbours counts beside the patch itself,
# and how smooth the field is, in pixels.
PATCHES, NEIGHBOURS, SMOOTH = 6, 4, 2
TINY = 1e-6


@cache
def _gauss(length: int, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(np.eye(length, dtype=np.float32), sigma, axis=0, mode="reflect")


def blurred(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """N×H×W, each image through a Gaussian of `sigma` pixels, reflected at the edges."""
    down, across = (
        torch.from_numpy(_gauss(length, sigma)).to(images.device) for length in images.shape[1:]
    )
    return down @ images @ across.T


def texture(images: torch.Tensor, band: tuple[float, float] = BAND) -> torch.Tensor:
    """N×H×W grey images between two Gaussians of `band` pixels, divided by the local contrast.

    A change of brightness, contrast, gamma or shading leaves it nearly as it is, inversion turns
    its sign; blur takes little of it (local contrast normalisation: Jarrett et al. 2009).
    """
    fine, coarse = band
    middle = blurred(images, fine) - blurred(images, coarse)
    power = middle.square()
    faint = FAINT**2 * power.mean((1, 2), keepdim=True) + NOTHING**2
    return middle / (blurred(power, LOCAL) + faint).sqrt()


def warped(images: torch.Tensor, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """N×H×W images seen through N maps, and N×H×W: 1 where that lies within the image, else 0."""
    height, width = images.shape[1:]
    y, x = _places(height, width, images.device)
    base = torch.stack([x.expand(height, -1), y.expand(-1, width), torch.ones_like(x + y)])
    # What torch's affine_grid gives, as one product of matrices: several times faster.
    grid = (maps.reshape(-1, 3) @ base.flatten(1)).view(-1, 2, height, width)
    seen = functional.grid_sample(
        images[:, None], grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )[:, 0]
    return seen, (grid.abs().amax(1) <= 1).float()


def refined(
    queries: torch.Tensor,
    references: torch.Tensor,
    maps: torch.Tensor,
    signs: torch.Tensor,
    where: torch.Tensor,
) -> torch.Tensor:
    """The best of the maps on the way uphill from N×K×2×3 `maps`, K for each pair, N×K×2×3.

    Textures of N×H×W are compared in the pixels of the reference that `where` (N×H×W) has as 1,
    those of the queries times `signs` (N×K, −1 for inverted). The steps are those of Gauss and
    Newton on the reference's gradients, composed inversely (Baker and Matthews 2004), for the
    correlation instead of the difference (Evangelidis and Psarakis 2008).
    """
    slopes, factor, target = _slopes(references, where)
    (count, tried), (height, width) = signs.shape, queries.shape[1:]
    every = queries.repeat_interleave(tried, 0)
    best = torch.full_like(signs, -2)
    chosen, bottom = maps.clone(), maps.new_tensor([0, 0, 1]).expand(count, tried, 1, 3)
    size, area = where.sum((1, 2))[:, None], _area(maps)
    # Below each other: what is seen of the query, and what of the reference lies over it.
    both = queries.new_empty(count, tried, 2, height * width)
    for step in range(STEPS + 1):
        seen, inside = (part.view(count, tried, -1) for part in warped(every, maps.flatten(0, 1)))
        inside = inside * where.flatten(1)[:, None]
        torch.mul(seen, inside, out=both[:, :, 0])
        torch.mul(target[:, None], inside, out=both[:, :, 1])
        # All that a step needs of the pixels: the products of both, and of each with the slopes.
        products = both @ both.transpose(2, 3)
        norms = products.diagonal(dim1=2, dim2=3).sqrt().clamp_min(TINY)
        correlation = signs * products[:, :, 0, 1] / norms.prod(2)
        change = _area(maps) / area
        usable = (inside.sum(2) >= OVERLAP * size) & (change < AREA) & (change > 1 / AREA)
        better = usable & (correlation > best)
        best = torch.where(better, correlation, best)
        chosen = torch.where(better[..., None, None], maps, chosen)
        if step == STEPS:
            break
        along = (both.flatten(1, 2) @ slopes.transpose(1, 2)).view(count, tried, 2, -1)
        of_seen = (signs / (norms[..., 0] * correlation.clamp_min(0.5)))[..., None]
        error = of_seen * along[:, :, 0] - along[:, :, 1] / norms[..., 1:]
        move = torch.cholesky_solve(error.transpose(1, 2), factor).transpose(1, 2)
        move = move.clamp(-LARGEST_STEP, LARGEST_STEP).view(count, tried, 2, 3)
        inverse = torch.linalg.inv(
            torch.cat([move, 0 * bottom], 2) + torch.eye(3, device=maps.device)
        )
        maps = (torch.cat([maps, bottom], 2) @ inverse)[:, :, :2]
    return chosen


def _area(maps: torch.Tensor) -> torch.Tensor:
    a, b, c, d = maps[..., :2].flatten(-2).unbind(-1)
    return (a * d - b * c).abs().clamp_min(TINY)


def _slopes(
    references: torch.Tensor, where: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """How N references (of norm 1 in `where`) change with the six elements of the map, N×6×H·W,
    less what is a change of their contrast; the factor of its squared matrix; and they, N×H·W."""
    height, width = references.shape[1:]
    y, x = _places(height, width, references.device)
    down, across = torch.zeros_like(references), torch.zeros_like(references)
    down[:, 1:-1] = (references[:, 2:] - references[:, :-2]) * (height / 4)
    across[..., 1:-1] = (references[..., 2:] - references[..., :-2]) * (width / 4)
    target = (references * where).flatten(1)
    norm = target.norm(dim=1, keepdim=True).clamp_min(TINY)
    target = target / norm
    slopes = torch.stack([across * x, across * y, across, down * x, down * y, down], 1)
    slopes = (slopes * where[:, None]).flatten(2) / norm[:, None]
    slopes = slopes - (slopes @ target[:, :, None]) * target[:, None]
    square = slopes @ slopes.transpose(1, 2)
    diagonal = square.diagonal(dim1=1, dim2=2)
    return (
        slopes,
        torch.linalg.cholesky(square + torch.diag_embed(DAMPING * diagonal + TINY)),
        target,
    )


def _places(height: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """H×1 and 1×W: where the pixels' centres lie, from −1 to 1."""
    y, x = ((2 * torch.arange(n, device=device) + 1) / n - 1 for n in (height, width))
    return y[:, None], x[None]


def bent(seen: torch.Tensor, inside: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """N×H×W textures `seen` (with what is `inside` them, 0 or 1) bent to lie on `references`.

    Of 6×6 patches, a quarter of the sides long, each is sought around its place, a sixteenth of the
    side far. What its neighbours find is heard, so that patches of strangers don't fit each in its
    own way; a smooth field goes through what is found.
    """
    height, width = references.shape[1:]
    reach = min(4, max(1, round(max(height, width) / 16)))
    rows, columns = _patches(height, seen.device), _patches(width, seen.device)
    seen = seen * inside
    padded = functional.pad(seen, (reach,) * 4)
    power = padded.square()
    own = rows @ references.square() @ columns.T
    side = 2 * reach + 1
    found = []
    for y, x in product(range(side), repeat=2):
        place = (slice(None), slice(y, y + height), slice(x, x + width))
        both = own * (rows @ power[place] @ columns.T)
        together = rows @ (references * padded[place]) @ columns.T
        found.append(together / both.sqrt().clamp_min(TINY))
    alike = torch.stack(found, 1)  # N×shifts×6×6
    weight = own.sqrt()[:, None] + TINY
    heard = _mean3(alike * weight) / _mean3(weight)
    heard = heard.permute(0, 2, 3, 1).reshape(-1, 1, side, side)
    heard = _mean3(heard).reshape(len(alike), PATCHES, PATCHES, -1).permute(0, 3, 1, 2)
    at = (alike + NEIGHBOURS * heard).argmax(1)
    offsets = torch.stack([at // side, at % side], 1).to(seen.dtype) - reach
    field = functional.interpolate(offsets, size=(height, width), mode="bicubic")
    field = blurred(field.flatten(0, 1), SMOOTH).view_as(field)
    y, x = _places(height, width, seen.device)
    grid = torch.stack([x + field[:, 1] * (2 / width), y + field[:, 0] * (2 / height)], 3)
    return functional.grid_sample(seen[:, None], grid, align_corners=False)[:, 0]


def _mean3(values: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(values, 3, 1, 1, count_include_pad=False)


def _patches(length: int, device: torch.device) -> torch.Tensor:
    """6×length: 1 where a pixel belongs to a patch."""
    size = max(1, round(length / 4))
    starts = np.linspace(0, length - size, PATCHES).round().astype(int)
    pixel = np.arange(length)
    member = (pixel >= starts[:, None]) & (pixel < starts[:, None] + size)
    return torch.from_numpy(member.astype(np.float32)).to(device)
