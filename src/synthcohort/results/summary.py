"""The results of a system in one table, from the files its stages have written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from synthcohort.audit.gate import OLDER, headline
from synthcohort.errors import UserError
from synthcohort.evaluation.estimation import autoencoder_alone
from synthcohort.files import read_json
from synthcohort.results import registry
from synthcohort.tracking.attempts import attempts, duration


@dataclass(frozen=True)
class Row:
    """A line of the table, ready to print; "" where a figure has no such entry."""

    metric: str
    value: str
    interval: str
    floor: str
    decoded: str
    """The same of real images that have been through the autoencoder."""
    n: str


HEADER = Row("Metric", "Value", "95 % interval", "Floor", "Through the autoencoder", "N")
WORDS = ("metric", "n")


def entries(results: Sequence[Path], audit: Path | None = None) -> list[dict[str, Any]]:
    """What result files (`evaluation/<metric>.json`) and the audit hold, a dict for each line of
    the table, in its order; what no module has given a place comes last."""
    read = [read_json(path) for path in results]
    if audit is not None:
        told = read_json(audit)
        read += [measure | {"metric": measure["name"]} for measure in told["measures"]]
    lines = [line for entry in read for line in (entry, *_more(entry))]
    return sorted(lines, key=lambda line: registry.place(line["metric"]))


def rows(results: Sequence[Path], audit: Path | None = None) -> list[Row]:
    """The lines of the table, from the same files as `entries`."""
    return [row(line) for line in entries(results, audit)]


def markdown(table: Sequence[Row]) -> str:
    """The table in Markdown."""
    columns = _columns(table)
    rule = ["---" if name in WORDS else "---:" for name in columns]
    lines = [_cells(HEADER, columns), rule, *(_cells(line, columns) for line in table)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def plain(table: Sequence[Row]) -> str:
    """The table as text in columns."""
    columns = _columns(table)
    lines = [_cells(line, columns) for line in (HEADER, *table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["─" * width for width in widths]
    return "".join(
        "  ".join(
            # Figures stand right, words left.
            cell.ljust(width) if name in WORDS else cell.rjust(width)
            for cell, width, name in zip(line, widths, columns, strict=True)
        ).rstrip()
        + "\n"
        for line in (lines[0], rule, *lines[1:])
    )


def _columns(table: Sequence[Row]) -> list[str]:
    """The columns there is something in: without an autoencoder nothing goes through it."""
    return [
        field.name
        for field in fields(Row)
        if field.name != "decoded" or any(line.decoded for line in table)
    ]


def _cells(line: Row, columns: Sequence[str]) -> list[str]:
    return [getattr(line, name) for name in columns]


def summary(results: Path, as_markdown: bool = False) -> str:
    """How the audit of a system's folder `results/<name>` ended, what has to be said before any
    figure, its table of results, and where to look next; the table alone `as_markdown`.

    Raises:
        UserError: there is no such folder, or nothing has been evaluated in it.
    """
    results = Path(results)
    lines = entries(*evaluated(results))
    table = [row(line) for line in lines]
    if as_markdown:
        return markdown(table)
    told = [*_dropped(results / "audit.json"), *_trained(results / "journal")]
    first = [f"Audit: {verdict(results / 'audit.json')}\n"]
    if warned := warning(lines):
        first.append(f"Warning: {warned}\n")
    return "\n".join([*first, plain(table), *told, _places(results)])


def warning(lines: Sequence[Mapping[str, Any]]) -> str:
    """What has to be said before any figure of `entries`: that the autoencoder alone costs too
    much; "" where nothing has."""
    alone = [line for line in lines if "over_floor" in line]
    return autoencoder_alone.warning(
        {registry.title(line["metric"].partition(".")[0]): line for line in alone}
    )


def verdict(audit: Path) -> str:
    """How an audit ended, in one line: the first that people read of it."""
    if not audit.exists():
        return "has not run."
    told = read_json(audit)
    return headline(told, registry.title) if "outcome" in told else f"it {OLDER}."


def evaluated(results: Path) -> tuple[list[Path], Path | None]:
    """The result files in a system's folder `results/<name>`, and its audit where it has one.

    Raises:
        UserError: there is no such folder, or nothing has been evaluated in it.
    """
    files, audit = measured(results), results / "audit.json"
    if not files and not audit.exists():
        raise UserError(
            f"{results}: nothing has been evaluated here; expected results/<name> of a system "
            "that has run, with evaluation/*.json in it"
        )
    return files, audit if audit.exists() else None


def measured(results: Path) -> list[Path]:
    """The result files that there are so far."""
    files = sorted(results.glob("evaluation/*.json"))
    return [path for path in files if "metric" in read_json(path)]


def _more(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Further figures that a result has in its details and that the table names; what belongs to
    the figure "x" there may stand beside it as "floor_x", "decoded_x" or "above_floor_x"."""
    details = entry.get("details", {})
    lines = []
    for key, figure in details.items():
        if f"{entry['metric']}.{key}" not in registry.measures():
            continue
        beside = {
            "floor": details.get(f"floor_{key}"),
            "decoded": details.get(f"decoded_{key}"),
            "difference_to_floor": details.get(f"difference_to_floor_{key}")
            or details.get(f"above_floor_{key}"),
            "floor_one_per_patient": details.get(f"floor_one_per_patient_{key}"),
        }
        line = {"n": entry["n"], "measure": entry.get("measure"), **beside, **figure}
        # A figure without anything to be held against has no verdict that could be withheld.
        if line["floor"] and entry.get("cannot_tell"):
            line.setdefault("cannot_tell", entry["cannot_tell"])
        lines.append(line | {"metric": f"{entry['metric']}.{key}"})
    return lines


def row(entry: Mapping[str, Any]) -> Row:
    """An entry as a line of the table."""
    title = registry.title(entry["metric"])
    return Row(
        metric=", ".join(filter(None, (title, entry.get("measure")))),
        # A metric that does not apply to the cohort has a note and no value.
        value="not applicable" if entry["value"] is None else _number(entry["value"]),
        interval=_interval(entry.get("interval")),
        floor=figure(entry.get("floor")),
        decoded=figure(entry.get("decoded")),
        n=numbers(entry.get("n") or {}),
    )


def numbers(n: Mapping[str, int]) -> str:
    """How many there are of each set, ready to print."""
    return ", ".join(f"{name} {n[name]}" for name in sorted(n, key=_turn))


def _turn(name: str) -> int:
    known = ("train", "test", "synthetic")
    return known.index(name) if name in known else len(known)


def figure(found: Mapping[str, Any] | None) -> str:
    """A value with its interval, ready to print; "" where there is none."""
    found = found or {}
    told = [_number(found.get("value")), _interval(found.get("interval"))]
    return " ".join(filter(None, told))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    told = f"{value:.4g}"
    # Shares as small as one in 100,000 are read more easily without an exponent.
    return f"{value:.6f}".rstrip("0") if "e-05" in told else told


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"[{_number(interval[0])}, {_number(interval[1])}]"


def _dropped(audit: Path) -> list[str]:
    count = len(read_json(audit)["dropped"]) if audit.exists() else 0
    return [f"Left out of the export as copies or memorised: {count} images."] if count else []


def _trained(journals: Path) -> list[str]:
    """How long the trainings took, as their journals tell."""
    ran = [
        (stage, attempts(path)[-1])
        for stage in ("autoencoder", "diffusion")
        if (path := journals / f"{stage}.jsonl").exists()
    ]
    took = [f"{stage} {duration(of.seconds)}" for stage, of in ran if of.hardware]
    devices = {of.hardware.get("gpu", of.hardware["device"]) for _, of in ran if of.hardware}
    return [f"Trained on {', '.join(sorted(devices))}: {', '.join(took)}."] if took else []


def _places(results: Path) -> str:
    places = [("Dataset", f"{results / 'export'}/")] if (results / "export").exists() else []
    places += [
        ("Report", f"{results / 'report.html'}"),
        ("All systems", f"{results.parent / 'comparison.html'}"),
        ("Figures", f"{results / 'figures'}/"),
        ("All of the run", "snakemake --report report.html"),
        ("Runs in MLflow", "make ui"),
    ]
    return "".join(f"{what + ':':16}{where}\n" for what, where in places)
