"""Training the same small network on real images, synthetic ones or both, and testing it on real.

Images are known by one number: real ones by their row of the manifest, synthetic ones by their
place among the samples behind the last real one, and behind these real ones by their row once more,
as they come out of the autoencoder. None is read before it is needed.
"""

from collections.abc import Callable
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
    """The most images that a training sees."""
    seed: int
    hardware: Hardware
    through: np.ndarray | None = None
    """Real images that have gone through the autoencoder, K×C×H×W, memory-mapped."""
    through_rows: np.ndarray | None = None
    """K int64, ascending: which ones."""

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

    def decoded(self, rows: np.ndarray) -> np.ndarray:
        """The real images `rows` as they come out of the autoencoder."""
        return rows + len(self.data.rows) + len(self.synthetic)

    def part(self, images: int, number: int) -> np.ndarray:
        """So many of the train images, each label in its share of them (one at least), by whole
        patients but for the last; other patients for each `number`."""
        return self._first(lambda own: max(1, round(images * len(own) / len(self.train))), number)

    def few(self, share: int, number: int) -> np.ndarray:
        """The train images of one in `share` patients of each label (rounded up), others for each
        `number`."""
        patients = self.data.patients

        def images(own: np.ndarray) -> int:
            names = patients[own]
            first = list(dict.fromkeys(names))[: -(-len(set(names)) // share)]
            return int(np.isin(names, first).sum())

        return self._first(images, number)

    def answers(self, rows: np.ndarray, number: int, what: str) -> np.ndarray:
        """What a network says of `test`, N×outputs float64, after training on the images `rows`,
        every label and origin equally often, until it holds still on patients held out of them;
        `number` tells repetitions apart."""
        import torch

        from synthcohort.evaluation.networks.small_cnn import fresh, train
        from synthcohort.models.pixels import to_model

        task = self.task
        targets, mean, deviation = self._targets(rows), 0.0, 1.0
        if task.kind == "number":
            mean, deviation = targets.mean(), targets.std() or 1.0
            targets = (targets - mean) / deviation
        _, channels, height, width = self.data.images.shape
        seed = derive(self.seed, number)
        network = fresh(channels, (height, width), task.outputs, derive(seed, "weights"))
        train(
            network,
            lambda numbers, _: (self._pixels(rows[numbers]), targets[numbers]),
            groups=self._groups(rows),
            patients=self._patients(rows),
            images=self.images_seen,
            seed=derive(seed, "images"),
            hardware=self.hardware,
            what=what,
            loss_of=task.loss,
        )
        said = []
        with torch.inference_mode():
            for block in blocks(self.test):
                logits = network(to_model(self.data.images[block]).to(self.hardware.open()))
                said.append(task.answers(logits.float()) * deviation + mean)
        return np.concatenate(said)

    def _first(self, images: Callable[[np.ndarray], int], number: int) -> np.ndarray:
        """The first train images of each label, patients shuffled by `number`; of its images in
        that order `images` says how many."""
        train, patients = self.train, self.data.patients
        names, patient = np.unique(patients[train], return_inverse=True)
        random = np.random.default_rng(derive(self.seed, "patients", number))
        turn = random.permutation(len(names))[patient]
        order = train[np.argsort(turn, kind="stable")]
        group = self._targets(order) if self.task.kind == "label" else np.zeros(len(order), int)
        parts = [order[group == label] for label in np.unique(group)]
        return np.sort(np.concatenate([own[: images(own)] for own in parts]))

    def _targets(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([self.task.real, self.task.synthetic, self.task.real])[rows]

    def _of(self, rows: np.ndarray) -> np.ndarray:
        return rows[self.task.takes_part(self._targets(rows))]

    def _origins(self, rows: np.ndarray) -> np.ndarray:
        """0 for real images, 1 for synthetic ones, 2 for real ones decoded."""
        first = len(self.data.rows)
        return np.searchsorted([first, first + len(self.synthetic)], rows, "right")

    def _groups(self, rows: np.ndarray) -> np.ndarray:
        """What is learnt from equally often: every origin, and of it every label."""
        group = self._origins(rows)
        if self.task.kind == "label":
            group = group * self.task.outputs + self._targets(rows)
        return group

    def _patients(self, rows: np.ndarray) -> np.ndarray:
        """The patients of the images; a synthetic one is its own."""
        made = np.array([f"synthetic {i}" for i in range(len(self.synthetic))], dtype=str)
        return np.concatenate([self.data.patients, made, self.data.patients])[rows]

    def _pixels(self, rows: np.ndarray) -> np.ndarray:
        images = np.empty((len(rows), *self.data.images.shape[1:]), self.data.images.dtype)
        origins, real = self._origins(rows), len(self.data.rows)
        images[origins == 0] = self.data.images[rows[origins == 0]]
        images[origins == 1] = self.synthetic[rows[origins == 1] - real]
        if (origins == 2).any():
            own = rows[origins == 2] - real - len(self.synthetic)
            images[origins == 2] = self.through[np.searchsorted(self.through_rows, own)]
        return images
