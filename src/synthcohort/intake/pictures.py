"""Pictures in files: PNG, JPEG, TIFF and the like, read as grey or RGB, or refused."""

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import PIL.Image
import PIL.ImageOps

from synthcohort.errors import UserError, first
from synthcohort.intake import lookalikes, tiff
from synthcohort.intake.finder import shown
from synthcohort.intake.used_range import UsedRange

SUFFIXES = (
    ".bmp",
    ".gif",
    ".jp2",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
# Of all that Pillow opens, some run other programs (EPS) or are no plain pictures (PSD).
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_MEANT = {
    "CMYK": " (colours for print)",
    "F": " (floating-point numbers: nobody says what is black and what is white)",
    "LAB": " (CIELAB colours)",
}


class Reader:
    """Reads the pictures of one cohort, and says in the end what it saw in many of them.

    `bits` and `key` are those of `UsedRange`.
    """

    def __init__(self, root: Path, bits: int | None = None, key: str = "") -> None:
        self._root = root
        self._used = UsedRange(root, bits, key)
        self._seen: dict[str, list[str]] = {}

    def pixels(self, path: Path, content: IO[bytes] | None = None) -> np.ndarray:
        """The picture in a file, H×W or H×W×3, uint8 or uint16, over its type's full range, black
        at 0; `content` is the file where it is open already.

        Raises:
            UserError: it cannot be read, holds several pictures, or is neither grey nor RGB.
        """
        name = shown(path)
        # What Pillow warns of, it decodes all the same, or fails at.
        with _opened(path, content) as file, warnings.catch_warnings(action="ignore"):
            try:
                meant = _meaning(file, name)
                image, narrowed = self._decoded(file, name, meant)
                if not image.width * image.height:
                    raise ValueError("it has no pixels")
            except UserError:
                raise
            except PIL.Image.DecompressionBombError:
                raise UserError(
                    f"{name}: has more than {2 * PIL.Image.MAX_IMAGE_PIXELS:,} pixels, the most "
                    "that an image may have; reduce it, or cut it into tiles"
                ) from None
            except Exception as error:  # of any kind, as Pillow trusts the file's own numbers
                raise UserError(
                    f"{name}: cannot be read as an image: {_why(file, error)}"
                ) from None
        if meant and meant.white_is_zero:
            self._saw("files have white at 0 (WhiteIsZero) and are read with black at 0", name)
        if image.mode.startswith("I") and not _is_transparent(image):
            return self._integers(np.asarray(image), meant, name)
        if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") or narrowed:
            mode = f"{image.mode} with 16 bits a channel" if narrowed else image.mode
            raise UserError(
                f"{name}: has the mode {mode}{_MEANT.get(mode, '')}; expected grey (8 or 16 bits) "
                "or RGB (8 bits); convert it"
            )
        if _is_transparent(image):
            raise UserError(
                f"{name}: has the mode {image.mode} with pixels that are transparent, of which "
                "nobody says how bright they are; lay it on a background"
            )
        return self._used.scaled(_opaque(image), name)

    def judge(self) -> None:
        """Say what the cohort as a whole shows, once all its pictures have been read.

        Raises:
            UserError: as `UsedRange.judge` does.
        """
        for what, names in self._seen.items():
            print(f"Note: {self._root}: {len(names)} {what}, {first(names)}", file=sys.stderr)
        self._used.judge()

    def _saw(self, what: str, name: str) -> None:
        self._seen.setdefault(what, []).append(name.removeprefix(f"{shown(self._root)}/"))

    def _decoded(
        self, file: IO[bytes], name: str, meant: tiff.Meaning | None
    ) -> tuple[PIL.Image.Image, bool]:
        """The picture, turned upright, and whether Pillow has taken bits away from it."""
        try:
            image = PIL.Image.open(file, formats=_FORMATS)
        except PIL.UnidentifiedImageError:
            if meant is None:
                raise
            return tiff.grey(file, name), False
        count = getattr(image, "n_frames", 1)
        if image.format == "MPO":
            self._saw(
                "files are phones' JPEGs of several pictures (MPO), of which the first is read",
                name,
            )
        elif count > 1:
            raise UserError(
                f"{name}: holds {count} pictures, an animation or pages; expected one a file: save "
                "each that is meant in a file of its own"
            )
        narrowed = _narrowed(image, file)
        image.load()
        return PIL.ImageOps.exif_transpose(image), narrowed

    def _integers(self, values: np.ndarray, meant: tiff.Meaning | None, name: str) -> np.ndarray:
        meant = meant or tiff.Meaning()
        if meant.bits == 32 and not meant.signed:
            values = values.view(np.uint32)  # Pillow knows signed ones only
        low, high = values.min(), values.max()
        if low < 0 or high > 65535:
            raise UserError(
                f"{name}: holds values from {low} to {high} (mode I); expected 0 to 65535: convert "
                "it to 8 or 16 bits with black at 0"
            )
        own = meant.bits if 8 < meant.bits < 16 else None
        return self._used.scaled(values, name, own=own, inverted=meant.white_is_zero)


@contextmanager
def _opened(path: Path, content: IO[bytes] | None) -> Iterator[IO[bytes]]:
    if content is not None:
        yield content
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{shown(path)}: cannot be opened: {error.strerror}") from None
    with file:
        yield file


def _meaning(file: IO[bytes], name: str) -> tiff.Meaning | None:
    """What the tags of a TIFF file say, None of another one."""
    is_tiff = file.read(4) in tiff.MAGIC
    file.seek(0)
    meant = tiff.meaning(file, name) if is_tiff else None
    file.seek(0)
    return meant


def _why(file: IO[bytes], error: Exception) -> str:
    """Why a file could not be decoded: what it is instead of a picture, or what Pillow says."""
    file.seek(0)
    head = file.read(lookalikes.HEAD)
    if isinstance(error, PIL.UnidentifiedImageError):
        return lookalikes.what(head) or (
            f"it begins with {head[:8].hex(' ')}, as no picture does that is known here; convert it"
        )
    return f"{error or type(error).__name__}; it is damaged or truncated: fetch or convert it again"


def _narrowed(image: PIL.Image.Image, file: IO[bytes]) -> bool:
    """Whether Pillow reads more bits a channel as 8; grey ones alone it reads as they are."""
    if image.mode.startswith("I"):
        return False
    arguments = [tile.args for tile in image.tile]
    if image.format == "PPM":  # the largest value
        return any(isinstance(of, int) and of > 255 for of in map(_last, arguments))
    if image.format == "JPEG2000":
        place = file.tell()
        file.seek(0)
        sizes = re.search(rb"\xff\x4f\xff\x51.{38}(.)", file.read(), re.DOTALL)
        file.seek(place)
        return sizes is not None and (sizes[1][0] & 0x7F) + 1 > 8
    return any(re.search(";16[BLN]", str(of)) for of in arguments)


def _is_transparent(image: PIL.Image.Image) -> bool:
    if image.mode.startswith("I"):  # PNG may call one value transparent
        return bool((np.asarray(image) == image.info.get("transparency", -1)).any())
    return image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255


def _last(of: object) -> object:
    return of[-1] if isinstance(of, tuple) else of


def _opaque(image: PIL.Image.Image) -> np.ndarray:
    """H×W or H×W×3 uint8, where palettes that are grey alone become grey."""
    if image.mode in ("1", "L", "LA"):
        return np.asarray(image.convert("L"))
    colours = np.asarray(image.convert("RGB"))
    grey = image.mode == "P" and (colours[..., :1] == colours[..., 1:]).all()
    return colours[..., 0] if grey else colours
