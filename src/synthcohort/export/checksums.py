"""SHA256SUMS: what `sha256sum -c SHA256SUMS` checks in the exported folder."""

import re
from pathlib import Path

from synthcohort.files import sha256

NAME = "SHA256SUMS"


def write(folder: Path) -> str:
    """Write `folder`/SHA256SUMS over all other files in `folder`, sorted by path; its own sha256,
    which stands for the whole folder."""
    names = sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and file != folder / NAME
    )
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    (folder / NAME).write_bytes("".join(lines).encode())
    return sha256(folder / NAME)


def read(folder: Path) -> dict[str, str]:
    """The sha256 of each file by its path in `folder`, as SHA256SUMS has it.

    Raises:
        ValueError: a line is not a checksum and a path inside the folder, or a path stands twice.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate((folder / NAME).read_bytes().split(b"\n")[:-1], start=1):
        found = re.fullmatch(r"([0-9a-f]{64})  ([^/\\].*)", line.decode(errors="replace"))
        if not found or ".." in found[2].split("/") or found[2] in sums:
            raise ValueError(f"line {number} is not the checksum of one file in this folder")
        sums[found[2]] = found[1]
    return sums
