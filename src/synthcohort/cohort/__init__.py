"""A cohort: all images of a study with their manifest.

On disk it is `images.npy` (uint8 or uint16, N×C×H×W, memory-mapped) and `manifest.csv` with one row
an image, in the same order: image_id, patient_id, session, slice, label, official_split,
source_file, sha256, where the source gives class numbers class, and then the attributes, a column
each. Beside them `terms.json` where only those who agreed to terms may have the images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthcohort.intake.ids import class_numbers, ordered

MANIFEST_COLUMNS = (
    "image_id",
    "patient_id",
    "session",
    "slice",
    "label",
    "official_split",
    "source_file",
    "sha256",
)
RESTRICTION = "terms.json"
"""In a cohort's folder, and in those of the networks that were trained on it: the terms of images
that only those who agreed to them may have."""
# Names of other columns of the manifest, the split or the exported tables.
NOT_ATTRIBUTES = {*MANIFEST_COLUMNS, "split", "file_name", "class", "index", "seed"} | {
    "image",
    "participant_id",
}


@dataclass(frozen=True)
class Cohort:
    """A prepared cohort, opened for reading; `images` stays on disk."""

    images: np.ndarray
    """N×C×H×W uint8 or uint16, memory-mapped."""
    rows: list[dict[str, str]]
    """The manifest, one dict an image, with the key "split" added where a split was given."""

    @property
    def label_names(self) -> list[str]:
        """All labels in the order of their class numbers; without these, numbers by size and other
        names as texts. Everywhere behind it a label is its place in this list."""
        if "class" in self.rows[0]:
            number = {row["label"]: int(row["class"]) for row in self.rows}
            return sorted(number, key=number.__getitem__)
        return ordered({row["label"] for row in self.rows})

    @property
    def class_numbers(self) -> list[int]:
        """The class number that each of `label_names` has outside: the one the source gives, or
        the label itself where all labels are whole numbers; otherwise its place. Some may be
        missing: 0, 1, 3."""
        if "class" in self.rows[0]:
            return sorted({int(row["class"]) for row in self.rows})
        return class_numbers(self.label_names)

    @property
    def classes(self) -> np.ndarray:
        """N int64: the place of each image's label in `label_names`."""
        number = {name: i for i, name in enumerate(self.label_names)}
        return np.array([number[row["label"]] for row in self.rows], dtype=np.int64)

    @property
    def attribute_names(self) -> list[str]:
        """The names of the attributes, in the manifest's order."""
        return [name for name in self.rows[0] if name not in NOT_ATTRIBUTES]

    @property
    def attributes(self) -> np.ndarray:
        """N×A float32."""
        names = self.attribute_names
        values = [[row[name] for name in names] for row in self.rows]
        return np.array(values, dtype=np.float32).reshape(len(self.rows), len(names))

    @property
    def patients(self) -> np.ndarray:
        """N patient ids."""
        return np.array([row["patient_id"] for row in self.rows])

    def of(self, split: str) -> np.ndarray:
        """The row numbers of a split ("train", "val", "test"), ascending, int64."""
        return np.flatnonzero(np.array([row["split"] == split for row in self.rows]))


def number_text(value: float) -> str:
    """The shortest text that gives an attribute's value back: 63, 0.5."""
    # Adding makes a float of an integer and of a bool, and keeps the precision of a float32.
    return str(value + 0.0).removesuffix(".0")


def blocks(rows: np.ndarray, size: int = 256) -> Iterator[np.ndarray]:
    """Row numbers in blocks of at most `size`, so that memory stays flat."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def open_cohort(cohort: Path, split: Path | None = None) -> Cohort:
    """Open `cohort/images.npy` and `cohort/manifest.csv`, and join `split.csv` where given.

    Raises:
        UserError: the files do not belong together.
    """
    import csv

    from synthcohort.errors import UserError

    def rows_of(path: Path) -> list[dict[str, str]]:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    images = np.load(cohort / "images.npy", mmap_mode="r", allow_pickle=False)
    rows = rows_of(cohort / "manifest.csv")
    if len(rows) != len(images):
        raise UserError(
            f"{cohort}: manifest.csv has {len(rows)} rows but images.npy {len(images)} images; "
            "they are written together, so prepare the cohort again"
        )
    if split is not None:
        split_of = {row["image_id"]: row["split"] for row in rows_of(split)}
        missing = [row["image_id"] for row in rows if row["image_id"] not in split_of]
        if missing:
            raise UserError(
                f"{split}: {len(missing)} images of the manifest have no split, the first is "
                f"{missing[0]!r}; split the cohort again"
            )
        rows = [row | {"split": split_of[row["image_id"]]} for row in rows]
    return Cohort(images, rows)


def as_uint8(images: np.ndarray) -> np.ndarray:
    """8-bit images as they are, 16-bit ones over 257, rounded: 65535 becomes 255."""
    return images if images.dtype == np.uint8 else np.round(images / 257).astype(np.uint8)
