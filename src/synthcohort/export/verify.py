"""Whether an exported folder is whole and agrees with itself, on a machine that has nothing else.

Checksums find what was damaged on the way. Who changes a file on purpose can write its checksum
anew; hence the images are also held against the table, the npz, the card, croissant.json and the
hash of the content, and the figures on the card against results.json. Who changes all of these
together has made another dataset: it has another version and another hash, which `verify` prints
to be compared with those that the maker has published.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from synthcohort.errors import UserError
from synthcohort.export import card_check, checksums, contents, croissant, given_weights
from synthcohort.export.statement import Statement
from synthcohort.files import sha256


def verify(folder: Path) -> tuple[list[str], list[str]]:
    """What an exported folder says it is, in lines, and every fault found in it.

    Raises:
        UserError: it is no exported folder, or cannot be read.
    """
    try:
        told, faults = _verified(folder)
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: cannot be read ({error.strerror}); see to it that you "
            "may read all of the folder"
        ) from None
    return [*map(_printable, told)], [*map(_printable, faults)]


def _verified(folder: Path) -> tuple[list[str], list[str]]:
    if not (folder / checksums.NAME).is_file():
        raise UserError(
            f"{folder}: no {checksums.NAME} in it; expected the folder of an exported dataset, "
            "results/<name>/export of a run or a copy of it"
        )
    try:
        sums = checksums.read(folder)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / checksums.NAME}: {error}; get the dataset anew") from None
    faults = list(_files(folder, sums))
    try:
        results = json.loads((folder / "results.json").read_bytes())
        stated = Statement.model_validate(results["dataset"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = _first(error) if isinstance(error, ValidationError) else error
        faults.append(f"results.json: does not say which dataset this is ({why!r})")
        return [], faults
    faults += contents.foreign(sums, stated)
    faults += contents.faults(folder, stated)
    faults += card_check.faults(folder, stated, results)
    faults += croissant.faults(folder, stated, sums)
    return _told(folder, stated, results), faults


def _files(folder: Path, sums: Mapping[str, str]) -> Iterator[str]:
    """Files that are missing, changed or not of the dataset."""
    # A file system may give other letters back than it was given: composed or decomposed ones.
    there = {}
    for base, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(base) / name).is_symlink()]
        empty = [name for name in folders if not any((Path(base) / name).iterdir())]
        for name in (*names, *{*links, *empty}):
            path = Path(base) / name
            there[contents.normal(path.relative_to(folder).as_posix())] = path
    there.pop(checksums.NAME, None)
    asked = {contents.normal(name): wanted for name, wanted in sums.items()}
    others = {name.casefold(): name for name in there if name not in asked}
    for name in asked.keys() - there.keys():
        if (other := others.pop(name.casefold(), None)) is not None:
            yield f"{name}: is called {other} here; give it its own name back"
        else:
            yield f"{name}: is missing"
    for name in others.values():
        yield f"{name}: is not part of the dataset; remove it"
    for name in asked.keys() & there.keys():
        if there[name].is_symlink():
            yield f"{name}: is a link and not a file of this folder"
            continue
        if not there[name].is_file():  # a pipe, say, whose reader would wait for ever
            yield f"{name}: is no file"
            continue
        try:
            if sha256(there[name]) != asked[name]:
                yield f"{name}: does not have its checksum; it was changed or damaged"
        except OSError as error:
            yield f"{name}: cannot be read: {error.strerror}"


def _told(folder: Path, stated: Statement, results: Mapping[str, Any]) -> list[str]:
    software = stated.software
    at = f" at revision {software.revision}" if software.revision else ""
    day = f", released on {stated.date}" if stated.date else ""
    by = f", by {stated.creator}" if stated.creator else ""
    counts = ", ".join(f"{count} {part}" for part, count in stated.images.items())
    gated = " They are restricted: whoever passes the dataset on has to see to it."
    names = "; ".join(given_weights.restricted(stated.given_weights))
    began = (
        [f"Began:     with weights of restricted images; terms: {names}.{gated}"] if names else []
    )
    contact = [f"Contact:   {stated.contact}"] if stated.contact else []
    return [
        f"{stated.title}, version {stated.version}{day}",
        f"Images:    {stated.count} synthetic ones ({counts})",
        f"Made:      by {software.name} {software.version}{at}{by}",
        f"From:      {stated.origin.images}; terms: {stated.origin.terms}."
        + (gated if stated.origin.gated else ""),
        *began,
        f"Licence:   {stated.licence}",
        f"Audit:     {card_check.audit_in_words(results)}",
        *contact,
        f"Content:   sha256 {stated.content}",
        f"All files: sha256 {sha256(folder / checksums.NAME)} (of {checksums.NAME})",
    ]


def _printable(line: str) -> str:
    # What a file says is shown to somebody who does not trust it yet.
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
