"""The curve of a training, drawn alike for both."""

from pathlib import Path

from synthcohort.drawing import BLUE, GREEN, ORANGE, PINK, YELLOW, save

COLOURS = (BLUE, ORANGE, GREEN, PINK, YELLOW)


def draw_history(
    history: list[dict[str, float]], curves: dict[str, str], title: str, out: Path
) -> None:
    """Draw the named values of a training's history over images seen.

    `curves` maps a value's name to its legend text; values are drawn on a logarithmic axis. An
    empty history, where there was nothing to train, gives a figure that says so.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel="Images seen", ylabel="Loss", title=title)
    if history:
        _draw_curves(axes, history, curves)
    else:
        axes.text(0.5, 0.5, "nothing to train", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
    save(figure, out)


def _draw_curves(axes, history: list[dict[str, float]], curves: dict[str, str]) -> None:
    for colour, (name, legend) in zip(COLOURS, curves.items(), strict=False):
        points = [(entry["images"], entry[name]) for entry in history if name in entry]
        marker = "o" if len(points) <= 30 else None
        axes.plot(*zip(*points, strict=True), color=colour, label=legend, marker=marker, ms=3)
    axes.set(yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
