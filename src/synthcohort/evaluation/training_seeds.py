"""How much the headline figures vary where the diffusion model is trained again with another seed.

No interval of a metric covers that: each is of the one model there is. With `training_seeds: 3` the
diffusion model is trained three times (the autoencoder once); the first gives the dataset.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synthcohort.drawing import GREEN, ORANGE, YELLOW, save
from synthcohort.evaluation.records import write_record
from synthcohort.files import read_json
from synthcohort.measures import Measure
from synthcohort.tracking.journal import Journal

FIGURES = {
    "fid": "FID",
    "frechet_classifier": "Fréchet distance,\nown classifier",
    "precision_recall.recall": "Recall",
    "membership": "Membership inference,\nAUC",
}
"""What is measured again, as gates name it, and what the figure calls it; the headline first."""
_SENTENCE = (
    "How much it varies where the diffusion model is trained again with another seed; no interval "
    "of a single training covers that."
)


def _measure(name: str, title: str, place: int, question: str) -> Measure:
    title = f"{title} over the trainings, mean [smallest, largest]"
    return Measure(name, title, place, question, "", _SENTENCE)


MEASURES = (
    _measure("training_seeds", "FID", 401, "fidelity"),
    _measure("training_seeds.frechet_classifier", "Own-classifier distance", 402, "fidelity"),
    _measure("training_seeds.recall", "Recall", 403, "diversity"),
    _measure("training_seeds.membership", "Membership AUC", 404, "privacy"),
)
CAPTION = """\
The headline figures of diffusion models that were trained with different seeds, on the same latents
and held against the same real images. The first training gives the dataset and has its interval
beside it; the green band is the floor with its interval.

Where the trainings lie farther apart than the interval of one is wide, a difference between two
systems that is smaller than that says nothing of the systems.
"""


def figure_of(results: Mapping[str, Mapping], name: str) -> Mapping:
    """The entry of `results` (by metric) that is called `name` in FIGURES."""
    metric, _, detail = name.partition(".")
    return results[metric]["details"][detail] if detail else results[metric]


def gather(*, first: Sequence[Path], again: Sequence[Path], out: Path, journal: Journal) -> None:
    """Write `out` (JSON, with the npz beside it that every measurement leaves) from the results of
    the `first` training (<metric>.json) and the files that `again.measure_again` left.

    "value" is the mean FID over the trainings, "interval" the smallest and the largest, as told in
    "interval_method"; "details" has the same of the other figures, each with the "values". One that
    does not apply to this cohort is left out.
    """
    results = {result["metric"]: result for result in map(read_json, first)}
    trainings = [results, *(read_json(path)["results"] for path in again)]
    entries = {}
    for name in FIGURES:
        found = [figure_of(training, name)["value"] for training in trainings]
        if None in found:
            continue
        entries[name.split(".")[-1]] = {
            "value": float(np.mean(found)),
            "interval": [min(found), max(found)],
            "values": found,
        }
    arrays = {}
    for name in (name for name in FIGURES if name.split(".")[-1] in entries):
        entry = figure_of(results, name)
        floor = entry["floor"]
        arrays[name] = np.array([*entry["interval"], *floor["interval"], floor["value"]])
    headline, *others = entries
    result = {
        "metric": "training_seeds",
        **entries[headline],
        "interval_method": f"smallest and largest of {len(trainings)} trainings",
        "floor": None,
        "n": {"trainings": len(trainings), "synthetic": results[headline]["n"]["synthetic"]},
        "details": {name: entries[name] for name in others},
    }
    write_record(out, result, arrays)
    journal.result(
        trainings=len(trainings),
        **{f"{name}_mean": entry["value"] for name, entry in entries.items()},
        **{f"{name}_smallest": entry["interval"][0] for name, entry in entries.items()},
        **{f"{name}_largest": entry["interval"][1] for name, entry in entries.items()},
    )


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """A panel for each figure, a point for each training."""
    from matplotlib.figure import Figure

    headline, *_ = FIGURES
    entries = {headline: result} | result["details"]
    titles = {name: title for name, title in FIGURES.items() if name in arrays}
    figure = Figure(figsize=(2.6 * len(titles), 3.4), layout="constrained")
    panels = figure.subplots(1, len(titles), squeeze=False)[0]
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        values = entries[name.split(".")[-1]]["values"]
        low, high, bottom, top, floor = arrays[name]
        axes.axhspan(bottom, top, color=GREEN, alpha=0.2, linewidth=0)
        axes.axhline(floor, color=GREEN)
        axes.plot([1, 1], [low, high], color=ORANGE, linewidth=2)
        axes.plot(1, values[0], "o", color=ORANGE)
        axes.plot(range(2, len(values) + 1), values[1:], "o", color=YELLOW)
        axes.set(xticks=range(1, len(values) + 1), xlabel="Training", title=title)
        axes.set_xlim(0.5, len(values) + 0.5)
        axes.title.set_fontsize(10)
        axes.grid(axis="y", alpha=0.3)
    figure.suptitle(f"N = {result['n']['synthetic']} synthetic images each", fontsize=9)
    save(figure, path)
