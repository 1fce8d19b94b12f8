"""The volumes of a cohort, whatever the layout they lie in."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthcohort.errors import UserError, first
from synthcohort.intake.finder import find, fits
from synthcohort.sources.nifti import volume
from synthcohort.sources.nifti.layouts import Source


@dataclass(frozen=True)
class Scan:
    """A volume and what its layout says of it; `file` is relative to the root."""

    file: Path
    image_id: str
    patient: str
    session: str = ""
    label: str = ""
    split: str = ""
    class_number: int | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)
    channel: int | None = None
    """Which one is taken of a volume with a fourth axis; None where there may be none."""


def volumes(
    settings: Source, wanted: Callable[[Path], bool], besides: Collection[Path] = ()
) -> tuple[list[Path], dict[str, str]]:
    """The volumes that are wanted, relative to the root and sorted, and other paths to them through
    links, each with the one that is taken; a note tells the rest.

    `wanted` is asked for paths relative to the root that fit the pattern and end as volumes or
    their headers do; `besides` are files that the note is silent of.

    Raises:
        UserError: `root` is no folder, a header is without its image, or two files differ in the
            ending alone.
    """
    root = settings.root
    if not root.is_dir():
        raise UserError(f"source.root: {root} is not a folder; give the one that holds the volumes")
    endings = (*volume.ENDINGS, *volume.HEADERS)
    found = find(
        root,
        lambda path: (
            path.name.lower().endswith(endings) and fits(path, settings.pattern) and wanted(path)
        ),
        besides=[*besides, *([settings.table] if settings.table else [])],
    )
    files = [path.relative_to(root) for path in sorted(found.files)]
    headers = {file for file in files if file.name.lower().endswith(volume.HEADERS)}
    files = [file for file in files if file not in headers]
    by_stem: dict[str, list[str]] = {}
    for file in files:
        by_stem.setdefault(bare(file), []).append(file.as_posix())
    alone = sorted(file.as_posix() for file in headers if bare(file) not in by_stem)
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
    return files, found.ways


def bare(file: Path) -> str:
    """A path without the ending of a volume, with /."""
    return volume.stem(file.as_posix())
