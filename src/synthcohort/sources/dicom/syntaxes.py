"""Transfer syntaxes: how pixels are packed, and which package unpacks them."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LIBJPEG = "pylibjpeg-libjpeg"
# Of the JPEG family that it reads, as well as what this project's own packages decode in part.
_JPEG = "1.2.840.10008.1.2.4."


@contextmanager
def quiet() -> Iterator[None]:
    """pydicom's warnings repeat values that it finds odd, and these may be names or ids."""
    logger = logging.getLogger("pydicom")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def unreadable(syntax: str) -> tuple[str, str] | None:
    """Why nothing here decodes a transfer syntax and what to do, None where something does."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    name = UID(syntax).name
    named = f"“{name}” ({syntax})" if name != syntax else syntax
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        known = "which is not read here" if name != syntax else "which nobody knows"
        return f"it is in the transfer syntax {named}, {known}", _convert()
    if decoder.is_available:
        return None
    return f"it is in the transfer syntax {named}, and no decoder for it is installed", way(syntax)


def way(syntax: str) -> str:
    """What to do about pixels in a syntax that could not be decoded."""
    if not str(syntax).startswith(_JPEG):
        return "fetch it again, or take it out"
    return (
        f"fetch it again where it is damaged; if it is whole, install {_LIBJPEG}, which reads more "
        f"kinds of JPEG (its licence is the GPL-3, so it does not come with this project), or "
        f"{_convert()}"
    )


def _convert() -> str:
    return "convert it to Explicit VR Little Endian (gdcmconv --raw, dcmdjpeg), or take it out"
