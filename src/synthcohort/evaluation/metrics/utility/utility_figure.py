"""The figure of utility: how good a network is, by what it was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, BLUE, FEW, GREEN, ORANGE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = {
    "real": ("real", GREEN),
    "synthetic": ("synthetic", ORANGE),
    "both": ("real and\nsynthetic", BLUE),
    "few": ("few real\npatients", FEW[1]),
    "few_and_synthetic": ("few real and\nsynthetic", FEW[3]),
}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Bars by what a network was trained on, and the curve over the number of synthetic images."""
    from matplotlib.figure import Figure

    details, n = result["details"], result["n"]
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.3, 1])
    for place, (name, (_, colour)) in enumerate(BARS.items()):
        value, (low, high) = details[name]["value"], details[name]["interval"]
        left.bar(place, value, color=colour, width=0.7)
        left.plot([place, place], [low, high], color=BLACK, linewidth=1.5)
        left.annotate(
            f"{value:.3g}", (place, high), (0, 3), textcoords="offset points", ha="center"
        )
    left.set_xticks(range(len(BARS)), [words for words, _ in BARS.values()])
    left.set_xlabel(f"Trained on (N: real {n['train']}, synthetic {n['synthetic']})")
    curve = details["curve"]
    right.axhspan(*details["real"]["interval"], color=GREEN, alpha=0.2, linewidth=0)
    right.axhline(details["real"]["value"], color=GREEN, label=f"real, N = {n['train']}")
    right.errorbar(
        [point["images"] for point in curve],
        [point["value"] for point in curve],
        np.transpose(
            [
                [point["value"] - point["interval"][0], point["interval"][1] - point["value"]]
                for point in curve
            ]
        ).clip(0),
        color=ORANGE,
        marker="o",
        capsize=3,
        label="synthetic only",
    )
    right.set_xscale("log")
    right.set_xticks(
        [point["images"] for point in curve],
        [f"{point['images']}\n×{point['times']:.2g}" for point in curve],
    )
    right.minorticks_off()
    right.set_xlabel("Synthetic images trained on (× real train images)")
    for axes in (left, right):
        axes.axhline(details["chance"], color=BLACK, linestyle="--", linewidth=1, label="chance")
        axes.set_ylabel(f"{result['measure']}\n({result['better']} is better)")
        axes.grid(axis="y", alpha=0.3)
        _room(axes, result["better"])
    right.legend(fontsize=8)
    figure.suptitle(
        f"Tested on {n['test']} real test images of {result['patients']['test']} patients; "
        "95 % intervals over patients",
        fontsize=10,
    )
    save(figure, path)


def _room(axes: "Axes", better: str) -> None:
    """Shares from 0 to a little over 1, errors from 0."""
    axes.set_ylim(0, 1.08 if better == "higher" else axes.get_ylim()[1] * 1.05)
