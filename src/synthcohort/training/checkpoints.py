"""Checkpoints outside every rule's outputs, so that a killed training goes on where it was.

Snakemake deletes the outputs of a failed rule; a checkpoint must survive that. The folder's name
carries the digest of settings and inputs, so another training never goes on from it. Of a training
that is through, the last checkpoint stays: should its rule have to run again, as where Snakemake
was killed before it noted the end, there is nothing to train.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from synthcohort.config import Training
from synthcohort.errors import Refused, UserError
from synthcohort.files import atomic_file, digest, sha256
from synthcohort.tracking.attempts import flatten
from synthcohort.training.state import State

KEPT = 2
AVERAGES = "averages"
"""Where the average weights of early moments are kept, which no training goes on from."""


class Checkpoints:
    """The checkpoints of one training: `<folder>/<stage>-<digest>/<images>.safetensors`, with the
    digest of its settings, its seed and the files `inputs`."""

    def __init__(
        self, folder: Path, stage: str, settings: Training, seed: int, inputs: Sequence[Path]
    ) -> None:
        named = [settings.model_dump(mode="json"), seed, [sha256(path) for path in inputs]]
        self._digest = digest(named)
        contents = {path.name: sha for path, sha in zip(inputs, named[2], strict=True)}
        self._asked = {stage: named[0], "seed": seed} | contents
        self._stage = stage
        self.folder = Path(folder) / f"{stage}-{self._digest}"
        self.lock = Path(folder) / f"{stage}.lock"
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Where `save` may be called: the last checkpoint is written when the block has ended.

        Raises:
            UserError: it could not be written, because the disk is full.
        """
        with ThreadPoolExecutor(1, "checkpoint") as self._writer:
            yield
            self.written(wait=True)

    def save(self, state: State) -> None:
        """Copy the state now, and have it written, whole or not at all, while the training goes on;
        then all but the two newest are dropped.

        Raises:
            UserError: the one before could not be written, because the disk is full.
        """
        self.written(wait=True)
        metadata = {
            "digest": self._digest,
            "asked": json.dumps(self._asked),
            "images": str(state.images),
            "since": str(state.since),
            "history": json.dumps(state.history),
        }
        path = self.folder / f"{state.images:012d}.safetensors"
        self._writing = self._writer.submit(self._write, path, state.tensors(), metadata)

    def written(self, wait: bool = False) -> None:
        """Look whether the last `save` has gone wrong; with `wait`, when it has ended.

        Raises:
            UserError: it has, because the disk is full.
        """
        if self._writing is not None and (wait or self._writing.done()):
            done, self._writing = self._writing, None
            done.result()

    def _write(
        self, path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]
    ) -> None:
        with atomic_file(path) as temporary:
            _save(tensors, temporary, metadata)
        for old in self._newest_first()[KEPT:]:
            old.unlink()

    def restore(self, state: State) -> bool:
        """Put the newest readable checkpoint into `state`; whether there was one.

        Raises:
            UserError: a checkpoint of other settings lies in this training's folder.
            Refused: there is none, and a training of this stage with other settings was begun and
                not finished.
        """
        for path in self._newest_first():
            if (read := _read(path)) is None:
                continue
            metadata, tensors = read
            if metadata.get("digest") != self._digest:
                raise UserError(
                    f"{path}: this checkpoint belongs to other settings or inputs (digest "
                    f"{metadata.get('digest')}, expected {self._digest}); remove {self.folder} "
                    "to train from the start"
                )
            state.restore(tensors)
            state.images, state.since = int(metadata["images"]), int(metadata["since"])
            state.history = json.loads(metadata["history"])
            return True
        for folder in self._others():
            self._refuse_unfinished(folder)
        return False

    def keep_snapshot(self, images: int, samples: np.ndarray) -> None:
        """Keep samples that the training has drawn after so many images seen."""
        with atomic_file(self.folder / f"snapshot-{images:012d}.npy") as temporary:
            np.save(temporary, samples)

    def snapshots(self) -> dict[int, np.ndarray]:
        """All that were kept, by images seen, in that order."""
        return {
            int(path.stem.removeprefix("snapshot-")): np.load(path)
            for path in sorted(self.folder.glob("snapshot-*.npy"))
        }

    def keep_average(self, images: int, average: nn.Module) -> None:
        """Keep the average weights as they are after so many images seen.

        Raises:
            UserError: the disk is full.
        """
        weights = {name: tensor.contiguous() for name, tensor in average.state_dict().items()}
        with atomic_file(self.folder / AVERAGES / f"{images:012d}.safetensors") as temporary:
            _save(weights, temporary, {})

    def averages(self) -> dict[int, dict[str, torch.Tensor]]:
        """All that were kept, as state dicts on the CPU, by images seen, in that order."""
        return {
            int(path.stem): load_file(path) for path in _newest_first(self.folder / AVERAGES)[::-1]
        }

    def finish(self) -> None:
        """Drop all but the last checkpoint of this training, and those of other settings."""
        for old in self._newest_first()[1:]:
            old.unlink()
        for folder in self._others():
            shutil.rmtree(folder)

    def _others(self) -> list[Path]:
        folders = sorted(self.folder.parent.glob(f"{self._stage}-*/"))
        return [folder for folder in folders if folder.name != self.folder.name]

    def _refuse_unfinished(self, folder: Path) -> None:
        found = (_read(path, tensors=False) for path in _newest_first(folder))
        metadata = next((read[0] for read in found if read is not None), {})
        if "asked" not in metadata:
            return
        began, images = json.loads(metadata["asked"]), int(metadata["images"])
        total = began[self._stage]["images"]
        if images >= total:
            return
        was, now = flatten(began), flatten(self._asked)
        changes = [
            f"  {key}: {_short(was.get(key))} → {_short(now.get(key))}"
            for key in sorted(was | now)
            if was.get(key) != now.get(key)
        ]
        raise Refused(
            f"{folder}: this training was stopped after {images:,} of {total:,} images, and what "
            "it is made from has changed since:\n" + "\n".join(changes) + "\nChange it back to go "
            f"on with that training, or give it up for a new one: rm -r {folder}"
        )

    def _newest_first(self) -> list[Path]:
        return _newest_first(self.folder)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.safetensors"), reverse=True)


def _read(
    path: Path, tensors: bool = True
) -> tuple[dict[str, str], dict[str, torch.Tensor]] | None:
    """Metadata and tensors of a checkpoint, or nothing where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            keys = file.keys() if tensors else ()
            return file.metadata() or {}, {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, OSError) as error:
        print(
            f"{path}: this checkpoint cannot be read ({error}); going on from the one before it",
            file=sys.stderr,
        )
        return None


def _short(value: str | None) -> str:
    # A checksum tells that a file has changed; its first digits are enough for that.
    return "absent" if value is None else value[:12] if len(value) == 64 else value


def _save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    try:
        save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        # safetensors reports a full disk as its own error, with the system's words in it.
        if "No space left" in str(error) or "os error 28" in str(error):
            raise OSError(28, "No space left on device", str(path)) from error
        raise
