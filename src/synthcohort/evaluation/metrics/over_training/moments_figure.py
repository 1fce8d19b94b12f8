"""The figure of the moments of a training: what each gives away, and how good it is."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, BLUE, GREEN, ORANGE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Membership, losses, near copies and distance over the images seen, the advice above them."""
    from matplotlib.figure import Figure

    details, made = result["details"], f"{result['n']['synthetic']} images"
    figure = Figure(figsize=(10, 7), layout="constrained")
    (membership, loss), (near, quality) = figure.subplots(2, 2)
    _draw_curve(membership, details["points"], "membership", ORANGE)
    membership.axhline(0.5, color=BLACK, linestyle="--", linewidth=1, label="chance")
    membership.set(ylabel="Membership, AUC over patients", ylim=(0, 1))
    _draw_curve(loss, details["points"], "train_loss", GREEN, "train patients")
    _draw_curve(loss, details["points"], "unseen_loss", BLUE, "unseen patients")
    loss.set(ylabel="Denoiser's loss (1: at the first moment)", ylim=(0, None))
    _draw_curve(near, details["points"], "near_copies", ORANGE)
    near.axhline(details["unseen"], color=BLACK, linestyle="--", linewidth=1, label="unseen images")
    near.set(ylabel=f"Near copies, share of {made}", ylim=(0, None))
    _draw_curve(quality, details["points"], "quality", ORANGE)
    quality.set(ylabel=f"Fréchet distance, {made}", ylim=(0, None))
    for axes in (membership, loss, near, quality):
        axes.axvline(result["value"], color=BLACK, linestyle=":", linewidth=1, label="advised")
        axes.set(xlabel="Images seen in training")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(fill(details["advice"], 110), fontsize=10)
    save(figure, path)


def _draw_curve(
    axes: "Axes", points: list[Mapping], name: str, colour: str, legend: str | None = None
) -> None:
    seen = [point["images"] for point in points]
    value = np.array([point[name]["value"] for point in points])
    ends = np.array([point[name]["interval"] for point in points])
    error = np.stack([value - ends[:, 0], ends[:, 1] - value]).clip(0)
    axes.errorbar(seen, value, error, color=colour, marker="o", capsize=3, label=legend)
