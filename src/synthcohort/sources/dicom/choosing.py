"""Which DICOM files belong to the cohort; all others are told, and left out by rule or refused.

Left out: what is no image (structured reports, presentation states, segmentations, doses,
DICOMDIR), localisers, derived images and secondary captures, copies of an object, and what the
settings do not ask for.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from synthcohort.errors import UserError
from synthcohort.intake import finder, ids
from synthcohort.progress import progress
from synthcohort.sources.dicom import headers
from synthcohort.sources.dicom.headers import Header
from synthcohort.sources.dicom.pseudonyms import Pseudonyms
from synthcohort.sources.dicom.source import Source

VOLUMES = ("CT", "MR", "PT")  # modalities that cut a body into slices
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_AWAY = "fetch it again, or take it out"


def choose(settings: Source, names: Pseudonyms) -> list[Header]:
    """The objects of the cohort, sorted by path; `names` learns what messages must not show.

    Raises:
        UserError: there are none; a file cannot be read, has no pixels or no ids, or its image has
            annotations burned in; or what files say of a patient or an object contradicts itself.
    """
    faults: dict[tuple[str, str], list[str]] = defaultdict(list)
    out: dict[str, list[str]] = defaultdict(list)
    found = list(_headers(settings, names, faults, out))
    names.learn(text for header in found for text in header.identifiers)
    kept = []
    for header in found:
        if reason := _left_out(header, settings):
            out[reason].append(header.path)
        else:
            kept.append(header)
            if fault := _fault(header, settings):
                faults[fault].append(header.path)
    kept = _once(kept, faults, out)
    _check_patients(kept, faults)
    for reason, files in sorted(out.items()):
        names.note(f"left out, {reason}", files)
    if faults:
        raise names.error(faults)
    if not kept:
        left = ", ".join(f"{len(files)} {reason}" for reason, files in sorted(out.items()))
        raise UserError(
            f"{settings.root}: no images; expected DICOM files, with or without a suffix, at any "
            f"depth; left out were: {left or 'none'}; check source.root, modality, series and "
            "derived",
            f"source.root: no images; left out were: {left or 'none'}",
        )
    if settings.burned_in == "accept" and (marked := [h.path for h in kept if h.burned_in]):
        names.note("taken, though annotations are burned in as the tag says", marked)
    return kept


def _headers(
    settings: Source,
    names: Pseudonyms,
    faults: dict[tuple[str, str], list[str]],
    out: dict[str, list[str]],
) -> Iterator[Header]:
    if not settings.root.is_dir():
        raise UserError(f"source.root: {settings.root} is not a folder; give the images' folder")
    table = (settings.root / settings.table).resolve() if settings.table else None
    try:
        found = finder.find(settings.root, lambda path: True, told=False)
    except UserError as error:
        raise UserError(str(error), "source.root: a folder or a file cannot be taken") from None
    for kind, files in found.passed_over.items():
        out[kind] += files
    paths = [path for path in found.files if path.resolve() != table]
    names.keep(
        (names.code("F", relative), relative)
        for relative in (path.relative_to(settings.root).as_posix() for path in paths)
    )
    for path in progress("reading headers", of=paths, unit="file"):
        relative = path.relative_to(settings.root).as_posix()
        try:
            header = headers.read(path, relative, settings.keywords)
        except headers.Broken as broken:
            faults[broken.args].append(relative)
            names.learn(broken.identifiers)
        except OSError as error:
            faults[f"it cannot be read: {error.strerror}", _AWAY].append(relative)
        else:
            if header is None:
                out["no DICOM files"].append(relative)
            else:
                yield header


def _left_out(header: Header, settings: Source) -> str:
    """Why the rules leave an object out, "" where they do not."""
    from pydicom.uid import UID

    if header.sop_class == headers.DIRECTORY:
        return "DICOMDIR, a disc's table of contents"
    name = UID(header.sop_class).name if header.sop_class else ""
    # A class without a name is a maker's own; whether it is an image, its pixels tell.
    if "Image Storage" not in name and (name != header.sop_class or not header.has_pixels):
        return f"no images but {header.modality or name or 'something without pixels'}"
    if settings.modality and header.modality not in settings.modality:
        return f"of the modality {header.modality or '(none)'}"
    if not re.search(settings.series, header.description):
        return "of a series that source.series does not ask for"
    if "LOCALIZER" in header.image_type:
        return "localisers"
    if settings.derived:
        return ""
    if "SECONDARY" in header.image_type[1:2] or header.sop_class.startswith(_SECONDARY_CAPTURE):
        return "secondary images and captures (source.derived takes them)"
    # Of a projection the word says only that it was processed to be looked at.
    if header.modality in VOLUMES and "DERIVED" in header.image_type[:1]:
        return "derived images (source.derived takes them)"
    return ""


def _fault(header: Header, settings: Source) -> tuple[str, str] | None:
    if not header.has_pixels:
        return "it has no pixels: it was cut off before them, or they were never sent", _AWAY
    if ids.is_unknown(header.patient_id):
        hidden = " (its ids are encrypted)" if header.encrypted else ""
        return (
            f"it has no PatientID{hidden}, so nobody knows whose it is",
            "fill the tag in, the same for all files of a patient, or take it out",
        )
    if not header.sop_uid:
        return "it has no SOPInstanceUID", _AWAY
    if header.burned_in and settings.burned_in == "refuse":
        return (
            "Burned In Annotation is YES: names or dates may stand in the picture itself",
            "look at it; take it out or blank the text, or set source.burned_in: accept where what "
            "is written there may be seen by all who get the synthetic images",
        )
    return None


def _once(
    kept: Sequence[Header],
    faults: dict[tuple[str, str], list[str]],
    out: dict[str, list[str]],
) -> list[Header]:
    """Each object once: of its copies, the first by path."""
    firsts: dict[str, Header] = {}
    for header in kept:
        one = firsts.setdefault(header.sop_uid or header.path, header)
        if one is header:
            continue
        if ids.key(one.patient_id) != ids.key(header.patient_id):
            what = "files with the same SOPInstanceUID name different patients"
            faults[what, "find out whose image it is"] += [one.path, header.path]
        else:
            out["copies, with the SOPInstanceUID of another file"].append(header.path)
    return list(firsts.values())


def _check_patients(kept: Sequence[Header], faults: dict[tuple[str, str], list[str]]) -> None:
    of_patient: dict[str, list[Header]] = defaultdict(list)
    for header in kept:
        of_patient[ids.key(header.patient_id)].append(header)
    for of in of_patient.values():
        for what, value in (
            ("dates of birth", lambda header: header.birth_date),
            ("sexes", lambda header: header.sex),
        ):
            differing = {value(header): header.path for header in reversed(of) if value(header)}
            if len(differing) > 1:
                faults[
                    f"files of one PatientID (case and leading zeros apart) have different {what}: "
                    "two people share an id, or a tag is wrong",
                    "give each person an id of their own, or mend the tag",
                ] += sorted(differing.values())
