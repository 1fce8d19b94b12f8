"""Pictures in files: PNG, JPEG, TIFF and the like, read as grey or RGB, or refused."""

import re
from pathlib import Path
from typing import IO

import numpy as np
import PIL.Image
import PIL.ImageOps

from synthcohort.errors import UserError

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


def pixels(path: Path, content: IO[bytes] | None = None) -> np.ndarray:
    """The image in a file, as `read` describes it; `content` is the file where it is open already.

    Raises:
        UserError: it cannot be read, holds several pictures, or is neither grey nor RGB.
    """
    try:
        with PIL.Image.open(content or path) as file:
            if getattr(file, "n_frames", 1) > 1:
                raise UserError(f"{path}: holds {file.n_frames} pictures; expected one a file")
            # Pillow reads 16-bit colour and 16-bit grey with alpha as 8 bits.
            narrowed = any(re.search(";16[BLN]", str(tile.args)) for tile in file.tile)
            file.load()
            image = PIL.ImageOps.exif_transpose(file)
    except (OSError, SyntaxError, ValueError, EOFError, PIL.Image.DecompressionBombError) as error:
        raise UserError(
            f"{path}: cannot be read as an image: {error}; it may be truncated: open it in a "
            "viewer, then fetch or convert it again, or leave it out"
        ) from None
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() >= 0 and values.max() <= 65535:
            return values.astype(np.uint16)
    elif image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") and not narrowed:
        opaque = not image.has_transparency_data or image.convert("RGBA").getextrema()[3][0] == 255
        if opaque and image.mode in ("1", "L", "LA"):
            return np.asarray(image.convert("L"))
        if opaque:
            colours = np.asarray(image.convert("RGB"))
            grey = image.mode == "P" and (colours[..., :1] == colours[..., 1:]).all()
            return colours[..., 0] if grey else colours
    mode = f"{image.mode} with 16 bits a channel" if narrowed else image.mode
    raise UserError(
        f"{path}: has the mode {mode}; expected grey (8 or 16 bits) or RGB (8 bits) without "
        "transparency; convert it"
    )
