"""Conditioning: does the label that was asked for arrive?

The classifier that was trained on this cohort's real train images judges the synthetic ones. The
value is its balanced accuracy, the mean over labels of the share judged as what was asked; the
floor is the same for real test images and their own labels, the best that can be expected. Beside
it the area under the ROC curve of each label against all others, on average: it does not fall where
images only move the classifier's threshold, as a blur may.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.drawing import BLACK, save
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.evaluation.sets import Set
from synthcohort.files import read_json
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import bootstrap_weights, interval_of_share
from synthcohort.numerics.scores import (
    Score,
    accuracy,
    auc,
    balanced_accuracy,
    one_against_rest,
    recall,
)
from synthcohort.seeds import derive

EXTRACTOR = "classifier"
MODELS = ("classifier",)
MEASURES = (
    Measure(
        "label_accuracy",
        "Asked label arrives, balanced accuracy",
        230,
        "conditioning",
        "higher",
        "How often a classifier trained on real images finds the label that was asked for; the "
        "floor is its accuracy on real test images.",
        span=0.5,
    ),
    Measure(
        "label_accuracy.auc",
        "Asked label arrives, AUC",
        235,
        "conditioning",
        "higher",
        "The same as the area under the ROC curve, each label against the others: how well images "
        "asked for a label are told from the rest, wherever the threshold lies.",
        span=0.5,
    ),
)
CAPTION = """\
Whether the label that was asked for arrives: a classifier trained on the real train images judges
the synthetic images (left) and, as the floor, real test images (right). Each row is a label, and
shows as which labels its images are judged. Where rows are one-sided and the area under the ROC
curve (AUC) is as high as the floor's, the label has arrived and only the threshold has moved.

A synthetic row that is worse than its real row means that the model has not learnt what makes that
label, or that it makes images the classifier does not know. A row that is better is not a success
in itself: the images may show the label more plainly than patients do, as strong guidance brings
about.
"""
# A finer matrix has no room for numbers in its cells.
MOST_WRITTEN = 12


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """ "details" has AUC, accuracy, the recall and the AUC by label, and how many images of each
    label (row) are judged as which (column), "confusion" of synthetic and "floor_confusion" of real
    test images. "decoded" is the value of real train images that have gone through the autoencoder,
    where there are any: the classifier has seen them as they were."""
    import torch

    from synthcohort.evaluation.networks.label_classifier import cannot_tell, load_classifier

    folder, names = material.models["classifier"], material.label_names
    if read_json(folder / "config.json")["task"] != "label":
        return not_applicable(
            "Conditioning by label does not apply: all train images have the same label, so "
            "there is no other that a synthetic image could show.",
        ), {}
    head, found, confusions = load_classifier(folder).head, {}, {}
    for name in (name for name in ("synthetic", "test", "decoded") if name in material.features):
        part = material.sets[name]
        with torch.inference_mode():
            judged = head(torch.from_numpy(material.features[name])).double().softmax(1).numpy()
        found[name] = _figures(
            judged, part, names, derive(seed, "evaluation", "label_accuracy", name)
        )
        confusions[name] = np.zeros((len(names), len(names)), int)
        np.add.at(confusions[name], (part.classes, judged.argmax(1)), 1)
    made, floor = found["synthetic"], found["test"]
    result = {
        "value": made.pop("value"),
        "interval": made.pop("interval"),
        "interval_method": "bootstrap over patients (real) or images (synthetic), percentiles; at "
        "an end of the scale the exact interval (Clopper and Pearson); neither the classifier nor "
        "the generative model is trained again",
        "floor": {"value": floor.pop("value"), "interval": floor.pop("interval")},
        "n": {name: len(material.sets[name].images) for name in ("test", "synthetic")},
        "details": made
        | {f"floor_{key}": figure for key, figure in floor.items()}
        | {
            "labels": names,
            "confusion": confusions["synthetic"].tolist(),
            "floor_confusion": confusions["test"].tolist(),
        },
    }
    if decoded := found.get("decoded"):
        result["decoded"] = {"value": decoded.pop("value"), "interval": decoded.pop("interval")}
        result["details"] |= {f"decoded_{key}": figure for key, figure in decoded.items()}
    if why := cannot_tell(folder):
        result["cannot_tell"] = why
    return result, {}


def _figures(judged: np.ndarray, part: Set, names: Sequence[str], seed: int) -> dict:
    """Every figure of N×C probabilities for the images of a set, the balanced accuracy plain."""
    weights, once = bootstrap_weights(part.patients, seed), np.ones((1, len(judged)))
    cases, truth = len(set(part.patients)), part.classes

    def figure(score: Score) -> dict:
        value = float(score(judged, truth, once)[0])
        if not np.isfinite(value):  # not defined: images of one label have no ROC curve
            return {"value": None, "interval": None}
        draws = score(judged, truth, weights)
        return {"value": value, "interval": interval_of_share(value, draws, cases)}

    labels = np.unique(truth)
    return figure(balanced_accuracy) | {
        "auc": figure(one_against_rest),
        "accuracy": figure(accuracy),
        "recall": {names[label]: figure(partial(recall, label=label)) for label in labels},
        "auc_by_label": {
            names[label]: figure(lambda p, y, w, label=label: auc(p[:, label], y == label, w))
            for label in labels
        },
    }


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """How many images of each label are judged as which, synthetic ones (asked and judged) beside
    real test images (own and judged), each row as shares."""
    from matplotlib.figure import Figure

    names = result["details"]["labels"]
    side = max(3.2, 0.45 * min(len(names), MOST_WRITTEN))
    figure = Figure(figsize=(2 * side + 2.4, side + 1), layout="constrained")
    titles = {
        "confusion": ("Synthetic images", "Label asked for", "auc"),
        "floor_confusion": ("Floor: real test images", "Label", "floor_auc"),
    }
    for axes, (name, (title, rows, of)) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        counts = np.array(result["details"][name])
        total = counts.sum(1, keepdims=True)
        share = counts / np.maximum(total, 1)
        shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        if len(names) <= MOST_WRITTEN:
            words = [name or "no label" for name in names]
            axes.set_xticks(range(len(names)), words, rotation=45, ha="right")
            axes.set_yticks(range(len(names)), words)
            for (row, column), value in np.ndenumerate(share):
                colour = "white" if value > 0.6 else BLACK
                if total[row]:
                    axes.text(
                        column, row, f"{value:.0%}", ha="center", va="center", color=colour, size=8
                    )
        area = result["details"][of]["value"]
        told = "" if area is None else f", AUC {area:.2f}"
        axes.set_title(f"{title} (N = {total.sum()}{told})", fontsize=10)
        axes.set(xlabel="Judged by the classifier as", ylabel=rows)
    figure.colorbar(shown, ax=figure.axes, label="Share of the row", shrink=0.8)
    save(figure, path)
