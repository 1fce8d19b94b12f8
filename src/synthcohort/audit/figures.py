"""The audit's figures: the nearest pairs, and how near test and synthetic images come to train.

The pairs show real images: never to be exported. The histogram of the distances shows none.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort.drawing import BLACK, BLUE, ORANGE, displayed, save
from synthcohort.files import read_json
from synthcohort.tracking.journal import Journal

COLUMNS = 2
LIMITS = (
    "What this cannot show: that nobody can be recognised. Copies of parts of an image, rotated,\n"
    "scaled or recoloured ones are not looked for, and likeness to the eye is no measurement."
)
UNIT = "standard deviations of the latent"


def draw_audit(
    *, search: Path, arrays: Path, pairs: Path, distances: Path, journal: Journal
) -> None:
    """Draw the nearest `pairs` and the histogram of the `distances` from what `search` has left."""
    measures = {entry["name"]: entry for entry in read_json(search)["measures"]}
    limit, quantile = (measures["memorised_share"][key] for key in ("distance_limit", "quantile"))
    with np.load(arrays, allow_pickle=False) as found:
        draw_distances(distances, found["test_distance"], found["distance"], limit, quantile)
        draw_pairs(
            pairs,
            found["synthetic"],
            found["train"],
            found["told"].tolist(),
            found["alarming"].tolist(),
            limit,
        )
    journal.figure(pairs)
    journal.figure(distances)


def draw_pairs(
    path: Path,
    synthetic: np.ndarray,
    train: np.ndarray,
    told: Sequence[str],
    alarming: Sequence[bool],
    limit: float,
) -> None:
    """Synthetic images (n×C×H×W, uint8 or uint16), each beside the train image nearest to it;
    below each pair what is `told` of it, in colour where it is `alarming`."""
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(told))
    rows = -(-len(told) // columns)
    figure = Figure(figsize=(6.0 * max(columns, 1), 3.3 * rows + 1.5), layout="constrained")
    figure.suptitle(
        "Synthetic images (left) and the train image nearest to each (right)\n"
        f"distance in {UNIT}; up to {limit:.3g} counts as memorised"
    )
    figure.supxlabel(LIMITS, fontsize=10)
    cells = np.ravel(figure.subfigures(rows, columns, squeeze=False))
    for cell, left, right, words, alarm in zip(
        cells, synthetic, train, told, alarming, strict=False
    ):
        cell.supxlabel(words, color=ORANGE if alarm else BLACK, fontsize=11)
        for axes, image, name in zip(
            cell.subplots(1, 2), (left, right), ("synthetic", "train"), strict=True
        ):
            axes.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(name, fontsize=9)
            axes.set_axis_off()
    save(figure, path)


def draw_distances(
    path: Path, test: np.ndarray, synthetic: np.ndarray, limit: float, quantile: float
) -> None:
    """Histograms of the distances to the nearest train image, with the limit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    bins = np.histogram_bin_edges(np.concatenate([test, synthetic, [0]]), 40)
    for values, name, colour in ((test, "real test", BLUE), (synthetic, "synthetic", ORANGE)):
        share = np.full(len(values), 100 / len(values))
        legend = f"{name} images (N = {len(values)})"
        axes.hist(values, bins, weights=share, color=colour, alpha=0.3, label=legend)
        axes.hist(values, bins, weights=share, color=colour, histtype="step", linewidth=1.5)
    axes.axvline(
        limit,
        color=BLACK,
        linestyle="--",
        label=f"limit: {100 * quantile:g} % of the real test images are nearer",
    )
    axes.set_xlim(left=0)
    axes.set_xlabel(f"Distance to the nearest train image ({UNIT})")
    axes.set_ylabel("Share of images (%)")
    # Above the axes: inside it would lie on the bars.
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    save(figure, path)
