"""The results of a system in one table, from the files its stages have written."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from synthcohort.errors import UserError
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
    n: str


HEADER = Row("Metric", "Value", "95 % interval", "Floor", "N")


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
    lines = [HEADER, Row(*["---", "---:", "---:", "---:", "---"]), *table]
    return "".join("| " + " | ".join(astuple(line)) + " |\n" for line in lines)


def plain(table: Sequence[Row]) -> str:
    """The table as text in columns."""
    lines = [astuple(line) for line in (HEADER, *table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = tuple("─" * width for width in widths)
    return "".join(
        "  ".join(
            # Figures stand right, words left.
            cell.rjust(width) if field.name in ("value", "interval", "floor") else cell.ljust(width)
            for cell, width, field in zip(line, widths, fields(Row), strict=True)
        ).rstrip()
        + "\n"
        for line in (lines[0], rule, *lines[1:])
    )


def summary(results: Path, as_markdown: bool = False) -> str:
    """The table of a system's folder `results/<name>`, and where to look next.

    Raises:
        UserError: there is no such folder, or nothing has been evaluated in it.
    """
    results = Path(results)
    table = rows(*evaluated(results))
    if as_markdown:
        return markdown(table)
    told = [_verdict(results / "audit.json"), *_trained(results / "journal")]
    return "\n".join([plain(table), *told, _places(results)])


def evaluated(results: Path) -> tuple[list[Path], Path | None]:
    """The result files in a system's folder `results/<name>`, and its audit where it has one.

    Raises:
        UserError: there is no such folder, or nothing has been evaluated in it.
    """
    files = sorted(results.glob("evaluation/*.json"))
    measured = [path for path in files if "metric" in read_json(path)]
    audit = results / "audit.json"
    if not measured and not audit.exists():
        raise UserError(
            f"{results}: nothing has been evaluated here; expected results/<name> of a system "
            "that has run, with evaluation/*.json in it"
        )
    return measured, audit if audit.exists() else None


def _more(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Further figures that a result has in its details and that the table names."""
    details = entry.get("details", {})
    return [
        {
            "metric": f"{entry['metric']}.{key}",
            "n": entry["n"],
            "measure": entry.get("measure"),
            "floor": details.get(f"floor_{key}"),
            **figure,
        }
        for key, figure in details.items()
        if f"{entry['metric']}.{key}" in registry.measures()
    ]


def row(entry: Mapping[str, Any]) -> Row:
    """An entry as a line of the table."""
    floor, n = entry.get("floor") or {}, entry.get("n", {})
    title = registry.title(entry["metric"])
    return Row(
        metric=", ".join(filter(None, (title, entry.get("measure")))),
        # A metric that does not apply to the cohort has a note and no value.
        value="not applicable" if entry["value"] is None else _number(entry["value"]),
        interval=_interval(entry.get("interval")),
        floor=" ".join(
            filter(None, [_number(floor.get("value")), _interval(floor.get("interval"))])
        ),
        n=", ".join(f"{name} {n[name]}" for name in sorted(n, key=_turn)),
    )


def _turn(name: str) -> int:
    known = ("train", "test", "synthetic")
    return known.index(name) if name in known else len(known)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"[{_number(interval[0])}, {_number(interval[1])}]"


def _verdict(audit: Path) -> str:
    if not audit.exists():
        return "Audit: has not run."
    told = read_json(audit)
    failed = [gate for gate in told["gates"] if not gate["passed"]]
    lines = ["Audit: passed."]
    if any("override" not in gate for gate in failed):
        lines = [f"Audit: FAILED, so nothing is exported; see {audit}."]
    elif failed:
        lines = ["Audit: failed, and overridden:"]
    lines += [f"  {gate['name']}: {gate['override']}" for gate in failed if "override" in gate]
    if told["dropped"]:
        lines.append(f"Left out of the export as memorised: {len(told['dropped'])} images.")
    return "\n".join(lines)


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
