"""The systems side by side: the figures that decide, one row a system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthcohort.errors import UserError
from synthcohort.files import atomic_file, read_json
from synthcohort.report.marks import OPEN, Mark, mark
from synthcohort.report.templates import template
from synthcohort.results import registry, summary


@dataclass(frozen=True)
class Column:
    """A figure that systems are compared by."""

    title: str
    metric: str
    ratio: bool = False
    """Whether the value is shown over its floor."""


COLUMNS = (
    Column("FID / floor", "fid", ratio=True),
    Column("Own-classifier distance / floor", "frechet_classifier", ratio=True),
    Column("KID", "kid"),
    Column("Recall", "precision_recall.recall"),
    Column("Utility, synthetic only / real", "utility", ratio=True),
    Column("Real or synthetic, AUC", "real_or_synthetic"),
    Column("Memorised share", "memorised_share"),
    Column("Membership, AUC", "membership"),
)


@dataclass(frozen=True)
class Cell:
    """A figure of a system."""

    title: str
    value: str
    beside: str
    """What the value was made of, or its interval and floor."""
    mark: Mark


@dataclass(frozen=True)
class System:
    """A row of the table."""

    name: str
    cells: list[Cell]
    audit: str


def compare(results: Path, as_markdown: bool = False) -> str:
    """The table over all systems in the folder `results` as Markdown, or written to
    `results/comparison.html`, whose path is then returned.

    Raises:
        UserError: no system has been evaluated there.
    """
    results = Path(results)
    folders = [
        folder for folder in sorted(results.glob("*/")) if list(folder.glob("evaluation/*.json"))
    ]
    if not folders:
        raise UserError(
            f"{results}: no system has been evaluated here; expected a folder with a system's "
            "results in each subfolder, as a run leaves them in results/"
        )
    found = [_system(folder) for folder in folders]
    if as_markdown:
        return _markdown(found)
    page = results / "comparison.html"
    with atomic_file(page) as temporary:
        temporary.write_text(
            template("comparison.html").render(systems=found, columns=COLUMNS), encoding="utf-8"
        )
    return str(page)


def cells(entries: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """The figures of one system; empty ones where a metric has not been measured."""
    by_metric = {entry["metric"]: entry for entry in entries}
    return [_cell(column, by_metric.get(column.metric)) for column in COLUMNS]


def verdict(audit: Path) -> str:
    """What the audit of a system ended with: "not run", "passed", "overridden" or "FAILED"."""
    if not audit.exists():
        return "not run"
    failed = [gate for gate in read_json(audit)["gates"] if not gate["passed"]]
    if not failed:
        return "passed"
    return "overridden" if all("override" in gate for gate in failed) else "FAILED"


def _system(folder: Path) -> System:
    entries = summary.entries(*summary.evaluated(folder))
    return System(folder.name, cells(entries), verdict(folder / "audit.json"))


def _cell(column: Column, entry: Mapping[str, Any] | None) -> Cell:
    if entry is None:
        return Cell(column.title, "–", "not measured", OPEN)
    better = entry.get("better", registry.reading(entry["metric"]).better)
    found = mark(entry, better)
    if entry["value"] is None:
        return Cell(column.title, "–", "not applicable", found)
    value, floor = entry["value"], (entry.get("floor") or {}).get("value")
    if column.ratio:
        ratio = f"{value / floor:.3g}" if floor and floor > 0 else "–"
        beside = f"{value:.3g} / {floor:.3g}" if floor is not None else f"{value:.3g}, no floor"
        return Cell(column.title, ratio, beside, found)
    beside = "" if floor is None else f"floor {floor:.3g}"
    return Cell(column.title, f"{value:.3g}", beside, found)


def _markdown(systems: Sequence[System]) -> str:
    header = ["System", *(column.title for column in COLUMNS), "Audit"]
    lines = [header, ["---", *["---:"] * len(COLUMNS), "---"]]
    for system in systems:
        told = [f"{c.value} ({c.beside})" if c.beside else c.value for c in system.cells]
        lines.append([system.name, *told, system.audit])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
