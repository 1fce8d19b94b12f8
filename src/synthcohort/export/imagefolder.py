"""PNG files with metadata.csv, in the Hugging Face imagefolder layout.

    train/<label>/000000.png    validation/…    test/…
    train/metadata.csv          file_name, label, class, index, seed, and a column an attribute

Without labels the images lie in train/ itself. Label folders serve torchvision's ImageFolder as
well; Hugging Face reads the labels from metadata.csv.
"""

import csv
import re
import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from synthcohort.cohort import number_text
from synthcohort.config import Config
from synthcohort.errors import UserError
from synthcohort.progress import progress
from synthcohort.samples import shards

FOLDERS = {"train": "train", "val": "validation", "test": "test"}
_METADATA = "metadata.csv"
_LONGEST = 200  # bytes; file systems take 255 and the class number comes in front
# Windows has no files of these names, whatever stands behind a dot; studies call controls CON.
_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
_DEVICES = {"con", "prn", "aux", "nul", *_PORTS}


def write(
    folder: Path,
    samples: Sequence[Path],
    sampled: shards.Samples,
    split: np.ndarray,
    system: Config,
) -> None:
    """Write `folder`/imagefolder/.

    Grey images become 8-bit or 16-bit PNG, RGB ones 8-bit. A split without images gets no folder.

    Raises:
        UserError: RGB images of 16 bits, which no common PNG reader keeps.
    """
    require_png(sampled)
    names = file_names(sampled, ".png")
    write_tables(folder / "imagefolder", sampled, split, names)
    chosen = split != ""
    with progress("PNG files", int(chosen.sum())) as bar:
        for row, image in shards.taken(samples, chosen):
            write_png(folder / "imagefolder" / FOLDERS[split[row]] / names[row], image)
            bar.update()


def require_png(sampled: shards.Samples) -> None:
    """Raise a UserError where the images cannot be PNG files."""
    if sampled.shape[0] == 3 and sampled.dtype == np.uint16:
        raise UserError(
            "the images have three channels of 16 bits, for which there is no common PNG reader; "
            "set prepare.depth to 8"
        )


def file_names(sampled: shards.Samples, suffix: str) -> list[str]:
    """N file names such as healthy/000012.png, or 000012.png where there are no labels."""
    labelled = sampled.label_names != [""]
    folders = label_folders(sampled.label_names, sampled.label_numbers) if labelled else [""]
    return [
        f"{folders[label]}/{index:06d}{suffix}".lstrip("/")
        for label, index in zip(sampled.labels, sampled.index, strict=True)
    ]


def label_folders(names: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """A folder name for each label: the label where it makes a safe and unique folder name.

    Other characters than letters, digits, ".", "-" and "_" become "_", and what is longer than file
    systems take is cut; should two labels then differ in nothing but case, or one be called as the
    table beside the folders or as a device of Windows, every folder gets its class number in front.
    """
    safe = [re.sub(r"[^\w.-]", "_", name).strip(".") for name in names]
    safe = [name.encode()[:_LONGEST].decode(errors="ignore").strip(".") or "_" for name in safe]
    unique = len({_METADATA, *map(str.casefold, safe)}) == len(safe) + 1
    if unique and not any(name.split(".")[0].casefold() in _DEVICES for name in safe):
        return safe
    return [f"{number}-{name}" for number, name in zip(numbers, safe, strict=True)]


def write_tables(
    folder: Path, sampled: shards.Samples, split: np.ndarray, names: Sequence[str]
) -> None:
    """The folders of all parts in which there are files, `names` (N), and a metadata.csv each."""
    for part in np.unique(split[split != ""]):
        rows = np.flatnonzero(split == part)
        for parent in {(folder / FOLDERS[part] / names[row]).parent for row in rows}:
            parent.mkdir(parents=True, exist_ok=True)
        _write_metadata(folder / FOLDERS[part] / _METADATA, sampled, names, rows)


def write_png(file: Path | BinaryIO, image: np.ndarray) -> None:
    """Write an image, C×H×W, as PNG."""
    from PIL import Image

    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(np.moveaxis(image, 0, -1))
    Image.fromarray(pixels).save(file, "PNG")


def read(folder: Path) -> list[dict[str, str]]:
    """The rows of the table in a split's folder, for each image what its columns say.

    Raises:
        ValueError: there is no such table, or it is not one.
    """
    try:
        with (folder / _METADATA).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot be read as a table: {error}") from None
    columns = reader.fieldnames or []
    for number, row in enumerate(rows, start=2):
        if len(set(columns)) != len(columns) or set(row) != set(columns) or None in row.values():
            raise ValueError(f"line {number} does not have the columns of the table's head")
    return rows


def read_png(file: Path | BinaryIO) -> np.ndarray:
    """The pixels of a PNG file, H×W or H×W×3, uint8 or uint16.

    Raises:
        ValueError: it cannot be read, is of another kind, or holds more than these pixels.
    """
    from PIL import Image

    try:
        content = file.read_bytes() if isinstance(file, Path) else file.read()
        with Image.open(BytesIO(content), formats=["PNG"]) as image:
            pixels = np.asarray(image)
        _require_nothing_more(content)
    except (
        OSError,
        SyntaxError,
        ValueError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        raise ValueError(f"cannot be read as a PNG file: {error}") from None
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError("is neither grey with 8 or 16 bits nor RGB with 8 bits")
    return pixels


def _require_nothing_more(content: bytes) -> None:
    """A text, a second picture or bytes behind the end would go along unseen."""
    place, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, place)
        if kind not in (b"IHDR", b"IDAT", b"IEND"):
            raise ValueError(f"holds more than an image, {kind.decode('latin-1')}")
        place += 12 + length
    if place != len(content):
        raise ValueError(f"holds more than an image, {len(content) - place} bytes behind its end")


def _write_metadata(
    path: Path, sampled: shards.Samples, names: Sequence[str], rows: np.ndarray
) -> None:
    labelled = sampled.label_names != [""]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        labels = ["label", "class"] if labelled else []
        writer.writerow(["file_name", *labels, "index", "seed", *sampled.attribute_names])
        for i in sorted(rows, key=lambda i: names[i]):
            label = sampled.labels[i]
            named = [sampled.label_names[label], sampled.label_numbers[label]]
            about = named if labelled else []
            attributes = [number_text(value) for value in sampled.attributes[i]]
            writer.writerow([names[i], *about, sampled.index[i], sampled.seeds[i], *attributes])
