"""What a journal tells of each attempt at a stage: parameters, metrics, inputs, how it ended.

A run that did not finish and is resumed goes on in its attempt, also where one with other settings
was refused in between; a finished one that is run again begins another.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthcohort.files import digest
from synthcohort.tracking.journal import read_journal

Point = tuple[str, float, int, int]
"""A measured value: name, value, time in milliseconds, step (images seen)."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a stage: its journal, and its events from a start event on."""

    journal: Path
    events: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        return self.journal.stem

    @property
    def folder(self) -> Path:
        """The system's results folder, results/<name>."""
        return self.journal.parent.parent

    @property
    def id(self) -> str:
        """The same each time the journal is read, and another for every attempt."""
        first = self.events[0]
        return digest([self.name, first["time"], first["digest"]])

    @property
    def stage(self) -> str:
        return self.events[0]["stage"]

    @property
    def start(self) -> Mapping[str, Any]:
        """The latest start event: that of the last resume."""
        return list(self._of("start"))[-1]

    @property
    def began(self) -> int:
        """Milliseconds since the epoch."""
        return _milliseconds(self.events[0])

    @property
    def last_heard(self) -> int:
        """Milliseconds since the epoch of the last event."""
        return _milliseconds(self.events[-1])

    @property
    def seconds(self) -> float:
        """How long the stage ran, without the time between a kill and the resume."""
        total, began, last = 0.0, None, None
        for event in self.events:
            if event["event"] == "start":
                total += 0 if began is None else last - began
                began = event["time"]
            last = event["time"]
        return total + last - began

    @property
    def status(self) -> str:
        """`finished`, `failed`, or `open` where nothing tells of an end."""
        last = self.events[-1]
        return last["status"] if last["event"] == "end" else "open"

    @property
    def error(self) -> str:
        return self.events[-1].get("error", "")

    @property
    def metrics(self) -> list[Point]:
        """Values over images seen. A resumed training measures the images since its checkpoint
        again: what was measured first, and may be published already, is what is here."""
        points: dict[tuple[str, int], Point] = {}
        for event in self._of("metric"):
            for name, value in event["values"].items():
                point = (name, float(value), _milliseconds(event), event["images"])
                points.setdefault((name, event["images"]), point)
        return list(points.values())

    @property
    def results(self) -> list[Point]:
        """The final numbers, at step 0."""
        return [
            (name, float(value), _milliseconds(event), 0)
            for event in self._of("result")
            for name, value in event["values"].items()
            if not isinstance(value, str)
        ]

    @property
    def texts(self) -> dict[str, str]:
        """The final results that are text."""
        return {
            name: value
            for event in self._of("result")
            for name, value in event["values"].items()
            if isinstance(value, str)
        }

    @property
    def hardware(self) -> dict[str, str]:
        """What the stage found to run on; of a resumed one, at last."""
        return {k: v for event in self._of("hardware") for k, v in event["values"].items()}

    @property
    def figures(self) -> list[Path]:
        return list(dict.fromkeys(Path(event["path"]) for event in self._of("figure")))

    @property
    def inputs(self) -> dict[str, str]:
        """The sha256 of each input file, by its path in the results folder."""
        return {below(self.folder, Path(path)): sha for path, sha in self.start["inputs"].items()}

    def _of(self, kind: str) -> Iterator[Mapping[str, Any]]:
        return (event for event in self.events if event["event"] == kind)


def attempts(journal: Path) -> list[Attempt]:
    """The attempts in a journal, the latest last; none where the journal is still empty.

    Raises:
        UserError: there is no such journal, or it holds something else.
    """
    found: list[list[Mapping[str, Any]]] = []
    for event in read_journal(journal):
        if event["event"] == "start":
            resumed = next((one for one in found if _unfinished(one, event["digest"])), [])
            found = [one for one in found if one is not resumed] + [resumed]
        found[-1].append(event)
    return [Attempt(Path(journal), tuple(events)) for events in found]


def _unfinished(events: list[Mapping[str, Any]], key: str) -> bool:
    return events[0]["digest"] == key and events[-1].get("status") != "finished"


def duration(seconds: float) -> str:
    """A time for people: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one level of text: `{"a": {"b": [1, 2]}}` becomes `{"a.b": "[1, 2]"}`."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        elif isinstance(value, str):
            flat[name] = value
        else:
            flat[name] = json.dumps(value, ensure_ascii=False, default=str)
    return flat


def below(folder: Path, path: Path) -> str:
    """`path` relative to `folder` where it lies inside, otherwise as it is."""
    inside = path.resolve()
    if inside.is_relative_to(folder.resolve()):
        return inside.relative_to(folder.resolve()).as_posix()
    return path.as_posix()


def _milliseconds(event: Mapping[str, Any]) -> int:
    return round(event["time"] * 1000)
