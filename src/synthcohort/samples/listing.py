"""The table of a set's shards, samples/shards.csv: file, number of images, sha256.

The later stages read the table, not the folder: one file stands for two thousand, on a command
line as well, and damage is told from a changed model by the checksum.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from synthcohort.errors import UserError
from synthcohort.files import atomic_file, sha256
from synthcohort.intake import tables
from synthcohort.progress import progress
from synthcohort.samples.shards import describe, pixels
from synthcohort.tracking.journal import Journal

COLUMNS = ("file", "images", "sha256")


def shard_path(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{number:05d}.npz"


def write_part(path: Path, shards: Sequence[int]) -> None:
    """List the shards of a part that has been drawn, one a line: what Snakemake waits for, because
    it would remove the shards themselves before a job is tried again."""
    names = [shard_path(path.parent, shard).name for shard in shards]
    with atomic_file(path) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def discard_unfounded(folder: Path) -> list[Path]:
    """Remove the lists in `folder` (`write_part`) that name a shard which is no longer there, so
    that Snakemake runs the part again. Returns them."""
    there = {path.name for path in folder.glob("shard-*.npz")}
    lists = sorted(folder.glob("part-*.txt"))
    found = [path for path in lists if not there.issuperset(path.read_text().split())]
    for path in found:
        path.unlink()
    return found


def gather(*, shards: int, folder: Path, out: Path, journal: Journal) -> None:
    """Read the shards 0 to `shards` − 1 in `folder`, whole and one at a time, and list them in
    `out`, which lies beside them.

    Raises:
        UserError: a shard is missing or damaged, or the shards do not belong together.
    """
    paths = [shard_path(folder, number) for number in range(shards)]
    images = [len(block) for block in progress("Shards", shards, pixels(paths), "shard")]
    describe(paths)
    with atomic_file(out) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            (path.name, number, sha256(path)) for path, number in zip(paths, images, strict=True)
        )
    journal.result(shards=shards, images=sum(images))


def listed(paths: Sequence[Path]) -> list[Path]:
    """The shards that a table names, in order; shards given themselves are returned as they are.

    Raises:
        UserError: there is no such table, or it is not one.
    """
    if [path.suffix for path in paths] != [".csv"]:
        return list(paths)
    return [shard for shard, _ in _rows(paths[0])]


def discard_damaged(table: Path) -> list[Path]:
    """Remove the shards that are not what the table says, and the table: the next run of the
    workflow makes these shards anew and no other. Returns them; there may be none."""
    damaged = [path for path, known in _rows(table) if not path.is_file() or sha256(path) != known]
    if damaged:
        for path in damaged:
            path.unlink(missing_ok=True)
        table.unlink()
    return damaged


def _rows(table: Path) -> list[tuple[Path, str]]:
    if not table.is_file():
        raise UserError(f"{table}: there is no such table of shards; run the sampling stage first")
    columns = dict.fromkeys(COLUMNS, "")
    found = [(table.parent / row["file"], row["sha256"]) for _, row in tables.rows(table, columns)]
    if not found:
        raise UserError(f"{table}: lists no shards; delete it and run the workflow again")
    return found
