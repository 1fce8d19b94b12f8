"""Images in folders: PNG, JPEG, TIFF and the like, described by their path, by a CSV or by both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from synthcohort.errors import UserError
from synthcohort.intake import pictures, tables
from synthcohort.intake.description import Described, describe
from synthcohort.intake.finder import Found, counted, find, fits
from synthcohort.progress import progress
from synthcohort.sources import Declared, Image


class Source(Described, Declared):
    kind: Literal["folder"] = "folder"
    bits: Annotated[int, Field(ge=1, le=16)] | None = None
    """How many bits of a pixel files of more than 8 use: 12 where the values end at 4095. They are
    spread over the whole range. By default all 16; a cohort that would be dark so is refused."""


def read(settings: Source, root: Path | None = None) -> Iterator[Image]:
    """Every image, sorted by path; the path relative to `root` is its image_id.

    Grey images come as H×W, colour images as H×W×3, uint8 or uint16, turned upright where the file
    carries an orientation. Palettes, bilevel images and wholly opaque alpha channels are resolved,
    as nothing is lost; anything else that is not plainly grey or RGB is refused.

    Raises:
        UserError: no folder or no images; an image, the expression or the table does not give what
            is asked of it. The message names the files or lines.
    """
    found = _find(settings)
    files = [path.relative_to(settings.root).as_posix() for path in found.files]
    described = describe(settings, files, found.ways)
    reader = pictures.Reader(settings.root, settings.bits, "source.bits")
    for file, of in progress("reading images", of=sorted(described.items())):
        yield Image(
            pixels=reader.pixels(settings.root / file),
            image_id=file,
            patient_id=of["patient"],
            source_file=file,
            label=of.get("label", ""),
            session=of.get("session", ""),
            split=of.get("split", ""),
            class_number=int(of["class"]) if "class" in of else None,
            attributes={
                name: tables.number(of[f"attributes.{name}"])
                for name in settings.columns.attributes
            },
        )
    reader.judge()


def _find(settings: Source) -> Found:
    if not settings.root.is_dir():
        raise UserError(f"source.root: {settings.root} is not a folder; give the images' folder")
    found = find(
        settings.root,
        lambda path: path.name.lower().endswith(pictures.SUFFIXES) and fits(path, settings.pattern),
        besides=[settings.table] if settings.table else [],
    )
    if not found.files:
        raise UserError(
            f"{settings.root}: no images match {settings.pattern!r}; expected files that end in "
            f"{', '.join(pictures.SUFFIXES)}; there are {counted(found.passed_over) or 'none'}; "
            "check source.root and source.pattern"
        )
    return found
