"""The figure of subgroups: a row each, what was found of it side by side."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, GREEN, ORANGE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OFF = 0.16


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Fidelity, utility and privacy by group; of a group that has no figure, what it lacks."""
    from matplotlib.figure import Figure

    found = result["details"]["groups"]
    figure = Figure(figsize=(12, 1.8 + 0.5 * len(found)), layout="constrained")
    columns = figure.subplots(1, 3, sharey=True)
    for place, group in enumerate(found):
        fidelity = group["fidelity"]
        if fidelity:
            _bar(columns[0], fidelity["floor"], place + OFF, GREEN)
            _bar(columns[0], fidelity, place - OFF, ORANGE)
        for name, off, colour in (("real", OFF, GREEN), ("synthetic", -OFF, ORANGE)):
            if group[name]:
                _bar(columns[1], group[name], place + off, colour)
        if group["privacy"]:
            _bar(columns[2], group["privacy"], place, BLACK)
        if group["lacks"]:
            axes = columns[1 if group["real"] is None else 0]
            text = "too few: " + ", ".join(group["lacks"])
            axes.text(0.02, place, text, transform=axes.get_yaxis_transform(), size=8, va="center")
    names = [f"{group['of']} {group['name']}" for group in found]
    counts = [f"{group['patients']['train']} + {group['patients']['test']}" for group in found]
    rows = [f"{name}\n{count} patients" for name, count in zip(names, counts, strict=True)]
    columns[0].set_yticks(range(len(found)), rows, fontsize=8)
    columns[0].set_ylim(len(found) - 0.4, -0.6)
    columns[0].set_xlabel("Fréchet distance, own classifier\ngreen: floor (real train), 95 %")
    columns[1].set_xlabel(f"{result['measure']}, trained on real (green)\nand synthetic (orange)")
    columns[2].axvline(0.5, color=BLACK, linestyle="--", linewidth=1)
    columns[2].set_xlabel("Train patients nearer to synthetic\nimages than test patients, AUC")
    for axes in columns:
        axes.grid(axis="x", alpha=0.3)
    save(figure, path)


def _bar(axes: "Axes", figure: Mapping, place: float, colour: str) -> None:
    axes.plot(figure["interval"], [place, place], color=colour, linewidth=2)
    axes.plot(figure["value"], place, "o", color=colour)
