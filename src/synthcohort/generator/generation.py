"""Drawing images from a model's folder."""

import csv
import operator
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.cohort import number_text
from synthcohort.errors import UserError
from synthcohort.export import given_weights
from synthcohort.export.imagefolder import write_png
from synthcohort.files import atomic_directory
from synthcohort.generator.loaded_model import Attributes, Generator
from synthcohort.generator.model_folder import LICENCE, Record, opened
from synthcohort.hardware import Hardware
from synthcohort.progress import progress

if TYPE_CHECKING:
    from torch.utils.data import TensorDataset


MOST = 1_000_000
"""Images of one call: their labels and seeds are held in memory."""


def generate(
    model: str | Path,
    label: str | None = None,
    n: int = 1,
    seed: int = 0,
    *,
    guidance: float | None = None,
    attributes: Attributes | None = None,
    hardware: Hardware | None = None,
) -> np.ndarray:
    """Draw images from a trained model; n×C×H×W uint8 or uint16.

    The first ones of a larger n are the same. With the seed of the run they are the images of the
    run's own dataset, those included that its audit has left out.

    Args:
        model: results/<name> of a run, a model's folder, or models:/<name>@audited in MLflow.
        label: which one; may be left out where the model has one or none.
        n: how many.
        seed: from 0 on; another one gives other images.
        guidance: scale of the guidance; otherwise as in the run.
        attributes: for a model that has them, a number for each, or n of them.
        hardware: where to draw; otherwise the best device there is.

    Raises:
        UserError: no such model, label or attribute, or a number out of its range.
    """
    n, seed = _whole("n", n, 1, MOST), _whole("seed", seed, 0)
    with _loaded(model, hardware, n) as (generator, _):
        name = generator.label(label)
        values, settings = generator.attributes(attributes, n), generator.settings(guidance)
        batches = generator.images([name] * n, range(n), [seed] * n, values, settings)
        return np.concatenate(list(batches))


def dataset(
    model: str | Path,
    images: int | Mapping[str, int],
    seed: int = 0,
    *,
    guidance: float | None = None,
    attributes: Attributes | None = None,
    hardware: Hardware | None = None,
) -> "TensorDataset":
    """Images as `generate` draws them, as a torch Dataset of (image, label).

    An image is C×H×W float32 from 0 to 1, a label the int64 place in `classes`, an attribute of
    the dataset that lists the label names as torchvision's datasets do.

    Args:
        images: how many of each label, {"AD": 100, "NC": 100}; a number where there is one label
            or none.

    The other arguments and errors are those of `generate`.
    """
    import torch
    from torch.utils.data import TensorDataset

    asked = images if isinstance(images, Mapping) else {None: images}
    asked = {name: _whole("images", count, 1, MOST) for name, count in asked.items()}
    seed, drawn, labels = _whole("seed", seed, 0), [], []
    with _loaded(model, hardware, sum(asked.values())) as (generator, _):
        classes = [label.name for label in generator.record.labels]
        settings = generator.settings(guidance)
        for wanted, n in asked.items():
            name, values = generator.label(wanted), generator.attributes(attributes, n)
            drawn += generator.images([name] * n, range(n), [seed] * n, values, settings)
            labels += [classes.index(name)] * n
    pixels = np.concatenate(drawn)
    scaled = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)
    made = TensorDataset(scaled, torch.tensor(labels))
    made.classes = classes
    return made


def write(
    model: str | Path,
    out: Path,
    label: str | None = None,
    n: int = 1,
    seed: int = 0,
    *,
    guidance: float | None = None,
    attributes: Attributes | None = None,
    hardware: Hardware | None = None,
) -> None:
    """Draw images as `generate` does into the new folder `out`: PNG files, metadata.csv, which
    has a row an image, README.md and LICENSE.md, which say what they are.

    Raises:
        UserError: as `generate`; or `out` is there and not empty, or the images are ones that no
            PNG holds (16 bits in three channels).
    """
    out, n, seed = Path(out), _whole("--n", n, 1, MOST), _whole("--seed", seed, 0)
    _require_new(out)
    with _loaded(model, hardware, n) as (generator, folder):
        record, name = generator.record, generator.label(label)
        if record.shape[0] == 3 and record.dtype == "uint16":
            raise UserError(
                "the images have three channels of 16 bits, for which there is no common PNG "
                "reader; take them as an array, with synthcohort.generate in Python"
            )
        values, settings = generator.attributes(attributes, n), generator.settings(guidance)
        asked = [name] * n, range(n), [seed] * n, values, settings
        with atomic_directory(out) as made, progress("generating", n) as bar:
            for batch in generator.images(*asked):
                for i, image in enumerate(batch, start=bar.n):
                    write_png(made / f"{i:06d}.png", image)
                bar.update(len(batch))
            with (made / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
                table = csv.writer(file, lineterminator="\n")
                about = ["file_name", "label", "index", "seed", "guidance", *record.attributes]
                table.writerow(about)
                for i, row in enumerate(values):
                    numbers = [number_text(value) for value in (settings.guidance, *row)]
                    table.writerow([f"{i:06d}.png", name, i, seed, *numbers])
            (made / "README.md").write_text(_about(record, name, n), encoding="utf-8")
            shutil.copyfile(folder / LICENCE, made / LICENCE)


def _about(record: Record, label: str, n: int) -> str:
    shown = f" of the label {label!r}" if label else ""
    told = f"**{record.warning}**" if record.warning else record.audit.headline
    return f"""# {n} synthetic images{shown}

Drawn from the model `{record.name}` ({record.title}) by {record.made_by}; metadata.csv has seed and
index of each. **They are synthetic, and no audit has looked at these very images.** They are no
ground for a decision about a patient.

Audit of the model: {told}

Licence, and the terms of the real images that the model was trained on: [{LICENCE}]({LICENCE}).
"""


@contextmanager
def _loaded(
    model: str | Path, hardware: Hardware | None, images: int
) -> Iterator[tuple[Generator, Path]]:
    """A model's generator and folder; says aloud what has to be known of it."""
    with opened(model) as (folder, record):
        if record.warning:
            print(record.warning, file=sys.stderr)
        if record.terms.gated:
            print(
                f"Note: the model derives from {record.terms.source}, under the terms "
                f"{record.terms.name!r}, which hold for its images too. {record.terms.note}",
                file=sys.stderr,
            )
        if names := given_weights.restricted(record.given_weights):
            print(
                "Note: the model began with weights of restricted images, under the terms "
                f"{'; '.join(names)}, which hold for its images too.",
                file=sys.stderr,
            )
        yield Generator(folder, record, hardware, images), folder


def _require_new(out: Path) -> None:
    """Before anything is drawn: the images would be lost."""
    try:
        if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
            raise UserError(f"{out}: is there already and not empty; name a new folder with --out")
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{out}: no folder can be made there ({error.strerror}); name another with --out"
        ) from None


def _whole(what: str, value: int, least: int, most: int | None = None) -> int:
    try:
        whole = operator.index(value)
    except TypeError:
        whole = least - 1
    if whole < least or isinstance(value, bool):
        raise UserError(f"{what}: expected a whole number from {least} on, got {value!r}")
    if most is not None and whole > most:
        raise UserError(f"{what}: at most {most:,} at a time, got {whole:,}; take several seeds")
    return whole
