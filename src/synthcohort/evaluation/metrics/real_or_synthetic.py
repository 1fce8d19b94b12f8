"""Classifier two-sample test (Lopez-Paz and Oquab 2017): can a small CNN tell real from synthetic?

The value is the area under the ROC curve on images it was not trained on: 0.5 if it cannot.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.drawing import BLACK, GREEN, ORANGE, displayed, save
from synthcohort.evaluation.material import Material
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.seeds import derive

EXTRACTOR = None
MEASURES = (
    Measure(
        "real_or_synthetic",
        "Real or synthetic, AUC",
        170,
        "real_or_synthetic",
        "lower",
        "How well a network tells synthetic from real images, cross-validated by patient; 0.5 is "
        "guessing and what we want, 1 means that every image gives itself away.",
    ),
    Measure(
        "real_or_synthetic.accuracy",
        "Real or synthetic, accuracy",
        180,
        "real_or_synthetic",
        "lower",
        "The same as the share of images told rightly.",
    ),
)
CAPTION = """\
How well a small network tells synthetic images from real test images it was not trained on
(cross-validation by patient), beside the floor: real train from real test images. Right: the
synthetic images and the real test images that it is surest of, each with those it most takes for
the other kind.

An area under the curve of 0.5 is guessing. A value near 1 means that there is a visible difference,
which may be as harmless as the autoencoder's blur: look at the images on the right for what it is.
"""
SHOWN = 8
PICTURED = {
    "told_most_surely": ("Synthetic images told most surely", "synthetic", "synthetic"),
    "most_taken_for_real": ("Synthetic images most taken for real", "synthetic", "real"),
    "real_told_most_surely": ("Real test images told most surely", "test", "real"),
    "real_most_taken_for_synthetic": (
        "Real test images most taken for synthetic",
        "test",
        "synthetic",
    ),
}
"""Rows of images: title, of which set, and as what they are judged."""


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """Synthetic images against real test images; the floor is real train against real test.

    "details" names the synthetic images that are told most surely and those most taken for real,
    and the same of real test images; "probability" is that of being synthetic.
    """
    sets = material.sets
    result, of_being_synthetic, curves = told_apart(settings, seed, material, "synthetic", hardware)
    floor, _, floor_curves = told_apart(settings, seed, material, "train", hardware)
    told = {}
    for name, probability in of_being_synthetic.items():
        rising = np.argsort(probability, kind="stable")
        # Rising: most surely real first.
        told[name] = {"real": rising[:SHOWN], "synthetic": rising[::-1][:SHOWN]}

    def named(name: str, as_what: str) -> list[dict]:
        return [
            {
                "row": int(sets[name].rows[i]),
                "label": material.label_names[sets[name].classes[i]],
                "probability": round(float(of_being_synthetic[name][i]), 4),
            }
            for i in told[name][as_what]
        ]

    def pictured(name: str, as_what: str) -> np.ndarray:
        return sets[name].images[told[name][as_what]]

    arrays = {"curves": curves, "floor_curves": floor_curves}
    arrays |= {key: pictured(*of) for key, (_, *of) in PICTURED.items()}
    found = {
        "extractor": "small CNN trained for this test alone",
        "layer": None,
        "value": result["value"],
        "interval": result["interval"],
        "interval_method": "bootstrap over patients (real) and images (synthetic), percentiles; "
        "neither the classifiers nor the generative model are trained again",
        "floor": {"value": floor["value"], "interval": floor["interval"]},
        "details": {
            "accuracy": result["accuracy"],
            "floor_accuracy": floor["accuracy"],
            "folds": result["folds"],
        }
        | {key: named(*of) for key, (_, *of) in PICTURED.items()},
    }
    return found, arrays


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """ROC curves, one a fold, of the test and of its floor; beside them the rows of at most eight
    images (n×C×H×W each)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.2])
    axes = left.subplots()
    for curves, colour, legend in (
        (arrays["floor_curves"], GREEN, f"floor, real train and test: AUC {_auc(result['floor'])}"),
        (arrays["curves"], ORANGE, f"synthetic and real test: AUC {_auc(result)}"),
    ):
        for i in np.unique(curves[0]):
            rates = curves[1:, curves[0] == i]
            axes.plot(*rates, color=colour, lw=1.2, alpha=0.8, label=legend)
            legend = None
    axes.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label="chance")
    axes.set(xlabel="False positive rate", ylabel="True positive rate", aspect="equal")
    axes.legend(loc="lower right", fontsize=8, title="a curve a fold", title_fontsize=8)
    rows = right.subfigures(len(PICTURED), 1)
    for row, (key, (title, *_)) in zip(rows, PICTURED.items(), strict=True):
        row.suptitle(title, fontsize=10)
        for cell, image in zip(np.ravel(row.subplots(1, SHOWN)), arrays[key], strict=False):
            cell.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for cell in row.axes:
            cell.set_axis_off()
    save(figure, path)


def _auc(found: Mapping) -> str:
    low, high = found["interval"]
    return f"{found['value']:.2f} [{low:.2f}, {high:.2f}]"


def told_apart(
    settings: Evaluation, seed: int, material: Material, name: str, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray], np.ndarray]:
    """Cross-validation by patient of a classifier of the set `name` (class 1) against test.

    Returns the AUC over pairs of one fold ("value", "interval"), "accuracy" and "folds"; the
    probability of class 1 that each image of `name` and of "test" got when held out, N float64 by
    name; and the ROC curves, 3×K float64: the fold, and the false and true positive rate.
    """
    import torch
    from sklearn.metrics import roc_curve
    from sklearn.model_selection import StratifiedGroupKFold

    from synthcohort.evaluation.networks.small_cnn import fresh, train
    from synthcohort.models.pixels import to_model

    seed = derive(seed, "evaluation", "real_or_synthetic", name)
    parts = material.sets["test"], material.sets[name]
    images = np.concatenate([part.images for part in parts])
    patients = np.concatenate([part.patients for part in parts])
    target = np.repeat([0, 1], [len(part.images) for part in parts])
    folds = min(settings.folds, *(len(set(part.patients)) for part in parts))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    probability, fold = np.empty(len(target)), np.empty(len(target), dtype=int)
    curves = [np.empty((3, 0))]
    for i, (learned, held_out) in enumerate(splitter.split(target, target, patients)):
        network = fresh(images.shape[1], images.shape[2:], 2, derive(seed, i, "weights"))
        train(
            network,
            lambda numbers, _, learned=learned: (
                images[learned[numbers]],
                target[learned[numbers]],
            ),
            len(learned),
            images=settings.classifier_images,
            seed=derive(seed, i, "images"),
            hardware=hardware,
            what=f"Real or {name}, fold {i + 1} of {folds}",
        )
        with torch.inference_mode():
            logits = network(to_model(images[held_out]).to(hardware.open())).float().cpu()
        probability[held_out] = logits.softmax(1)[:, 1].numpy()
        fold[held_out] = i
        if len(set(target[held_out])) == 2:
            rates = roc_curve(target[held_out], probability[held_out])[:2]
            curves.append(np.stack([np.full(len(rates[0]), i), *rates]))

    weights = bootstrap_weights(patients, derive(seed, "bootstrap"))
    right = (probability > 0.5) == target
    result = {
        "value": float(area(probability, target, fold, np.ones((1, len(target))))[0]),
        "interval": percentile_interval(area(probability, target, fold, weights)),
        "accuracy": {
            "value": float(right.mean()),
            "interval": percentile_interval(weights @ right / weights.sum(1)),
        },
        "folds": folds,
    }
    of = {"test": probability[target == 0], name: probability[target == 1]}
    return result, of, np.concatenate(curves, axis=1)


def area(
    score: np.ndarray, target: np.ndarray, fold: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The area under the ROC curve by pairs, for each row of `weights` (draws×N).

    Scores of two folds come from two classifiers, so only pairs within a fold are compared.
    """
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for i in np.unique(fold):
        negative, positive = (np.flatnonzero((fold == i) & (target == c)) for c in (0, 1))
        difference = score[positive] - score[negative][:, None]
        wins = (difference > 0) + 0.5 * (difference == 0)
        below, above = weights[:, negative].astype(float), weights[:, positive].astype(float)
        won += ((below @ wins) * above).sum(1)
        pairs += below.sum(1) * above.sum(1)
    return won / np.where(pairs > 0, pairs, np.nan)
