"""A model's folder: what lies in it, and opening one that somebody else may have made.

    model.json     what it is (`Record`), with the sha256 of every other file
    README.md      the model card; LICENSE.md: the licence, and the terms of the real images
    autoencoder/   config.json and weights, as diffusers saves them; so are
    unet/          and
    scheduler/     (no weights)
    early/N/unet/  where it guides the samples: the U-Net after N images of its training
    labels.json    the label names, attributes.json: names, mean and std of the attributes

Nothing in it can run code when it is opened: weights are safetensors, all else is text.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import ValidationError, field_validator

from synthcohort.config import Sampling
from synthcohort.errors import UserError
from synthcohort.files import read_json, sha256
from synthcohort.models.start_folder import GivenWeights
from synthcohort.settings import Settings

RECORD, CARD, LICENCE = "model.json", "README.md", "LICENSE.md"
MODEL = "model"
"""Its name in a run's folder, and in the MLflow model."""
ADDRESS = "models:/"
_SUFFIXES = {".safetensors", ".json", ".md"}


class Label(Settings):
    name: str
    number: int
    """The class number outside."""
    train_images: int
    """How many images the model has learnt it from; 0: not at all."""


class Audit(Settings):
    outcome: Literal["passed", "failed", "undecided"]
    headline: str


class Terms(Settings):
    """Of the model and of the real images it was trained on."""

    licence: str
    source: str
    name: str
    note: str
    gated: bool
    acknowledged: str


class Record(Settings):
    """What model.json says."""

    format: Literal[1] = 1
    name: str
    """The system's."""
    title: str
    run: str
    """The digest of the system's configuration."""
    made_by: str
    """synthcohort and its version."""
    seed: int
    """That of the run: with it a label's images are those of the exported dataset."""
    images_seen: int
    """By the denoiser in training."""
    labels: list[Label]
    attributes: list[str]
    shape: tuple[int, int, int]
    """C×H×W of an image."""
    dtype: Literal["uint8", "uint16"]
    sampling: Sampling
    """How it draws unless told otherwise; `images` and `shard` mean nothing here."""
    audit: Audit
    left_out: list[tuple[str, int]]
    """Label and index of the images of the run's own seed that the audit has left out of the
    dataset; the gaps in that tell the same."""
    terms: Terms
    given_weights: tuple[GivenWeights, ...] = ()
    """Those that a training started from."""
    files: dict[str, str]
    """Of every other file its sha256."""

    @field_validator("sampling", mode="before")
    @classmethod
    def _before_guides(cls, sampling: Any) -> Any:
        """A model of a version that knew one guide and no interval draws as it did then."""
        if isinstance(sampling, Mapping) and "guide" not in sampling:
            return {"guide": "withheld", "guidance_interval": [0, 1]} | sampling
        return sampling

    @property
    def warning(self) -> str:
        """What nobody who draws from the model may overlook; "" where the audit passed."""
        if self.audit.outcome == "passed":
            return ""
        ended = {"failed": "FAILED", "undecided": "could NOT DECIDE"}[self.audit.outcome]
        return (
            f"WARNING: the privacy audit of the model {self.name!r} {ended}. Its images may show "
            f"real patients; do not hand them on.\n  {self.audit.headline}"
        )


@contextmanager
def opened(model: str | Path) -> Iterator[tuple[Path, Record]]:
    """The folder of a model, checked, and what its model.json says.

    Args:
        model: a run's folder (results/<name>), a model's folder, or the address of one in MLflow
            (models:/<name>@audited), which is downloaded for as long as the block runs.

    Raises:
        UserError: there is no such model, it is damaged, or it holds files that could run code.
    """
    if not str(model).startswith(ADDRESS):
        folder = Path(model)
        if (folder / MODEL / RECORD).is_file():
            folder /= MODEL
        yield folder, read(folder)
        return
    from synthcohort.tracking.store import download_model

    with TemporaryDirectory() as temporary:
        download_model(str(model), Path(temporary))
        found = sorted(Path(temporary).rglob(f"artifacts/*/{RECORD}"))
        if not found:
            raise UserError(f"{model}: this MLflow model was not made by synthcohort's publish")
        yield found[0].parent, read(found[0].parent)


def read(folder: Path) -> Record:
    """What the model.json of a folder says, once all files have been checked.

    Raises:
        UserError: as `opened`.
    """
    _require_there(folder)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    files = {name: path for name, path in files.items() if not path.is_dir()}
    for path in files.values():
        if not path.is_file():
            raise UserError(f"{path}: is no file; remove it, or get the model anew")
        if path.suffix not in _SUFFIXES:
            raise UserError(
                f"{path}: a model's folder holds {', '.join(sorted(_SUFFIXES))} files and no "
                "others: pickled weights (.bin, .pt, .pkl, .ckpt) can run code when they are "
                "opened. Nothing was opened. Remove the file, or get the model anew"
            )
    record = _record(folder / RECORD)
    for name in sorted(record.files.keys() | {*files} - {RECORD}):
        if name not in files:
            raise UserError(f"{folder}: the file {name} is missing; get the model anew")
        known = record.files.get(name)
        if known is None and not name.endswith(".md"):
            raise UserError(
                f"{files[name]}: {RECORD} knows no such file, so it is no part of this model; "
                "remove it, or get the model anew"
            )
        if known not in (None, sha256(files[name])):
            raise UserError(
                f"{files[name]}: does not have the checksum in {RECORD}: it was changed or cut "
                "off on its way; get the model anew"
            )
    return record


def _require_there(folder: Path) -> None:
    if (folder / RECORD).is_file():
        return
    if not folder.is_dir():
        raise UserError(
            f"{folder}: there is no such folder; expected results/<name> of a run, a model's "
            f"folder, or an address such as {ADDRESS}<name>@audited"
        )
    if (folder / "diffusion").is_dir():
        raise UserError(
            f"{folder}: this run has no {MODEL}/{RECORD} yet; run the workflow again, which "
            "writes the model after the audit and repeats nothing"
        )
    raise UserError(
        f"{folder}: not a model: there is no {RECORD} in it. Expected results/<name> of a run, or "
        f"the folder {MODEL} in it"
    )


def _record(path: Path) -> Record:
    try:
        values = read_json(path)
        if isinstance(values, dict) and values.get("format", 1) != 1:
            raise UserError(
                f"{path}: format {values['format']} is of a newer version of synthcohort than "
                f"this one ({values.get('made_by', 'unknown')}); install that"
            )
        return Record.model_validate(values)
    except (ValidationError, ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            error = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError(f"{path}: not a model's record ({error}); get the model anew") from None
