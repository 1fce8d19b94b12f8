"""Label and attributes of an object: from its tags, or from a table by one of its ids."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthcohort.errors import UserError
from synthcohort.intake import ids, tables
from synthcohort.sources.dicom import tags
from synthcohort.sources.dicom.headers import Header
from synthcohort.sources.dicom.source import Source

_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1}


class Descriptions:
    """What the settings want to know of objects.

    Raises:
        UserError: the table cannot be read, lacks a column, or has two rows for one id.
    """

    def __init__(self, settings: Source) -> None:
        self._settings = settings
        self._rows = _table(settings)
        self._used: set[str] = set()
        self.labels = ids.Spellings()

    def of(
        self, headers: Sequence[Header], faults: dict[tuple[str, str], list[str]]
    ) -> tuple[str, dict[str, float]]:
        """The label ("" without one) and the attributes of an image made from these objects; what
        is wrong goes to `faults`."""
        settings = self._settings
        label = ""
        if settings.label and (text := self._value(settings.label, headers, faults)):
            label = self.labels.joined(text)
        attributes = {}
        for name in settings.attributes:
            if text := self._value(name, headers, faults):
                attributes[name] = number = as_number(text)
                if math.isnan(number):
                    what = f"as {name} it has no number"
                    faults[what, "mend the tag or the table"].append(headers[0].path)
        return label, attributes

    def unused(self) -> int:
        """How many rows of the table are of nobody who is in the cohort."""
        return len(self._rows.keys() - self._used)

    def _value(
        self,
        name: str,
        headers: Sequence[Header],
        faults: dict[tuple[str, str], list[str]],
    ) -> str:
        """A value that all objects share, "" where there is none or not one."""
        values = {}
        for header in headers:
            if tags.is_keyword(name):
                value = header.values.get(name)
            else:
                of = _id(header, self._settings.key)
                self._used.add(of)
                if of not in self._rows:
                    what = f"{self._settings.table} has no row for its {self._settings.key}"
                    faults[what, "add the row, or take the file out"].append(header.path)
                    return ""
                value = self._rows[of][name]
            values.setdefault(ids.key(_text(value)), (_text(value), header.path))
        if len(values) > 1:
            what = f"the files of its series differ in {name}"
            faults[what, "mend the tag or the table"].append(headers[0].path)
            return ""
        ((text, path),) = values.values()
        if ids.is_unknown(text):
            what = f"it has no {name}"
            faults[what, "fill it in, or take the file out"].append(path)
            return ""
        return text


def as_number(text: str) -> float:
    """A number, or an age as DICOM writes it (034Y, 018M, 006W, 010D) in years; NaN for others."""
    if age := re.fullmatch(r"(\d{1,3})([DWMY])", text.strip().upper()):
        return int(age[1]) * _YEARS[age[2]]
    number = tables.number(text)
    return math.nan if number is None else number


def _text(value: Any) -> str:
    if value is None:
        return ""
    several = not isinstance(value, str) and hasattr(value, "__iter__")
    return "\\".join(map(str, value)) if several else str(value)


def _id(header: Header, key: str) -> str:
    if key == "PatientID":
        return ids.key(header.patient_id)
    return header.study_uid if key == "StudyInstanceUID" else header.sop_uid


def _table(settings: Source) -> dict[str, dict[str, str]]:
    if settings.table is None:
        return {}
    path = settings.root / settings.table
    columns = {name: "source.label" for name in [settings.label] if name in settings.columns}
    columns |= {
        name: "source.attributes" for name in settings.attributes if name in settings.columns
    }
    try:
        return _by_id(path, settings.key, columns)
    except UserError as error:  # its words may show a row
        raise UserError(str(error), "source.table: the table cannot be taken as it is") from None


def _by_id(path: Path, key: str, columns: dict[str, str]) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = {}
    for line, row in tables.rows(path, {key: "source.key", **columns}):
        of = ids.key(row[key]) if key == "PatientID" else row[key].strip()
        if not of:
            raise UserError(f"{path}: line {line}: has no {key}; fill it in, or take the row out")
        if rows.setdefault(of, row) != row:
            raise UserError(
                f"{path}: line {line}: its {key} has another row before, which differs (case and "
                "leading zeros apart it is the same); keep the right one"
            )
    return rows
