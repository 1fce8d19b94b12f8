"""Ids and labels: one normal form, what counts as "not known", and which differ in nothing that
matters.

`7`, `007` and `7.0`, `P1` and `p1`, a name in NFC and in NFD are what spreadsheets, file systems
and people make of one name. Taken for two, they make two patients of one, and the split by patient
is worth nothing.
"""

import re
import unicodedata
from collections.abc import Iterable

from synthcohort.errors import first

# What spreadsheets, statistics packages and people write where nothing is known; in lower case.
_UNKNOWN = {
    "na", "n.a", "n.a.", "n/a", "<na>", "nan", "-nan", "1.#qnan", "nat", "none", "null", "nil",
    "unknown", "not known", "not available", "undefined",
    "-9223372036854775808", "-2147483648",  # what pandas and R have for it among whole numbers
    "#n/a", "#na", "#value!", "#ref!", "#name?", "#div/0!", "#null!", "#num!",
}  # fmt: skip
_INVISIBLE = {"Cf", "Cc"}
_QUOTES = "\"'`´‘’“”„«»"


def normal(text: str) -> str:
    """The normal form of an id or a label: Unicode's composed form (NFC), no invisible characters
    (zero-width marks, byte order marks, soft hyphens, control characters), white space as single
    blanks within."""
    visible = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in _INVISIBLE)
    return " ".join(unicodedata.normalize("NFC", visible).split())


def is_unknown(text: str) -> bool:
    """Whether a text means that nothing is known: empty, NA, NaN, None, n/a, null, - and the
    like."""
    text = normal(text).casefold()
    return text in _UNKNOWN or not text.strip("-–—_.?/\\# ")


def is_shortened(text: str) -> bool:
    """Whether a spreadsheet has made a long number short (1.23457E+11, 1,2E+11 or 1.2E11), its last
    digits lost."""
    short = r"-?\d(([.,]\d+)?e\+\d{2,}|[.,]\d+e\d{2,})"
    return re.fullmatch(short, normal(text), re.IGNORECASE) is not None


def key(text: str) -> str:
    """The same for ids or labels that differ only in case, in zeros in front of a number, in
    quotation marks around them, in a spreadsheet's .0, in marks between thousands (1,000 and 1000),
    in the script of their digits, in the kind of a dash (P-1 and P–1), or in their Unicode form."""
    text = unicodedata.normalize("NFKC", normal(text).strip(_QUOTES).strip()).casefold()
    text = text if text.isascii() else "".join(map(_plain, text))
    if re.fullmatch(r"\d{1,3}(?:[ ,'’]\d{3})+", text):
        text = re.sub(r"\D", "", text)
    if number := re.fullmatch(r"\+?(-?)0*(\d+)(?:\.(\d*?)0*)?", text):
        sign, whole, part = number.groups()
        return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"
    # Not behind a point, where a zero in front makes another number of it.
    return re.sub(r"(?<![\d.,])0+(?=\d)", "", text)


def _plain(c: str) -> str:
    """A digit of any script as 0 to 9, a dash or minus of any kind as -."""
    dash = unicodedata.category(c) == "Pd" or c == "\u2212"
    return "-" if dash else str(unicodedata.decimal(c, c))


class Spellings:
    """Names as they come: those with one key are one name, written as the first of them was."""

    def __init__(self) -> None:
        self._name: dict[str, str] = {}
        self._written: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._name)

    def joined(self, text: str) -> str:
        """The name that stands for `text`, in its normal form."""
        of = key(text)
        self._written.setdefault(of, set()).add(text)
        return self._name.setdefault(of, normal(text))

    @property
    def several(self) -> dict[str, list[str]]:
        """Names that were written in several ways, with these."""
        return {self._name[of]: sorted(ways) for of, ways in self._written.items() if len(ways) > 1}

    def told(self) -> str:
        """The same in words; characters that cannot be seen as their numbers."""
        return first([" = ".join(map(shown, ways)) for ways in self.several.values()])


def shown(text: str) -> str:
    """A text in quotes, with the numbers of characters that cannot be seen or told apart."""
    return repr(text) if normal(text) == text else ascii(text)


def ordered(names: Iterable[str]) -> list[str]:
    """Labels in the order of their class numbers: numbers by size, other texts with the numbers
    in them by size (T2 before T10)."""
    names = sorted(names)
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names, key=_natural)


def _natural(name: str) -> list[str | int]:
    # Texts and numbers take turns, a text first, so that like is compared with like.
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def class_numbers(names: list[str]) -> list[int]:
    """The class numbers of ordered labels: the labels themselves where all are whole numbers from
    0, so that class 3 is class 3 also where there is no 2; otherwise their places."""
    keys = [key(name) for name in names]
    if all(re.fullmatch(r"[0-9]{1,9}", of) for of in keys) and len(set(keys)) == len(keys):
        return [int(of) for of in keys]
    return list(range(len(names)))
