"""Figures of the metrics of privacy."""

from pathlib import Path

import numpy as np

from synthcohort.drawing import BLACK, BLUE, GREEN, ORANGE, save


def draw_losses(
    path: Path,
    train: np.ndarray,
    test: np.ndarray,
    value: float,
    interval: list[float],
    floor: list[float],
) -> None:
    """Histograms of the denoiser's loss on train and test images, and the ROC curve."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.histogram_bin_edges(np.concatenate([train, test]), 30)
    for values, name, colour in ((train, "train", GREEN), (test, "test", BLUE)):
        weights = np.full(len(values), 100 / len(values))
        legend = f"real {name} images (N = {len(values)})"
        left.hist(values, bins, weights=weights, color=colour, alpha=0.3, label=legend)
        left.hist(values, bins, weights=weights, color=colour, histtype="step", linewidth=1.5)
    left.set(xlabel="Denoiser's loss (1 = mean of all images)", ylabel="Share of images (%)")
    left.legend(fontsize=8)
    cuts = np.concatenate([[-np.inf], np.sort(np.concatenate([train, test]))])
    curve = [[(values <= cut).mean() for cut in cuts] for values in (test, train)]
    legend = f"AUC {value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"
    right.plot(*curve, color=ORANGE, label=legend)
    chance = f"chance; halves of test: AUC {floor[0]:.2f} to {floor[1]:.2f}"
    right.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label=chance)
    right.set(
        xlabel="Test images taken for train images (share)",
        ylabel="Train images found (share)",
        aspect="equal",
    )
    right.legend(loc="lower right", fontsize=8)
    save(figure, path)
