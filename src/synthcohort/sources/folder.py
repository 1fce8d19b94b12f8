"""Images in folders: PNG, JPEG, TIFF and the like, described by their path, by a CSV or by both."""

import glob
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from synthcohort.cohort import Image
from synthcohort.errors import UserError, first
from synthcohort.intake import pictures, tables
from synthcohort.progress import progress
from synthcohort.settings import Settings
from synthcohort.sources import Declared

ATTRIBUTES = ("patient", "label", "session", "split")


class Columns(Settings):
    """Names of the table's columns; one left empty is not read."""

    file: str = "file"
    """The image's path relative to `root`, with or without its suffix."""
    patient: str = ""
    """The patient that the image is of."""
    label: str = ""
    """The image's class."""
    session: str = ""
    """The visit or scan that the image comes from."""
    split: str = ""
    """The part of the official split that the image is in."""
    attributes: tuple[str, ...] = ()
    """Columns of numbers that belong to each image: an age; 0 or 1 for each of several findings."""


class Described(Settings):
    """Files below a folder that their paths, a table or both describe."""

    root: Path
    """The folder that holds the images, at any depth."""
    pattern: str = "**/*"
    """Which files below `root`, as a glob pattern; of these, the ones with an image's suffix."""
    expression: str = ""
    """A regular expression that is searched in every path relative to `root` (with /) and whose
    named groups patient, label, session and split give these attributes. Folder names:
    `(?P<label>[^/]+)/(?P<patient>[^/]+)/`. Where nothing is known of patients and each image may
    count as one of its own: `(?P<patient>.+)`."""
    table: Path | None = None
    """A CSV file with a header (absolute, or relative to `root`); its rows are the cohort. What it
    does not give may come from `expression`."""
    columns: Columns = Columns()
    """Which column of `table` holds what."""
    labels: Annotated[dict[str, str], Field(default_factory=dict)]
    """New names for labels; several with one new name are merged, those not listed stay."""
    splits: Annotated[dict[str, Literal["train", "val", "test"]], Field(default_factory=dict)]
    """What the official split's parts are called where it is not train, val and test."""

    @field_validator("expression")
    @classmethod
    def _named_groups(cls, expression: str) -> str:
        try:
            groups = re.compile(expression).groupindex
        except re.error as error:
            raise ValueError(f"not a valid regular expression: {error}") from None
        unknown = sorted(set(groups) - set(ATTRIBUTES))
        if expression and (unknown or not groups):
            raise ValueError(
                f"expected named groups among {', '.join(f'(?P<{name}>…)' for name in ATTRIBUTES)}"
                + (f", got {', '.join(unknown)}" if unknown else ", got none")
            )
        return expression

    @model_validator(mode="after")
    def _each_once(self) -> "Described":
        from_path, from_table = self.groups, set(self.named_columns)
        if (from_table or self.columns.attributes) and self.table is None:
            raise ValueError("columns are named but no table; give the CSV file as `table`")
        if both := sorted(from_path & from_table):
            raise ValueError(f"{', '.join(both)}: both in expression and in columns; give one")
        if "patient" not in from_path | from_table:
            raise ValueError(
                "nothing says which patient an image is of; give a group (?P<patient>…) in "
                "`expression` or a column as `columns.patient`"
            )
        return self

    @property
    def groups(self) -> set[str]:
        """The attributes that the path gives."""
        return set(re.compile(self.expression).groupindex)

    @property
    def named_columns(self) -> dict[str, str]:
        """The attributes that the table gives, each with its column."""
        named = {name: getattr(self.columns, name) for name in ATTRIBUTES}
        return {name: column for name, column in named.items() if column}


class Source(Described, Declared):
    kind: Literal["folder"] = "folder"


def read(settings: Source, root: Path | None = None) -> Iterator[Image]:
    """Every image, sorted by path; the path relative to `root` is its image_id.

    Grey images come as H×W, colour images as H×W×3, uint8 or uint16, turned upright where the file
    carries an orientation. Palettes, bilevel images and wholly opaque alpha channels are resolved,
    as nothing is lost; anything else that is not plainly grey or RGB is refused.

    Raises:
        UserError: no folder or no images; an image, the expression or the table does not give what
            is asked of it. The message names the files or lines.
    """
    described = describe(settings, _find(settings))
    for file, of in progress("reading images", of=sorted(described.items())):
        yield Image(
            pixels=pictures.pixels(settings.root / file),
            image_id=file,
            patient_id=of["patient"],
            source_file=file,
            label=of.get("label", ""),
            session=of.get("session", ""),
            split=of.get("split", ""),
            attributes={
                name: float(of[f"attributes.{name}"]) for name in settings.columns.attributes
            },
        )


def describe(settings: Described, files: list[str]) -> dict[str, dict[str, str]]:
    """The attributes of the files (paths relative to `root`) that make the cohort.

    Raises:
        UserError: the expression or the table does not give what is asked of it.
    """
    described = {file: {} for file in files} if settings.table is None else _table(settings, files)
    if settings.expression:
        _match(settings, described)
    _rename(settings, described)
    return described


def _find(settings: Source) -> list[str]:
    if not settings.root.is_dir():
        raise UserError(f"source.root: {settings.root} is not a folder; give the images' folder")
    # Unlike Path.glob, it follows links to folders and passes over hidden files.
    found = glob.glob(settings.pattern, root_dir=settings.root, recursive=True)  # noqa: PTH207
    found = sorted({Path(name).as_posix() for name in found if (settings.root / name).is_file()})
    files = [name for name in found if name.lower().endswith(pictures.SUFFIXES)]
    others = sorted(set(found) - set(files) - {str(settings.table)})
    if others:
        _note(f"{settings.root}: {len(others)} files are not images, {first(others)}")
    if not files:
        raise UserError(
            f"{settings.root}: no images match {settings.pattern!r}; expected files that end in "
            f"{', '.join(pictures.SUFFIXES)}; check source.root and source.pattern"
        )
    return files


def _table(settings: Described, files: list[str]) -> dict[str, dict[str, str]]:
    """The attributes that the table's columns give to each file it lists."""
    path = settings.root / settings.table
    wanted = {"file": settings.columns.file, **settings.named_columns}
    numbers = {f"attributes.{column}": column for column in settings.columns.attributes}
    wanted |= numbers
    by_name: dict[str, list[str]] = {}
    for file in files:
        by_name.setdefault(str(PurePosixPath(file).with_suffix("")), []).append(file)
    # An exact path comes before a path without its suffix.
    by_name |= {file: [file] for file in files}

    described: dict[str, dict[str, str]] = {}
    absent, ambiguous, twice, unread = [], [], [], []
    keys = {column: f"source.columns.{name}" for name, column in wanted.items()}
    for line, row in tables.rows(path, keys):
        of = {name: row[column] for name, column in wanted.items()}
        name = of.pop("file")
        matches = by_name.get(name, [])
        if len(matches) != 1:
            (ambiguous if matches else absent).append(f"line {line}: {name!r}")
        elif matches[0] in described:
            twice.append(f"line {line}: {name!r}")
        else:
            described[matches[0]] = of
        odd = [key for key in numbers if not tables.is_number(of[key])]
        unread += [f"line {line}: {name!r} has {of[key]!r} as {numbers[key]!r}" for key in odd]
    for faults, what in (
        (absent, f"there is no such image in {settings.root} that matches {settings.pattern!r}"),
        (ambiguous, "several images have this name; add the suffix"),
        (twice, "the image is listed twice; keep one row"),
        (unread, "expected a number; fill it in, or leave the row out"),
    ):
        if faults:
            raise UserError(f"{path}: {len(faults)} rows, {first(faults)}: {what}")
    if not described:
        raise UserError(f"{path}: has no rows below its header; expected one an image")
    left_out = [file for file in files if file not in described]
    if left_out:
        _note(f"{path}: {len(left_out)} images are not listed and left out, {first(left_out)}")
    return described


def _match(settings: Described, described: dict[str, dict[str, str]]) -> None:
    """Add the attributes that the expression's groups find in each path."""
    expression = re.compile(settings.expression)
    unmatched = []
    for file, of in described.items():
        match = expression.search(file)
        if match is None:
            unmatched.append(file)
        else:
            of.update({name: value or "" for name, value in match.groupdict().items()})
    if unmatched:
        raise UserError(
            f"source.expression: {settings.expression!r} does not match {len(unmatched)} of "
            f"{len(described)} paths below {settings.root}, {first(unmatched)}; change it, or "
            "leave these files out by source.pattern"
        )


def _rename(settings: Described, described: dict[str, dict[str, str]]) -> None:
    """Check that no attribute is empty, and rename labels and splits as the settings say."""
    for name in ("patient", "label"):
        empty = [file for file, of in described.items() if of.get(name) == ""]
        if empty:
            raise UserError(
                f"{settings.root}: {len(empty)} images have an empty {name}, {first(empty)}; "
                f"expected one for every image from source.expression or source.columns.{name}"
            )
    for key, names in (("label", settings.labels), ("split", settings.splits)):
        found = {of[key] for of in described.values() if key in of}
        unused = sorted(set(names) - found)
        if unused:
            raise UserError(
                f"source.{key}s: no image has the {key} {unused[0]!r}; those found are "
                f"{', '.join(map(repr, sorted(found))) or 'none'}"
            )
        for of in described.values():
            if key in of:
                of[key] = names.get(of[key], of[key])
    odd = sorted({of.get("split", "") for of in described.values()} - {"", "train", "val", "test"})
    if odd:
        raise UserError(
            f"{settings.root}: an official split calls its parts {', '.join(map(repr, odd))}; say "
            "which is train, val or test under source.splits"
        )


def _note(text: str) -> None:
    print(f"Note: {text}", file=sys.stderr)
