"""The autoencoder's figures: its training curve, and real images beside their reconstructions."""

from pathlib import Path

import numpy as np

from synthcohort.config import Autoencoder
from synthcohort.drawing import save
from synthcohort.files import read_json
from synthcohort.tracking.journal import Journal
from synthcohort.training.curves import draw_history


def draw_autoencoder(
    settings: Autoencoder, *, history: Path, arrays: Path, figures: Path, journal: Journal
) -> None:
    """Draw the training's `history` and the reconstructions in `arrays`, as the encode stage leaves
    them, into the folder `figures`."""
    kind = settings.reconstruction
    curves = {
        "loss": "training loss",
        kind: f"{kind.upper()} (train)",
        f"validation_{kind}": f"{kind.upper()} (validation)",
    }
    pixels = settings.network == "none"
    title = "No autoencoder: the diffusion model works on pixels" if pixels else "Autoencoder"
    title += ": given weights, frozen" if settings.start and settings.start.frozen else ""
    curve, reconstructions = (
        figures / f"{name}.png" for name in ("autoencoder-training", "reconstructions")
    )
    draw_history(read_json(history), curves, title, curve)
    with np.load(arrays, allow_pickle=False) as shown:
        _draw_reconstructions(shown["images"], shown["reconstructions"], reconstructions)
    journal.figure(curve)
    journal.figure(reconstructions)


def _draw_reconstructions(images: np.ndarray, made: np.ndarray, out: Path) -> None:
    """A column for each of n×C×H×W images: real, reconstructed, and the difference."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.1 * len(images) + 0.6, 3.6), layout="constrained")
    top = np.iinfo(images.dtype).max
    panels = figure.subplots(3, len(images), squeeze=False)
    for column, real, back in zip(panels.T, images / top, made / top, strict=True):
        rows = (real, back, 0.5 + (back - real) * 2)
        for axes, pixels in zip(column, rows, strict=True):
            axes.imshow(pixels.transpose(1, 2, 0).clip(0, 1), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
    for axes, name in zip(panels[:, 0], ("real", "reconstructed", "difference ×2"), strict=True):
        axes.set_ylabel(name, fontsize=8)
    save(figure, out)
