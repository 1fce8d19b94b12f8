"""Layouts that say less than BIDS: what a path or a table adds to them."""

import fnmatch
from pathlib import Path, PurePosixPath

from synthcohort.errors import UserError
from synthcohort.sources import folder
from synthcohort.sources.nifti import challenge
from synthcohort.sources.nifti.layouts import Source
from synthcohort.sources.nifti.scans import Scan, bare, volumes


def scans(settings: Source) -> list[Scan]:
    """Every volume, sorted by path; a case of the decathlon or of nnU-Net is a patient by default.

    Raises:
        UserError: there are none, they are not named as the layout asks, or the expression or the
            table does not give what is asked of it.
    """
    if settings.layout == "folder":
        known = {file: {"name": bare(file)} for file in _anywhere(settings)}
    else:
        known = {
            case.file: {"name": case.name, "patient": case.name, "split": case.split}
            for case in challenge.cases(settings)
        }
    files = {file.as_posix(): file for file in known}
    described = folder.describe(settings, sorted(files))
    whole = {name: known[files[name]] | of for name, of in sorted(described.items())}
    return [
        Scan(
            file=files[name],
            image_id=of["name"],
            patient=of["patient"],
            session=of.get("session", ""),
            label=of.get("label", ""),
            split=of.get("split", ""),
            attributes={key: float(of[f"attributes.{key}"]) for key in settings.columns.attributes},
            channel=settings.channel if settings.layout == "decathlon" else None,
        )
        for name, of in whole.items()
    ]


def _anywhere(settings: Source) -> list[Path]:
    pattern = PurePosixPath(settings.pattern).parts
    besides = [settings.table] if settings.table else []
    files = volumes(settings.root, lambda path: _fits(path.parts, pattern), besides)
    if not files:
        raise UserError(
            f"{settings.root}: no volumes match {settings.pattern!r}; expected files that end in "
            ".nii, .nii.gz or .img; check source.root and source.pattern"
        )
    return files


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a path fits a glob pattern in which ** stands for any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return (
        bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
    )
