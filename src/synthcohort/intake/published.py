"""Files of which a publisher gives checksums: compared wherever they come from."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Annotated

from pydantic import Field

from synthcohort.errors import UserError

Checksum = Annotated[str, Field(pattern="^md5:[0-9a-f]{32}$")]


def checksum(file: IO[bytes], kind: str = "md5") -> str:
    """The checksum of an open file as publishers of data sets state it: "md5:" and its digits."""
    # Not for security: some systems refuse md5 otherwise.
    found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    return f"{kind}:{found.hexdigest()}"


def check(
    folder: Path,
    found: Mapping[str, str],
    published: Mapping[str, str],
    altered: Mapping[str, str],
) -> None:
    """Compare the checksums `found` of files in `folder` with the `published` ones, all by name.

    Raises:
        UserError: a file differs and is not in `altered` with the checksum it has, or is in
            `altered` and does not differ.
    """
    whole = sorted(name for name in altered if found.get(name) == published.get(name))
    if whole:
        raise UserError(
            f"source.altered: {', '.join(whole)}: no file of {folder} is called so and altered; "
            "take the name out"
        )
    others = {
        name: of for name, of in found.items() if of != published[name] and altered.get(name) != of
    }
    if others:
        names = ", ".join(f"{name} ({published[name]}, here {of})" for name, of in others.items())
        lines = "".join(f"\n      {name}: {of}" for name, of in {**altered, **others}.items())
        raise UserError(
            f"{folder}: what is published under the name has another checksum: {names}; fetch it "
            "again (without source.root it is downloaded). If the file is meant as it is, say so, "
            f"and the dataset card will tell it:\n  source:\n    altered:{lines}"
        )


def told(altered: Mapping[str, str]) -> str:
    """What the dataset card says of accepted files."""
    names = ", ".join(f"{name} ({of})" for name, of in sorted(altered.items()))
    return f"altered by somebody since it was published, in the files {names}"
