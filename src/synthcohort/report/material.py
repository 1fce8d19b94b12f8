"""What the report tells beside the results: the images, the stages' journals, the figures."""

import base64
import html
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from markupsafe import Markup

from synthcohort import shards
from synthcohort.cohort import SPLITS, open_cohort
from synthcohort.files import read_json
from synthcohort.shard_table import listed
from synthcohort.tracking.attempts import Attempt, attempts, duration

PIXELS_PER_INCH = 96 / 150  # the figures are written with 150 dots per inch
SHARD = re.compile(r"-\d{5}$")


@dataclass(frozen=True)
class Images:
    """How many images there are of each label."""

    labels: list[tuple[str, list[str], int]]
    """Name, images (patients) in train, val and test, synthetic images."""
    total: tuple[str, list[str], int]
    attributes: list[str]
    format: str
    leakage: str


def images(results: Path) -> Images:
    """Counted in the manifest, the split and the shards of the folder `results/<name>`."""
    cohort = results / "cohort"
    data = open_cohort(cohort, cohort / "split.csv")
    made = shards.describe(listed([results / "samples/shards.csv"]))
    synthetic = Counter(made.label_names[number] for number in made.labels.tolist())
    names = list(dict.fromkeys([*data.label_names, *synthetic]))

    def real(label: str | None) -> list[str]:
        told = []
        for split in SPLITS:
            rows = [data.rows[i] for i in data.of(split)]
            rows = [row for row in rows if label is None or row["label"] == label]
            patients = len({row["patient_id"] for row in rows})
            told.append(f"{len(rows):,} ({patients:,})")
        return told

    channels, height, width = made.shape
    colour = "grey" if channels == 1 else "RGB"
    return Images(
        labels=[(name or "(none)", real(name), synthetic[name]) for name in names],
        total=("All", real(None), len(made.labels)),
        attributes=made.attribute_names,
        format=f"{height}×{width} pixels, {colour}, {8 * made.dtype.itemsize} bits",
        leakage=_leakage(read_json(cohort / "leakage.json")),
    )


def _leakage(found: Mapping[str, Any]) -> str:
    shared = len(found["patients_in_two_splits"])
    across = found["across_splits"]
    return (
        f"{shared} patients are in two splits. Between patients of different splits, the leakage "
        f"check found {across['same_bytes']} images with the same bytes and "
        f"{across['near_identical']} nearly identical pairs (correlation from "
        f"{found['method']['correlation']})."
    )


@dataclass(frozen=True)
class Stage:
    """What the journals tell of a stage; the shards of the sampling count as one."""

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
        by_stage.setdefault(SHARD.sub("", attempt.name), []).append(attempt)
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
    notes = [f"{len(of)} shards"] if len(of) > 1 else []
    resumed = sum(sum(event["event"] == "start" for event in a.events) - 1 for a in of)
    if resumed:
        notes.append(f"resumed {resumed}×")
    if unfinished := sum(attempt.status != "finished" for attempt in of):
        notes.append("not finished" if len(of) == 1 else f"{unfinished} not finished")
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


@dataclass(frozen=True)
class Figure:
    """A figure as the page holds it."""

    name: str
    source: str
    """A data: address."""
    width: int
    height: int
    """CSS pixels at which the figure's letters have their own size."""
    caption: Markup


def figure(path: Path, captions: Path, system: str) -> Figure:
    """The PNG `path` with the caption `captions/<name>.rst`, where there is one."""
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    return Figure(
        name=path.stem,
        source="data:image/png;base64," + base64.b64encode(content).decode(),
        width=round(width * PIXELS_PER_INCH),
        height=round(height * PIXELS_PER_INCH),
        caption=caption(captions / f"{path.stem}.rst", system),
    )


def caption(path: Path, system: str) -> Markup:
    """A caption of `snakemake --report` (a Jinja template of reStructuredText, of which it uses
    paragraphs, emphasis and literals) as HTML."""
    import jinja2

    if not path.exists():
        return Markup("")
    template = jinja2.Template(path.read_text(encoding="utf-8"))
    text = template.render(snakemake=SimpleNamespace(config={"name": system}))
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        line = html.escape(" ".join(paragraph.split()))
        line = re.sub(r"``?(.+?)``?", r"<code>\1</code>", line)
        line = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", line)
        line = re.sub(r"\*(.+?)\*", r"<em>\1</em>", line)
        paragraphs.append(f"<p>{line}</p>")
    return Markup("".join(paragraphs))
