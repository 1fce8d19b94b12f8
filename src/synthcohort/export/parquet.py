"""Parquet files, for hundreds of thousands of images: few files, any image of them quickly read.

    parquet/train-00000-of-00002.parquet    validation-…    test-…

A row is an image: image (its PNG file and name), where there are labels label (place among the
label names) and class (its number in the source), index, seed, and a column an attribute. The
schema's metadata tell Hugging Face's `datasets` that they are images and class labels; pyarrow,
pandas, polars and DuckDB read the same files. Parquet and not tar shards, since its columns have
types, its rows can be read in any order, and pyarrow is there anyway.
"""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthcohort.config import Config
from synthcohort.export.imagefolder import FOLDERS, file_names, require_png, write_png
from synthcohort.progress import progress
from synthcohort.samples import shards

if TYPE_CHECKING:
    import pyarrow

# Bytes of pixels, before PNG packs them.
FILE = 2**28
GROUP = 2**24
"""A group of rows is what is in memory at once, here and where it is read."""


def write(
    folder: Path,
    samples: Sequence[Path],
    sampled: shards.Samples,
    split: np.ndarray,
    system: Config,
) -> None:
    """Write `folder`/parquet/. A part without images gets no file.

    The shards are read once a part, so that one of them and a group of rows are in memory.

    Raises:
        UserError: RGB images of 16 bits, which no common PNG reader keeps.
    """
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    require_png(sampled)
    (folder / "parquet").mkdir()
    columns, schema = _columns(sampled), _schema(sampled)
    pixels = prod(sampled.shape) * sampled.dtype.itemsize
    group = max(1, GROUP // pixels)
    with progress("Parquet rows", int((split != "").sum())) as bar:
        for part, name in FOLDERS.items():
            rows, pictures = np.flatnonzero(split == part), _png_files(samples, split == part)
            count = -(-len(rows) * pixels // FILE)
            for number, of_file in enumerate(np.array_split(rows, count) if count else []):
                path = folder / "parquet" / f"{name}-{number:05d}-of-{count:05d}.parquet"
                with ParquetWriter(path, schema) as writer:
                    for start in range(0, len(of_file), group):
                        taken = of_file[start : start + group]
                        values = {key: column[taken] for key, column in columns.items()}
                        images = zip(islice(pictures, len(taken)), values.pop("path"), strict=True)
                        values["image"] = [{"bytes": png, "path": path} for png, path in images]
                        writer.write_table(pyarrow.table(values, schema=schema))
                        bar.update(len(taken))


def read(folder: Path, part: str) -> Iterator[dict[str, Any]]:
    """The rows of a part's files ("train", "validation" or "test"), as they were written.

    Raises:
        ValueError: they cannot be read.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    for path in sorted((folder / "parquet").glob(f"{part}-*.parquet")):
        try:
            with ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=256):
                    yield from batch.to_pylist()
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            raise ValueError(f"{path.name} cannot be read: {error}") from None


def _png_files(samples: Sequence[Path], chosen: np.ndarray) -> Iterator[bytes]:
    """The chosen images (N bools), one after the other, as PNG files."""
    for _, image in shards.taken(samples, chosen):
        file = io.BytesIO()
        write_png(file, image)
        yield file.getvalue()


def _columns(sampled: shards.Samples) -> dict[str, np.ndarray]:
    """All values but the pixels, N each, by column; the file names as `path`."""
    labels = {"label": sampled.labels, "class": sampled.label_numbers[sampled.labels]}
    return {
        "path": np.array(file_names(sampled, ".png")),
        **(labels if sampled.label_names != [""] else {}),
        "index": sampled.index,
        "seed": sampled.seeds,
        **dict(zip(sampled.attribute_names, sampled.attributes.T, strict=True)),
    }


def _schema(sampled: shards.Samples) -> "pyarrow.Schema":
    """The columns' types, for Arrow and, in the metadata, for `datasets`."""
    import pyarrow

    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    types = {"image": picture} | {
        name: pyarrow.from_numpy_dtype(column.dtype)
        for name, column in _columns(sampled).items()
        if name != "path"
    }
    features = {name: {"dtype": str(of), "_type": "Value"} for name, of in types.items()}
    features["image"] = {"_type": "Image"}
    if "label" in features:
        features["label"] = {"names": sampled.label_names, "_type": "ClassLabel"}
    # pyarrow's name of a 32-bit float is not that of `datasets`.
    for name in sampled.attribute_names:
        features[name]["dtype"] = "float32"
    told = json.dumps({"info": {"features": features}}, ensure_ascii=False)
    return pyarrow.schema(list(types.items()), metadata={"huggingface": told})
