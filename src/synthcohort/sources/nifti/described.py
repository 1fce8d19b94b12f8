"""Layouts that say less than BIDS: what a path or a table adds to them."""

from pathlib import Path

from synthcohort.errors import UserError
from synthcohort.intake import tables
from synthcohort.intake.description import describe
from synthcohort.sources.nifti import challenge
from synthcohort.sources.nifti.layouts import Source
from synthcohort.sources.nifti.scans import Scan, bare, volumes


def scans(settings: Source) -> list[Scan]:
    """Every volume, sorted by path; a case of the decathlon or of nnU-Net is a patient by default.

    Raises:
        UserError: there are none, they are not named as the layout asks, or the expression or the
            table does not give what is asked of it.
    """
    ways: dict[str, str] = {}
    if settings.layout == "folder":
        found, ways = _anywhere(settings)
        known = {file: {"name": bare(file)} for file in found}
    else:
        known = {
            case.file: {"name": case.name, "patient": case.name, "split": case.split}
            for case in challenge.cases(settings)
        }
    files = {file.as_posix(): file for file in known}
    described = describe(settings, sorted(files), ways)
    # What is left open is as the layout has it.
    whole = {
        name: known[files[name]] | {key: text for key, text in of.items() if text}
        for name, of in sorted(described.items())
    }
    return [
        Scan(
            file=files[name],
            image_id=of["name"],
            patient=of["patient"],
            session=of.get("session", ""),
            label=of.get("label", ""),
            split=of.get("split", ""),
            class_number=int(of["class"]) if "class" in of else None,
            attributes={
                key: tables.number(of[f"attributes.{key}"]) for key in settings.columns.attributes
            },
            channel=settings.channel if settings.layout == "decathlon" else None,
        )
        for name, of in whole.items()
    ]


def _anywhere(settings: Source) -> tuple[list[Path], dict[str, str]]:
    files, ways = volumes(settings, lambda path: True)
    if not files:
        raise UserError(
            f"{settings.root}: no volumes match {settings.pattern!r}; expected files that end in "
            ".nii, .nii.gz or .img; check source.root and source.pattern"
        )
    return files, ways
