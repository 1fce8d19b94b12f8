"""The cohort at a glance: real train images by label, and how many there are by split."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.cohort import Cohort, open_cohort
from synthcohort.drawing import BLUE, GREEN, YELLOW, displayed, save
from synthcohort.seeds import derive
from synthcohort.sources import SPLITS
from synthcohort.tracking.journal import Journal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 8
_MOST_LABELS = 12
_COLOURS = {"train": BLUE, "val": YELLOW, "test": GREEN}


def draw_cohort(*, seed: int, cohort: Path, split: Path, out: Path, journal: Journal) -> None:
    """Draw train images of every label, chosen by the seed, beside the numbers of patients and
    images by label and split.

    Of more than twelve labels the first twelve are drawn, and the figure says so.
    """
    from matplotlib.figure import Figure

    data = open_cohort(cohort, split)
    names = data.label_names
    shown = names[:_MOST_LABELS]
    height, width = data.images.shape[2:]
    # In inches; axes are placed by hand so that pictures keep their shape and bars their rows.
    picture, rows = _COLUMNS * 0.8, len(shown) * 0.8 * height / width
    total = picture + 2 * 2.2
    figure = Figure(figsize=(total, rows))
    pictures = figure.add_axes((0, 0, picture / total, 1))
    rest = f", the first {len(shown)} of {len(names)} labels" if len(names) > len(shown) else ""
    pictures.set_title(f"Real train images{rest}")
    _draw_images(pictures, data, shown, seed)
    for place, what in enumerate(("Patients", "Images")):
        left = (picture + 0.2 + 2.2 * place) / total
        axes = figure.add_axes((left, 0, 2 / total, 1), sharey=pictures)
        _draw_bars(axes, what, data, shown)
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(SPLITS),
        frameon=False,
    )
    save(figure, out, bbox_inches="tight")
    journal.figure(out)


def _draw_images(axes: "Axes", cohort: Cohort, names: list[str], seed: int) -> None:
    train = cohort.of("train")
    labels = np.array([cohort.rows[i]["label"] for i in train])
    for place, name in enumerate(names):
        rows = train[labels == name]
        random = np.random.default_rng(derive(seed, "cohort figure", name))
        for column, row in enumerate(random.permutation(rows)[:_COLUMNS]):
            axes.imshow(
                displayed(cohort.images[row]),
                cmap="grey",
                vmin=0,
                vmax=1,
                extent=(column - 0.48, column + 0.48, place + 0.48, place - 0.48),
                aspect="auto",
            )
    axes.set(xlim=(-0.5, _COLUMNS - 0.5), ylim=(len(names) - 0.5, -0.5), ylabel="Label")
    axes.set_xticks([])
    axes.set_yticks(range(len(names)), [name or "(none)" for name in names])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _draw_bars(axes: "Axes", what: str, cohort: Cohort, names: list[str]) -> None:
    """Stacked bars of the number of patients or images by label, a colour for each split."""
    key = "patient_id" if what == "Patients" else "image_id"
    counted = {(row["label"], row["split"], row[key]) for row in cohort.rows}
    number = Counter((label, split) for label, split, _ in counted)
    start = np.zeros(len(names), dtype=int)
    for split in SPLITS:
        numbers = np.array([number[name, split] for name in names])
        axes.barh(range(len(names)), numbers, 0.5, start, color=_COLOURS[split], label=split)
        start += numbers
    for place, name in enumerate(names):
        numbers = " + ".join(str(number[name, split]) for split in SPLITS)
        axes.text(0, place - 0.28, numbers, va="bottom", fontsize=8)
    axes.set_xlabel(f"{what} (train + val + test)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", left=False, labelleft=False)
