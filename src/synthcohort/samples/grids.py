"""Figures of the samples: a grid by label, and real above synthetic images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort.cohort import open_cohort
from synthcohort.drawing import save
from synthcohort.samples import shards
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

COLUMNS = 16
ROWS_OF_TWO_LABELS = 5
MOST_LABELS = 12


def show_samples(
    *,
    seed: int,
    cohort: Path,
    split: Path,
    samples: Sequence[Path],
    figure: Path,
    comparison: Path,
    journal: Journal,
) -> None:
    """Draw `figure`, the first samples of every label (no real image is in it), and `comparison`,
    random real test images above them."""
    data, sampled = open_cohort(cohort, split), shards.describe(samples)
    names = sampled.label_names[:MOST_LABELS]
    rows = max(1, ROWS_OF_TWO_LABELS // len(names))
    wanted = {
        label: np.flatnonzero(sampled.labels == label)[: rows * COLUMNS]
        for label in range(len(names))
    }
    synthetic = {
        label: list(shards.pick(samples, sampled, chosen)) for label, chosen in wanted.items()
    }
    _draw([(names[label], synthetic[label]) for label in synthetic], rows, figure)

    test, draw = data.of("test"), np.random.default_rng(derive(seed, "show-samples"))
    pairs = []
    for label, name in enumerate(names):
        real = test[data.classes[test] == data.label_names.index(name)]
        shown = draw.permutation(real)[:COLUMNS]
        pairs.append((f"{name} real".strip(), list(data.images[np.sort(shown)])))
        pairs.append((f"{name} synthetic".strip(), synthetic[label][:COLUMNS]))
    _draw(pairs, 1, comparison)
    journal.figure(figure)
    journal.figure(comparison)


def _draw(groups: list[tuple[str, list[np.ndarray]]], rows: int, out: Path) -> None:
    """One band of `rows`×COLUMNS images for each (name, images)."""
    from matplotlib.figure import Figure

    shape = groups[0][1][0].shape
    bands = [_tile(images, rows, shape) for _, images in groups]
    height = 0.7 * rows * len(groups) * shape[1] / shape[2] + 0.2 * len(groups)
    figure = Figure(figsize=(0.7 * COLUMNS, height), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.02, hspace=0.0, w_pad=0.02)
    for axes, (name, _), band in zip(
        figure.subplots(len(groups), squeeze=False)[:, 0], groups, bands, strict=True
    ):
        axes.imshow(band, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_title(name, loc="left", fontsize=8, pad=2)
    save(figure, out)


def _tile(images: list[np.ndarray], rows: int, shape: tuple[int, int, int]) -> np.ndarray:
    channels, height, width = shape
    # One pixel of white between the images; places without an image stay white.
    sheet = np.ones((rows * (height + 1) - 1, COLUMNS * (width + 1) - 1, channels))
    for i, image in enumerate(images):
        y, x = i // COLUMNS * (height + 1), i % COLUMNS * (width + 1)
        top = np.iinfo(image.dtype).max
        sheet[y : y + height, x : x + width] = image.transpose(1, 2, 0) / top
    return sheet
