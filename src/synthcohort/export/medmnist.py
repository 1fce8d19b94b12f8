"""One npz in MedMNIST's layout: {train,val,test}_{images,labels} (Yang 2023).

Beside these it holds label_names, the names of the classes or, of a multi-label cohort, of the
columns, and label_numbers, their numbers; without labels neither.
"""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

from synthcohort.config import Config
from synthcohort.progress import progress
from synthcohort.samples import shards

SPLITS = ("train", "val", "test")
# Zip entries carry a date; a fixed one (the earliest there can be) keeps the bytes the same.
DATE = (1980, 1, 1, 0, 0, 0)


def write(
    folder: Path,
    samples: Sequence[Path],
    sampled: shards.Samples,
    split: np.ndarray,
    system: Config,
) -> None:
    """Write `folder`/<name>.npz.

    Images are n×H×W (grey) or n×H×W×3 (RGB) in the samples' dtype, labels n×1 class numbers,
    uint8 where they fit, or, of a multi-label cohort, n×A of 0 and 1 in the attributes' order. The
    shards are read once a split, so that only one is in memory.
    """
    channels, height, width = sampled.shape
    shape = (height, width) if channels == 1 else (height, width, channels)
    numbers, names = sampled.label_numbers, sampled.label_names
    small = np.min_scalar_type(max(numbers)) == np.uint8
    labels = numbers[sampled.labels][:, None]
    if sampled.multi_label:
        labels, names = sampled.attributes, sampled.attribute_names
        numbers = np.arange(len(names))
    labels = labels.astype(np.uint8 if small else np.int64)
    with (
        zipfile.ZipFile(folder / f"{system.name}.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        progress("MedMNIST file", int((split != "").sum())) as bar,
    ):
        for part in SPLITS:
            chosen = split == part
            blocks = _chosen(samples, chosen)
            _write_array(
                archive, f"{part}_images", (chosen.sum(), *shape), sampled.dtype, blocks, bar
            )
            _write_array(
                archive, f"{part}_labels", labels[chosen].shape, labels.dtype, [labels[chosen]]
            )
        if names != [""]:
            for name, array in (("names", np.array(names)), ("numbers", np.array(numbers))):
                _write_array(archive, f"label_{name}", array.shape, array.dtype, [array])


def read_labels(path: Path) -> dict[str, np.ndarray]:
    """All arrays of the file but the images, by name.

    Raises:
        ValueError: it cannot be read.
    """
    with _told(), np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays if not name.endswith("_images")}


def read_images(path: Path, part: str) -> Iterator[np.ndarray]:
    """The images of a split ("train", "val" or "test") one after the other, H×W or H×W×3.

    Raises:
        ValueError: they cannot be read.
    """
    with _told(), zipfile.ZipFile(path) as archive, archive.open(f"{part}_images.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("the array is of another version")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        size = dtype.itemsize * prod(shape[1:])
        if dtype.hasobject or len(shape) < 3:
            raise ValueError("the array does not hold images")
        for _ in range(shape[0]):
            yield np.frombuffer(file.read(size), dtype).reshape(shape[1:])


@contextmanager
def _told() -> Iterator[None]:
    # A missing array is a KeyError, a wrong checksum a BadZipFile, a size beyond all a MemoryError.
    try:
        yield
    except (
        *(OSError, ValueError, KeyError, EOFError, MemoryError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise ValueError(f"cannot be read: {error}") from None


def _chosen(samples: Sequence[Path], chosen: np.ndarray) -> Iterator[np.ndarray]:
    """The chosen images of one shard after the other, channels last."""
    row = 0
    for images in shards.pixels(samples):
        block = images[chosen[row : row + len(images)]]
        row += len(images)
        yield block[:, 0] if block.shape[1] == 1 else np.moveaxis(block, 1, -1)


def _write_array(archive, name, shape, dtype, blocks, bar=None) -> None:
    """One array of the archive, as np.savez would store it, from blocks along the first axis."""
    entry = zipfile.ZipInfo(f"{name}.npy", DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": tuple(map(int, shape)),
    }
    with archive.open(entry, "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block).tobytes())
            if bar is not None:
                bar.update(len(block))
