"""What a small network can learn of a cohort: its label, its findings, or a number such as an age.

A cohort may ask for two things: a label, and a number beside it.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from synthcohort.cohort import Cohort
from synthcohort.numerics.scores import (
    Score,
    absolute_error,
    accuracy,
    auc,
    balanced_accuracy,
    calibration_error,
    calibration_error_of_one,
    over_outputs,
)
from synthcohort.samples.shards import Samples

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Task:
    """A question, with its answers for all real images and all synthetic ones."""

    kind: Literal["label", "findings", "number"]
    measure: str
    """The figure that tells how well it is answered, in words."""
    names: list[str]
    """The labels, the findings, or the one number."""
    real: np.ndarray
    """By rows of the manifest: N class numbers of `names` (int64, −1 where the image takes no
    part), or N×F values (float32)."""
    synthetic: np.ndarray
    """The same by samples."""

    @property
    def outputs(self) -> int:
        """How many numbers the network gives an image."""
        return len(self.names)

    @property
    def better(self) -> str:
        """Whether the measure is to be "higher" or "lower"."""
        return "lower" if self.kind == "number" else "higher"

    def takes_part(self, targets: np.ndarray) -> np.ndarray:
        """Which of some targets (`real` or `synthetic`) belong to the task, as bools."""
        return targets >= 0 if self.kind == "label" else np.ones(len(targets), bool)

    def loss(self, logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
        """What the network learns by; a number's targets are standardised."""
        from torch.nn import functional as F

        if self.kind == "label":
            return F.cross_entropy(logits, targets)
        if self.kind == "findings":
            return F.binary_cross_entropy_with_logits(logits, targets)
        return F.mse_loss(logits, targets)

    def answers(self, logits: "torch.Tensor") -> np.ndarray:
        """N×outputs float64: probabilities, or a number in standard deviations as it is."""
        if self.kind == "label":
            logits = logits.softmax(1)
        elif self.kind == "findings":
            logits = logits.sigmoid()
        return logits.double().cpu().numpy()


def tasks(data: Cohort, sampled: Samples) -> list[Task]:
    """The questions that real train, real test and the synthetic images all have answers to, the
    one that counts first; none where images have neither label nor attribute, or all the same.

    A label that is not in train or that nothing was sampled of takes no part.
    """
    found = [_labels(data, sampled)]
    if data.attribute_names and sampled.attribute_names == data.attribute_names:
        found.append(_attributes(data, sampled))
    return [task for task in found if task is not None]


def _labels(data: Cohort, sampled: Samples) -> Task | None:
    made = {sampled.label_names[i] for i in np.unique(sampled.labels)}
    there = {data.label_names[i] for i in np.unique(data.classes[data.of("train")])}
    names = [name for name in data.label_names if name in made & there]
    number = {name: i for i, name in enumerate(names)}

    def numbers(of: list[str], classes: np.ndarray) -> np.ndarray:
        return np.array([number.get(name, -1) for name in of])[classes]

    real = numbers(data.label_names, data.classes)
    if len(names) < 2 or not (real[data.of("test")] >= 0).any():
        return None
    synthetic = numbers(sampled.label_names, sampled.labels)
    return Task("label", "balanced accuracy", names, real, synthetic)


def _attributes(data: Cohort, sampled: Samples) -> Task | None:
    real, synthetic = data.attributes, sampled.attributes
    parts = [real[data.of(split)] for split in ("train", "test")]
    vary = np.all([part.min(0) < part.max(0) for part in parts], axis=0)
    binary = np.isin(real, (0, 1)).all(0)
    names = np.array(data.attribute_names)
    if (numbers := np.flatnonzero(vary & ~binary)).size:
        # The first of several: one number that can be read in its own unit.
        one = numbers[:1]
        what = f"mean absolute error of {names[one][0]}"
        return Task("number", what, names[one].tolist(), real[:, one], synthetic[:, one])
    if vary.any():
        of = np.flatnonzero(vary)
        return Task(
            "findings", "mean AUC over findings", names[of].tolist(), real[:, of], synthetic[:, of]
        )
    return None


def scores(task: Task) -> dict[str, Score]:
    """The figures of a task by name; the one it is judged by is called "value"."""
    if task.kind == "number":
        return {"value": absolute_error}
    if task.kind == "findings":
        return {
            "value": partial(over_outputs, auc),
            "calibration_error": partial(over_outputs, calibration_error_of_one),
        }
    return {
        "value": balanced_accuracy,
        "accuracy": accuracy,
        "auc": lambda p, y, w: over_outputs(auc, p, np.eye(p.shape[1], dtype=int)[y], w),
        "calibration_error": lambda p, y, w: calibration_error(p.max(1), p.argmax(1) == y, w),
    }
