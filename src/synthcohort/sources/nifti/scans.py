"""The volumes of a cohort, whatever the layout they lie in."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthcohort.errors import UserError, first
from synthcohort.intake.finder import find
from synthcohort.sources.nifti import volume

_HEADERS = (".hdr", ".hdr.gz")


@dataclass(frozen=True)
class Scan:
    """A volume and what its layout says of it; `file` is relative to the root."""

    file: Path
    image_id: str
    patient: str
    session: str = ""
    label: str = ""
    split: str = ""
    attributes: Mapping[str, float] = field(default_factory=dict)
    channel: int | None = None
    """Which one is taken of a volume with a fourth axis; None where there may be none."""


def volumes(
    root: Path, wanted: Callable[[Path], bool], besides: Collection[Path] = ()
) -> list[Path]:
    """The volumes below `root` that are wanted, relative to it and sorted; a note tells the rest.

    `wanted` is asked for paths relative to `root` that end as volumes or their headers do.

    Raises:
        UserError: `root` is no folder, a header is without its image, or two files differ in the
            ending alone.
    """
    if not root.is_dir():
        raise UserError(f"source.root: {root} is not a folder; give the one that holds the volumes")
    endings = (*volume.ENDINGS, *_HEADERS)
    found = find(
        root, lambda path: path.name.lower().endswith(endings) and wanted(path), besides=besides
    )
    files = [path.relative_to(root) for path in sorted(found.files)]
    headers = [file for file in files if file.name.lower().endswith(_HEADERS)]
    files = [file for file in files if file not in headers]
    by_stem: dict[str, list[str]] = {}
    for file in files:
        by_stem.setdefault(bare(file), []).append(file.as_posix())
    alone = [file.as_posix() for file in headers if bare(file) not in by_stem]
    if alone:
        raise UserError(
            f"{root}: {len(alone)} headers have no .img file beside them, {first(alone)}; fetch "
            "those too, or take the headers out"
        )
    twice = [" and ".join(names) for names in by_stem.values() if len(names) > 1]
    if twice:
        raise UserError(
            f"{root}: {len(twice)} volumes are there in two formats, {first(twice)}; keep one"
        )
    return files


def bare(file: Path) -> str:
    """A path without the ending of a volume, with /."""
    return volume.stem(file.as_posix())
