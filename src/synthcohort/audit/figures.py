"""The audit's figures: the nearest pairs, how near test and synthetic images come to train and to
which of its patients, and what was found of planted leaks.

The pairs show real images: never to be exported. The others show none.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synthcohort.drawing import BLACK, BLUE, ORANGE, displayed, save
from synthcohort.files import read_json
from synthcohort.tracking.journal import Journal

COLUMNS = 2
LIMITS = (
    "What this cannot show: that nobody can be recognised. Which kinds of copies are found, and\n"
    "which are missed, is in the table of planted leaks; likeness to the eye is no measurement."
)
UNIT = "standard deviations of the latent"


def draw_audit(
    *, search: Path, arrays: Path, pairs: Path, distances: Path, planted: Path, journal: Journal
) -> None:
    """Draw the nearest `pairs`, the histogram of the `distances` and the table of `planted` leaks
    from what `search` has left."""
    found_in_search = read_json(search)
    measures = {entry["name"]: entry for entry in found_in_search["measures"]}
    limit, quantile = (measures["memorised_share"][key] for key in ("distance_limit", "quantile"))
    with np.load(arrays, allow_pickle=False) as found:
        draw_distances(
            distances, found["test_distance"], found["distance"], limit, quantile, found["hits"]
        )
        draw_pairs(
            pairs,
            found["synthetic"],
            found["train"],
            found["told"].tolist(),
            found["alarming"].tolist(),
            limit,
        )
    draw_planted(planted, found_in_search["planted"])
    for path in (pairs, distances, planted):
        journal.figure(path)


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
    path: Path,
    test: np.ndarray,
    synthetic: np.ndarray,
    limit: float,
    quantile: float,
    hits: np.ndarray,
) -> None:
    """Histograms of the distances to the nearest train image, with the limit; and below them the
    shares (2×P) of synthetic and of unseen images that are nearest to each train patient."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7.5), layout="constrained")
    axes, below = figure.subplots(2, 1, height_ratios=(3, 2))
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
    for values, name, colour in zip(
        hits, ("synthetic", "unseen patients'"), (ORANGE, BLUE), strict=True
    ):
        order = 100 * np.sort(values)[::-1]
        below.step(np.arange(len(order)), order, where="mid", color=colour, label=f"{name} images")
    below.set_ylim(bottom=0)
    below.set_xlabel("Train patients, the one hit most often first (for each kind of images)")
    below.set_ylabel("Images nearest to\nthis patient (%)")
    # Above the axes: inside it would lie on the bars.
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    save(figure, path)


def draw_planted(path: Path, planted: Mapping) -> None:
    """A table of disguises by ways: the share found of train images so disguised."""
    from matplotlib.figure import Figure

    rows = planted["rows"]
    ways = sorted(rows[0]["found"], key=lambda way: (way == "any", way))
    shares = np.array([[row["found"][way] for way in ways] for row in rows])
    figure = Figure(figsize=(9, 1.6 + 0.27 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(shares):
        colour = "white" if share > 0.6 else BLACK
        axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_yticks(range(len(rows)), [row["disguise"] for row in rows], fontsize=8)
    axes.set_xticks(range(len(ways)), [way.replace(", ", "\n") for way in ways], fontsize=8)
    axes.xaxis.tick_top()
    axes.axvline(ways.index("any") - 0.5, color=BLACK, linewidth=1)
    alarms = planted["false_alarms"]
    axes.set_xlabel(
        f"Share found (%) of {rows[0]['n']} train images in each disguise, decoded once.\n"
        f"Of {alarms['n']} images of {alarms['patients']} unseen patients, "
        f"{100 * alarms['value']:.2g} % were taken for copies (any)",
        fontsize=9,
    )
    save(figure, path)
