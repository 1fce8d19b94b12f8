"""Whether the images in an exported folder are those that results.json tells of, in each format.

DICOM and BIDS files are held against their checksums only.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from synthcohort.cohort import number_text
from synthcohort.export import imagefolder, medmnist, parquet
from synthcohort.export.statement import Statement, content_hash, pixel_hash, record

Images = Counter[tuple[str, tuple[float, ...], str]]
"""How often an image is there: split, class number (or attributes, of a multi-label dataset), and
hash of the pixels."""
Row = tuple[str, Mapping[str, Any], Path | BinaryIO]
"""Where an image stands; its label, class and attributes as metadata.csv has them; its PNG file."""


def faults(folder: Path, stated: Statement) -> Iterator[str]:
    """What is not as it is stated, and where two formats differ."""
    told: list[str] = []
    tables = {"imagefolder": _imagefolder, "parquet": _parquet}
    found = {
        name: _images(name, rows, folder, stated, told)
        for name, rows in tables.items()
        if name in stated.formats
    }
    yield from told
    first, *_ = found or [""]
    for name, images in found.items():
        yield from _differing(name, images, first, found[first])
    if first and "medmnist" in stated.formats:
        yield from _npz(folder / f"{stated.name}.npz", stated, first, found[first])


def foreign(names: Iterable[str], stated: Statement) -> Iterator[str]:
    """Files that belong to no format there is, though they have a checksum."""
    tops = {f"{stated.name}.npz" if of == "medmnist" else of for of in stated.formats}
    tops |= {"README.md", "results.json", "croissant.json", "figures"}
    for top in sorted({name.split("/")[0] for name in names} - tops):
        yield f"{top}: belongs to none of the formats that results.json names"


def normal(name: str) -> str:
    """A file's name, whether the file system composes letters and their accents or not."""
    return unicodedata.normalize("NFC", name)


def _imagefolder(folder: Path, part: str, stated: Statement, told: list[str]) -> Iterator[Row]:
    base = folder / "imagefolder" / part
    files = {
        normal(path.relative_to(base).as_posix()): path
        for path in base.rglob("*")
        if path.is_file() and path != base / "metadata.csv"
    }
    rows = imagefolder.read(base)
    labels = ["label", "class"] if stated.labelled else []
    columns = {"file_name", *labels, "index", "seed", *stated.attributes}
    if rows and set(rows[0]) != columns:
        raise ValueError(
            f"its columns are {', '.join(rows[0])}; expected {', '.join(sorted(columns))}"
        )
    for row in rows:
        path = files.pop(normal(row["file_name"]), None)
        where = f"imagefolder/{part}/{row['file_name']}"
        if path is None:
            told.append(f"{where}: is in metadata.csv and not in the folder, or twice there")
        else:
            yield where, row, path
    told += [f"imagefolder/{part}/{name}: has no row in metadata.csv" for name in files]


def _parquet(folder: Path, part: str, stated: Statement, told: list[str]) -> Iterator[Row]:
    for row in parquet.read(folder, part):
        attributes = {name: number_text(row[name]) for name in stated.attributes}
        label = {"label": stated.label_names[row["label"]]} if stated.labelled else {}
        where = f"parquet/{part}: {row['image']['path']}"
        yield where, row | label | attributes, BytesIO(row["image"]["bytes"])


def _images(
    name: str,
    rows: Callable[[Path, str, Statement, list[str]], Iterator[Row]],
    folder: Path,
    stated: Statement,
    told: list[str],
) -> Images:
    """Every image of a format; what is wrong with single ones, or with all, is put into `told`."""
    images, lines = Images(), []
    for part in stated.splits:
        try:
            for where, row, file in rows(folder, part, stated, told):
                try:
                    key, line = _image(part, row, file, stated)
                except ValueError as error:
                    told.append(f"{where}: {error}")
                else:
                    images[key] += 1
                    lines.append(line)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            told.append(f"{name}, {part}: the table cannot be used: {error}")
    told += _counts(name, stated, images)
    if (found := content_hash(lines)) != stated.content:
        told.append(
            f"{name}: the images with their labels and splits have the hash {found[:12]}…; "
            f"results.json says {stated.content[:12]}…"
        )
    return images


def _image(
    part: str, row: Mapping[str, Any], file: Path | BinaryIO, stated: Statement
) -> tuple[tuple, str]:
    pixels = imagefolder.read_png(file)
    channels, *size = stated.shape
    shape = (*size, 3) if channels == 3 else tuple(size)
    if pixels.shape != shape or pixels.itemsize * 8 != stated.bits:
        size = "×".join(map(str, pixels.shape))
        raise ValueError(f"is {size} with {8 * pixels.itemsize} bits, not as results.json says")
    label, number = "", stated.label_numbers[0]
    if stated.labelled:
        label, number = row["label"], int(row["class"])
        if stated.labels.get(label) != number:
            raise ValueError(f"has the label {label!r} with class {number}")
    attributes = [row[name] for name in stated.attributes]
    key = tuple(map(float, attributes)) if stated.multi_label else (float(number),)
    return (part, key, pixel_hash(pixels)), record(part, label, number, attributes, pixels)


def _counts(name: str, stated: Statement, images: Images) -> Iterator[str]:
    for part, of in zip(stated.splits, stated.counts, strict=True):
        found = Counter()
        for (where, key, _), count in images.items():
            if where == part:
                found[() if stated.multi_label else key] += count
        numbers = [()] if stated.multi_label else [(float(n),) for n in stated.label_numbers]
        for key, wanted in zip(numbers, of, strict=True):
            if found[key] != wanted:
                of_class = f" of class {key[0]:g}" if key and stated.labelled else ""
                yield (
                    f"{name}/{part}: has {found[key]} images{of_class}; results.json says {wanted}"
                )


def _npz(path: Path, stated: Statement, first: str, images: Images) -> Iterator[str]:
    """Whether the MedMNIST file holds the same images with the same labels."""
    try:
        arrays = medmnist.read_labels(path)
        found = Images()
        for part, name in imagefolder.FOLDERS.items():
            labels = arrays[f"{part}_labels"].astype(np.float64)
            for label, image in zip(labels, medmnist.read_images(path, part), strict=True):
                found[name, tuple(label.tolist()), pixel_hash(image)] += 1
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # members that are no arrays
        yield f"{path.name}: {error}"
        return
    names, numbers = stated.label_names, stated.label_numbers
    if stated.multi_label:
        names, numbers = stated.attributes, list(range(len(stated.attributes)))
    told = [arrays.get(f"label_{what}", np.array([])).tolist() for what in ("names", "numbers")]
    if (stated.labelled or stated.multi_label) and told != [names, numbers]:
        yield f"{path.name}: its label_names and label_numbers are not those in results.json"
    yield from _differing(path.name, found, first, images)


def _differing(name: str, found: Images, first: str, images: Images) -> Iterator[str]:
    for part in imagefolder.FOLDERS.values():
        more = sum(count for key, count in (found - images).items() if key[0] == part)
        less = sum(count for key, count in (images - found).items() if key[0] == part)
        if more or less:
            count = max(more, less)
            yield f"{name}: {count} {part} images or their labels are not those in {first}"
