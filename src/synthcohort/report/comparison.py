"""The systems side by side: the figures that decide, one row a system."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthcohort.audit.outcome import FAILED, UNDECIDED
from synthcohort.errors import UserError
from synthcohort.files import atomic_file, read_json
from synthcohort.report.templates import template
from synthcohort.results import summary
from synthcohort.results.marks import OPEN, Mark
from synthcohort.results.readings import Reading, readings


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


def cells(read: Sequence[Reading]) -> list[Cell]:
    """The figures of one system; empty ones where a metric has not been measured."""
    by_metric = {one.entry["metric"]: one for one in read}
    return [_cell(column, by_metric.get(column.metric)) for column in COLUMNS]


def verdict(audit: Path) -> str:
    """How the audit of a system ended, in a word or two: "not run", "passed", "overridden",
    "FAILED, stopped", "undecided, stopped" or "undecided, went on"."""
    if not audit.exists():
        return "not run"
    told = read_json(audit)
    if "outcome" not in told:
        return "of an older version, run it again"
    stopping = {gate["outcome"] for gate in told["gates"] if gate["stops"]}
    if stopping:
        return f"{'FAILED' if FAILED in stopping else UNDECIDED}, stopped"
    if any("override" in gate for gate in told["gates"]):
        return "overridden"
    return told["outcome"] if told["passed"] else f"{told['outcome']}, went on"


def _system(folder: Path) -> System:
    files, audit = summary.evaluated(folder)
    told = read_json(audit) if audit else None
    read = readings(summary.entries(files, audit), told)
    return System(folder.name, cells(read), verdict(folder / "audit.json"))


def _cell(column: Column, read: Reading | None) -> Cell:
    if read is None:
        return Cell(column.title, "–", "not measured", OPEN)
    value = read.entry["value"]
    if value is None:
        return Cell(column.title, "–", "not applicable", read.mark)
    floor = (read.entry.get("floor") or {}).get("value")
    shown, beside = f"{value:.3g}", [] if floor is None else [f"floor {floor:.3g}"]
    if column.ratio:
        shown = f"{value / floor:.3g}" if floor and floor > 0 else "–"
        beside = [f"{value:.3g} / {floor:.3g}" if floor is not None else f"{value:.3g}, no floor"]
    if decoded := read.entry.get("decoded"):
        beside.append(f"autoencoder alone {decoded['value']:.3g}")
    return Cell(column.title, shown, ", ".join(beside), read.mark)


def _markdown(systems: Sequence[System]) -> str:
    header = ["System", *(column.title for column in COLUMNS), "Audit"]
    lines = [header, ["---", *["---:"] * len(COLUMNS), "---"]]
    for system in systems:
        told = [f"{c.value} ({c.beside})" if c.beside else c.value for c in system.cells]
        lines.append([system.name, *told, system.audit])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
