"""The lines of the table as people read them: with their question, a sentence and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthcohort.audit.outcome import FAILED, UNDECIDED
from synthcohort.evaluation.estimation import autoencoder_alone
from synthcohort.measures import Measure
from synthcohort.results import registry, summary
from synthcohort.results.marks import CANNOT_TELL, SIGN, Mark, mark

GATED = {FAILED: SIGN, UNDECIDED: Mark(CANNOT_TELL.sign, "undecided", CANNOT_TELL.kind)}


@dataclass(frozen=True)
class Reading:
    """A line of the table of results."""

    entry: Mapping[str, Any]
    row: summary.Row
    of: Measure
    mark: Mark
    notes: list[str]
    """What else has to be known of the figure; the first says why it can't tell, where it can't."""

    @property
    def compared(self) -> str:
        """How many images, and of how many patients where the result says so."""
        of = summary.numbers(self.entry.get("patients") or {})
        return f"{self.row.n}; patients: {of}" if of else self.row.n


def readings(
    entries: Sequence[Mapping[str, Any]], audit: Mapping[str, Any] | None = None
) -> list[Reading]:
    """How each of `summary.entries` is read. Where a privacy figure has a gate in `audit` (the
    content of audit.json) that did not pass, it is read as the gate is."""
    better = {entry["metric"]: entry["better"] for entry in entries if "better" in entry}
    judged = {
        gate["name"]: GATED.get(gate.get("outcome")) for gate in (audit or {}).get("gates", ())
    }
    found = []
    for entry in entries:
        name, of = entry["metric"], registry.reading(entry["metric"])
        verdict = mark(entry, of, better.get(name) or better.get(name.split(".")[0]))
        if of.question == "privacy":
            verdict = judged.get(name) or verdict
        found.append(Reading(entry, summary.row(entry), of, verdict, _notes(entry, verdict)))
    return found


def _notes(entry: Mapping[str, Any], verdict: Mark) -> list[str]:
    notes = []
    if verdict == CANNOT_TELL:
        why = entry.get("cannot_tell") or (
            "the figure or its floor is so uncertain here that a difference that matters would not "
            "be told from none"
        )
        notes.append(f"{why[0].upper()}{why[1:].removesuffix('.')}.")
    if entry.get("note"):
        notes.append(entry["note"])
    if alone := entry.get("floor_one_per_patient"):
        number = f" ({alone['n']:,} of them)" if isinstance(alone.get("n"), int) else ""
        notes.append(f"Floor with one image a patient{number}: {summary.figure(alone)}.")
    if over := autoencoder_alone.sentence(entry):
        notes.append(f"That is {over}")
    return notes
