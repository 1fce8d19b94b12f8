"""How well a small network tells two sets of images apart, on images it was not trained on."""

from collections.abc import Mapping

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.sets import Set
from synthcohort.hardware import Hardware
from synthcohort.numerics.resampling import bootstrap_weights, interval_of_share
from synthcohort.numerics.scores import calibration_error_of_one, reliability
from synthcohort.seeds import derive

CALIBRATED = 0.1
"""As far as this may the mean probability lie from the share it stands for; beyond, a half is not
where the network changes its mind, and the accuracy is that of a wrong threshold."""


def told_apart(
    settings: Evaluation,
    first: Set,
    second: Set,
    *,
    seed: int,
    hardware: Hardware,
    what: str,
    most_folds: int | None = None,
) -> tuple[dict, np.ndarray, Mapping[str, np.ndarray]]:
    """Cross-validation by patient of a classifier of the images of `second` (class 1) against those
    of `first`; each network is trained until it holds still on patients held out of its own part.

    Returns the AUC over pairs of one fold ("value", "interval"), "accuracy" (None where the
    probabilities are off on the whole), "calibration_error", "folds" and "images_seen" on average;
    the probability of class 1 that each image got when held out, those of `first` before those of
    `second` (float64); and for the figure the ROC "curves", 3×K float64 (the fold, the false and
    the true positive rate), and the "reliability", 3×B (probability, share and number by bin).
    """
    import torch
    from sklearn.metrics import roc_curve
    from sklearn.model_selection import StratifiedGroupKFold

    from synthcohort.evaluation.networks.small_cnn import fresh, train
    from synthcohort.models.pixels import to_model

    parts = first, second
    images = np.concatenate([part.images for part in parts])
    patients = np.concatenate([part.patients for part in parts])
    target = np.repeat([0, 1], [len(part.images) for part in parts])
    units = min(len(set(part.patients)) for part in parts)
    folds = min(most_folds or settings.folds, units)
    # By label too: what a label has more of in a fold it has less of outside, and a network that
    # learns from that is wrong more often than by chance.
    classes = np.concatenate([part.classes for part in parts])
    kind = np.unique(2 * classes + target, return_inverse=True)[1]
    if np.bincount(kind).min() < folds:
        kind = target
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    probability, fold = np.empty(len(target)), np.empty(len(target), dtype=int)
    curves, seen = [np.empty((3, 0))], []
    for i, (learned, held_out) in enumerate(splitter.split(kind, kind, patients)):
        network = fresh(images.shape[1], images.shape[2:], 2, derive(seed, i, "weights"))

        def draw(numbers: np.ndarray, _, of: np.ndarray = learned) -> tuple[np.ndarray, np.ndarray]:
            return images[of[numbers]], target[of[numbers]]

        trained = train(
            network,
            draw,
            groups=target[learned],
            patients=patients[learned],
            images=settings.classifier_images,
            seed=derive(seed, i, "images"),
            hardware=hardware,
            what=f"{what}, fold {i + 1} of {folds}",
        )
        seen.append(trained.images_seen)
        with torch.inference_mode():
            logits = network(to_model(images[held_out]).to(hardware.open())).float().cpu()
        probability[held_out] = logits.double().softmax(1)[:, 1].numpy()
        fold[held_out] = i
        if len(set(target[held_out])) == 2:
            rates = roc_curve(target[held_out], probability[held_out])[:2]
            curves.append(np.stack([np.full(len(rates[0]), i), *rates]))

    weights = bootstrap_weights(patients, derive(seed, "bootstrap"))
    once = np.ones((1, len(target)))
    value = float(area(probability, target, fold, once)[0])
    error = float(calibration_error_of_one(probability, target, once)[0])
    result = {
        "value": value,
        "interval": interval_of_share(value, area(probability, target, fold, weights), units),
        "accuracy": _accuracy(probability, target, weights, units),
        "calibration_error": error,
        "folds": folds,
        "images_seen": round(float(np.mean(seen))),
    }
    pictured = {
        "curves": np.concatenate(curves, axis=1),
        "reliability": reliability(probability, target),
    }
    return result, probability, pictured


def _accuracy(probability: np.ndarray, target: np.ndarray, weights: np.ndarray, units: int) -> dict:
    if abs(probability.mean() - target.mean()) > CALIBRATED:
        return {"value": None, "interval": None}
    right = (probability > 0.5) == target
    value = float(right.mean())
    interval = interval_of_share(value, weights @ right / weights.sum(1), units)
    return {"value": value, "interval": interval}


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
