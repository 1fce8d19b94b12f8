"""Synthetic images as the sampling stage writes them: npz shards, read one at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from synthcohort.errors import UserError
from synthcohort.files import readable

MEMBERS = ("images", "labels", "label_names", "index", "seeds")
# Written only where the cohort has attributes.
ATTRIBUTES = ("attributes", "attribute_names")
# Written only where the class numbers are not the places in label_names.
NUMBERS = "label_numbers"


@dataclass(frozen=True)
class Samples:
    """What is known of every sample without its pixels, over all shards in order."""

    labels: np.ndarray
    """N int64 places in `label_names`."""
    index: np.ndarray
    """N int64, the running number of a sample within its label."""
    seeds: np.ndarray
    """N int64."""
    shard: np.ndarray
    """N int64, the place of the sample's shard in the list."""
    label_names: list[str]
    """The class names; [""] where the cohort has no labels."""
    label_numbers: np.ndarray
    """int64, the class number that each of them has in the cohort's source."""
    shape: tuple[int, int, int]
    """C×H×W of an image."""
    dtype: np.dtype
    """uint8 or uint16."""
    attributes: np.ndarray
    """N×A float32."""
    attribute_names: list[str]
    """A names; none where the cohort has no attributes."""

    @property
    def multi_label(self) -> bool:
        """Whether the attributes are the labels: no label, and nothing but 0 and 1."""
        return (
            self.label_names == [""]
            and bool(self.attribute_names)
            and bool(np.isin(self.attributes, (0, 1)).all())
        )


def describe(paths: Sequence[Path]) -> Samples:
    """Everything but the pixels of the samples in `paths`.

    Raises:
        UserError: no shards, a shard that cannot be read, or shards that do not belong together.
    """
    if not paths:
        raise UserError("there are no shards of synthetic images; run the sampling stage first")
    parts = []
    for path in paths:
        with _opened(path) as shard:
            part = {name: shard[name] for name in MEMBERS[1:]} | _image_format(shard)
            part["label_numbers"] = (
                shard[NUMBERS] if NUMBERS in shard else np.arange(len(part["label_names"]))
            )
            parts.append(part | _attributes(shard, len(part["labels"])))
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        same = all(
            list(part[name]) == list(first[name])
            for name in ("label_names", "label_numbers", "attribute_names")
        )
        if not same or part["format"] != first["format"]:
            raise UserError(
                f"{path}: its label names, attribute names or image format differ from those of "
                f"{paths[0]}; the shards come from different runs, so delete the samples folder "
                "and sample again"
            )
    return Samples(
        labels=np.concatenate([part["labels"] for part in parts]),
        index=np.concatenate([part["index"] for part in parts]),
        seeds=np.concatenate([part["seeds"] for part in parts]),
        shard=np.repeat(np.arange(len(parts)), [len(part["labels"]) for part in parts]),
        label_names=[str(name) for name in first["label_names"]],
        label_numbers=first["label_numbers"],
        shape=first["format"][0],
        dtype=first["format"][1],
        attributes=np.concatenate([part["attributes"] for part in parts]),
        attribute_names=[str(name) for name in first["attribute_names"]],
    )


def pixels(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """The images of one shard after the other, n×C×H×W uint8 or uint16.

    Raises:
        UserError: a shard is absent or damaged (every array in it has its own checksum).
    """
    for path in paths:
        with _opened(path) as shard:
            images = shard["images"]
        yield images


def taken(paths: Sequence[Path], chosen: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The `chosen` images (N bools over all shards), one after the other: place and C×H×W.

    Raises:
        UserError: as `pixels`.
    """
    first = 0
    for images in pixels(paths):
        for place in np.flatnonzero(chosen[first : first + len(images)]):
            yield first + int(place), images[place]
        first += len(images)


@contextmanager
def mapped(paths: Sequence[Path], folder: Path) -> Iterator[np.ndarray]:
    """All images, N×C×H×W uint8 or uint16, memory-mapped from a file in `folder` that is removed
    in the end: for reading in any order what may not fit into memory."""
    sampled = describe(paths)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as temporary:
        shape = (len(sampled.labels), *sampled.shape)
        images = np.lib.format.open_memmap(
            Path(temporary) / "images.npy", mode="w+", dtype=sampled.dtype, shape=shape
        )
        start = 0
        for block in pixels(paths):
            images[start : start + len(block)] = block
            start += len(block)
        yield images


def pick(paths: Sequence[Path], samples: Samples, rows: np.ndarray) -> np.ndarray:
    """The images `rows` (numbers over all shards, of which `samples` is the description), in that
    order; only the shards they are in are read."""
    picked = np.empty((len(rows), *samples.shape), samples.dtype)
    for number in np.unique(samples.shard[rows]):
        (images,) = pixels([paths[number]])
        first = np.searchsorted(samples.shard, number)
        here = np.flatnonzero(samples.shard[rows] == number)
        picked[here] = images[rows[here] - first]
    return picked


@contextmanager
def _opened(path: Path) -> "Iterator[np.lib.npyio.NpzFile]":
    remedy = (
        "delete it, and shards.csv beside it where there is one, and run the workflow again: only "
        "this shard is made anew"
    )
    with (
        readable(path, "not a readable shard", remedy),
        np.load(path, allow_pickle=False) as shard,
    ):
        missing = [name for name in MEMBERS if name not in shard]
        if missing:
            raise ValueError(f"it has no {', '.join(missing)}")
        yield shard


def _attributes(shard: "np.lib.npyio.NpzFile", count: int) -> dict[str, np.ndarray]:
    if all(name in shard for name in ATTRIBUTES):
        return {name: shard[name] for name in ATTRIBUTES}
    return {"attributes": np.zeros((count, 0), np.float32), "attribute_names": np.array([])}


def _image_format(shard: "np.lib.npyio.NpzFile") -> dict[str, tuple]:
    # Only the header of the array is read; the pixels may be large.
    with shard.zip.open("images.npy") as member:
        version = np.lib.format.read_magic(member)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(member)
    return {"format": (tuple(shape[1:]), dtype)}
