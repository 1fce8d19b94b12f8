"""What the metrics share that compare in the autoencoder's latents: the space, shares with honest
intervals, and their figure.

Every synthetic image has been through the autoencoder's decoder. So what it is compared with, the
real images of unseen patients and the train images planted as copies, goes through it once as well.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.drawing import GREEN, ORANGE, PINK, save
from synthcohort.evaluation.material import Material
from synthcohort.hardware import Hardware
from synthcohort.numerics.resampling import (
    binomial_interval,
    bootstrap_weights,
    percentile_interval,
)

if TYPE_CHECKING:
    from synthcohort.latents.space import Space

SPACE, LAYER = "this system's autoencoder", "mean latents"
METHOD = (
    "Clopper and Pearson over images (synthetic); bootstrap over patients, percentiles (real), of "
    "a share of 0 or 1 Clopper and Pearson over patients; the train images stay, the generative "
    "model is not trained again"
)
PLANTED, UNSEEN, SYNTHETIC = (
    "train images, planted",
    "real images of\nunseen patients",
    "synthetic",
)
_COLOURS = {PLANTED: PINK, UNSEEN: GREEN, SYNTHETIC: ORANGE}


@contextmanager
def open_space(material: Material, hardware: Hardware) -> "Iterator[Space]":
    """The space of this system's latents; its vectors lie in a folder that is removed in the end.

    The metric has "autoencoder" and "latents" among its `MODELS`.
    """
    from synthcohort.latents.space import Space

    cohort, models = material.cohort, material.models
    latents = np.load(models["latents"] / "mean.npy", mmap_mode="r", allow_pickle=False)
    with tempfile.TemporaryDirectory(dir=material.work, prefix=".vectors-") as work:
        yield Space(
            models["autoencoder"],
            latents,
            cohort.of("train"),
            cohort.images.dtype,
            Path(work),
            hardware.exact(),
        )


def of_images(found: np.ndarray) -> dict:
    """{"value", "interval", "unit"}: the share of True among N synthetic images, each drawn by
    itself, with its exact interval (Clopper and Pearson 1934)."""
    interval = binomial_interval(int(found.sum()), len(found), "exact")
    return {"value": float(found.mean()), "interval": interval, "unit": "image"}


def of_patients(found: np.ndarray, patients: np.ndarray, seed: int) -> dict:
    """{"value", "interval"}: the share of True among N real images, by bootstrap over their
    patients. Of 0 or 1, where that knows no doubt, the exact interval over patients."""
    if found.all() or not found.any():
        cases = len(np.unique(patients))
        interval = binomial_interval(cases * int(found.all()), cases, "exact")
    else:
        weights = bootstrap_weights(patients, seed)
        interval = percentile_interval(weights @ found / weights.sum(1))
    return {"value": float(found.mean()), "interval": interval}


def result_of(
    found: Mapping[str, np.ndarray], material: Material, unseen: np.ndarray, seed: int
) -> dict:
    """The result of a metric whose value is the share of True among the "synthetic" images and
    whose floor is that among the "unseen" real ones (`found`: N bools each; `unseen`: their rows in
    the manifest). Its details have the share of the "planted" train images."""
    cohort = material.cohort
    rows = {"train": cohort.of("train"), "unseen": unseen}
    of = {name: len(np.intersect1d(unseen, cohort.of(name))) for name in ("val", "test")}
    return of_images(found["synthetic"]) | {
        "extractor": SPACE,
        "layer": LAYER,
        "interval_method": METHOD,
        "floor": of_patients(found["unseen"], cohort.patients[unseen], seed),
        "n": {"train": len(rows["train"]), **of, "synthetic": len(found["synthetic"])},
        "patients": {name: len(np.unique(cohort.patients[part])) for name, part in rows.items()},
        "note": "",  # images of every label take part
        "details": {"planted": of_images(found["planted"]) | {"n": len(found["planted"])}},
    }


def draw_shares(path: Path, rows: Mapping[str, Mapping], what: str) -> None:
    """Shares with their intervals, a row each from below; the rows are PLANTED, UNSEEN, SYNTHETIC,
    and `what` says of what they are the share."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    for place, (name, entry) in enumerate(rows.items()):
        colour = _COLOURS[name]
        axes.plot(entry["interval"], [place, place], color=colour, linewidth=2)
        axes.plot(entry["value"], place, "o", color=colour)
        text = f"{entry['value']:.3g}, N = {entry['n']}"
        axes.annotate(text, (entry["value"], place), (0, 7), textcoords="offset points")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlim=(-0.03, 1.25), ylim=(-0.6, len(rows) - 0.4), xticks=np.linspace(0, 1, 6))
    axes.set_xlabel(f"{what}\n95 % interval")
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)
