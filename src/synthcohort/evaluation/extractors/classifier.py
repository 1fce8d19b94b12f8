"""Features of the small classifier that was trained on this cohort's real train split."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.files import read_json
from synthcohort.hardware import Hardware

if TYPE_CHECKING:
    import torch

MODELS = ("classifier",)
AHEAD = False


def open_extractor(
    settings: Evaluation, seed: int, models: Mapping[str, Path], hardware: Hardware
) -> tuple[str, str, Callable[[np.ndarray], "torch.Tensor"]]:
    """128 features; the arguments and what is returned are in the package's docstring."""
    from synthcohort.evaluation.networks.label_classifier import load_classifier
    from synthcohort.models.pixels import to_model

    network = load_classifier(models["classifier"])
    hardware.place(network)
    task = read_json(models["classifier"] / "config.json")["task"]

    def features(images: np.ndarray) -> "torch.Tensor":
        return network.features(to_model(images).to(hardware.open()))

    name = f"classifier trained on this cohort's train split ({task})"
    return name, "penultimate, 128 features", features
