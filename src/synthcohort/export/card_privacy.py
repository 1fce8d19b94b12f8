"""The privacy section of the dataset card: what was tried, found, left undecided, and remains."""

from collections.abc import Mapping, Sequence
from typing import Any

from synthcohort.results.protection import STOPS, GateRow, Planted, Protection, protection
from synthcohort.results.readings import Reading


def section(
    readings: Sequence[Reading], audit: Mapping[str, Any], drawn: int, figure: str = ""
) -> str:
    """The section "Privacy" from all results and the content of audit.json; `drawn` images were
    sampled, `figure` is the Markdown of the distances."""
    told = protection(readings, audit)
    parts = [
        f"## Privacy: what was tried, what was found, what remains\n\n{_tried(told)}",
        figure,
        _planted(told.planted),
        f"### What had to hold for this export\n\n{_gates(told.gates)}",
        _dropped(told.dropped, drawn),
        f"### What could not be decided\n\n{_undecided(told.undecided)}",
        "### What remains\n\n" + "".join(f"- **{name}.** {text}\n" for name, text in told.remains),
    ]
    return "\n".join(filter(None, parts))


def _tried(told: Protection) -> str:
    if not told.tried:
        return "Nothing was tried.\n"
    lines = [
        "| What was tried | Found | 95 % interval | Among real images | Compared | Reading |",
        "|---|---:|---:|---:|---|---|",
    ]
    for one in told.tried:
        row = one.row
        reading = f"{one.mark.sign} {one.mark.words}".strip() or "–"
        what = " ".join((f"**{row.metric}**: {one.of.sentence}", *one.notes))
        lines.append(
            f"| {what} | {row.value} | {row.interval} | {row.floor} | {one.compared} | {reading} |"
        )
    distance = f" Distance between images: {told.distance}." if told.distance else ""
    return (
        "\n".join(lines) + '\n\n"Among real images" is the same figure for real images of other '
        'patients. "No sign of a leak" means that no difference from them is shown, which is not '
        f"the same as there being none.{distance}\n"
    )


def _planted(planted: Planted | None) -> str:
    if planted is None:
        return ""
    columns = [*planted.ways, *([STOPS] if planted.stops else [])]
    lines = [
        "| Disguise | Planted | " + " | ".join(columns) + " |",
        "|---|---:" + "|---:" * len(columns) + "|",
        *("| " + " | ".join(row) + " |" for row in planted.rows),
    ]
    said = "\n".join(filter(None, (planted.found, planted.missed, planted.false_alarms)))
    return (
        "### What this search would have found, and what it would have missed\n\n"
        "Train images were disguised, put among the synthetic ones, and searched for in the same "
        f"way.\n\n{said}\n\n" + "\n".join(lines) + "\n"
    )


def _gates(gates: Sequence[GateRow]) -> str:
    lines = ["| Gate | Value | 95 % interval | Threshold | Outcome |", "|---|---:|---:|---:|---|"]
    lines += [
        f"| {gate.title} | {gate.value} | {gate.interval} | {gate.threshold} | "
        + (gate.outcome if gate.outcome == "passed" else f"**{gate.outcome}**")
        + (", overridden |" if gate.override else " |")
        for gate in gates
    ]
    overridden = [
        f"- **{gate.title}: {gate.outcome}, and overridden** by the dataset's maker, who gave this "
        f"reason: {gate.override}"
        for gate in gates
        if gate.override
    ]
    return "\n".join([*lines, *(["", *overridden] if overridden else []), ""])


def _dropped(count: int, drawn: int) -> str:
    if not count:
        return ""
    return (
        f"**{count} of the {drawn} images drawn were left out** because they were found "
        "as copies\nor as memorised; the figures above and the other metrics are of all images "
        "drawn.\n"
    )


def _undecided(undecided: Sequence[str]) -> str:
    return "".join(f"- {one}\n" for one in undecided) or "Nothing of what was tried.\n"
