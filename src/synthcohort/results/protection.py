"""What a data-protection officer asks: what was tried against the data, what was found, what could
not be decided, what remains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthcohort.audit.gate import told, ways
from synthcohort.audit.outcome import UNDECIDED
from synthcohort.results import registry, summary
from synthcohort.results.marks import CANNOT_TELL
from synthcohort.results.readings import Reading

# What no audit of this kind reaches, in the order of a careful reader's questions.
REMAINS = (
    (
        "The model",
        "It is not part of the dataset, and is best kept where the real images are: who holds it "
        "can attack it with more than images. Membership inference above is one such attack of "
        "many.",
    ),
    (
        "No guarantee",
        "The training used no differential privacy, so nothing bounds what an attack can find that "
        "was not tried here.",
    ),
    (
        "Attacks of a receiver",
        "Somebody who trains networks of their own on the synthetic images, or who holds other "
        "images of the same people, may learn more from them than these searches did.",
    ),
    (
        "Disguises that were not planted",
        "A train image changed in a way that the search was not tried on may have been missed.",
    ),
    (
        "Single patients",
        "Shares are over all images or patients; one patient, above all one with a rare finding, "
        "may be worse off than they say.",
    ),
    (
        "Recognition by people",
        "Somebody who knows a patient may recognise them in an image that no figure flags.",
    ),
    (
        "Another training",
        "All of this is about this model and these images; others have to be audited anew.",
    ),
    (
        "The law",
        "None of it is a proof of anonymity in the sense of any law. Whether what remains can be "
        "borne by the people in the data is for people to decide.",
    ),
)
ANY = "any"
STOPS = "gates stop a set of it alone"


@dataclass(frozen=True)
class GateRow:
    """A gate, ready to print."""

    title: str
    value: str
    interval: str
    threshold: str
    floor: str
    outcome: str
    why: str
    override: str


@dataclass(frozen=True)
class Planted:
    """What the search found of train images that were planted in disguise, ready to print."""

    found: str
    missed: str
    false_alarms: str
    ways: list[str]
    rows: list[list[str]]
    """Disguise, number planted, share found by each of the `ways`, and, where the search tells,
    whether a gate would stop a set of nothing else."""
    stops: bool
    """Whether it tells that."""


@dataclass(frozen=True)
class Protection:
    """The four answers."""

    tried: list[Reading]
    """Each with what it found."""
    distance: str
    planted: Planted | None
    gates: list[GateRow]
    dropped: int
    undecided: list[str]
    ways: list[str]
    """What can be done where the export is stopped."""
    remains: Sequence[tuple[str, str]]


def protection(readings: Sequence[Reading], audit: Mapping[str, Any] | None) -> Protection:
    """The answers from all results and the content of audit.json, where there is one that tells
    outcomes."""
    audit = audit or {"gates": [], "dropped": []}
    tried = [reading for reading in readings if reading.of.question == "privacy"]
    undecided = [
        f"{reading.row.metric}: {reading.notes[0]}"
        for reading in tried
        if reading.mark == CANNOT_TELL
    ]
    gates = [gate for gate in audit["gates"] if gate["outcome"] == UNDECIDED]
    stopping = [gate for gate in audit["gates"] if gate["stops"]]
    planted = planted_table(audit.get("planted"))
    remains = REMAINS
    if planted and planted.missed:
        remains = [
            (name, f"{text} {planted.missed}" if name.startswith("Disguises") else text)
            for name, text in REMAINS
        ]
    return Protection(
        tried=tried,
        distance=audit.get("distance", ""),
        planted=planted,
        gates=[_gate(gate) for gate in audit["gates"]],
        dropped=len(audit["dropped"]),
        undecided=[*(f"The gate on {told(gate, registry.title)}" for gate in gates), *undecided],
        ways=ways(stopping) if stopping else [],
        remains=remains,
    )


def planted_table(planted: Mapping[str, Any] | None) -> Planted | None:
    """The content of search.json's "planted"; None where an older search has none."""
    if not planted:
        return None
    rows = planted["rows"]
    names = list(dict.fromkeys(way for row in rows for way in row["found"]))
    names = [*(name for name in names if name != ANY), *[ANY] * (ANY in names)]
    stops = any("stops_a_set" in row for row in rows)
    alarms = planted["false_alarms"]
    said = f"{percent(alarms['value'])} of {alarms['n']:,} real images"
    if "patients" in alarms:
        said += f" of {alarms['patients']:,} patients"
    said += " that no training has seen were taken for copies"
    if alarms.get("interval"):
        low, high = alarms["interval"]
        said += f" (95 % interval {percent(low)} to {percent(high)})"
    return Planted(
        found=planted.get("sentence_found", ""),
        missed=planted.get("sentence_missed", ""),
        false_alarms=f"{said}.",
        ways=["by any way" if name == ANY else name for name in names],
        rows=[
            [row["disguise"], f"{row['n']:,}"]
            + [percent(row["found"][name]) if name in row["found"] else "–" for name in names]
            + (["yes" if row.get("stops_a_set") else "no"] if stops else [])
            for row in rows
        ],
        stops=stops,
    )


def percent(share: float) -> str:
    """A share as people read it; the digits that tell small ones apart."""
    return f"{100 * share:.3g} %"


def _gate(gate: Mapping[str, Any]) -> GateRow:
    row = summary.row(gate | {"metric": gate["name"]})
    return GateRow(
        title=row.metric,
        value="not measured" if gate["value"] is None else row.value,
        interval=row.interval,
        threshold=f"{gate['rule'].replace('_', ' ')} {gate['threshold']:.4g}",
        floor=row.floor,
        outcome=gate["outcome"],
        why=gate["why"],
        override=" ".join(gate.get("override", "").split()),
    )
