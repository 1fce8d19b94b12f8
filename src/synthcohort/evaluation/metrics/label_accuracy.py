"""Conditioning: does the label that was asked for arrive?

The classifier that was trained on this cohort's real train images judges the synthetic ones. The
value is its balanced accuracy, the mean over labels of the share judged as what was asked; the
floor is the same for real test images and their own labels, the best that can be expected.
"""

from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation.estimation.resampling import bootstrap_weights, percentile_interval
from synthcohort.evaluation.estimation.scores import accuracy, balanced_accuracy, recall
from synthcohort.evaluation.figures_utility import draw_confusion
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.files import read_json
from synthcohort.seeds import derive

EXTRACTOR = "classifier"
MODELS = ("classifier",)


def measure(
    settings: Evaluation, *, seed: int, material: Material, figure: Path, hardware: Hardware
) -> dict:
    """ "details" has accuracy, the recall by label, and how many images of each label (row) are
    judged as which (column), "confusion" of synthetic and "floor_confusion" of real test images."""
    import torch

    from synthcohort.evaluation.networks.small_cnn import load_classifier

    about, names = read_json(material.models["classifier"] / "config.json"), material.label_names
    if about["task"] != "label":
        return not_applicable(
            figure,
            "Conditioning by label does not apply: all train images have the same label, so "
            "there is no other that a synthetic image could show.",
        )
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
    draw_confusion(figure, confusions, names)
    result, floor = found["synthetic"], found["test"]
    n = {name: len(material.sets[name].images) for name in ("test", "synthetic")}
    return {
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
