"""Which thumbnails correlate from a limit on: found without multiplying all of them in full.

Thumbnails u and v are vectors of norm 1, so they correlate by at least c where their distance is at
most √(2 − 2c). In a basis whose first directions hold most of the images' variance, the first
components and the norm of the rest are a short vector, also of norm 1. By Cauchy–Schwarz the
product of two of them is at least that of the thumbnails, so their distance is at most theirs. And
an image moved by neighbouring shifts stays in a small ball: where the distance of u to its centre
is above its radius + √(2 − 2c), u correlates with none of them.

So one product of short vectors settles most pairs for several shifts at once; for the few others
every shift is looked at by itself, and for what then is left the correlation is computed. Nothing
is missed, whatever the images are; they only decide how long it takes.
"""

from collections.abc import Callable, Iterator

import numpy as np

from synthcohort.cohort.correlation import shifts_of, thumbnails

BLOCK = 512
_ROWS = 512  # times BLOCK in float32: 1 MB, which stays in a core's cache
_SAMPLE = 2048
_JUDGED = 128
# Numbers that are multiplied for a pair; the quickest is taken.
_SIZES = (16, 24, 32, 48, 64, 128)
# In numbers multiplied: what is done besides for every product, for a shift of a pair that is
# looked at by itself, and for a correlation.
_BESIDES, _ALONE, _CORRELATION = 20, 4_000, 40_000
# What rounding may take from a product.
_SLACK = 1e-5
_AT_ONCE = 1024


class Index:
    """The thumbnails of N images (N×C×H×W, memory-mapped or not), to be searched for those that
    correlate with other images' by at least `least`. It holds 1 KB an image."""

    def __init__(self, images: np.ndarray, least: float) -> None:
        self.shifts = shifts_of(images.shape[2:])
        self.least = least
        self._reach = max(map(max, self.shifts))
        some = np.random.default_rng(0).permutation(len(images))[:_SAMPLE]
        sample = thumbnails(images[some], 0)[0]
        exactly = sample.astype(np.float64)
        # Of eigh's directions the last have the largest variance.
        self._basis = np.linalg.eigh(exactly.T @ exactly)[1][:, ::-1].astype(np.float32)
        moved = thumbnails(images[some[:_JUDGED]], self._reach)
        self._size, self._groups = self._quickest(moved, sample[_JUDGED:])
        blocks = (images[i : i + BLOCK] for i in range(0, len(images), BLOCK))
        self._still = np.concatenate([thumbnails(block, 0)[0] for block in blocks])
        parts = (self._still[i : i + BLOCK] for i in range(0, len(images), BLOCK))
        self._short = np.concatenate([_extended(self._shortened(part)) for part in parts])

    def search(
        self,
        images: np.ndarray,
        stop: int,
        wanted: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Compare `images` (n×C×H×W, at all shifts) with the first `stop` images of the index.

        Yields, part by part, pairs (K×2: row in the index, row in `images`) whose thumbnails
        correlate by at least `least`, and the numbers (K) of the shifts at which they correlate
        most; of those pairs alone for which `wanted` (rows, rows) is true.
        """
        moved = thumbnails(images, self._reach)
        short = self._shortened(moved)
        balls = [self._ball(short[group]).T.copy() for group in self._groups]
        products = np.empty((_ROWS, len(images)), np.float32)
        masks = np.empty(products.shape, bool)
        for start in range(0, stop, _ROWS):
            rows = slice(start, min(start + _ROWS, stop))
            still, near = self._still[rows], self._short[rows]
            product, mask = products[: len(near)], masks[: len(near)]
            best, at = np.full(product.shape, -2, np.float32), np.zeros(product.shape, np.uint8)
            for group, ball in zip(self._groups, balls, strict=True):
                np.matmul(near, ball, out=product)
                np.greater_equal(product, -_SLACK, out=mask)
                a, b = np.divmod(_places(mask), len(images))
                kept = wanted(start + a, b)
                a, b = a[kept], b[kept]
                for number in group:
                    some = _dots(near[:, :-1], a, short[number], b) >= self.least - _SLACK
                    row, column = a[some], b[some]
                    value = _dots(still, row, moved[number], column)
                    more = value > best[row, column]
                    row, column = row[more], column[more]
                    best[row, column], at[row, column] = value[more], number
            a, b = np.divmod(_places(best >= self.least), len(images))
            yield np.stack([start + a, b], axis=1), at[a, b]

    def _quickest(self, moved: np.ndarray, others: np.ndarray) -> tuple[int, list[list[int]]]:
        """The size of the short vectors and the shifts that share a ball with which a search takes
        least time, judged by some images and the thumbnails of some others."""
        alone = [[number] for number in range(len(self.shifts))]
        # Two pixels and one in the same direction, beside none.
        directions: dict[tuple[int, int], list[int]] = {}
        for number, shift in enumerate(self.shifts):
            directions.setdefault(tuple(np.sign(shift).tolist()), []).append(number)
        together = list(directions.values())
        best = np.inf, _SIZES[0], alone
        for size in _SIZES:
            short = self._shortened(moved, size)
            beside = _extended(self._shortened(others, size)).T

            def passed(group: list[int], short=short, beside=beside) -> float:
                ball = self._ball(short[group])
                return float(np.mean(ball @ beside >= -_SLACK)) if beside.size else 0

            correlations = _CORRELATION * sum(map(passed, alone))
            for groups in (alone, together):
                looked = sum(_ALONE * passed(group) * len(group) for group in groups)
                cost = correlations + looked + len(groups) * (size + _BESIDES)
                if cost < best[0]:
                    best = cost, size, groups
        return best[1:]

    def _shortened(self, vectors: np.ndarray, size: int = 0) -> np.ndarray:
        """The short vectors of thumbnails: one number fewer than are multiplied for a pair."""
        turned = vectors @ self._basis
        kept = min((size or self._size) - 2, turned.shape[-1])
        rest = np.linalg.norm(turned[..., kept:], axis=-1, keepdims=True)
        return np.concatenate([turned[..., :kept], rest], axis=-1)

    def _ball(self, short: np.ndarray) -> np.ndarray:
        """Of S×n short vectors, n×size: their product with an extended one is below 0 where that
        is too far from all S."""
        centre = short.mean(axis=0)
        radius = np.linalg.norm(short - centre, axis=-1).max(axis=0) + np.sqrt(2 - 2 * self.least)
        # ‖u − centre‖² = 1 + ‖centre‖² − 2 u·centre ≤ radius²
        least = (1 + (centre**2).sum(axis=-1) - radius**2) / 2
        return np.concatenate([centre, -least[:, None]], axis=-1).astype(np.float32)


def _extended(short: np.ndarray) -> np.ndarray:
    return np.concatenate([short, np.ones_like(short[..., :1])], axis=-1)


def _dots(first: np.ndarray, a: np.ndarray, second: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The products of rows `a` and `b` of two matrices, pair by pair; some at a time, in cache."""
    parts = [slice(i, i + _AT_ONCE) for i in range(0, len(a), _AT_ONCE)]
    found = [np.einsum("ij,ij->i", first[a[part]], second[b[part]]) for part in parts]
    return np.concatenate([np.empty(0, np.float32), *found])


def _places(mask: np.ndarray) -> np.ndarray:
    """np.flatnonzero of a mask in which few are true: eight are looked at as one."""
    flat = mask.reshape(-1)
    whole = len(flat) // 8 * 8
    eights = np.flatnonzero(flat[:whole].view(np.uint64) != 0)
    near = (8 * eights[:, None] + np.arange(8)).ravel()
    near = np.concatenate([near, np.arange(whole, len(flat))])
    return near[flat[near]]
