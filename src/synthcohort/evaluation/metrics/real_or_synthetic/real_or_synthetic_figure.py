"""The figure of real or synthetic: ROC curves, how far the probabilities can be believed, and the
images that are told most surely and least."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, BLUE, GREEN, ORANGE, displayed, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 8
PICTURED = {
    "told_most_surely": ("Synthetic images told most surely", "synthetic", "synthetic"),
    "most_taken_for_real": ("Synthetic images most taken for real", "synthetic", "real"),
    "real_told_most_surely": ("Real test images told most surely", "test", "real"),
    "real_most_taken_for_synthetic": (
        "Real test images most taken for synthetic",
        "test",
        "synthetic",
    ),
}
"""Rows of images: title, of which set, and as what they are judged."""


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """ROC curves, one a fold, of the test, of its floor and of what the autoencoder alone costs;
    the reliability of its probabilities; beside them the rows of at most eight images (n×C×H×W
    each)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.6, 1.2])
    curves, trusted = left.subplots(1, 2)
    _curves(curves, result, arrays)
    _trusted(trusted, result, arrays)
    rows = right.subfigures(len(PICTURED), 1)
    for row, (key, (title, *_)) in zip(rows, PICTURED.items(), strict=True):
        row.suptitle(title, fontsize=10)
        for cell, image in zip(np.ravel(row.subplots(1, SHOWN)), arrays[key], strict=False):
            cell.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for cell in row.axes:
            cell.set_axis_off()
    save(figure, path)


def _curves(axes: "Axes", result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    of = {
        "floor_curves": (result["floor"], GREEN, "floor, real train"),
        "decoded_curves": (result.get("decoded"), BLUE, "real, decoded"),
        "against_decoded_curves": (
            result["details"].get("against_decoded"),
            BLACK,
            "synthetic (against decoded)",
        ),
        "curves": (result, ORANGE, "synthetic"),
    }
    for key, (found, colour, what) in of.items():
        if key not in arrays:
            continue
        low, high = found["interval"]
        legend = f"{what}: AUC {found['value']:.2f} [{low:.2f}, {high:.2f}]"
        drawn = arrays[key]
        for i in np.unique(drawn[0]):
            rates = drawn[1:, drawn[0] == i]
            axes.plot(*rates, color=colour, lw=1.2, alpha=0.8, label=legend)
            legend = None
    axes.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label="chance")
    axes.set(xlabel="False positive rate", ylabel="True positive rate", aspect="equal")
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.01),
        fontsize=7,
        title="told from real test images, a curve a fold",
        title_fontsize=7,
    )


def _trusted(axes: "Axes", result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    said, found, count = arrays["reliability"]
    error = result["details"]["calibration_error"]
    axes.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label="as it says")
    axes.plot(said, found, color=ORANGE, linewidth=1, label=f"calibration error {error:.2f}")
    axes.scatter(said, found, 10 + 90 * count / count.max(), color=ORANGE)  # by how many images
    axes.set(
        xlabel="Probability of being synthetic, as told",
        ylabel="Share that is synthetic",
        xlim=(-0.03, 1.03),
        ylim=(-0.03, 1.03),
        aspect="equal",
    )
    axes.legend(loc="upper left", fontsize=8)
