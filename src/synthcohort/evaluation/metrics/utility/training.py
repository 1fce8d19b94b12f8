"""Training the same small network on real images, synthetic ones or both, and testing it on real.

Images are known by one number: real ones by their row of the manifest, synthetic ones by their
place among the samples behind the last real one. None is read before it is needed.
"""

from dataclasses import dataclass

import numpy as np

from synthcohort.cohort import Cohort, blocks
from synthcohort.evaluation.metrics.utility.tasks import Task
from synthcohort.hardware import Hardware
from synthcohort.seeds import derive


@dataclass(frozen=True)
class Bench:
    """What all trainings for one task have in common."""

    task: Task
    data: Cohort
    synthetic: np.ndarray
    """M×C×H×W, memory-mapped."""
    index: np.ndarray
    """M int64, the running number of a sample within its label."""
    images_seen: int
    seed: int
    hardware: Hardware

    @property
    def train(self) -> np.ndarray:
        """The real train images of the task."""
        return self._of(self.data.of("train"))

    @property
    def test(self) -> np.ndarray:
        """The real test images of the task."""
        return self._of(self.data.of("test"))

    @property
    def made(self) -> np.ndarray:
        """The synthetic images of the task, labels taking turns: any first part has all."""
        by_index = np.argsort(self.index, kind="stable")
        return self._of(len(self.data.rows) + by_index)

    def few(self, share: int, number: int) -> np.ndarray:
        """The train images of one in `share` patients of each label (rounded up), others for each
        `number`."""
        train, patients = self.train, self.data.patients
        group = self._targets[train] if self.task.kind == "label" else np.zeros(len(train), int)
        random = np.random.default_rng(derive(self.seed, "few", number))
        chosen: set[str] = set()
        for label in np.unique(group):
            own = np.unique(patients[train[group == label]])
            chosen.update(random.permutation(own)[: -(-len(own) // share)])
        return train[np.isin(patients[train], list(chosen))]

    def answers(self, rows: np.ndarray, number: int, what: str) -> np.ndarray:
        """What a network says of `test`, N×outputs float64, after training on the images `rows`,
        every label and origin equally often; `number` tells repetitions apart."""
        import torch

        from synthcohort.evaluation.networks.small_cnn import fresh, train
        from synthcohort.models.pixels import to_model

        task, examples = self.task, self._evenly(rows)
        targets, mean, deviation = self._targets, 0.0, 1.0
        if task.kind == "number":
            mean, deviation = targets[rows].mean(), targets[rows].std() or 1.0
            targets = (targets - mean) / deviation
        _, channels, height, width = self.data.images.shape
        seed = derive(self.seed, number)
        network = fresh(channels, (height, width), task.outputs, derive(seed, "weights"))
        train(
            network,
            lambda numbers, _: (self._pixels(examples[numbers]), targets[examples[numbers]]),
            len(examples),
            images=self.images_seen,
            seed=derive(seed, "images"),
            hardware=self.hardware,
            what=what,
            loss_of=task.loss,
        )
        said = []
        with torch.inference_mode():
            for block in blocks(self.test):
                logits = network(to_model(self._pixels(block)).to(self.hardware.open()))
                said.append(task.answers(logits.float()) * deviation + mean)
        return np.concatenate(said)

    @property
    def _targets(self) -> np.ndarray:
        return np.concatenate([self.task.real, self.task.synthetic])

    def _of(self, rows: np.ndarray) -> np.ndarray:
        return rows[self.task.takes_part(self._targets[rows])]

    def _evenly(self, rows: np.ndarray) -> np.ndarray:
        """The rows, those of a smaller group repeated until every origin (and label) has as many
        as the largest."""
        group = (rows >= len(self.data.rows)).astype(int)
        if self.task.kind == "label":
            group = group * self.task.outputs + self._targets[rows]
        most = np.bincount(group).max()
        return np.concatenate([np.resize(rows[group == g], most) for g in np.unique(group)])

    def _pixels(self, rows: np.ndarray) -> np.ndarray:
        real, made = self.data.images, rows >= len(self.data.rows)
        images = np.empty((len(rows), *real.shape[1:]), real.dtype)
        images[~made] = real[rows[~made]]
        images[made] = self.synthetic[rows[made] - len(self.data.rows)]
        return images
