"""Conditioning: does the label that was asked for arrive?

The classifier that was trained on this cohort's real train images judges the synthetic ones. The
value is its balanced accuracy, the mean over labels of the share judged as what was asked; the
floor is the same for real test images and their own labels, the best that can be expected.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.drawing import BLACK, save
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.files import read_json
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.numerics.scores import accuracy, balanced_accuracy, recall
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
    ),
)
CAPTION = """\
Whether the label that was asked for arrives: a classifier trained on the real train images judges
the synthetic images (left) and, as the floor, real test images (right). Each row is a label, and
shows as which labels its images are judged.

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
    """ "details" has accuracy, the recall by label, and how many images of each label (row) are
    judged as which (column), "confusion" of synthetic and "floor_confusion" of real test images."""
    import torch

    from synthcohort.evaluation.networks.label_classifier import load_classifier

    about, names = read_json(material.models["classifier"] / "config.json"), material.label_names
    if about["task"] != "label":
        return not_applicable(
            "Conditioning by label does not apply: all train images have the same label, so "
            "there is no other that a synthetic image could show.",
        ), {}
    head = load_classifier(material.models["classifier"]).head
    found, confusions = {}, {}
    for name in ("synthetic", "test"):
        part = material.sets[name]
        with torch.inference_mode():
            judged = head(torch.from_numpy(material.features[name])).double().numpy()
        weights = bootstrap_weights(
            part.patients, derive(seed, "evaluation", "label_accuracy", name)
        )
        once = np.ones((1, len(judged)))

        def figures(score, judged=judged, asked=part.classes, weights=weights, once=once, **more):
            return {
                "value": float(score(judged, asked, once, **more)[0]),
                "interval": percentile_interval(score(judged, asked, weights, **more)),
            }

        found[name] = figures(balanced_accuracy) | {
            "accuracy": figures(accuracy),
            "recall": {
                names[label]: figures(recall, label=label) for label in np.unique(part.classes)
            },
        }
        confusions[name] = np.zeros((len(names), len(names)), int)
        np.add.at(confusions[name], (part.classes, judged.argmax(1)), 1)
    result, floor = found["synthetic"], found["test"]
    n = {name: len(material.sets[name].images) for name in ("test", "synthetic")}
    result = {
        "value": result["value"],
        "interval": result["interval"],
        "interval_method": "bootstrap over patients (real) or images (synthetic), percentiles; "
        "neither the classifier nor the generative model is trained again",
        "floor": {"value": floor["value"], "interval": floor["interval"]},
        "n": n,
        "details": {
            "accuracy": result["accuracy"],
            "floor_accuracy": floor["accuracy"],
            "recall": result["recall"],
            "floor_recall": floor["recall"],
            "labels": names,
            "confusion": confusions["synthetic"].tolist(),
            "floor_confusion": confusions["test"].tolist(),
        },
    }
    return result, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """How many images of each label are judged as which, synthetic ones (asked and judged) beside
    real test images (own and judged), each row as shares."""
    from matplotlib.figure import Figure

    names = result["details"]["labels"]
    side = max(3.2, 0.45 * min(len(names), MOST_WRITTEN))
    figure = Figure(figsize=(2 * side + 2.4, side + 1), layout="constrained")
    titles = {
        "confusion": ("Synthetic images", "Label asked for"),
        "floor_confusion": ("Floor: real test images", "Label"),
    }
    for axes, (name, (title, rows)) in zip(figure.subplots(1, 2), titles.items(), strict=True):
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
        axes.set_title(f"{title} (N = {total.sum()})", fontsize=10)
        axes.set(xlabel="Judged by the classifier as", ylabel=rows)
    figure.colorbar(shown, ax=figure.axes, label="Share of the row", shrink=0.8)
    save(figure, path)
