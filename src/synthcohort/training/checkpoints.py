"""Checkpoints outside every rule's outputs, so that a killed training goes on where it was.

Snakemake deletes the outputs of a failed rule; a checkpoint must survive that. The folder's name
carries the digest of settings and inputs, so another training never finds it.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from synthcohort.config import Training
from synthcohort.errors import UserError
from synthcohort.files import atomic_file, digest, sha256
from synthcohort.training.state import State

KEPT = 2


class Checkpoints:
    """The checkpoints of one training: `<folder>/<stage>-<digest>/<images>.safetensors`, with the
    digest of its settings, its seed and the files `inputs`."""

    def __init__(
        self, folder: Path, stage: str, settings: Training, seed: int, inputs: Sequence[Path]
    ) -> None:
        named = [settings.model_dump(mode="json"), seed, [sha256(path) for path in inputs]]
        self._digest = digest(named)
        self.folder = Path(folder) / f"{stage}-{self._digest}"

    def save(self, state: State) -> None:
        """Write the state, whole or not at all, and drop all but the two newest."""
        metadata = {
            "digest": self._digest,
            "images": str(state.images),
            "history": json.dumps(state.history),
        }
        with atomic_file(self.folder / f"{state.images:012d}.safetensors") as temporary:
            _save(state.tensors(), temporary, metadata)
        for old in self._newest_first()[KEPT:]:
            old.unlink()

    def restore(self, state: State) -> bool:
        """Put the newest readable checkpoint into `state`; whether there was one.

        Raises:
            UserError: a checkpoint of other settings lies in this training's folder.
        """
        for path in self._newest_first():
            try:
                with safe_open(path, framework="pt") as file:
                    metadata = file.metadata() or {}
                    tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            except (SafetensorError, OSError) as error:
                print(
                    f"{path}: this checkpoint cannot be read ({error}); going on from the one "
                    "before it",
                    file=sys.stderr,
                )
                continue
            if metadata.get("digest") != self._digest:
                raise UserError(
                    f"{path}: this checkpoint belongs to other settings or inputs (digest "
                    f"{metadata.get('digest')}, expected {self._digest}); remove {self.folder} "
                    "to train from the start"
                )
            state.restore(tensors)
            state.images = int(metadata["images"])
            state.history = json.loads(metadata["history"])
            return True
        return False

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.safetensors"), reverse=True)


def _save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    try:
        save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        # safetensors reports a full disk as its own error, with the system's words in it.
        if "No space left" in str(error) or "os error 28" in str(error):
            raise OSError(28, "No space left on device", str(path)) from error
        raise
