"""How alike two images are, up to shifts: correlation of thumbnails, then of the pixels."""

from itertools import product

import numpy as np

THUMBNAIL = 16
# Pixels compared at once at full resolution, 1 MB of float32: more would leave the cache.
_BATCH = 2**18


def shifts_of(size: tuple[int, int]) -> list[tuple[int, int]]:
    """The shifts (rows, columns) that images of H×W are compared at: up to two pixels each way.

    Less in tiny images, where two pixels are a different picture, not a shifted one.
    """
    reach = min(2, min(size) // THUMBNAIL)
    return list(product(range(-reach, reach + 1), repeat=2))


def thumbnails(images: np.ndarray, reach: int, shift: tuple[int, int]) -> np.ndarray:
    """N×(16·16) float32 of mean 0 and norm 1: the images without a margin of `reach`, shifted."""
    height, width = images.shape[2:]
    rows = slice(reach + shift[0], height - reach + shift[0])
    columns = slice(reach + shift[1], width - reach + shift[1])
    grey = images[:, :, rows, columns].mean(axis=1, dtype=np.float32)
    down, across = _box(grey.shape[1]), _box(grey.shape[2])
    small = (down @ grey @ across.T).reshape(len(grey), -1)
    small -= small.mean(axis=1, keepdims=True)
    # A constant image comes out as zeros up to rounding, and must not become noise of norm 1.
    norm = np.linalg.norm(small, axis=1, keepdims=True)
    return small / np.where(norm < 1e-3, np.inf, norm)


def _box(length: int) -> np.ndarray:
    """A matrix that averages `length` pixels to 16 equal stretches, or to as many as there are."""
    edges = np.linspace(0, length, min(THUMBNAIL, length) + 1)
    pixel = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.maximum(overlap, 0) / np.diff(edges)[:, None]).astype(np.float32)


def correlations(
    first: np.ndarray, second: np.ndarray, pairs: np.ndarray, shift: tuple[int, int]
) -> np.ndarray:
    """K Pearson correlations (float64), in grey, over the pixels in which K pairs overlap.

    `pairs` (K×2) are row numbers in `first` and `second`, two stacks of C×H×W images of one size
    (they may be memory-mapped); the images of `second` are shifted.
    """
    y, x = shift
    step = max(1, _BATCH // int(np.prod(first.shape[2:])))
    found = [np.empty(0)]
    for start in range(0, len(pairs), step):
        a, b = pairs[start : start + step].T
        still = first[a].mean(axis=1, dtype=np.float32)
        moved = second[b].mean(axis=1, dtype=np.float32)
        found.append(_pearson(_overlap(still, -y, -x), _overlap(moved, y, x)))
    return np.concatenate(found)


def _overlap(grey: np.ndarray, y: int, x: int) -> np.ndarray:
    """What of the images overlaps with others when their origin is moved to (y, x)."""
    height, width = grey.shape[1:]
    return grey[:, max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]


def _pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = (grey - grey.mean(axis=(1, 2), keepdims=True) for grey in (first, second))
    product = np.einsum("nij,nij->n", first, second)
    scale = np.linalg.norm(first, axis=(1, 2)) * np.linalg.norm(second, axis=(1, 2))
    return product / np.where(scale == 0, np.inf, scale)
