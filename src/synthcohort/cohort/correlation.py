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


def thumbnails(images: np.ndarray, reach: int) -> np.ndarray:
    """S×N×(16·16) float32 of mean 0 and norm 1: N images without the margin that `shifts_of` asks
    for, at the S shifts of up to `reach` pixels each way, in the order of `shifts_of`."""
    height, width = images.shape[2:]
    margin = max(map(max, shifts_of((height, width))))
    down, across = _boxes(height, margin, reach), _boxes(width, margin, reach)
    small = (down @ _grey(images)).reshape(-1, width) @ across.T
    steps = 2 * reach + 1
    small = small.reshape(len(images), steps, len(down) // steps, steps, len(across) // steps)
    small = small.transpose(1, 3, 0, 2, 4).reshape(steps * steps, len(images), -1)
    small -= small.mean(axis=2, keepdims=True)
    # A constant image comes out as zeros up to rounding, and must not become noise of norm 1.
    norm = np.linalg.norm(small, axis=2, keepdims=True)
    return small / np.where(norm < 1e-3, np.inf, norm)


def _boxes(length: int, margin: int, reach: int) -> np.ndarray:
    """Below each other, for every shift from -`reach` to `reach`: the matrix that averages what of
    `length` pixels lies within the margin to 16 equal stretches."""
    box = _box(length - 2 * margin)
    starts = range(margin - reach, margin + reach + 1)
    return np.concatenate([np.pad(box, ((0, 0), (i, 2 * margin - i))) for i in starts])


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
    # Plain views: a memory map would be made anew for every part.
    first, second = np.asarray(first), np.asarray(second)
    step = max(1, _BATCH // int(np.prod(first.shape[2:])))
    found = [np.empty(0)]
    for start in range(0, len(pairs), step):
        a, b = pairs[start : start + step].T
        still = _overlap(_grey(first[a]), -y, -x)
        moved = _overlap(_grey(second[b]), y, x)
        found.append(_pearson(still, moved))
    return np.concatenate(found)


def _grey(images: np.ndarray) -> np.ndarray:
    """N×H×W float32."""
    if images.shape[1] == 1:
        return images[:, 0].astype(np.float32)
    return images.mean(axis=1, dtype=np.float32)


def _overlap(grey: np.ndarray, y: int, x: int) -> np.ndarray:
    """What of the images overlaps with others when their origin is moved to (y, x)."""
    height, width = grey.shape[1:]
    return grey[:, max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]


def _pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = (_centred(grey) for grey in (first, second))
    scale = np.sqrt(_dot(first, first)) * np.sqrt(_dot(second, second))
    return _dot(first, second) / np.where(scale == 0, np.inf, scale)


def _centred(grey: np.ndarray) -> np.ndarray:
    """N×H×W as N×(H·W) of mean 0."""
    flat = grey.reshape(len(grey), -1)
    return flat - flat.mean(axis=1, keepdims=True)


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first[:, None] @ second[:, :, None]).ravel()
