"""The figure of the guidance scale."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.drawing import BLACK, GREEN, ORANGE, save

PANELS = {
    "fidelity": "Fréchet distance, own classifier\n(lower is better)",
    "diversity": "Variance within a label\n(1: as in real test images)",
    "label_accuracy": "Asked label arrives, balanced accuracy\n(higher is better)",
}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Fidelity, diversity and label accuracy over the scale, with floors and the chosen scale."""
    from matplotlib.figure import Figure

    points, floor = result["details"]["points"], result["details"]["real"]
    panels = [name for name in PANELS if points[0][name] is not None]
    figure = Figure(figsize=(3.8 * len(panels), 3.8), layout="constrained")
    scales = [point["scale"] for point in points]
    for axes, name in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.axhspan(*floor[name]["interval"], color=GREEN, alpha=0.2, linewidth=0)
        axes.axhline(floor[name]["value"], color=GREEN, label="floor (real)")
        values = np.array([point[name]["value"] for point in points])
        ends = np.array([point[name]["interval"] for point in points])
        error = np.stack([values - ends[:, 0], ends[:, 1] - values]).clip(0)
        axes.errorbar(scales, values, error, color=ORANGE, marker="o", capsize=3, label="synthetic")
        axes.axvline(
            result["value"],
            color=BLACK,
            linestyle="--",
            linewidth=1,
            label=f"chosen: {result['value']:g}",
        )
        axes.set(xlabel="Guidance scale (no unit)", ylabel=PANELS[name])
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    n = result["n"]
    figure.suptitle(
        f"{n['synthetic']} images at each scale, {n['test']} real test images; 95 % intervals",
        fontsize=10,
    )
    save(figure, path)
