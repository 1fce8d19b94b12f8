"""What the stages' journals tell together: how long, on what, with which software."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from synthcohort.tracking.attempts import Attempt, attempts, duration

PART = re.compile(r"-\d{5}$")


@dataclass(frozen=True)
class Stage:
    """What the journals tell of a stage; the jobs of the sampling count as one."""

    name: str
    began: str
    seconds: float
    share: float
    """Of the longest stage, 0 to 1."""
    note: str


@dataclass(frozen=True)
class Journals:
    """What the journals of a run tell together."""

    stages: list[Stage]
    wall: str
    """From the first event to the last."""
    work: str
    """All stages together."""
    about: dict[str, str]
    """Software and hardware by name; several values where the stages differ."""
    packages: dict[str, str]
    parameters: dict[str, int]
    """Of the networks "autoencoder" and "diffusion"."""


def journals(folder: Path) -> Journals:
    """Read the latest attempt at each stage from `results/<name>/journal`, but the report's own."""
    paths = [path for path in sorted(folder.glob("*.jsonl")) if path.stem != "report"]
    latest = [tried[-1] for path in paths if (tried := attempts(path))]
    by_stage: dict[str, list[Attempt]] = {}
    for attempt in sorted(latest, key=lambda attempt: attempt.began):
        by_stage.setdefault(PART.sub("", attempt.name), []).append(attempt)
    seconds = {name: sum(attempt.seconds for attempt in of) for name, of in by_stage.items()}
    longest = max(seconds.values(), default=0) or 1
    stages = [
        Stage(
            name=name,
            began=_moment(of[0].began),
            seconds=seconds[name],
            share=seconds[name] / longest,
            note=_note(of),
        )
        for name, of in by_stage.items()
    ]
    wall = 0.0
    if latest:
        wall = max(a.last_heard for a in latest) - min(a.began for a in latest)
    environments = [attempt.start["environment"] for attempt in latest]
    keys = ("git", "python", "platform", "cpu", "cores", "gpu", "slurm_job")
    about = {key: _distinct(told.get(key) for told in environments) for key in keys}
    return Journals(
        stages=stages,
        wall=duration(wall / 1000),
        work=duration(sum(seconds.values())),
        about={key: value for key, value in about.items() if value},
        packages=_packages(environments),
        parameters={
            attempt.name: int(value)
            for attempt in latest
            if attempt.name in ("autoencoder", "diffusion")
            for name, value, *_ in attempt.results
            if name == "parameters"
        },
    )


def _note(of: Sequence[Attempt]) -> str:
    notes = [f"{len(of)} jobs"] if len(of) > 1 else []
    resumed = sum(sum(event["event"] == "start" for event in a.events) - 1 for a in of)
    if resumed:
        notes.append(f"resumed {resumed}×")
    if unfinished := sum(attempt.status != "finished" for attempt in of):
        notes.append("not finished" if len(of) == 1 else f"{unfinished} not finished")
    results = {name: value for name, value, *_ in of[-1].results}
    if share := results.get("mean_share_of_peak"):
        notes.append(f"{share:.0%} of the device's peak, {results['mean_tflops']:.3g} TFLOP/s")
    return ", ".join(notes)


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _distinct(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value))


def _packages(environments: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The versions of the packages that synthcohort itself asks for."""

    def plain(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    try:
        asked = [line for line in requires("synthcohort") or () if "extra ==" not in line]
    except PackageNotFoundError:
        asked = []
    names = sorted(plain(re.match(r"[\w.-]+", line)[0]) for line in asked)
    installed = [
        {plain(name): version for name, version in told["packages"].items()}
        for told in environments
    ]
    versions = {name: _distinct(of.get(name) for of in installed) for name in names}
    return {name: version for name, version in versions.items() if version}
