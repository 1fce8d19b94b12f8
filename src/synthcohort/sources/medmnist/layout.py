"""MedMNIST's layout of an npz: what it holds of each split, and how its labels are called."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthcohort.errors import UserError
from synthcohort.intake import npz
from synthcohort.sources import SPLITS

LAYOUT = (
    "expected MedMNIST's layout: {train,val,test}_images of N×H×W or N×H×W×3, uint8 or uint16, and "
    "{train,val,test}_labels of N×1 class numbers or N×K zeros and ones"
)
KNOWN = {"label_names", "label_numbers"} | {
    f"{split}_{what}" for split in SPLITS for what in ("images", "labels", "patients")
}


@dataclass(frozen=True)
class Part:
    """What an npz holds of one split, without its pixels."""

    split: str
    shape: tuple[int, ...]
    """N×H×W or N×H×W×3."""
    dtype: np.dtype
    labels: np.ndarray
    """N×K integers."""
    patients: list[str]
    """N, or none."""


def part(archive: npz.Npz, path: Path, split: str) -> Part:
    """What the file holds of a split, "train", "val" or "test".

    Raises:
        UserError: it is not in the layout.
    """
    for key in (f"{split}_images", f"{split}_labels"):
        if key not in archive.names:
            found = ", ".join(archive.names) or "none"
            raise UserError(f"{path}: has no array {key}; {LAYOUT}; there are {found}")
    shape, by_columns, dtype = archive.header(f"{split}_images")
    pictures = (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)) and 0 not in shape[1:]
    if not pictures or dtype.kind != "u" or dtype.itemsize > 2:
        raise UserError(
            f"{path}: {split}_images is {'×'.join(map(str, shape))} of {dtype}; {LAYOUT}"
        )
    if by_columns:
        raise UserError(
            f"{path}: {split}_images lies in Fortran order; save numpy.ascontiguousarray of it"
        )
    labels = archive.array(f"{split}_labels")
    if labels.ndim != 2 or not labels.shape[1] or labels.dtype.kind not in "bui":
        raise UserError(
            f"{path}: {split}_labels is {'×'.join(map(str, labels.shape))} of {labels.dtype}; "
            f"{LAYOUT}"
        )
    patients = _patients(archive, path, split)
    for what, count in (("labels", len(labels)), ("patients", len(patients) or shape[0])):
        if count != shape[0]:
            raise UserError(
                f"{path}: {split}_images has {shape[0]} images but {split}_{what} {count} rows; "
                "expected one an image"
            )
    return Part(split, shape, dtype, labels.astype(np.int64), patients)


def _patients(archive: npz.Npz, path: Path, split: str) -> list[str]:
    """N ids, or none where the file does not say whose the images are."""
    key = f"{split}_patients"
    if key not in archive.names:
        return []
    ids = archive.array(key)
    if ids.ndim == 2 and ids.shape[1] == 1:  # a column, as the labels are
        ids = ids[:, 0]
    if ids.ndim != 1 or ids.dtype.kind not in "uiU":
        raise UserError(
            f"{path}: {key} is {'×'.join(map(str, ids.shape)) or 'one value'} of {ids.dtype}; "
            "expected one whole number or text an image: save it as .astype(str), of one dimension"
        )
    return ids.astype(str).tolist()


def names_of(archive: npz.Npz, path: Path, given: dict[int, str]) -> dict[int, str]:
    """The name of every class number: those `given`, or the file's; none where there are none."""
    if "label_names" not in archive.names:
        return given
    found = archive.array("label_names").astype(str).ravel().tolist()
    numbers = list(range(len(found)))
    if "label_numbers" in archive.names:
        numbers = archive.array("label_numbers").ravel().tolist()
    if not len(numbers) == len(found) == len(set(numbers)) == len(set(found)):
        raise UserError(
            f"{path}: label_names and label_numbers are {found} and {numbers}; expected a name "
            "and a number of its own for every class"
        )
    names = dict(zip(numbers, found, strict=True))
    odd = {number: name for number, name in names.items() if given.get(number, name) != name}
    if odd:
        raise UserError(
            f"{path}: its label_names call the classes {odd}, but source.labels "
            f"{ {number: given[number] for number in odd} }; correct source.labels or leave it out"
        )
    return given or names


def several(parts: Sequence[Part], names: Mapping[int, str], path: Path) -> bool:
    """Whether an image may have several of the names; the parts must agree with them."""
    columns = {part.split: part.labels.shape[1] for part in parts}
    many = columns["train"] > 1
    if len(set(columns.values())) > 1 or (many and names and len(names) != columns["train"]):
        raise UserError(
            f"{path}: the columns of the labels are {columns}; expected the same number in each"
            + (f", one for each of {', '.join(names.values())}" if many and names else "")
        )
    if len({bool(part.patients) for part in parts if part.shape[0]}) > 1:
        raise UserError(f"{path}: patients are given for some splits only; give them for all")
    known = [0, 1] if many else sorted(names)
    for part in parts:
        wrong = np.argwhere((part.labels < 0) | (~np.isin(part.labels, known) if known else False))
        if len(wrong):
            row, column = wrong[0]
            raise UserError(
                f"{path}: {part.split}_labels holds {part.labels[row, column]} in row {row}; "
                f"expected whole numbers {f'among {known}' if known else 'from 0'}"
            )
    if not many:
        there = np.unique(np.concatenate([part.labels for part in parts]))
        absent = [f"{name!r} ({number})" for number, name in names.items() if number not in there]
        if absent:
            print(
                f"Note: {path}: no image has the class {', '.join(absent)}; class numbers begin "
                "with 0",
                file=sys.stderr,
            )
    return many
