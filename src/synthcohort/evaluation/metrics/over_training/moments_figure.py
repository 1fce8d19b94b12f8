"""The figure of the moments of a training: what each gives away, and how good it is."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

import numpy as np

from synthcohort.drawing import BLACK, GREEN, ORANGE, save


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Membership, near copies and quality over the images seen, the advice above them."""
    from matplotlib.figure import Figure

    points, n = result["details"]["points"], result["n"]
    seen = [point["images"] for point in points]
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    made = f"{n['synthetic']} images"
    panels = {
        "membership": ("Membership, AUC over patients", 0.5, "chance"),
        "near_copies": (
            f"Near copies, share of {n['synthetic']} images",
            result["details"]["unseen"],
            "unseen images",
        ),
        "quality": (f"Fréchet distance, {made}, own classifier", None, ""),
    }
    for axes, (name, (what, level, legend)) in zip(
        figure.subplots(1, len(panels)), panels.items(), strict=True
    ):
        value = np.array([point[name]["value"] for point in points])
        ends = np.array([point[name]["interval"] for point in points])
        error = np.stack([value - ends[:, 0], ends[:, 1] - value]).clip(0)
        axes.errorbar(seen, value, error, color=ORANGE, marker="o", capsize=3)
        if level is not None:
            axes.axhline(level, color=BLACK, linestyle="--", linewidth=1, label=legend)
        axes.axvline(result["value"], color=GREEN, linestyle=":", label="advised")
        axes.set(xlabel="Images seen in training", ylabel=what)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(fill(result["details"]["advice"], 140), fontsize=10)
    save(figure, path)
