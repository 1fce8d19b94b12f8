"""The audit: the gates between the results and the export.

`synthcohort.audit.search` looks for memorised images; the other figures are the metrics'. Here all
of them are held against their thresholds (`synthcohort.audit.outcome`). What comes out is recorded;
the export refuses what has failed, or is undecided, and was not overridden
(`synthcohort.audit.gate`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthcohort import config
from synthcohort.audit.gate import headline
from synthcohort.audit.outcome import FAILED, PASSED, UNDECIDED, judged
from synthcohort.errors import UserError
from synthcohort.files import read_json, write_json
from synthcohort.tracking.journal import Journal


def audit(
    settings: config.Audit,
    *,
    search: Path,
    results: Sequence[Path],
    out: Path,
    journal: Journal,
) -> None:
    """Hold the figures of the `search` and of the metrics' `results` against the gates.

    Writes `out` (audit.json): what the search found; every gate with its threshold, outcome, reason
    and what would decide it; the outcome of all ("outcome", the worst of the gates, and "passed");
    what is overridden with its reason; and which images are dropped.

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
        _gate(name, gate, _figure(figures, name), settings) for name, gate in settings.gates.items()
    ]
    outcomes = [gate["outcome"] for gate in gates]
    worst = next((one for one in (FAILED, UNDECIDED) if one in outcomes), PASSED)
    told = found | {
        "passed": worst == PASSED,
        "outcome": worst,
        "undecided": settings.undecided,
        "gates": gates,
        "dropped": [{"label": label, "index": index} for label, index in dropped],
    }
    write_json(out, told)
    print(headline(told))
    journal.result(
        passed=str(told["passed"]),
        outcome=worst,
        dropped=len(dropped),
        overridden=", ".join(gate["name"] for gate in gates if "override" in gate),
        **{f"gate.{gate['name']}": gate["outcome"] for gate in gates},
    )


def _figures(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A metric's figure by its name, and those in its details as "metric.detail"; what these don't
    say of what they are made from is as in the metric itself."""
    about = {key: result[key] for key in ("n", "patients", "unit", "cannot_tell") if key in result}
    details = {
        f"{result['metric']}.{name}": {**about, **entry}
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


def _gate(
    name: str, gate: config.Gate, figure: Mapping[str, Any], settings: config.Audit
) -> dict[str, Any]:
    rule = "at_most" if gate.at_most is not None else "at_least"
    told = {
        "name": name,
        **{key: figure.get(key) for key in ("value", "interval", "floor", "n")},
        "rule": rule,
        "threshold": getattr(gate, rule),
        **judged(gate, figure),
    }
    holds = told["outcome"] == PASSED
    if not holds and name in settings.override:
        told["override"] = settings.override[name]
    lets_go_on = told["outcome"] == UNDECIDED and settings.undecided == "go_on"
    return told | {"stops": not (holds or lets_go_on or "override" in told)}
