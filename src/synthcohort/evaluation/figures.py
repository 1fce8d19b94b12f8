"""The figures of the evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, BLUE, FEW, GREEN, ORANGE, displayed, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORIGINS = {
    "train": (GREEN, "real, train"),
    "test": (BLUE, "real, test"),
    "synthetic": (ORANGE, "synthetic"),
}


def draw_against_floor(path: Path, result: Mapping, floor: Mapping, what: str, n: int) -> None:
    """A distance with its interval above its floor with its interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.4), layout="constrained")
    axes = figure.subplots()
    names = ("floor: real train\nand real test", "synthetic\nand real test")
    for place, (entry, colour) in enumerate(((floor, GREEN), (result, ORANGE))):
        axes.plot(entry["interval"], [place, place], color=colour, linewidth=2)
        axes.plot(entry["value"], place, "o", color=colour)
        axes.annotate(
            f"{entry['value']:.3g}",
            (entry["value"], place),
            (0, 7),
            textcoords="offset points",
            ha="left",
        )
    axes.set_yticks([0, 1], names)
    axes.set_ylim(-0.6, 1.6)
    axes.set_xlim(left=min(0, floor["interval"][0], result["interval"][0]))
    axes.set_xlabel(f"{what}\nN = {n} each, 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)


def draw_map(
    path: Path,
    places: Mapping[str, np.ndarray],
    classes: Mapping[str, np.ndarray],
    label_names: Sequence[str],
    by_label: str,
    by_origin: str,
) -> None:
    """A map of images (N×2 by origin) twice: coloured by label and by origin, titles given."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=3, foreground="white")]
    many = colormaps["viridis"](np.linspace(0, 1, len(label_names)))
    colours = FEW if len(label_names) <= len(FEW) else many
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    all_places = np.concatenate(list(places.values()))
    all_classes = np.concatenate([classes[name] for name in places])
    for label, name in enumerate(label_names):
        chosen = all_places[all_classes == label]
        _dots(left, chosen, colours[label], name or "no label")
        if len(label_names) > len(FEW):
            # So many colours cannot all be told apart.
            left.text(*np.median(chosen, axis=0), name, weight="bold", path_effects=halo)
    for name, (colour, legend) in ORIGINS.items():
        _dots(right, places[name], colour, f"{legend} (N = {len(places[name])})")
    for axes, title in ((left, by_label), (right, by_origin)):
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="UMAP 1 (no unit)", ylabel="UMAP 2 (no unit)", xticks=[], yticks=[])
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=5, frameon=False, markerscale=2.5
        )
    save(figure, path)


def draw_roc(
    path: Path,
    curves: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]],
    legends: Mapping[str, str],
    told: Mapping[str, np.ndarray],
) -> None:
    """ROC curves, one a fold, of the test and of its floor; beside them a row of at most eight
    images (n×C×H×W) for each title in `told`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.2])
    axes = left.subplots()
    for name, colour in (("floor", GREEN), ("synthetic", ORANGE)):
        for i, (false_positive, true_positive) in enumerate(curves[name]):
            legend = legends[name] if i == 0 else None
            axes.plot(false_positive, true_positive, color=colour, lw=1.2, alpha=0.8, label=legend)
    axes.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label="chance")
    axes.set(xlabel="False positive rate", ylabel="True positive rate", aspect="equal")
    axes.legend(loc="lower right", fontsize=8, title="a curve a fold", title_fontsize=8)
    rows = right.subfigures(len(told), 1)
    for row, (title, images) in zip(rows, told.items(), strict=True):
        row.suptitle(title, fontsize=10)
        for cell, image in zip(np.ravel(row.subplots(1, 8)), images, strict=False):
            cell.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for cell in row.axes:
            cell.set_axis_off()
    save(figure, path)


def _dots(axes: "Axes", places: np.ndarray, colour: object, legend: str) -> None:
    axes.scatter(*places.T, s=9, color=colour, alpha=0.7, linewidths=0, label=legend)
