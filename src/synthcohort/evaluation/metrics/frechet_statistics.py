"""The Fréchet distance in simple statistics of the images, and which of them differ.

The statistics (`extractors/statistics.py`) have units of their own, so each is first divided by its
standard deviation over the real train images, or by its resolution where that is larger: of a
background that is black in every real image, the deviation is nothing. The figures can be compared
within one cohort and split only.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.drawing import BLACK, save
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.estimation.by_label import by_label
from synthcohort.evaluation.extractors.statistics import NAMES, RESOLUTION
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import add_legend_above, draw_rows_on
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.seeds import derive

EXTRACTOR = "statistics"
MEASURES = (
    Measure(
        "frechet_statistics",
        "Fréchet distance, simple statistics",
        120,
        "fidelity",
        "lower",
        "Distance in simple statistics of the images (grey values, gradients, power spectrum), "
        "which need no trained network.",
    ),
)
CAPTION = """\
Fréchet distance in simple statistics of the images (intensity, gradient, power spectrum, texture;
no network), each in standard deviations over the real train images, beside its floor. Below: the
statistics whose mean differs most between synthetic and real test images, beside the same
difference of real train images, as they are and after one way through the autoencoder: what those
differ by, the autoencoder costs, and the diffusion model the rest.

The differences say what is wrong in plain terms: gradients and high frequencies below 0 are blur,
above 0 noise; intensities are brightness and contrast. Statistics of the whole image say nothing of
where things are. The distance can be compared within this cohort and split only.
"""
SHOWN = 12


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """ "details" has every statistic's mean of the synthetic images less that of real test, in
    standard deviations of train, the largest first, with the same of train as its floor and of
    "decoded" where there are such images."""
    material = replace(material, features=standardised(material.features))
    result = frechet.compare(seed, material)
    labels = by_label(material, lambda part: frechet.compare(seed, part))
    apart = differences(material, derive(seed, "evaluation", "frechet_statistics"))
    details = {
        "standardised_over": "train",
        "differences": apart,
        "differences_interval_method": "bootstrap over patients (real) and images (synthetic), "
        "percentiles",
    }
    return result | {"interval_method": frechet.METHOD, "details": details | labels}, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The distance above its floor, and below it the largest differences, a row each."""
    from matplotlib.figure import Figure

    shown = result["details"]["differences"][:SHOWN]
    figure = Figure(figsize=(8, 3.4 + 0.6 * len(shown)), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[1.6, len(shown) + 1])
    what = f"Fréchet distance, standardised statistics\nN = {result['n']['test']} each"
    draw_rows_on(above, {"all": result}, what)
    unit = "Difference of the means, in standard deviations of train\n95 % interval"
    draw_rows_on(below, {entry["statistic"]: entry for entry in shown}, unit)
    below.axvline(0, color=BLACK, linewidth=0.8)
    add_legend_above(figure, above)
    save(figure, path)


def standardised(features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """N×D float64 by set: each statistic less its mean over train, over its deviation there."""
    train = features["train"].astype(np.float64)
    scale = np.maximum(train.std(0), RESOLUTION)
    return {name: (values - train.mean(0)) / scale for name, values in features.items()}


def differences(material: Material, seed: int) -> list[dict]:
    """{"statistic", "value", "interval", "floor", "decoded"} of each feature, the largest value
    first."""
    means, drawn = {}, {}
    held_against = {"floor": "train"} | (
        {"decoded": "decoded"} if "decoded" in material.sets else {}
    )
    for name in ("test", "synthetic", *held_against.values()):
        part = material.sets[name]
        features = material.features[name].astype(np.float64)
        weights = bootstrap_weights(part.patients, derive(seed, name)).astype(np.float64)
        means[name] = features.mean(0)
        drawn[name] = weights @ features / weights.sum(1)[:, None]

    def of(name: str, i: int) -> dict:
        return {
            "value": float(means[name][i] - means["test"][i]),
            "interval": percentile_interval(drawn[name][:, i] - drawn["test"][:, i]),
        }

    found = [
        {"statistic": name}
        | of("synthetic", i)
        | {key: of(origin, i) for key, origin in held_against.items()}
        for i, name in enumerate(NAMES)
    ]
    return sorted(found, key=lambda entry: -abs(entry["value"]))
