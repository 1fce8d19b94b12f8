"""The figure of membership inference: patients' scores, the ROC curve, the noise levels."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import BLACK, BLUE, GREEN, ORANGE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Histograms of the patients' scores; the ROC curve and the control's; the area at each noise
    level."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    train, unseen = arrays["train"], np.concatenate([arrays["val"], arrays["test"]])
    bins = np.histogram_bin_edges(np.concatenate([train, unseen]), 25)
    for values, name, colour in ((train, "train", GREEN), (unseen, "unseen", BLUE)):
        weights = np.full(len(values), 100 / len(values))
        legend = f"{name} patients (N = {len(values)})"
        left.hist(values, bins, weights=weights, color=colour, alpha=0.3, label=legend)
        left.hist(values, bins, weights=weights, color=colour, histtype="step", linewidth=1.5)
    attack = result["details"]["attack"]
    left.set(xlabel=f"Score of the {attack} attack (no unit)", ylabel="Share of patients (%)")
    left.legend(loc="upper left", fontsize=8)
    _draw_curves(middle, result, arrays, train, unseen)
    _draw_levels(right, result)
    save(figure, path)


def _draw_curves(
    axes: "Axes",
    result: Mapping,
    arrays: Mapping[str, np.ndarray],
    train: np.ndarray,
    unseen: np.ndarray,
) -> None:
    axes.plot(*_curve(train, unseen), color=ORANGE, label=f"train: AUC {_text(result)}")
    details, floor = result["details"], result["floor"]
    if details["control"] == "val against test":
        curve = _curve(arrays["val"], arrays["test"])
        axes.plot(*curve, color=BLUE, linewidth=1, label=f"control: AUC {_text(floor)}")
        chance = "chance"
    else:
        chance = f"chance; {details['control']}: AUC {_text(floor)}"
    axes.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label=chance)
    axes.set(
        xlabel="Unseen patients taken for train patients (share)",
        ylabel="Train patients found (share)",
        aspect="equal",
    )
    axes.legend(loc="lower right", fontsize=8)


def _draw_levels(axes: "Axes", result: Mapping) -> None:
    details = result["details"]
    levels = details["noise_levels"]
    times = np.array([level["share_of_T"] for level in levels])
    for turn, (name, colour) in enumerate(zip(details["attacks"], (GREEN, ORANGE), strict=False)):
        value = np.array([level[name]["value"] for level in levels])
        ends = np.array([level[name]["interval"] for level in levels])
        error = np.stack([value - ends[:, 0], ends[:, 1] - value]).clip(0)
        legend = f"{name}, all levels: {_text(details[name])}"
        axes.errorbar(
            times + 0.004 * turn, value, error, color=colour, marker="o", capsize=3, label=legend
        )
    axes.axhline(0.5, color=BLACK, linestyle="--", linewidth=1)
    axes.set(xlabel="Noise level t (share of T)", ylabel="AUC over patients", ylim=(0, 1))
    axes.legend(loc="lower left", fontsize=8)


def _curve(members: np.ndarray, others: np.ndarray) -> list[list[float]]:
    """False and true positive rates over all thresholds."""
    cuts = [np.inf, *np.sort(np.concatenate([members, others]))[::-1]]
    return [[float((values >= cut).mean()) for cut in cuts] for values in (others, members)]


def _text(figure: Mapping) -> str:
    low, high = figure["interval"]
    return f"{figure['value']:.2f} [{low:.2f}, {high:.2f}]"
