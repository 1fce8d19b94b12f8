"""MNIST: 70,000 handwritten digits of 28×28 pixels (LeCun, Cortes, Burges 1998), in IDX files."""

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Literal

import numpy as np
from pydantic import Field

from synthcohort.errors import UserError
from synthcohort.intake import lookalikes, published
from synthcohort.intake.download import download
from synthcohort.progress import progress
from synthcohort.settings import Settings
from synthcohort.sources import Image, Terms

_ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist"
_MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f09c6c5",
}
# Of what is in them: anybody may compress the files anew.
_UNPACKED = {
    "train-images-idx3-ubyte": "md5:6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "md5:a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "md5:2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "md5:27ae3e4e09519cfbb04c329615203637",
}
_SIDE = 28
_UINT8 = 0x08  # the IDX format's code for the type

Digit = Annotated[int, Field(ge=0, le=9)]


TERMS = Terms(
    "CC BY-SA 3.0",
    "MNIST (LeCun, Cortes, Burges 1998)",
    "Name the source, and pass on what you make of it under the same licence.",
)


class Source(Settings):
    kind: Literal["mnist"] = "mnist"
    root: Path | None = None
    """Folder that holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte
    and t10k-labels-idx1-ubyte, each as it is or with .gz. Without it MNIST is downloaded."""
    altered: Annotated[dict[str, published.Checksum], Field(default_factory=dict)]
    """Files in `root` that are used though they are not MNIST's, such as those of Fashion-MNIST,
    each by its name without .gz, with the checksum of what is in it:
    `train-images-idx3-ubyte: md5:…`. The dataset card tells it."""
    digits: Annotated[tuple[Digit, ...], Field(min_length=1)] | None = None
    """Which digits to keep; all of them by default."""


def terms(settings: Source) -> Terms:
    """MNIST's licence, or unknown terms where other files lie in its place."""
    if not settings.altered:
        return TERMS
    return Terms(
        "unknown",
        f"files in MNIST's layout that are not MNIST's: {published.told(settings.altered)}",
        "MNIST itself has the licence CC BY-SA 3.0.",
    )


def fetch(settings: Source, root: Path, seed: int) -> None:
    """Download the four files into the empty folder `root`."""
    for name, md5 in _MD5.items():
        download(
            f"{_ADDRESS}/{name}",
            root / name,
            checksum=f"md5:{md5}",
            otherwise=f"put it, with the others ({', '.join(_MD5)}), into a folder and name that "
            "as source.root",
        )


def read(settings: Source, root: Path | None) -> Iterator[Image]:
    """The train images, then the test images, 28×28 uint8 in the files' order.

    The label is the class number. Nobody is named, so every image is its own patient.

    Raises:
        UserError: a file is absent, truncated, too long, or not the IDX file it should be; images
            and labels differ in number; no image shows one of `settings.digits`.
    """
    folder = settings.root or root
    if not folder.is_dir():
        raise UserError(f"source.root: {folder} is not a folder; give the one with MNIST's files")
    files = {
        split: [_find(folder, f"{prefix}-{name}-ubyte") for name in ("images-idx3", "labels-idx1")]
        for split, prefix in (("train", "train"), ("test", "t10k"))
    }
    labels = {split: _labels(path) for split, (_, path) in files.items()}
    _check(settings, files, labels)
    _check_published(settings, folder, [path for paths in files.values() for path in paths])
    with progress("reading images", total=sum(map(len, labels.values()))) as bar:
        for split, (path, _) in files.items():
            for i, (pixels, label) in enumerate(zip(_images(path), labels[split], strict=True)):
                bar.update()
                if settings.digits is None or label in settings.digits:
                    yield Image(
                        pixels=pixels,
                        image_id=f"{split}-{i:05d}",
                        patient_id=f"{split}-{i:05d}",
                        source_file=path.name,
                        label=str(label),
                        split=split,
                    )


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file() or path.is_symlink():
            return path
    raise UserError(
        f"{folder}: there is neither {name} nor {name}.gz; put MNIST's four files there "
        f"({_ADDRESS}), or leave source.root out to download them"
    )


def _check(settings: Source, files: dict[str, list[Path]], labels: dict[str, np.ndarray]) -> None:
    for split, (path, path_of_labels) in files.items():
        with _opened(path) as file:
            count = _count(file, path, (_SIDE, _SIDE))
        if count != len(labels[split]):
            raise UserError(
                f"{path}: has {count} images, but {path_of_labels} has {len(labels[split])} "
                "labels; fetch both again from one place"
            )
    absent = set(settings.digits or ()) - set(np.concatenate(list(labels.values())).tolist())
    if absent:
        raise UserError(
            f"source.digits: no image in {files['train'][0].parent} shows "
            f"{', '.join(map(str, sorted(absent)))}"
        )


def _check_published(settings: Source, folder: Path, paths: list[Path]) -> None:
    found = {}
    for path in paths:
        with _opened(path) as file:
            found[path.name.removesuffix(".gz")] = published.checksum(file)
    published.check(folder, found, _UNPACKED, settings.altered)


def _images(path: Path) -> Iterator[np.ndarray]:
    with _opened(path) as file:
        for _ in range(_count(file, path, (_SIDE, _SIDE))):
            pixels = _exactly(file, _SIDE * _SIDE, path)
            yield np.frombuffer(pixels, np.uint8).reshape(_SIDE, _SIDE)
        _ended(file, path)


def _labels(path: Path) -> np.ndarray:
    """N uint8."""
    with _opened(path) as file:
        labels = np.frombuffer(_exactly(file, _count(file, path, ()), path), np.uint8)
        _ended(file, path)
    return labels


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except gzip.BadGzipFile as error:
        raise UserError(f"{path}: cannot be read: {_unpacked(path, error)}") from None
    except (OSError, EOFError, zlib.error) as error:
        begins = b"\x1f\x8b" if path.suffix == ".gz" else b""
        raise UserError(f"{path}: cannot be read: {lookalikes.why(path, error, begins)}") from None


def _unpacked(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        if file.read(3) == bytes((0, 0, _UINT8)):
            return "it is called .gz but not compressed; take .gz off its name"
    return lookalikes.why(path, error, b"\x1f\x8b")


def _count(file: IO[bytes], path: Path, item: tuple[int, ...]) -> int:
    """How many items of shape `item` follow the header: two zero bytes, the type, the number of
    dimensions, then each dimension as a big-endian uint32."""
    expected = bytes((0, 0, _UINT8, 1 + len(item)))
    if (magic := _exactly(file, 4, path)) != expected:
        what = lookalikes.what(magic + file.read(lookalikes.HEAD - 4)) or "fetch it again"
        raise UserError(
            f"{path}: begins with {magic.hex(' ')}; expected {expected.hex(' ')}, an IDX file of "
            f"uint8 with {1 + len(item)} dimensions; {what}"
        )
    count, *shape = struct.unpack(f">{1 + len(item)}I", _exactly(file, 4 * (1 + len(item)), path))
    if tuple(shape) != item:
        raise UserError(
            f"{path}: has images of {'×'.join(map(str, shape))} pixels; expected {_SIDE}×{_SIDE}"
        )
    return count


def _exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    if len(data := file.read(size)) < size:
        if not path.stat().st_size:
            raise UserError(f"{path}: cannot be read: {lookalikes.what(b'')}")
        raise UserError(f"{path}: ends before what its header announces; fetch it again")
    return data


def _ended(file: IO[bytes], path: Path) -> None:
    if file.read(1):
        raise UserError(f"{path}: goes on after what its header announces; fetch it again")
