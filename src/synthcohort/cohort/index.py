"""Which thumbnails correlate from a limit on: found without multiplying all of them in full.

In a basis of which the first K directions hold most of the images' variance, the correlation of two
thumbnails u and v, vectors of norm 1, is the product of their first K components plus that of the
rest, and the latter is at most the product of the rests' norms (Cauchy–Schwarz):

    u·v ≤ u₁v₁ + … + u_K v_K + ‖rest of u‖ ‖rest of v‖

which is a product of K + 1 numbers each. Pairs for which it stays below the limit are done with; of
the few others the correlation is computed. So nothing is missed, whatever the images are; they
only decide how long it takes.
"""

from collections.abc import Callable, Iterator

import numpy as np

from synthcohort.cohort.correlation import shifts_of, thumbnails

BLOCK = 512
_ROWS = 512  # times BLOCK in float32: 1 MB, which stays in a core's cache
_SAMPLE = 2048
# Components and the norm of the rest, that is K + 1; of these the quickest is taken.
_SIZES = (16, 24, 32, 48, 64, 128)
# What one correlation of two thumbnails costs, in components of the bound.
_COST = 40_000
# What rounding may take from the bound.
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
        self._size = self._quickest(images[some[: _SAMPLE // 8]], sample[_SAMPLE // 8 :])
        blocks = (images[i : i + BLOCK] for i in range(0, len(images), BLOCK))
        self._still = np.concatenate([thumbnails(block, 0)[0] for block in blocks])
        parts = (self._still[i : i + BLOCK] for i in range(0, len(images), BLOCK))
        self._rough = np.concatenate([self._bounding(part, self._size) for part in parts])

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
        rough = [np.ascontiguousarray(part.T) for part in self._bounding(moved, self._size)]
        bounds = np.empty((_ROWS, len(images)), np.float32)
        masks = np.empty(bounds.shape, bool)
        for start in range(0, stop, _ROWS):
            rows = slice(start, min(start + _ROWS, stop))
            still, bound = self._still[rows], bounds[: rows.stop - start]
            mask = masks[: len(bound)]
            best, at = np.full(bound.shape, -2, np.float32), np.zeros(bound.shape, np.uint8)
            for number, turned in enumerate(rough):
                np.matmul(self._rough[rows], turned, out=bound)
                np.greater_equal(bound, self.least - _SLACK, out=mask)
                a, b = np.divmod(_places(mask), len(images))
                kept = wanted(start + a, b)
                a, b = a[kept], b[kept]
                for i in range(0, len(a), _AT_ONCE):
                    row, column = a[i : i + _AT_ONCE], b[i : i + _AT_ONCE]
                    value = np.einsum("ij,ij->i", still[row], moved[number, column])
                    more = value > best[row, column]
                    row, column = row[more], column[more]
                    best[row, column], at[row, column] = value[more], number
            a, b = np.divmod(_places(best >= self.least), len(images))
            yield np.stack([start + a, b], axis=1), at[a, b]

    def _quickest(self, images: np.ndarray, others: np.ndarray) -> int:
        """The size of the bound at which a search takes least time, judged by some images and the
        thumbnails of some others."""
        moved, whole = thumbnails(images, self._reach), others.shape[1] + 1
        costs = {}
        for size in (*(size for size in _SIZES if size < whole), whole):
            beside = self._bounding(others, size).T
            parts = self._bounding(moved, size) if len(others) else []
            passed = sum(np.mean(part @ beside >= self.least - _SLACK) for part in parts)
            costs[size] = size + _COST * passed / len(self.shifts)
        return min(costs, key=costs.__getitem__)

    def _bounding(self, vectors: np.ndarray, size: int) -> np.ndarray:
        """…×`size` float32: the first components of thumbnails, and the norm of the rest."""
        turned = vectors @ self._basis
        rest = np.linalg.norm(turned[..., size - 1 :], axis=-1, keepdims=True)
        return np.concatenate([turned[..., : size - 1], rest], axis=-1)


def _places(mask: np.ndarray) -> np.ndarray:
    """np.flatnonzero of a mask in which few are true: eight are looked at as one."""
    flat = mask.reshape(-1)
    whole = len(flat) // 8 * 8
    eights = np.flatnonzero(flat[:whole].view(np.uint64) != 0)
    near = (8 * eights[:, None] + np.arange(8)).ravel()
    near = np.concatenate([near, np.arange(whole, len(flat))])
    return near[flat[near]]
