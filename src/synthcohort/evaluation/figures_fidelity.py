"""The figures of fidelity and diversity."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, GREEN, ORANGE, displayed, save
from synthcohort.evaluation.figures import ORIGINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF = 0.14  # of the distance between two rows: synthetic stands above its floor


def draw_rows(path: Path, rows: Mapping[str, Mapping], what: str) -> None:
    """Several figures of one unit, a row each from the top: a result with its interval, and its
    "floor" with its own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.5 + 0.55 * len(rows)), layout="constrained")
    axes = figure.subplots()
    _rows(axes, rows, what)
    _legend(figure, axes)
    save(figure, path)


def draw_differences(
    path: Path, distance: Mapping, what: str, differences: Mapping[str, Mapping], unit: str
) -> None:
    """A distance above its floor, and below it signed differences, a row each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2 + 0.4 * len(differences)), layout="constrained")
    ratios = [1.6, len(differences) + 1]
    above, below = figure.subplots(2, 1, height_ratios=ratios)
    _rows(above, {"all": distance}, what)
    _rows(below, differences, unit)
    below.axvline(0, color=BLACK, linewidth=0.8)
    _legend(figure, above)
    save(figure, path)


def draw_extrapolation(
    path: Path, curves: Mapping[str, Mapping], results: Mapping[str, Mapping], what: str
) -> None:
    """A distance against 1/N of "synthetic" and of its floor "train" ({"n", "values"} each), with
    the lines fitted to them and, at 1/N = 0, their ends in `results` with intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for name, colour, legend in (
        ("synthetic", ORANGE, "synthetic and real test"),
        ("train", GREEN, "floor: real train and real test"),
    ):
        inverse, end = 1 / np.array(curves[name]["n"]), results[name]
        axes.plot(inverse, curves[name]["values"], "o", color=colour, label=legend)
        slope = np.mean((np.array(curves[name]["values"]) - end["value"]) / inverse)
        reach = np.array([0, inverse.max()])
        axes.plot(reach, end["value"] + slope * reach, "--", color=colour, linewidth=1)
        axes.plot([0, 0], end["interval"], color=colour, linewidth=3, clip_on=False)
        axes.plot(0, end["value"], "D", color=colour, clip_on=False)
    axes.axhline(0, color=BLACK, linewidth=0.8)
    ticks = np.unique(curves["synthetic"]["n"])
    axes.set_xticks([0, *(1 / ticks)], ["∞", *(f"1/{round(n)}" for n in ticks)])
    axes.set(xlabel="1/N; at the left the extrapolation to infinite N, 95 % interval", ylabel=what)
    axes.grid(alpha=0.3)
    _legend(figure, axes)
    save(figure, path)


def draw_within(
    path: Path,
    values: Mapping[str, np.ndarray],
    what: str,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    limit: float | None = None,
) -> None:
    """The distribution of numbers taken within each set, by its name, and `limit`, that of
    duplicates; below, the most alike pairs of synthetic images (C×H×W), one above the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    axes = top.subplots()
    everything = np.concatenate([*values.values(), [] if limit is None else [limit]])
    edges = np.histogram_bin_edges(everything, 40)
    for name, of in values.items():
        colour, legend = ORIGINS[name]
        legend = f"{legend} (N = {len(of)})"
        axes.hist(of, edges, color=colour, histtype="step", linewidth=1.6, label=legend)
    if limit is not None:
        axes.axvline(limit, color=BLACK, linestyle="--", linewidth=1, label="limit of duplicates")
    axes.set(xlabel=what, ylabel="count")
    axes.legend(frameon=False, fontsize=8)
    bottom.suptitle("The most alike pairs of synthetic images, one above the other", fontsize=10)
    grid = bottom.subplots(2, len(pairs), squeeze=False)
    for column, pair in zip(grid.T, pairs, strict=True):
        for cell, image in zip(column, pair, strict=True):
            cell.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for cell in grid.flat:
        cell.set_axis_off()
    save(figure, path)


def _rows(axes: "Axes", rows: Mapping[str, Mapping], what: str) -> None:
    for place, result in enumerate(rows.values()):
        pair = (
            (result["floor"], GREEN, "floor: real train and real test", HALF, -11),
            (result, ORANGE, "synthetic and real test", -HALF, 4),
        )
        for entry, colour, legend, off, text in pair:
            legend = legend if place == 0 else None
            axes.plot(entry["interval"], [place + off] * 2, color=colour, linewidth=2)
            axes.plot(entry["value"], place + off, "o", color=colour, label=legend)
            axes.annotate(
                f"{entry['value']:.3g}",
                (entry["value"], place + off),
                (0, text),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(left=min(0, *axes.get_xlim()))
    axes.set_xlabel(what)
    axes.grid(axis="x", alpha=0.3)


def _legend(figure: "Figure", axes: "Axes") -> None:
    handles, legends = axes.get_legend_handles_labels()
    figure.legend(handles, legends, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
