"""What the figures of several metrics share: a result above its floor, and sets of images."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, BLUE, GREEN, ORANGE, displayed, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORIGINS = {
    "train": (GREEN, "real, train"),
    "test": (BLUE, "real, test"),
    "synthetic": (ORANGE, "synthetic"),
}
HALF = 0.14  # of the distance between two rows: synthetic stands above its floor


def draw_note(path: Path, note: str) -> None:
    """A figure in words, of a metric that does not apply."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.6))
    figure.text(0.5, 0.5, fill(note, 75), ha="center", va="center", fontsize=10)
    save(figure, path)


def draw_against_floor(path: Path, result: Mapping, what: str, n: int) -> None:
    """A figure with its interval above its floor with its interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.4), layout="constrained")
    axes = figure.subplots()
    floor = result["floor"]
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


def draw_rows(path: Path, rows: Mapping[str, Mapping], what: str) -> None:
    """Several figures of one unit, a row each from the top: a result with its interval, and its
    "floor" with its own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.5 + 0.55 * len(rows)), layout="constrained")
    axes = figure.subplots()
    draw_rows_on(axes, rows, what)
    add_legend_above(figure, axes)
    save(figure, path)


def draw_pair(path: Path, result: Mapping, first: str, second: str, what: str) -> None:
    """The rows of a `floors.paired` result: its value, called `first`, and that of its details
    called `second`."""
    details = result["details"]
    beside = details[second] | {"floor": details[f"floor_{second}"]}
    draw_rows(path, {first: result, second: beside}, what)


def draw_by_label(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray], what: str) -> None:
    """The rows of a `frechet.measure` result: all images, and each label in the order of "labels"
    among its arrays."""
    of, n = result["details"]["by_label"], result["n"]["test"]
    rows = {f"{name}, N = {of[name]['n']}": of[name] for name in arrays["labels"].tolist()}
    draw_rows(
        path,
        {f"all, N = {n}": result} | rows,
        f"{what}\nN each of synthetic, train and test images, 95 % interval",
    )


def draw_within(
    path: Path,
    result: Mapping,
    arrays: Mapping[str, np.ndarray],
    what: str,
) -> None:
    """The distribution of numbers taken within "test" and "synthetic", and the limit of duplicates
    where the result's details have one; below, the most alike "pairs" of synthetic images
    (n×2×C×H×W), one above the other."""
    from matplotlib.figure import Figure

    limit, pairs = result["details"].get("limit"), arrays["pairs"]
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    axes = top.subplots()
    values = {name: arrays[name] for name in ("test", "synthetic")}
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


def draw_rows_on(axes: "Axes", rows: Mapping[str, Mapping], what: str) -> None:
    """The rows of `draw_rows` on axes of a larger figure."""
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


def add_legend_above(figure: "Figure", axes: "Axes") -> None:
    """The legend of `axes` above all of the figure."""
    handles, legends = axes.get_legend_handles_labels()
    figure.legend(handles, legends, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
