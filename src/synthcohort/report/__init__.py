"""The report: one page a system, from the files of its run; nothing is measured here.

The page needs no network and nothing beside it: the figures are in it, real images among them, so
it is for people who may see those, and never part of `export/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthcohort import __version__, config, sources
from synthcohort.evaluation.draw import captions as captions_of_evaluation
from synthcohort.files import atomic_file, read_json
from synthcohort.measures import QUESTIONS
from synthcohort.report import comparison
from synthcohort.report.history import journals
from synthcohort.report.images import images
from synthcohort.report.inlined import Figure, caption, figure
from synthcohort.report.scale import scale
from synthcohort.report.templates import template
from synthcohort.results import summary
from synthcohort.results.protection import protection
from synthcohort.results.readings import Reading, readings
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
    "privacy": ("planted", "nearest-pairs", "distances"),
}


@dataclass(frozen=True)
class Question:
    """A group of results."""

    key: str
    title: str
    lines: list[Reading]
    figures: list[Figure]


def report(
    system: config.Config, *, results: Path, captions: Sequence[Path], out: Path, journal: Journal
) -> None:
    """Write the page `out` from the files in `results` (results/<name>).

    Every evaluation/*.json has its line and its figure. The figures of the evaluation bring their
    captions with them, those of others are among the files `captions`, <figure>.rst.

    Raises:
        UserError: nothing has been evaluated in `results`, or its files do not belong together.
    """
    entries = summary.entries(*summary.evaluated(results))
    audit = results / "audit.json"
    told = read_json(audit) if audit.exists() else {}
    read = readings(entries, told)
    drawn = {
        path.stem: figure(path, caption(_told(path.stem, captions), system.name))
        # Those of the evaluation last: an older run may have left others of the same name.
        for path in [
            *sorted(results.glob("figures/*.png")),
            *sorted(results.glob("figures/evaluation/*.png")),
        ]
    }
    placed = {
        place: [drawn.pop(name) for name in names if name in drawn]
        for place, names in PLACES.items()
    }
    questions = _questions(read, drawn, placed.pop("privacy"))
    page = template("page.html").render(
        system=system,
        title=system.export.title,
        version=__version__,
        terms=sources.terms(system.source),
        images=images(results),
        journals=journals(results / "journal"),
        glance=comparison.cells(read),
        verdict=summary.verdict(audit),
        warning=summary.warning(entries),
        stopped="outcome" not in told or any(gate["stops"] for gate in told["gates"]),
        protection=protection(read, told if "outcome" in told else None),
        found={key: told.get(key, []) for key in ("copies", "memorised")},
        privacy=next((question for question in questions if question.key == "privacy"), None),
        questions=[question for question in questions if question.key != "privacy"],
        scale=scale,
        placed=placed,
        settings=flatten(system.model_dump(mode="json")),
        duration=duration,
    )
    with atomic_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    journal.result(measurements=len(entries), megabytes=round(len(page) / 1e6, 2))


def _told(name: str, captions: Sequence[Path]) -> str:
    """What is said of the figure `name`; "" where there is nothing."""
    if name in (of_evaluation := captions_of_evaluation()):
        return of_evaluation[name]
    # Snakemake's copy of a file in a repository has the revision behind its name.
    files = [path for path in captions if path.name.partition("@")[0] == f"{name}.rst"]
    return files[0].read_text(encoding="utf-8") if files else ""


def _questions(
    read: Sequence[Reading], drawn: dict[str, Figure], privacy: list[Figure]
) -> list[Question]:
    """The results by question, each with its figures; those of `drawn` that belong to none come
    with the last."""
    lines: dict[str, list[Reading]] = {key: [] for key in QUESTIONS}
    figures: dict[str, list[Figure]] = {key: [] for key in QUESTIONS}
    figures["privacy"] += privacy
    for one in read:
        name = one.entry["metric"]
        lines[one.of.question].append(one)
        # "utility" has the figures utility.png and utility-curve.png.
        for stem in [stem for stem in drawn if stem == name or stem.startswith(f"{name}-")]:
            figures[one.of.question].append(drawn.pop(stem))
    figures["other"] += drawn.values()
    return [
        Question(key, title, lines[key], figures[key])
        for key, title in QUESTIONS.items()
        if lines[key] or figures[key]
    ]
