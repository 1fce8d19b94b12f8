"""The answers of a reader, checked against the key of the page they were given on."""

import csv
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthcohort.errors import UserError
from synthcohort.observer import KEY, REAL, SYNTHETIC

COLUMNS = ("study", "reader", "number", "key", "truth", "answer", "seconds", "mode")
BLINDED = "blinded"


@dataclass(frozen=True)
class Reading:
    """All the answers of one reader, in the order of the key."""

    reader: str
    synthetic: np.ndarray
    """N bool: which images the reader named synthetic."""
    seconds: np.ndarray
    """N float64: the time each answer took."""


def open_key(page: Path) -> dict[str, Any]:
    """The key in the folder of the page: "study", "seed", "images" (what each one is).

    Raises:
        UserError: there is none, or it is something else.
    """
    path = Path(page) / KEY
    try:
        key = json.loads(path.read_text(encoding="utf-8"))
        key["study"], key["seed"]
        [(image["key"], image["truth"], image["patient"]) for image in key["images"]]
    except OSError:
        raise UserError(
            f"{path}: there is no such file; --page is the folder of the page that was read, "
            "results/<name>/observer"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: not the key of an observer study; run the rule `observer` again"
        ) from None
    return key


def open_answers(paths: Sequence[Path], key: Mapping[str, Any]) -> list[Reading]:
    """One reading a file. Which image is real comes from `key`, never from the file.

    Raises:
        UserError: a file is not a whole, blinded reading of this page by one reader, or two are by
            the same reader.
    """
    readings: dict[str, Reading] = {}
    for path in paths:
        reading = _reading(path, key)
        if reading.reader in readings:
            raise UserError(
                f"{path}: a second reading by {reading.reader!r}; give one file for each reader"
            )
        readings[reading.reader] = reading
    return list(readings.values())


def _reading(path: Path, key: Mapping[str, Any]) -> Reading:
    rows = _rows(path)
    studies, readers, modes = ({row[name] for row in rows} for name in ("study", "reader", "mode"))
    if studies != {key["study"]}:
        raise UserError(
            f"{path}: answers of study {', '.join(sorted(studies))}, but the page is study "
            f"{key['study']}; give the folder of the page that was read as --page"
        )
    if len(readers) > 1 or "" in readers:
        raise UserError(
            f"{path}: expected the answers of one reader, found "
            f"{', '.join(map(repr, sorted(readers)))} in the column reader"
        )
    if modes != {BLINDED}:
        raise UserError(
            f"{path}: the mode is {', '.join(map(repr, sorted(modes)))}, expected 'blinded'; a "
            "reader who is told the truth after each image is not blinded, so it does not count"
        )
    truth = {image["key"]: image["truth"] for image in key["images"]}
    place = {image["key"]: str(i) for i, image in enumerate(key["images"], start=1)}
    answers, seconds = {}, {}
    for line, row in enumerate(rows, start=2):
        where, image = f"{path}, line {line}", row["key"]
        if image not in truth:
            raise UserError(f"{where}: the page has no image with the key {image!r}")
        if image in answers:
            raise UserError(f"{where}: a second answer to the image {image}; keep the one given")
        if (row["number"], row["truth"]) != (place[image], truth[image]):
            raise UserError(
                f"{where}: image {image} is number {place[image]} and {truth[image]}, but the file "
                f"says number {row['number']} and {row['truth']!r}; the file was changed, so take "
                "the one that the page saved"
            )
        if row["answer"] not in (REAL, SYNTHETIC):
            raise UserError(
                f"{where}: expected the answer {REAL} or {SYNTHETIC}, got {row['answer']!r}"
            )
        answers[image], seconds[image] = row["answer"], _seconds(row["seconds"], where)
    if len(answers) < len(truth):
        raise UserError(
            f"{path}: {len(answers)} of {len(truth)} images have an answer; a reading counts when "
            "it is whole, so take the file that the page saved at the end"
        )
    return Reading(
        reader=readers.pop(),
        synthetic=np.array([answers[image] == SYNTHETIC for image in truth]),
        seconds=np.array([seconds[image] for image in truth]),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        # A spreadsheet that saves the file may put a byte-order mark before it.
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            table = csv.reader(file, strict=True)
            header, *rows = list(table) or [[]]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8: {error}") from None
    missing = [name for name in COLUMNS if name not in header]
    twice = [name for name, count in Counter(header).items() if count > 1]
    if missing or twice:
        raise UserError(
            f"{path}: expected the columns {', '.join(COLUMNS)} once each, as the page saves them; "
            + (f"missing: {', '.join(missing)}" if missing else f"twice: {', '.join(twice)}")
        )
    if not rows:
        raise UserError(f"{path}: there are no answers in it")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: expected {len(header)} values, got {len(row)}")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _seconds(text: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"{where}: expected a number of seconds, got {text!r}")
    return seconds
