"""What is known of DICOM tags by their keywords: which there are, and which point to somebody."""

import re

# Kinds of values that can be neither a name nor a date nor an id: codes, ages and numbers.
_HARMLESS = ("AS", "CS", "DS", "FD", "FL", "IS", "SL", "SS", "UL", "US")
# Of short text, what may point to somebody.
_TELLING = re.compile(
    "ID|Number|Address|Telephone|Location|Locator|Residence|Institution|Insurance"
)


def is_keyword(name: str) -> bool:
    """Whether a name is the keyword of a DICOM tag."""
    from pydicom.datadict import tag_for_keyword

    return tag_for_keyword(name) is not None


def is_telling(keyword: str) -> bool:
    """Whether a tag holds a name, a date, an id or free text."""
    from pydicom.datadict import dictionary_VR

    kind = dictionary_VR(keyword).split(" ")[0]
    return kind not in (*_HARMLESS, "LO", "SH") or (
        kind not in _HARMLESS and bool(_TELLING.search(keyword))
    )
