"""The audit: the gates between the results and the export.

`synthcohort.audit.search` looks for memorised images; the other figures are the metrics'. Here all
of them are held against their thresholds. A failed gate is recorded; the export refuses what has
failed and was not overridden (`synthcohort.audit.gate`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthcohort import config
from synthcohort.errors import UserError
from synthcohort.files import read_json, write_json
from synthcohort.tracking.journal import Journal

# What is zero when the images found are left out.
DROPPED = ("copies", "memorised_share")


def audit(
    settings: config.Audit,
    *,
    search: Path,
    results: Sequence[Path],
    out: Path,
    journal: Journal,
) -> None:
    """Hold the figures of the `search` and of the metrics' `results` against the gates.

    Writes `out` (audit.json): what the search found, every gate with its threshold, what is
    overridden with its reason, and which images are dropped.

    Raises:
        UserError: a gate asks for a figure that none of the files has.
    """
    found = read_json(search)
    figures = {entry["name"]: entry for entry in found["measures"]}
    for path in results:
        figures |= _figures(read_json(path))
    dropped = []
    if settings.drop_memorised:
        images = [*found["copies"], *found["memorised"]]
        dropped = sorted({(image["label"], image["index"]) for image in images})
    gates = [
        _judged(name, gate, _figure(figures, name), settings, len(dropped))
        for name, gate in settings.gates.items()
    ]
    passed = all(gate["passed"] for gate in gates)
    write_json(
        out,
        found
        | {
            "passed": passed,
            "gates": gates,
            "dropped": [{"label": label, "index": index} for label, index in dropped],
        },
    )
    journal.result(
        passed=str(passed),
        dropped=len(dropped),
        overridden=", ".join(gate["name"] for gate in gates if "override" in gate),
    )


def _figures(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A metric's figure by its name, and those in its details as "metric.detail"."""
    details = {
        f"{result['metric']}.{name}": {"n": result.get("n"), **entry}
        for name, entry in result.get("details", {}).items()
        if isinstance(entry, Mapping) and "value" in entry
    }
    return {result["metric"]: result} | details


def _figure(figures: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    if name not in figures:
        raise UserError(
            f"audit.gates: nothing has measured {name!r} in this run; there are "
            f"{', '.join(sorted(figures))}; correct the name or take the gate out"
        )
    return figures[name]


def _judged(
    name: str, gate: config.Gate, figure: Mapping[str, Any], settings: config.Audit, dropped: int
) -> dict[str, Any]:
    bounds = figure.get("interval") or (None, None)
    judged = {"value": figure["value"], "low": bounds[0], "high": bounds[1]}[gate.of]
    if dropped and name in DROPPED:
        judged = 0
    rule = "at_most" if gate.at_most is not None else "at_least"
    threshold = getattr(gate, rule)
    # What could not be measured has not been shown to hold.
    passed = judged is not None and (
        judged <= threshold if rule == "at_most" else judged >= threshold
    )
    told = {
        "name": name,
        "value": figure["value"],
        "interval": figure.get("interval"),
        "floor": figure.get("floor"),
        "n": figure.get("n"),
        "of": gate.of,
        "judged": judged,
        "rule": rule,
        "threshold": threshold,
        "passed": passed,
    }
    if "note" in figure:
        told["note"] = figure["note"]
    if not passed and name in settings.override:
        told["override"] = settings.override[name]
    return told
