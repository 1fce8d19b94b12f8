"""What is known of each file of a cohort: told by its path, by a table or by both."""

import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from synthcohort.errors import UserError, first
from synthcohort.intake import ids, tables
from synthcohort.intake.finder import shown
from synthcohort.intake.paths import Files
from synthcohort.settings import Settings

ATTRIBUTES = ("patient", "label", "session", "split")


class Columns(Settings):
    """Names of the table's columns; one left empty is not read."""

    file: str = "file"
    """The image's path relative to `root`, with or without its suffix; or its name alone where no
    row has a path and only one image below `root` has that name."""
    patient: str = ""
    """The patient that the image is of."""
    label: str = ""
    """The image's class."""
    session: str = ""
    """The visit or scan that the image comes from."""
    split: str = ""
    """The part of the official split that the image is in."""
    attributes: tuple[str, ...] = ()
    """Columns of numbers that belong to each image: an age; 0 or 1 (or False, True) for each of
    several findings."""


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
    """New names for labels; several with one new name are merged, those not listed stay. A class
    that is called None, NA, - or the like needs one: these count as not known. Labels that are
    whole numbers, each with a name of its own, stay the class numbers."""
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


def describe(
    settings: Described, files: list[str], ways: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """The attributes of the files (paths relative to `root`) that make the cohort; those in
    `columns.attributes` as "attributes.<column>", and the class number as "class" where the labels
    are numbers to which `labels` gives names. `ways` are other paths to some of the files,
    through links, by which a table may name them.

    Raises:
        UserError: the expression or the table does not give what is asked of it, or gives two
            things of a file that links alone lead to.
    """
    described = (
        {file: {} for file in files} if settings.table is None else _table(settings, files, ways)
    )
    if settings.expression:
        _match(settings, described)
        agree(settings.root, ways, lambda file: _groups(settings, file))
    _rename(settings, described)
    return described


def agree(root: Path, ways: Mapping[str, str], says: Callable[[str], Mapping[str, str]]) -> None:
    """Refuse a file below `root` that links alone lead to (`ways`, as the finder gives them) where
    the paths say different things of it: `says` gives what one says, empty where it is nothing.

    Raises:
        UserError: there is such a file.
    """
    for other, file in ways.items():
        linked = (root / file).resolve() != root.resolve() / file
        one, two = says(file), says(other)
        if linked and one and two and one != two:
            raise UserError(
                f"{shown(root / file)} and {shown(root / other)} are links to one file, but their "
                f"paths say {dict(one)} and {dict(two)}; keep one"
            )


def _table(
    settings: Described, files: list[str], ways: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """The attributes that the table's columns give to each file it lists, and "at", its line."""
    path = settings.root / settings.table
    wanted = {"file": settings.columns.file, **settings.named_columns}
    numbers = {f"attributes.{column}": column for column in settings.columns.attributes}
    wanted |= numbers
    rows = tables.rows(path, {column: f"source.columns.{name}" for name, column in wanted.items()})
    if not rows:
        raise UserError(f"{path}: has no rows below its header; expected one an image")
    known = Files(settings.root, [*files, *ways])
    matches = _matches(known, ways, [row[settings.columns.file] for _, row in rows], path)

    described: dict[str, dict[str, str]] = {}
    absent, ambiguous, twice, unread = [], [], [], []
    for (line, row), found in zip(rows, matches, strict=True):
        of = {name: row[column] for name, column in wanted.items()} | {"at": f"line {line}: "}
        name = of.pop("file")
        if len(found) > 1:
            ambiguous.append(f"line {line}: {name!r} ({' or '.join(map(repr, found[:2]))})")
        elif not found:
            near = known.near(name) if len(absent) < 5 else ""
            absent.append(f"line {line}: {name!r}{near}")
        elif found[0] in described:
            twice.append(f"line {line}: {name!r}")
        else:
            described[found[0]] = of
        odd = [key for key in numbers if tables.number(of[key]) is None]
        unread += [f"line {line}: {name!r} has {of[key]!r} as {numbers[key]!r}" for key in odd]
    for faults, what in (
        (absent, f"there is no such image in {settings.root} that matches {settings.pattern!r}"),
        (ambiguous, "several images have this name; give the path, and add the suffix"),
        (twice, "the image is listed twice; keep one row"),
        (unread, "expected a number; fill it in, or leave the row out"),
    ):
        if faults:
            raise UserError(f"{path}: {len(faults)} rows, {first(faults)}: {what}")
    left_out = [file for file in files if file not in described]
    if left_out:
        _note(f"{path}: {len(left_out)} images are not listed and left out, {first(left_out)}")
    return described


def _matches(
    known: Files, ways: Mapping[str, str], names: list[str], table: Path
) -> list[list[str]]:
    """The files that each name in a table may mean, by any way to them: one where it is right."""
    found = [_taken(known.named(name), ways) for name in names]
    if any(found):
        return found
    # Only where no name is a path: an image that is missing must not be found in another folder.
    found = [_taken(known.below(name), ways) for name in names]
    if all(len(of) == 1 for of in found):
        _note(f"{table}: names images without their folders: {names[0]!r} is {found[0][0]!r}")
    return found


def _taken(files: list[str], ways: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(ways.get(file, file) for file in files))


def _search(settings: Described, file: str) -> re.Match[str] | None:
    # Letters with marks have two forms, and what is typed is seldom the one that macOS writes.
    return re.search(*(unicodedata.normalize("NFC", of) for of in (settings.expression, file)))


def _groups(settings: Described, file: str) -> dict[str, str]:
    match = _search(settings, file)
    return {} if match is None else {name: text or "" for name, text in match.groupdict().items()}


def _match(settings: Described, described: dict[str, dict[str, str]]) -> None:
    """Add the attributes that the expression's groups find in each path."""
    unmatched = []
    for file, of in described.items():
        groups = _groups(settings, file)
        of.update(groups)
        if not groups:
            unmatched.append(file)
    if unmatched:
        raise UserError(
            f"source.expression: {settings.expression!r} does not match {len(unmatched)} of "
            f"{len(described)} paths below {settings.root}, {first(unmatched)}; change it, or "
            "leave these files out by source.pattern"
        )


def _rename(settings: Described, described: dict[str, dict[str, str]]) -> None:
    """Bring labels and splits to the names that the settings give, and check what is not known."""
    for key, names in (("label", settings.labels), ("split", settings.splits)):
        found = {of[key] for of in described.values() if key in of}
        by_key = {ids.key(name): new for name, new in names.items()}
        unused = sorted(set(by_key) - set(map(ids.key, found)))
        if unused:
            absent = next(name for name in names if ids.key(name) in unused)
            raise UserError(
                f"source.{key}s: no image has the {key} {absent!r}; those found are "
                f"{', '.join(map(repr, sorted(found))) or 'none'}"
            )
        several = {of for of in by_key if len({names[n] for n in names if ids.key(n) == of}) > 1}
        for name in sorted(found - set(names)):
            if ids.key(name) in several:
                like = [n for n in names if ids.key(n) == ids.key(name)]
                raise UserError(
                    f"source.{key}s: the {key} {name!r} may be any of "
                    f"{', '.join(map(repr, like))}, which get several names; list it, too"
                )
        new = {name: names.get(name) or by_key.get(ids.key(name), name) for name in found}
        number = _class_numbers(new) if key == "label" and names else {}
        for of in described.values():
            if key in of:
                of.update({"class": number[of[key]]} if number else {})
                of[key] = new[of[key]]
    for of in described.values():
        of.update({name: "" for name in ("session", "split") if ids.is_unknown(of.get(name, ""))})
    for name in ("patient", "label"):
        unknown = [
            f"{of.get('at', '')}{file}" + (f" has {of[name]!r}" if of[name] else "")
            for file, of in described.items()
            if ids.is_unknown(of.get(name, "known"))
        ]
        if unknown:
            where = settings.root / (settings.table or "")
            raise UserError(
                f"{where}: {len(unknown)} images have an empty {name}, {first(unknown)}; expected "
                f"one for every image from source.expression or source.columns.{name}. NA, None, - "
                "and the like count as empty"
                + (": a class of that name needs another (source.labels)" * (name == "label"))
            )
    odd = sorted({of.get("split", "") for of in described.values()} - {"", "train", "val", "test"})
    if odd:
        raise UserError(
            f"{settings.root}: an official split calls its parts {', '.join(map(repr, odd))}; say "
            "which is train, val or test under source.splits"
        )


def _class_numbers(new: Mapping[str, str]) -> dict[str, str]:
    """The class number of every label by the text found, where all are whole numbers and `new`
    gives each a name of its own; otherwise none."""
    number = {name: ids.key(name) for name in new}
    names = {(number[name], ids.key(as_) if as_ else "") for name, as_ in new.items()}
    whole = all(re.fullmatch("[0-9]{1,9}", of) for of in number.values())
    one_to_one = len(names) == len({of for of, _ in names}) == len({of for _, of in names})
    return number if whole and one_to_one else {}


def _note(text: str) -> None:
    print(f"Note: {text}", file=sys.stderr)
