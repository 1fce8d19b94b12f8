"""What the figures of several metrics share: a result above its floor, and sets of images."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, BLUE, GREEN, ORANGE, PINK, displayed, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORIGINS = {
    "train": (GREEN, "real, train"),
    "test": (BLUE, "real, test"),
    "synthetic": (ORANGE, "synthetic"),
}
DECODED = {"decoded": (PINK, "real, through the autoencoder")}
BETWEEN = {
    "synthetic": "synthetic and real test",
    "decoded": "real train, through the autoencoder, and real test",
    "train": "floor: real train and real test",
    "spread": "floor, train of as many patients as there are",
}
"""What a figure between two sets is of, by the set beside real test."""
LINE = 0.2  # inches of height for one value with its interval


def draw_note(path: Path, note: str) -> None:
    """A figure in words, of a metric that does not apply."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.6))
    figure.text(0.5, 0.5, fill(note, 75), ha="center", va="center", fontsize=10)
    save(figure, path)


def draw_against_floor(path: Path, result: Mapping, what: str, n: int) -> None:
    """A figure with its interval above what it is held against, with theirs."""
    draw_rows(path, {"": result}, f"{what}\nN = {n} each, 95 % interval")


def entries(result: Mapping) -> dict[str, tuple[Mapping, dict]]:
    """What there is of a result to be drawn, by the set it is of, the first at the top: value and
    interval, and how its marks look."""
    found = {
        "synthetic": (result, {"color": ORANGE}),
        "decoded": (result.get("decoded"), {"color": PINK, "marker": "s"}),
        "train": (result["floor"], {"color": GREEN}),
        "spread": (
            result.get("floor_one_per_patient"),
            {"color": GREEN, "markerfacecolor": "white"},
        ),
    }
    return {name: (of, {"marker": "o"} | look) for name, (of, look) in found.items() if of}


def draw_rows(
    path: Path, rows: Mapping[str, Mapping], what: str, legends: Mapping[str, str] = BETWEEN
) -> None:
    """Several figures of one unit, a row each from the top: a result with its interval, and below
    it what it is held against (`entries`), with theirs. `legends` tell by set what they are of."""
    from matplotlib.figure import Figure

    lines = max(len(entries(result)) for result in rows.values())
    height = 1.5 + len(rows) * (0.15 + LINE * lines)
    figure = Figure(figsize=(6.4, height), layout="constrained")
    axes = figure.subplots()
    draw_rows_on(axes, rows, what, legends)
    add_legend_above(figure, axes)
    save(figure, path)


def draw_pair(path: Path, result: Mapping, first: str, second: str, what: str) -> None:
    """The rows of a `floors.paired` result: its value, called `first`, and that of its details
    called `second`."""
    draw_rows(path, {first: result, second: result["details"][second]}, what)


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
    """The distribution of numbers taken within "test", "synthetic" and, where there are such,
    "decoded", and the limits of duplicates where the result's details have them; below, the most
    alike "pairs" of synthetic images (n×2×C×H×W), one above the other."""
    from matplotlib.figure import Figure

    limits, pairs = result["details"].get("limits", {}), arrays["pairs"]
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    axes = top.subplots()
    values = {name: arrays[name] for name in ("test", "synthetic", "decoded") if name in arrays}
    everything = np.concatenate([*values.values(), list(limits.values())])
    edges = np.histogram_bin_edges(everything, 40)
    for name, of in values.items():
        colour, legend = (ORIGINS | DECODED)[name]
        legend = f"{legend} (N = {len(of)})"
        axes.hist(of, edges, color=colour, histtype="step", linewidth=1.6, label=legend)
    for (name, limit), style in zip(limits.items(), ("--", ":"), strict=False):
        told = f"limit of duplicates, {name}"
        axes.axvline(limit, color=BLACK, linestyle=style, linewidth=1, label=told)
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


def draw_rows_on(
    axes: "Axes", rows: Mapping[str, Mapping], what: str, legends: Mapping[str, str] = BETWEEN
) -> None:
    """The rows of `draw_rows` on axes of a larger figure."""
    told: set[str] = set()
    for place, result in enumerate(rows.values()):
        shown = entries(result)
        offs = (np.arange(len(shown)) - (len(shown) - 1) / 2) / (len(shown) + 0.7)
        for off, (name, (entry, style)) in zip(offs, shown.items(), strict=True):
            label = None if name in told else legends[name]
            told.add(name)
            y = place + off
            axes.plot(entry["interval"], [y, y], color=style["color"], linewidth=2)
            axes.plot([entry["value"]], [y], linestyle="none", label=label, clip_on=False, **style)
            axes.annotate(
                f"{entry['value']:.3g}",
                (max(entry["interval"][1], entry["value"]), y),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    left, right = min(0, axes.dataLim.x0), axes.dataLim.x1
    room = 0.1 * ((right - left) or 1)  # for the number at the end
    axes.set_xlim(left - room * (left < 0), right + room)
    axes.set_xlabel(what)
    axes.grid(axis="x", alpha=0.3)


def add_legend_above(figure: "Figure", axes: "Axes") -> None:
    """The legend of `axes` above all of the figure."""
    handles, legends = axes.get_legend_handles_labels()
    figure.legend(handles, legends, loc="outside upper center", ncols=2, frameon=False, fontsize=8)
