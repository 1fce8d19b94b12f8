"""What the values of a TIFF file mean, which its pixels alone do not tell."""

import logging
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from synthcohort.errors import UserError

if TYPE_CHECKING:
    import PIL.Image
    from tifffile import TiffPage

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Values of the tag SampleFormat.
_UNSIGNED, _SIGNED, _UNDEFINED = 1, 2, 4
# Values of the tag PhotometricInterpretation.
_WHITE_IS_ZERO, _GREY, _READ = 0, (0, 1), (0, 1, 2, 3, 5, 6)
_CONVERT = "convert it to 8 or 16 bits with black at 0"


@dataclass(frozen=True)
class Meaning:
    """How the pixels of a TIFF file are to be read."""

    bits: int = 8
    """Bits a sample."""
    signed: bool = False
    white_is_zero: bool = False


def meaning(file: IO[bytes], name: str) -> Meaning:
    """What the tags of the file's one picture say; `name` is for messages.

    Raises:
        UserError: there are several pictures, or values of which nobody can say how bright they
            are: signed bytes, floating-point numbers, other colours than grey, RGB and palettes.
        ValueError: the file is damaged.
    """
    import tifffile

    # What it finds odd, Pillow decodes all the same or says why not.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(file) as opened:
            count, page = len(opened.pages), opened.pages.first
            series = opened.series[0]
            extent = dict(zip(series.axes, series.shape, strict=True))
    except Exception as error:  # of any kind, as tifffile trusts the file's own numbers
        raise ValueError(f"{error or type(error).__name__}") from None
    stack = {axis: n for axis, n in extent.items() if axis not in "YXS" and n > 1}
    if count == 1 and (fault := _fault(page)):
        raise UserError(f"{name}: {fault}")
    if count > 1 or stack:
        raise UserError(
            f"{name}: holds {max(count, *stack.values(), 0)} pictures; expected one a file: save "
            "each that is meant in a file of its own"
        )
    return Meaning(
        bits=page.bitspersample,
        signed=page.sampleformat == _SIGNED,
        white_is_zero=page.photometric == _WHITE_IS_ZERO,
    )


def _fault(page: "TiffPage") -> str:
    """Why nobody can say how bright the values are, "" where the tags tell it."""
    bits, form = page.bitspersample, page.sampleformat
    grey = page.photometric in _GREY
    if form not in (_UNSIGNED, _SIGNED, _UNDEFINED):
        return (
            f"holds {bits}-bit floating-point numbers (SampleFormat {form}), of which nobody "
            f"says what is black and what is white; {_CONVERT}"
        )
    if form == _SIGNED and (bits <= 8 or page.photometric == _WHITE_IS_ZERO):
        white = ", WhiteIsZero" if page.photometric == _WHITE_IS_ZERO else ""
        return (
            f"holds signed {bits}-bit numbers (SampleFormat 2{white}), of which nobody says what "
            f"is black; {_CONVERT}"
        )
    if page.photometric == _WHITE_IS_ZERO and bits > 16:
        return f"holds {bits}-bit numbers with white at 0 and no largest one; {_CONVERT}"
    if page.photometric not in _READ:
        return (
            "has the photometric interpretation "
            f"{getattr(page.photometric, 'name', page.photometric)}; expected grey, RGB or a "
            "palette: convert it"
        )
    if page.samplesperpixel > 1 and bits > 8:
        return (
            f"has {page.samplesperpixel} channels of {bits} bits; expected grey (8 or 16 bits) or "
            "RGB (8 bits): convert it"
        )
    # 1 and 2 are alpha; 0 is something of which the file says nothing.
    unknown = page.samplesperpixel - 1 if grey and not page.extrasamples else 0
    unknown += sum(extra == 0 for extra in page.extrasamples)
    if unknown:
        return (
            f"has {page.samplesperpixel} channels, of {unknown} of which it does not say what they "
            "are; save the one that is meant, or RGB"
        )
    return ""


def grey(file: IO[bytes], name: str) -> "PIL.Image.Image":
    """A picture of 16 unsigned bits that Pillow does not know, turned upright, in mode I;16.

    Raises:
        UserError: its compression or its type is not known here either.
    """
    import PIL.Image
    import PIL.ImageOps
    import tifffile

    file.seek(0)
    try:
        with tifffile.TiffFile(file) as opened:
            page = opened.pages.first
            if page.dtype != "u2" or page.samplesperpixel > 1:
                raise ValueError(f"{page.samplesperpixel}×{page.bitspersample} bits a pixel")
            image = PIL.Image.fromarray(page.asarray().astype("=u2"))
            image.getexif()[274] = page.tags.valueof("Orientation", 1)
    except Exception as error:  # of any kind, as in `meaning`
        raise UserError(
            f"{name}: is a TIFF file of a kind that is not read here ({error}); convert it to 8 or "
            "16 bits, uncompressed"
        ) from None
    return PIL.ImageOps.exif_transpose(image)
