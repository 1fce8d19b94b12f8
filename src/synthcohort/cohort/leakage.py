"""The leakage check: one patient, the same bytes or nearly identical images in two splits."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from synthcohort.cohort import Cohort
from synthcohort.cohort.correlation import THUMBNAIL, correlations
from synthcohort.cohort.index import BLOCK, Index
from synthcohort.progress import progress

_MOST = 200_000
_IN_REPORT = 10_000
_ONE = 1 - 1e-6
_METHOD = (
    "Images of different patients are compared in grey. Candidates: correlation of box-averaged "
    "thumbnails, largest over the shifts, from candidate_correlation. Confirmed: Pearson "
    "correlation of the overlapping pixels at full resolution, at that shift, from correlation. "
    "Mirrored, rotated and inverted copies are not looked for; an image of one grey value "
    "correlates with nothing and is found by its bytes alone."
)


class Pair(NamedTuple):
    """Two nearly identical images of different patients, by manifest row, `first` < `second`."""

    first: int
    second: int
    correlation: float


@dataclass(frozen=True)
class Findings:
    """What images of different patients have in common, whatever the split."""

    same_bytes: list[list[int]]
    """Manifest rows with the same sha256, those of at least two patients."""
    near_identical: list[Pair]
    """The most alike first: all, or of more than 200,000 the first so many and as many others as
    link all images that are linked."""
    found: int
    """How many nearly identical pairs there are, whether listed or not."""
    method: dict[str, Any]
    """How they were found: thresholds, shifts, numbers compared."""


def search(cohort: Cohort, correlation: float) -> Findings:
    """Find images that patients share.

    All pairs are looked at, most of them by a bound alone: time grows with the square of the number
    of images, memory by 1 KB an image.
    """
    patients = np.unique(cohort.patients, return_inverse=True)[1]
    by_bytes = defaultdict(list)
    for i, row in enumerate(cohort.rows):
        by_bytes[row["sha256"]].append(i)
    same_bytes = [rows for rows in by_bytes.values() if len(set(patients[rows])) > 1]

    # Thumbnails drop fine structure that two copies may share, so they may differ by more.
    loose = 1 - 3 * (1 - correlation)
    # Rounding keeps equal images just below 1.
    index = Index(cohort.images, min(loose, _ONE))
    least = min(correlation, _ONE)
    pairs, candidates = _Pairs(), 0
    for compared, found, values in _compared(cohort.images, patients, index, least):
        candidates += compared
        pairs.add(found, values)
    method = {
        "description": _METHOD,
        "correlation": correlation,
        "candidate_correlation": round(loose, 6),
        "largest_shift_pixels": max(map(max, index.shifts)),
        "thumbnail_pixels": THUMBNAIL,
        "images": len(patients),
        "pairs_compared": _pairs(len(patients)) - sum(map(_pairs, np.bincount(patients).tolist())),
        "candidates": candidates,
    }
    return Findings(same_bytes, pairs.listed(), pairs.count, method)


def joined(cohort: Cohort, findings: Findings) -> list[str]:
    """For every image the patient it counts under when patients that share images are one.

    It is the first patient_id, in sorted order, of those connected by the findings.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, patients = np.unique(cohort.patients, return_inverse=True)
    links = [(pair.first, pair.second) for pair in findings.near_identical]
    links += [(rows[0], row) for rows in findings.same_bytes for row in rows[1:]]
    ends = patients[np.array(links, dtype=np.int64).reshape(-1, 2)]
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(names),) * 2)
    component = connected_components(graph, directed=False)[1]
    # np.unique sorts, so the first place of a component is its first name.
    first = np.unique(component, return_index=True)[1]
    return names[first[component[patients]]].tolist()


def report(cohort: Cohort, splits: Sequence[str], findings: Findings) -> dict[str, Any]:
    """The contents of leakage.json for `splits`, the split of every image.

    `patients_in_two_splits`, `same_bytes` and `near_identical` list what was found, each of the
    latter two with `across`: whether it stands in two splits. Of nearly identical pairs the first
    10,000 are listed; `across_splits` counts all.
    """
    splits_of = defaultdict(set)
    for row, split in zip(cohort.rows, splits, strict=True):
        splits_of[row["patient_id"]].add(split)

    def listed(rows: Sequence[int]) -> dict[str, Any]:
        return {
            "images": [cohort.rows[i]["image_id"] for i in rows],
            "patients": [cohort.rows[i]["patient_id"] for i in rows],
            "splits": [splits[i] for i in rows],
            "across": len({splits[i] for i in rows}) > 1,
        }

    same_bytes = [listed(rows) for rows in findings.same_bytes]
    near_identical = [
        listed((pair.first, pair.second)) | {"correlation": pair.correlation}
        for pair in findings.near_identical[:_IN_REPORT]
    ]
    return {
        "method": findings.method,
        "patients_in_two_splits": {
            patient: sorted(found) for patient, found in sorted(splits_of.items()) if len(found) > 1
        },
        "same_bytes": same_bytes,
        "near_identical": near_identical,
        "across_splits": {
            "same_bytes": sum(item["across"] for item in same_bytes),
            "near_identical": sum(
                splits[pair.first] != splits[pair.second] for pair in findings.near_identical
            ),
        },
    }


def _pairs(n: int) -> int:
    return n * (n - 1) // 2


def _compared(
    images: np.ndarray, patients: np.ndarray, index: Index, correlation: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Block by block, in order: how many pairs were compared at full resolution, and the rows (K×2,
    first < second) and correlations (K) of those that reach `correlation`."""
    from threadpoolctl import ThreadpoolController

    def compare(start: int) -> tuple[int, np.ndarray, np.ndarray]:
        block = images[start : start + BLOCK]

        def wanted(first: np.ndarray, second: np.ndarray) -> np.ndarray:
            second = second + start
            return (first < second) & (patients[first] != patients[second])

        count, found, values = 0, [np.empty((0, 2), np.int64)], [np.empty(0)]
        for pairs, at in index.search(block, start + len(block), wanted):
            count += len(pairs)
            for number in np.unique(at):
                some = pairs[at == number] + (0, start)
                alike = correlations(images, images, some, index.shifts[number])
                found.append(some[alike >= correlation])
                values.append(alike[alike >= correlation])
        return count, np.concatenate(found), np.concatenate(values)

    # The products are small, and the work around them is as much: a thread a block, instead of all
    # threads for every product.
    blas = ThreadpoolController().select(user_api="blas")
    threads = max((library["num_threads"] for library in blas.info()), default=1)
    starts = range(0, len(images), BLOCK)
    with (
        blas.limit(limits=1),
        ThreadPoolExecutor(threads) as pool,
        progress("comparing images", total=_pairs(len(starts) + 1), unit="block") as bar,
    ):
        for number, result in enumerate(pool.map(compare, starts), 1):
            yield result
            bar.update(number)


class _Pairs:
    """Pairs as they are found. Of more than `_MOST` the most alike are kept, and of the others as
    many as it takes to link all images that are linked."""

    def __init__(self) -> None:
        self.count = 0
        self._rows = [np.empty((0, 2), np.int64)]
        self._values = [np.empty(0)]
        self._held = 0

    def add(self, rows: np.ndarray, values: np.ndarray) -> None:
        self.count += len(rows)
        self._held += len(rows)
        self._rows.append(rows)
        self._values.append(values)
        if self._held > 2 * _MOST:
            self._thin()

    def listed(self) -> list[Pair]:
        self._thin()
        (rows,), (values,) = self._rows, self._values
        return [
            Pair(first, second, round(value, 4))
            for (first, second), value in zip(rows.tolist(), values.tolist(), strict=True)
        ]

    def _thin(self) -> None:
        rows, values = np.concatenate(self._rows), np.concatenate(self._values)
        order = np.lexsort((rows[:, 1], rows[:, 0], -np.round(values, 4)))
        rows, values = rows[order], values[order]
        if len(rows) > _MOST:
            kept = _linking(rows)
            kept[:_MOST] = True
            rows, values = rows[kept], values[kept]
        self._rows, self._values, self._held = [rows], [values], len(rows)


def _linking(rows: np.ndarray) -> np.ndarray:
    """Which of K pairs link all that they link together, the first before the later (K bools)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    size = rows.max() + 1
    # The weight is the place in the list: no two are equal.
    graph = coo_array((np.arange(1.0, len(rows) + 1), (rows[:, 0], rows[:, 1])), (size, size))
    kept = np.zeros(len(rows), dtype=bool)
    kept[minimum_spanning_tree(graph.tocsr()).data.astype(np.int64) - 1] = True
    return kept
