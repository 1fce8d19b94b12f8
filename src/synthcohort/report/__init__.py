"""The report: one page a system, from the files of its run; nothing is measured here.

The page needs no network and nothing beside it: the figures are in it, real images among them, so
it is for people who may see those, and never part of `export/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthcohort import __version__, config, sources
from synthcohort.evaluation.draw import captions as captions_of_evaluation
from synthcohort.files import atomic_file, read_json
from synthcohort.measures import QUESTIONS
from synthcohort.report import comparison
from synthcohort.report.history import journals
from synthcohort.report.images import images
from synthcohort.report.inlined import Figure, caption, figure
from synthcohort.report.marks import Mark, mark, scale
from synthcohort.report.templates import template
from synthcohort.results import registry, summary
from synthcohort.tracking.attempts import duration, flatten
from synthcohort.tracking.journal import Journal

# Figures that belong to a place of their own; those of a metric come with it, others last.
PLACES = {
    "data": ("cohort",),
    "montage": ("real-and-synthetic",),
    "left out": ("samples",),  # the montage has them
    "training": (
        "autoencoder-training",
        "diffusion-training",
        "reconstructions",
        "noising",
        "denoising",
        "snapshots",
    ),
    "privacy": ("nearest-pairs", "distances"),
}


@dataclass(frozen=True)
class Line:
    """A line of the table of results."""

    row: summary.Row
    sentence: str
    note: str
    mark: Mark
    scale: str


@dataclass(frozen=True)
class Question:
    """A group of results."""

    key: str
    title: str
    lines: list[Line]
    figures: list[Figure]


def report(
    system: config.Config, *, results: Path, captions: Path, out: Path, journal: Journal
) -> None:
    """Write the page `out` from the files in `results` (results/<name>).

    Every evaluation/*.json has its line and its figure. The figures of the evaluation bring their
    captions with them, those of others are `captions/<figure>.rst`.

    Raises:
        UserError: nothing has been evaluated in `results`, or its files do not belong together.
    """
    entries = summary.entries(*summary.evaluated(results))
    drawn = {
        path.stem: figure(path, caption(_told(path.stem, captions), system.name))
        # Those of the evaluation last: an older run may have left others of the same name.
        for path in [
            *sorted(results.glob("figures/*.png")),
            *sorted(results.glob("figures/evaluation/*.png")),
        ]
    }
    audit = results / "audit.json"
    placed = {
        place: [drawn.pop(name) for name in names if name in drawn]
        for place, names in PLACES.items()
    }
    questions = _questions(entries, drawn, placed.pop("privacy"))
    page = template("page.html").render(
        system=system,
        title=system.export.title,
        version=__version__,
        terms=sources.terms(system.source),
        images=images(results),
        journals=journals(results / "journal"),
        glance=comparison.cells(entries),
        verdict=comparison.verdict(audit),
        audit=_audit(read_json(audit)) if audit.exists() else None,
        questions=questions,
        placed=placed,
        settings=flatten(system.model_dump(mode="json")),
        duration=duration,
    )
    with atomic_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    journal.result(measurements=len(entries), megabytes=round(len(page) / 1e6, 2))


def _told(name: str, captions: Path) -> str:
    """What is said of the figure `name`; "" where there is nothing."""
    path = captions / f"{name}.rst"
    if name in (of_evaluation := captions_of_evaluation()):
        return of_evaluation[name]
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _audit(told: Mapping[str, Any]) -> dict[str, Any]:
    """The audit with its gates as text: title, value, interval, threshold, floor, note, override
    (the reason), and whether each has passed."""
    gates = []
    for gate in told["gates"]:
        row = summary.row(gate | {"metric": gate["name"]})
        rule = "at least" if gate.get("rule") == "at_least" else "at most"
        bound = {"low": "lower bound ", "high": "upper bound "}.get(gate.get("of"), "")
        gates.append(
            {
                "title": row.metric,
                "value": row.value,
                "interval": row.interval,
                "threshold": f"{bound}{rule} {gate['threshold']:.4g}",
                "floor": row.floor,
                "note": gate.get("note", ""),
                "override": gate.get("override", ""),
                "passed": gate["passed"],
            }
        )
    return {"distance": "", "memorised": [], "copies": [], "dropped": [], **told, "gates": gates}


def _questions(
    entries: Sequence[Mapping[str, Any]], drawn: dict[str, Figure], privacy: list[Figure]
) -> list[Question]:
    """The results by question, each with its figures; those of `drawn` that belong to none come
    with the last."""
    better = {entry["metric"]: entry["better"] for entry in entries if "better" in entry}
    lines: dict[str, list[Line]] = {key: [] for key in QUESTIONS}
    figures: dict[str, list[Figure]] = {key: [] for key in QUESTIONS}
    figures["privacy"] += privacy
    for entry in entries:
        name = entry["metric"]
        of = registry.reading(name)
        direction = better.get(name) or better.get(name.split(".")[0]) or of.better
        lines[of.question].append(
            Line(
                row=summary.row(entry),
                sentence=of.sentence,
                note=entry.get("note") or "",
                mark=mark(entry, direction),
                scale=scale(entry),
            )
        )
        # "utility" has the figures utility.png and utility-curve.png.
        for stem in [stem for stem in drawn if stem == name or stem.startswith(f"{name}-")]:
            figures[of.question].append(drawn.pop(stem))
    figures["other"] += drawn.values()
    return [
        Question(key, title, lines[key], figures[key])
        for key, title in QUESTIONS.items()
        if lines[key] or figures[key]
    ]
