"""Tables that describe images (CSV, TSV), read strictly: a malformed row is refused by its line.

A lenient reader takes the wrong text for a patient: a comma without quotation marks shifts a row,
an open quotation mark swallows the rows behind it.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from synthcohort.errors import UserError, first
from synthcohort.intake import lookalikes
from synthcohort.intake.ids import normal

_SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
_ENCODINGS = ((b"\xff\xfe\0\0", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_TRUTH = {"true": 1.0, "false": 0.0}
# Line breaks, control characters (a wrong encoding makes them of letters) and the mark of a letter
# that is lost; not the white space among them.
_BROKEN = re.compile("[\r\n\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufffd]")


def rows(
    path: Path, columns: Mapping[str, str], separator: str = ","
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table with a header, each with the number of the line where it begins.

    `columns` are those that must be there, each with the settings key that names it ("" where
    none does); what they hold comes without white space and invisible characters around it, and
    without a spreadsheet's ="…" for texts. Rows in which every cell is empty are passed over.

    Raises:
        UserError: no such file, not a text in UTF-8, other separators, a column that is absent or
            named twice, a row with more or fewer fields than the header, a quotation mark that is
            open or astray, or a line break within what is read. The message has the lines.
    """
    text = _text(path)
    _check_separator(path, text, separator)
    records = _records(path, text, separator)
    _, header = next((record for record in records if any(map(_bare, record[1]))), (1, []))
    there = [normal(name) for name in header]
    for column, key in columns.items():
        found = there.count(normal(column))
        if found != 1:
            named = f" ({key})" if key else ""
            raise UserError(
                f"{path}: line 1: the column {column!r}{named} is there {found} times; name each "
                "once"
                if found
                else f"{path}: no column {column!r}{named}; the columns are "
                f"{', '.join(map(repr, there)) or 'none'}"
            )
    place = {column: there.index(normal(column)) for column in columns}
    found, odd, broken = [], [], []
    for line, fields in records:
        if not any(map(_bare, fields)):
            continue
        if len(fields) != len(header):
            odd.append(f"line {line} has {len(fields)}")
            continue
        row = {column: _bare(fields[i]) for column, i in place.items()}
        broken += [f"line {line}: {cell!r}" for cell in row.values() if _BROKEN.search(cell)]
        found.append((line, row))
    if odd:
        raise UserError(
            f"{path}: the header has {len(header)} fields, but {len(odd)} rows have more or fewer, "
            f"{first(odd)}; a text with {_SEPARATORS[separator]} in it has to be in quotation "
            "marks"
        )
    if broken:
        raise UserError(
            f"{path}: {len(broken)} cells hold a line break, a control character or a character "
            f"that a wrong encoding has destroyed, {first(broken)}; mend them"
        )
    return found


def number(text: str) -> float | None:
    """The finite number in a cell, 1 and 0 for True and False; None where it holds none."""
    try:
        value = _TRUTH.get(text.lower())
        value = float(text) if value is None else value
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; check the source's settings") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    way = "save it again as a text in UTF-8 (Excel: “CSV UTF-8”)"
    if data.startswith(_WORKBOOKS):
        raise UserError(f"{path}: is a spreadsheet's workbook, not a text; {way}")
    if told := lookalikes.kind(data[: lookalikes.HEAD]):
        raise UserError(f"{path}: {told}")
    for mark, encoding in _ENCODINGS:
        if data.startswith(mark):
            raise UserError(f"{path}: is a text in {encoding}; {way}")
    if b"\0" in data:
        raise UserError(
            f"{path}: line {_line(data, data.index(0))} holds a NUL byte: it is damaged, or a text "
            f"in UTF-16; {way}"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: is no text in UTF-8: line {_line(data, error.start)} holds the byte "
            f"0x{data[error.start]:02x}, as Latin-1 and Windows-1252 have it; {way}"
        ) from None


def _line(data: bytes, place: int) -> int:
    return 1 + len(re.findall(rb"\r\n|\r|\n", data[:place]))


def _check_separator(path: Path, text: str, separator: str) -> None:
    """Refuse a table that is written with another separator, by its header."""
    header = next(io.StringIO(text), "").strip()
    if header.lower().startswith("sep="):
        raise UserError(
            f"{path}: line 1 is {header!r}, which spreadsheets understand; take it out, and "
            f"separate the fields by {_SEPARATORS[separator]}"
        )
    for other, name in _SEPARATORS.items():
        if separator not in header and other in header:
            raise UserError(
                f"{path}: its fields are separated by {name}, expected {_SEPARATORS[separator]}; "
                "save it so, with points in numbers (63.5)"
            )


def _records(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of every row, the header's first, with the line where it begins."""
    # Lines end in LF, CR LF or CR alone, as old Macs write it.
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    between = re.escape(separator)
    field = rf'(?:"(?:[^"]|"")*"|[^"{between}\r\n]*)'
    well_quoted = re.compile(rf"{field}(?:{between}{field})*[\r\n]*")
    width = 0
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise UserError(
                f"{path}: line {line}: a quotation mark is open, or stands where it should not "
                f"({error}); {_MEND}"
            ) from None
        if fields is None:
            return
        raw = "".join(lines[line - 1 : reader.line_num])
        if '"' in raw and not well_quoted.fullmatch(raw):
            raise UserError(
                f"{path}: line {line}: a quotation mark stands where it should not; {_MEND}"
            )
        # Rows that an open quotation mark has swallowed leave as many separators in the cell.
        if width and any(_is_swallowed(cell, separator, i, width) for i, cell in enumerate(fields)):
            raise UserError(
                f"{path}: line {line}: one cell reaches to line {reader.line_num} and looks like "
                f"rows of the table: a quotation mark is open; {_MEND}, and take line breaks out "
                "of cells"
            )
        width = width or len(fields)
        yield line, fields


_MEND = (
    "a text in quotation marks begins and ends with one, and those within it are doubled; "
    "mend the row"
)


def _is_swallowed(cell: str, separator: str, place: int, width: int) -> bool:
    """Whether a cell, the `place`-th of its row, is the end of a row, whole rows and the beginning
    of one; a text of several lines has its commas elsewhere."""
    lines = [line for line in re.split(r"[\r\n]+", cell) if line.strip()]
    rows = [width - 1 - place, *[width - 1] * (len(lines) - 2), place]
    return len(lines) > 1 and [line.count(separator) for line in lines] == rows


def _bare(cell: str) -> str:
    """A cell without white space, byte order marks and zero-width marks around it; what it means
    where it is ="007", as Excel is told to leave a text alone."""
    bare = cell.strip().strip("\ufeff\u200b\u200c\u200d\u2060").strip()
    text = re.fullmatch('="([^"]*)"', bare)
    return text[1].strip() if text else bare
