"""What the evaluation says of biases, limits and privacy, in sentences for croissant.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from synthcohort.audit.gate import headline
from synthcohort.results import registry
from synthcohort.results.protection import protection
from synthcohort.results.readings import Reading

SUBGROUPS = "subgroups"
"""The metric that tells for whom the images are of less use."""


def sentences(readings: Sequence[Reading], audit: Mapping[str, Any]) -> dict[str, list[str]]:
    """The sentences by "biases", "limits" and "privacy", from all results and the content of
    audit.json."""
    told = protection(readings, audit)
    others = [one for one in readings if one.of.question != "privacy"]
    biases = [one for one in others if one.entry["metric"].split(".")[0] == SUBGROUPS]
    undecided = [f"Not decided: {one}" for one in told.undecided]
    return {
        "biases": [_sentence(one) for one in biases],
        "limits": [_sentence(one) for one in others if one not in biases and one.mark.words],
        "privacy": [
            headline(audit, registry.title),
            *(_sentence(one) for one in told.tried),
            *undecided,
            *(f"{name}. {text}" for name, text in told.remains),
        ],
    }


def _sentence(one: Reading) -> str:
    interval = f" {one.row.interval}" if one.row.interval else ""
    floor = f", among real images {one.row.floor}" if one.row.floor else ""
    mark = f": {one.mark.words}" if one.mark.words else ""
    return f"{one.row.metric}: {one.row.value}{interval}{floor}{mark}. {one.of.sentence}".strip()
