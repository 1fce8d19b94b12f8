"""The images that patients share, as people look at them: in words, as a table, and drawn."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from synthcohort.cohort import Cohort
from synthcohort.cohort.leakage import Findings
from synthcohort.drawing import displayed, save
from synthcohort.files import atomic_file

_DRAWN, _BESIDE = 12, 3
_LONGEST = 30  # characters above a picture
_COLUMNS = ("image_id", "patient_id", "label", "split")


class Shared(NamedTuple):
    """Two images of different patients, by manifest row, that are alike."""

    first: int
    second: int
    correlation: float | None
    """None where it was not found by it: of images of one grey value it is not defined."""
    same_bytes: bool
    across: bool
    """Whether they stand in two splits."""


def shared(splits: Sequence[str], findings: Findings) -> list[Shared]:
    """All pairs, those across two splits first, of these the same bytes and then the most alike.

    Of images with the same bytes that correlation does not find, the first with every other one.
    """
    group_of = {row: i for i, rows in enumerate(findings.same_bytes) for row in rows}
    found = {
        (pair.first, pair.second): (
            pair.correlation,
            pair.first in group_of and group_of[pair.first] == group_of.get(pair.second),
        )
        for pair in findings.near_identical
    }
    for rows in findings.same_bytes:
        for row in rows[1:]:
            found.setdefault((rows[0], row), (None, True))
    pairs = [Shared(*rows, *how, splits[rows[0]] != splits[rows[1]]) for rows, how in found.items()]
    pairs.sort(key=lambda pair: (not pair.across, not pair.same_bytes, -(pair.correlation or 0)))
    return pairs


def sentences(cohort: Cohort, splits: Sequence[str], pairs: Sequence[Shared]) -> list[str]:
    """A line for every two patients that share images: their first pair, and how many more."""
    patients = [
        tuple(sorted(cohort.rows[i]["patient_id"] for i in (pair.first, pair.second)))
        for pair in pairs
    ]
    number = Counter(patients)
    lines = {}
    for key, pair in zip(patients, pairs, strict=True):
        more = f" (and {number[key] - 1} more of these two patients)" if number[key] > 1 else ""
        one, other = (
            f"{cohort.rows[i]['image_id']} ({cohort.rows[i]['patient_id']}, {splits[i]})"
            for i in (pair.first, pair.second)
        )
        lines.setdefault(key, f"{one} and {other}: {_how(pair)}{more}")
    return list(lines.values())


def write_pairs(cohort: Cohort, splits: Sequence[str], pairs: Sequence[Shared], out: Path) -> None:
    """Write a CSV with a row a pair: image_id, patient_id, label and split of the one and of the
    other, correlation (empty where it is not defined), and same_bytes and across (yes or no)."""
    with atomic_file(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        others = (f"other_{name}" for name in _COLUMNS)
        table.writerow((*_COLUMNS, *others, "correlation", "same_bytes", "across"))
        for pair in pairs:
            table.writerow(
                (
                    *_named(cohort, splits, pair.first),
                    *_named(cohort, splits, pair.second),
                    "" if pair.correlation is None else f"{pair.correlation:.4f}",
                    *("yes" if said else "no" for said in (pair.same_bytes, pair.across)),
                )
            )


def draw_shared(
    cohort: Cohort, splits: Sequence[str], pairs: Sequence[Shared], least: float, out: Path
) -> None:
    """Draw the first pairs side by side; where there is none, the figure says so.

    `least` is the correlation from which images were taken for nearly identical.
    """
    from matplotlib.figure import Figure

    shown = pairs[:_DRAWN]
    high, top = -(-len(shown) // _BESIDE), 1.1
    figure = Figure(figsize=(3.2 * _BESIDE, top + 2.1 * high))
    what = f"the same bytes, or a correlation from {least:g}"
    if not shown:
        figure.text(0.5, 0.5, f"No two patients share images ({what})", ha="center", va="center")
    else:
        rest = f"the first {len(shown)} of {len(pairs)} pairs" if len(pairs) > len(shown) else "all"
        figure.suptitle(f"Images that two patients share ({what}): {rest}", fontsize=10)
        space = 1 - top / (top + 2.1 * high)
        figure.subplots_adjust(0.01, 0.01, 0.99, space, wspace=0.06, hspace=0.45)
    for place, pair in enumerate(shown):
        for side, row in enumerate((pair.first, pair.second)):
            name, *rest = _named(cohort, splits, row)
            how = _how(pair) + (", in two splits" if pair.across else "")
            lines = ["" if side else how, _short(name), _short(", ".join(filter(None, rest)))]
            axes = figure.add_subplot(high, 2 * _BESIDE, 2 * place + side + 1)
            axes.imshow(displayed(cohort.images[row]), cmap="grey", vmin=0, vmax=1)
            axes.set_axis_off()
            # An identifier may hold what would be read as mathematics.
            axes.set_title("\n".join(lines), loc="left", fontsize=6, parse_math=False)
    save(figure, out)


def _named(cohort: Cohort, splits: Sequence[str], row: int) -> tuple[str, ...]:
    image = cohort.rows[row]
    return image["image_id"], image["patient_id"], image["label"], splits[row]


def _how(pair: Shared) -> str:
    return "same bytes" if pair.same_bytes else f"correlation {pair.correlation:.4f}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"
