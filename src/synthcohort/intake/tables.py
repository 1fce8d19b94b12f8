"""CSV files that describe images, read row by row."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from synthcohort.errors import UserError


def rows(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a header, each with its line number.

    `columns` are those that must be there, each with the settings key that names it ("" where
    none does); what they hold comes without white space around it, "" where a row is short.

    Raises:
        UserError: no such file, not CSV in UTF-8, or a column is absent.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            there = table.fieldnames or []
            for column, key in columns.items():
                if column not in there:
                    named = f" ({key})" if key else ""
                    raise UserError(
                        f"{path}: no column {column!r}{named}; the columns are "
                        f"{', '.join(map(repr, there)) or 'none'}"
                    )
            for row in table:
                yield table.line_num, {name: (row[name] or "").strip() for name in columns}
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; check the source's settings") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a CSV file in UTF-8: {error}") from None


def is_number(text: str) -> bool:
    """Whether a cell holds a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
