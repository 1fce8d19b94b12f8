"""A model that has been loaded: what may be asked of it, and its images."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from synthcohort.config import Sampling
from synthcohort.errors import UserError, first
from synthcohort.files import read_json
from synthcohort.generator.model_folder import Record
from synthcohort.hardware import Hardware
from synthcohort.samples.plan import seed_of

Attributes = Mapping[str, float | Sequence[float]]
"""A number for all images, or one for each."""


class Generator:
    """A model, loaded once.

    A sample is a function of (model, seed, label, index, attributes, guidance): with the run's
    own seed and attributes it has the same bytes as the run's sample of that label and index.
    """

    def __init__(
        self, folder: Path, record: Record, hardware: Hardware | None = None, images: int = 0
    ) -> None:
        """`images` is how many are going to be drawn, where that is known."""
        from synthcohort.samples.drawer import Drawer

        self.record = record
        self._standard = read_json(folder / "attributes.json")
        self._drawer = Drawer(
            record.sampling,
            autoencoder=folder / "autoencoder",
            diffusion=folder,
            hardware=hardware or Hardware(),
            images=images,
        )

    def label(self, name: str | None) -> str:
        """A label that the model has learnt; without a name, the only one that there is.

        Raises:
            UserError: it has not, or there are several.
        """
        learnt = [label.name for label in self.record.labels if label.train_images]
        if name is None and len(learnt) == 1:
            return learnt[0]
        if name in learnt:
            return name
        told = "a label is needed" if name is None else f"no label {name!r}"
        if name in [label.name for label in self.record.labels]:
            told = f"no train image had the label {name!r}, so it was not learnt"
        raise UserError(
            f"model {self.record.name!r}: {told}; there are {', '.join(map(repr, learnt))}"
            if learnt != [""]
            else f"model {self.record.name!r}: {told}: it was trained without labels; leave it out"
        )

    def settings(self, guidance: float | None) -> Sampling:
        """How to draw with a guidance scale; None: as the run did.

        Raises:
            UserError: it is no number from 0 to 100.
        """
        if guidance is None:
            return self.record.sampling
        values = self.record.sampling.model_dump() | {"guidance": guidance}
        try:
            if not np.isfinite(guidance):
                raise ValueError
            return Sampling.model_validate(values)
        except (ValidationError, ValueError, TypeError):
            raise UserError(
                f"guidance: expected a number from 0 to 100, got {guidance!r}; 1 is none"
            ) from None

    def attributes(self, given: Attributes | None, n: int) -> np.ndarray:
        """n×A float32.

        Raises:
            UserError: not exactly those that the model was trained with, or no numbers.
        """
        names, given = self.record.attributes, dict(given or {})
        if set(given) != set(names):
            mean, std = self._standard["mean"], self._standard["std"]
            known = [
                f"{name} (train: mean {m:.4g}, standard deviation {s:.4g})"
                for name, m, s in zip(names, mean, std, strict=True)
            ]
            expected = f"expected a number for each of {', '.join(known)}"
            if not names:
                expected = "it was trained without any; leave them out"
            raise UserError(
                f"model {self.record.name!r}: attributes: {expected}; "
                f"got {', '.join(given) or 'none'}"
            )
        try:
            columns = [np.broadcast_to(np.asarray(given[name], float), n) for name in names]
        except (ValueError, TypeError):
            raise UserError(
                f"model {self.record.name!r}: attributes: expected one number each, or {n}, one "
                f"an image; got {given}"
            ) from None
        values = np.array(columns, np.float32).reshape(len(names), n).T
        if not np.isfinite(values).all():
            raise UserError(f"model {self.record.name!r}: attributes: not finite: {given}")
        return values

    def images(
        self,
        labels: Sequence[str],
        indices: Sequence[int],
        seeds: Sequence[int],
        attributes: np.ndarray,
        settings: Sampling,
    ) -> Iterator[np.ndarray]:
        """The images, batch by batch: b×C×H×W uint8 or uint16.

        `labels` are ones that `label` gave, `indices` running numbers within them, `seeds` those of
        a run, as in the configuration, n of each.
        """
        self._tell_left_out(labels, indices, seeds)
        place = {label.name: i for i, label in enumerate(self.record.labels)}
        own = [seed_of(*asked) for asked in zip(seeds, labels, indices, strict=True)]
        places = np.array([place[name] for name in labels], np.int64)
        dtype = np.dtype(self.record.dtype)
        return self._drawer.images(settings, places, attributes, own, dtype)

    def _tell_left_out(
        self, labels: Sequence[str], indices: Sequence[int], seeds: Sequence[int]
    ) -> None:
        left_out = {tuple(image) for image in self.record.left_out}
        asked = zip(labels, indices, seeds, strict=True)
        found = [
            f"{name} {index}".strip()
            for name, index, seed in asked
            if seed == self.record.seed and (name, index) in left_out
        ]
        if found:
            print(
                f"WARNING: with seed {self.record.seed}, that of the run, {len(found)} of these "
                "images are ones that its audit has left out of the dataset as copies or "
                f"memorised; {first(found)}. Take another seed, or leave them out.",
                file=sys.stderr,
            )
