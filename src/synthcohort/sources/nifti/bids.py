"""The layout of BIDS: `sub-*/[ses-*/]anat/*_<suffix>.nii[.gz]` and participants.tsv."""

from pathlib import Path

from synthcohort.errors import UserError, first
from synthcohort.intake import ids, tables
from synthcohort.intake.description import agree
from synthcohort.sources.nifti.layouts import Source
from synthcohort.sources.nifti.scans import Scan, bare, volumes
from synthcohort.sources.nifti.volume import stem

# What describes a data set as a whole.
_BESIDES = [
    Path(name)
    for name in (
        *("participants.tsv", "participants.json", "dataset_description.json"),
        *("README", "README.md", "CHANGES"),
    )
]


def scans(settings: Source) -> list[Scan]:
    """Every volume, sorted; patient and session are named as their folders are.

    Raises:
        UserError: there are none, a name contradicts its folder, or participants.tsv lacks the
            column, a participant or a participant's label.
    """
    ending = f"_{settings.suffix}".lower()

    def wanted(path: Path) -> bool:
        return (
            len(path.parts) in (3, 4)
            and path.parts[0].startswith("sub-")
            and path.parts[-2] == "anat"
            and stem(path.name).lower().endswith(ending)
        )

    files, ways = volumes(settings, wanted, _BESIDES)
    agree(settings.root, ways, _folders)
    if not files:
        raise UserError(
            f"{settings.root}: no volumes; expected sub-*/anat/*_{settings.suffix}.nii[.gz] or "
            f"sub-*/ses-*/anat/*_{settings.suffix}.nii[.gz]; check source.root, source.suffix and "
            "source.layout"
        )
    named = [(file, stem(file.name).partition("_")[0]) for file in files]
    odd = [
        file.as_posix()
        for file, subject in named
        if subject.startswith("sub-") and subject != file.parts[0]
    ]
    if odd:
        raise UserError(
            f"{settings.root}: {len(odd)} volumes are named after another patient than their "
            f"folder, {first(odd)}; move or rename them"
        )
    labels = _labels(settings) if settings.label else {}
    return [_scan(file, settings, labels) for file in files]


def _folders(file: str) -> dict[str, str]:
    patient, *session = Path(file).parts[:-2]
    return {"patient": patient, "session": "".join(session)}


def _scan(file: Path, settings: Source, labels: dict[str, str]) -> Scan:
    patient, session = _folders(file.as_posix()).values()
    if settings.label and _participant(patient) not in labels:
        raise UserError(
            f"{settings.root / 'participants.tsv'}: no row for {patient}, of which there is "
            f"{file}; add the row or move the volume away"
        )
    name = stem(file.name)
    # A name in BIDS says all that its folders say; another one may occur in many folders.
    whole = name.startswith(f"{patient}_") and (not session or f"_{session}_" in name)
    return Scan(
        file,
        image_id=name if whole else bare(file),
        patient=patient,
        session=session,
        label=labels.get(_participant(patient), ""),
    )


def _labels(settings: Source) -> dict[str, str]:
    """The label of every participant in participants.tsv, by `_participant`."""
    path = settings.root / "participants.tsv"
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file, but source.label asks for its column "
            f"{settings.label!r}; add the file or leave source.label empty"
        )
    labels: dict[str, str] = {}
    columns = {"participant_id": "", settings.label: "source.label"}
    for line, row in tables.rows(path, columns, separator="\t"):
        patient, label = row["participant_id"], row[settings.label]
        if ids.is_unknown(patient) or ids.is_unknown(label):
            raise UserError(
                f"{path}: line {line}: {patient or 'nobody'} has no value in the column "
                f"{settings.label!r} ({label!r}); fill it in, or take the participant and the "
                "volumes out"
            )
        if _participant(patient) in labels:
            raise UserError(f"{path}: line {line}: {patient} has a second row; keep one of them")
        labels[_participant(patient)] = label
    return labels


def _participant(name: str) -> str:
    """What tells a participant, who may be written without sub- or, in a table that went through a
    spreadsheet, without the zeros in front."""
    return ids.key(ids.key(name).removeprefix("sub-"))
