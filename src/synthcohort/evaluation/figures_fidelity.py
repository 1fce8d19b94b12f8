"""The figures of fidelity and diversity."""

from collections.abc import Mapping
from pathlib import Path

from synthcohort.evaluation.figures import GREEN, ORANGE, save

HALF = 0.14  # of the distance between two rows: synthetic stands above its floor


def draw_rows(path: Path, rows: Mapping[str, Mapping], what: str) -> None:
    """Several figures of one unit, a row each from the top: a result with its interval, and its
    "floor" with its own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.5 + 0.55 * len(rows)), layout="constrained")
    axes = figure.subplots()
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
    handles, legends = axes.get_legend_handles_labels()
    figure.legend(
        handles[::-1], legends[::-1], loc="outside upper center", ncols=2, frameon=False, fontsize=8
    )
    save(figure, path)
