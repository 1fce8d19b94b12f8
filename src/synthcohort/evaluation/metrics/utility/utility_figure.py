"""The figure of utility: how good a network is, by what it was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, BLUE, FEW, GREEN, ORANGE, PINK, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = {
    "real": ("real", GREEN),
    "decoded": ("real,\ndecoded", PINK),
    "synthetic": ("synthetic", ORANGE),
    "all_real": ("all real", GREEN),
    "both": ("all real,\nsynthetic", BLUE),
    "few": ("few real\npatients", FEW[1]),
    "few_and_synthetic": ("few real,\nsynthetic", FEW[4]),
}
LINES = {name: BARS[name][1] for name in ("real", "decoded", "synthetic")}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Bars by what a network was trained on, the curve over the number of images, and where the
    task is a label the reliability of the networks."""
    from matplotlib.figure import Figure

    details, n = result["details"], result["n"]
    reliable = {name: arrays[name] for name in LINES if name in arrays}
    widths = [1.5, 1, *([1] if reliable else [])]
    figure = Figure(figsize=(4 * sum(widths), 4.4), layout="constrained")
    bars, curve, *trusted = figure.subplots(1, len(widths), width_ratios=widths)
    _bars(bars, details, n["synthetic"])
    _curve(curve, details)
    for axes in (bars, curve):
        axes.axhline(details["chance"], color=BLACK, linestyle="--", linewidth=1, label="chance")
        axes.set_ylabel(f"{result['measure']}\n({result['better']} is better)")
        axes.grid(axis="y", alpha=0.3)
        _room(axes, result["better"])
    curve.legend(fontsize=8)
    if trusted:
        _trusted(trusted[0], details, reliable)
    figure.suptitle(
        f"Tested on {n['test']} real test images of {result['patients']['test']} patients; "
        "95 % intervals over patients",
        fontsize=10,
    )
    save(figure, path)


def _bars(axes: "Axes", details: Mapping, n: int) -> None:
    shown = {name: of for name, of in BARS.items() if name in details}
    for place, (name, (_, colour)) in enumerate(shown.items()):
        value, (low, high) = details[name]["value"], details[name]["interval"]
        axes.bar(place, value, color=colour, width=0.7)
        axes.plot([place, place], [low, high], color=BLACK, linewidth=1.5)
        axes.annotate(
            f"{value:.3g}", (place, high), (0, 3), textcoords="offset points", ha="center"
        )
    axes.set_xticks(range(len(shown)), [words for words, _ in shown.values()], fontsize=8)
    there = details["available"]
    axes.set_xlabel(
        f"Trained on (the first three: N = {n} each; all real {there['train']}, "
        f"all synthetic {there['synthetic']})",
        fontsize=9,
    )


def _curve(axes: "Axes", details: Mapping) -> None:
    ends = {"real": ("all_real", "train"), "synthetic": ("all_synthetic", "synthetic")}
    ticks = set()
    for name, (end, origin) in ends.items():
        points = [(point["images"], point[name]) for point in details["curve"]]
        if end in details and details["available"][origin] > points[-1][0]:
            points.append((details["available"][origin], details[end]))
        x = [images for images, _ in points]
        value = np.array([of["value"] for _, of in points])
        bounds = np.array([of["interval"] for _, of in points])
        below_and_above = np.stack([value - bounds[:, 0], bounds[:, 1] - value]).clip(0)
        shift = 1.02 if name == "real" else 0.98  # lest bars hide each other
        axes.errorbar(np.array(x) * shift, value, below_and_above, color=BARS[name][1], marker="o",
                      capsize=3, label=name)  # fmt: skip
        ticks |= set(x)
    axes.set_xscale("log")
    axes.set_xticks(sorted(ticks), [str(x) for x in sorted(ticks)], rotation=45)
    axes.minorticks_off()
    axes.set_xlabel("Images trained on")


def _trusted(axes: "Axes", details: Mapping, reliable: Mapping[str, np.ndarray]) -> None:
    axes.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label="as it says")
    for name, (said, right, count) in reliable.items():
        error = details[name]["calibration_error"]["value"]
        axes.plot(said, right, color=LINES[name], label=f"{name}: error {error:.2f}")
        axes.scatter(said, right, 10 + 90 * count / count.max(), color=LINES[name])
    axes.set(
        xlabel="Probability of the label told",
        ylabel="Share that is right",
        xlim=(0, 1.03),
        ylim=(0, 1.03),
    )
    axes.legend(fontsize=8, title="calibration", title_fontsize=8)


def _room(axes: "Axes", better: str) -> None:
    """Shares from 0 to a little over 1, errors from 0."""
    axes.set_ylim(0, 1.08 if better == "higher" else axes.get_ylim()[1] * 1.05)
