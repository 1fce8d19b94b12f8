"""The leakage check: one patient, the same bytes or nearly identical images in two splits."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthcohort.cohort import Cohort
from synthcohort.cohort.correlation import THUMBNAIL, correlations, shifts_of, thumbnails
from synthcohort.progress import progress

_BLOCK = 1024
_METHOD = (
    "Images of different patients are compared in grey. Candidates: correlation of box-averaged "
    "thumbnails, largest over the shifts, from candidate_correlation. Confirmed: Pearson "
    "correlation of the overlapping pixels at full resolution, at that shift, from correlation. "
    "Mirrored, rotated and inverted copies are not looked for; an image of one grey value "
    "correlates with nothing and is found by its bytes alone."
)


@dataclass(frozen=True)
class Pair:
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
    """The most alike first."""
    method: dict[str, Any]
    """How they were found: thresholds, shifts, numbers compared."""


def search(cohort: Cohort, correlation: float) -> Findings:
    """Find images that patients share.

    Every image is compared with every other one: time grows with the square of their number, memory
    by 1 KB an image.
    """
    patients = np.unique(cohort.patients, return_inverse=True)[1]
    by_bytes = defaultdict(list)
    for i, row in enumerate(cohort.rows):
        by_bytes[row["sha256"]].append(i)
    same_bytes = [rows for rows in by_bytes.values() if len(set(patients[rows])) > 1]

    shifts = shifts_of(cohort.images.shape[2:])
    # Thumbnails drop fine structure that two copies may share, so they may differ by more.
    loose = 1 - 3 * (1 - correlation)
    pairs, candidates = [], 0
    for found, shift in _candidates(cohort.images, patients, shifts, loose):
        candidates += len(found)
        values = correlations(cohort.images, cohort.images, found, shift)
        for rows, value in zip(found, values, strict=True):
            if value >= correlation:
                pairs.append(Pair(int(rows[0]), int(rows[1]), round(float(value), 4)))
    method = {
        "description": _METHOD,
        "correlation": correlation,
        "candidate_correlation": round(loose, 6),
        "largest_shift_pixels": max(map(max, shifts)),
        "thumbnail_pixels": THUMBNAIL,
        "images": len(patients),
        "pairs_compared": _pairs(len(patients)) - sum(map(_pairs, np.bincount(patients).tolist())),
        "candidates": candidates,
    }
    pairs.sort(key=lambda pair: (-pair.correlation, pair.first, pair.second))
    return Findings(same_bytes, pairs, method)


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
    latter two with `across`: whether it stands in two splits.
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
        for pair in findings.near_identical
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
            "near_identical": sum(item["across"] for item in near_identical),
        },
    }


def _pairs(n: int) -> int:
    return n * (n - 1) // 2


def _candidates(
    images: np.ndarray, patients: np.ndarray, shifts: list[tuple[int, int]], least: float
) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """K×2 rows (first < second) of different patients whose thumbnails correlate from `least`, and
    the shift of the second image at which they correlate most."""
    starts = range(0, len(images), _BLOCK)
    reach = max(map(max, shifts))
    still = np.concatenate(
        [thumbnails(images[start : start + _BLOCK], reach, (0, 0)) for start in starts]
    )
    blocks = progress("comparing images", total=_pairs(len(starts) + 1), unit="block")
    for second in starts:
        block = images[second : second + _BLOCK]
        moved = [thumbnails(block, reach, shift) for shift in shifts]
        for first in range(0, second + 1, _BLOCK):
            fixed = still[first : first + _BLOCK]
            best = fixed @ moved[0].T
            for others in moved[1:]:
                np.maximum(best, fixed @ others.T, out=best)
            rows, columns = np.nonzero(best >= least)
            wanted = (patients[first + rows] != patients[second + columns]) & (
                first + rows < second + columns
            )
            for start in range(0, np.count_nonzero(wanted), _BLOCK):
                some = np.flatnonzero(wanted)[start : start + _BLOCK]
                a, b = rows[some], columns[some]
                at_shift = np.argmax([(fixed[a] * to[b]).sum(axis=1) for to in moved], axis=0)
                found = np.stack([first + a, second + b], axis=1)
                for number in np.unique(at_shift):
                    yield found[at_shift == number], shifts[number]
            blocks.update()
    blocks.close()
