"""What a cohort is made of: volumes and objects whose frames are pictures, and who they are of."""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthcohort.intake import ids
from synthcohort.sources import Image, nifti
from synthcohort.sources.dicom.choosing import VOLUMES, choose
from synthcohort.sources.dicom.decoding import Decoder
from synthcohort.sources.dicom.describing import Descriptions
from synthcohort.sources.dicom.headers import Broken, Header
from synthcohort.sources.dicom.pseudonyms import Pseudonyms
from synthcohort.sources.dicom.source import Source
from synthcohort.sources.dicom.volumes import Volume, volumes


@dataclass(frozen=True)
class Item:
    """A volume, or one object whose frames are pictures, with what is known of it."""

    code: str
    patient: str
    """The patient's code."""
    session: int
    """The place of its StudyDate among those of the patient, from 1; 0 without a date."""
    label: str
    attributes: dict[str, float]
    of: Volume | Header

    @property
    def headers(self) -> list[Header]:
        """The objects that it is made of."""
        return _headers(self.of)


def items(settings: Source, names: Pseudonyms) -> list[Item]:
    """All of a cohort, in the order of the patients' codes, the sessions and their own codes.

    Raises:
        UserError: as `choose` and `Descriptions`, or series do not make up volumes, or a label or
            an attribute is absent.
    """
    headers = choose(settings, names)
    faults: dict[tuple[str, str], list[str]] = defaultdict(list)
    stacks = volumes([of for of in headers if of.modality in VOLUMES], settings.plane, faults)
    if uneven := [of.headers[0].path for of in stacks if of.uneven]:
        most = max(of.uneven for of in stacks)
        names.note(f"slices lie unevenly, by up to {most:.1%} of their distance", uneven)
    pictures = [of for of in headers if of.modality not in VOLUMES]
    descriptions = Descriptions(settings)
    sessions = _sessions(headers)
    made = []
    for of in [*stacks, *pictures]:
        first = _headers(of)[0]
        volume = isinstance(of, Volume)
        code = names.code("V", of.identity) if volume else names.code("I", of.sop_uid)
        patient = ids.key(first.patient_id)
        session = sessions[patient].index(first.study_date) + 1 if first.study_date else 0
        label, attributes = descriptions.of(_headers(of), faults)
        made.append(Item(code, names.code("P", patient), session, label, attributes, of))
    names.keep((item.code, of.path) for item in made for of in item.headers)
    if faults:
        raise names.error(faults)
    _tell(settings, headers, descriptions)
    return sorted(made, key=lambda item: (item.patient, item.session, item.code))


def images(item: Item, settings: Source, scaled: Counter[str]) -> Iterator[Image]:
    """The slices of a volume, or the frames of an object; `scaled` counts how grey was found.

    Raises:
        Broken: a file cannot be decoded; its path is the third of the `args`.
        UserError: a volume has too few slices.
    """
    if isinstance(item.of, Volume):
        voxels, zooms, by = item.of.read(settings)
        scaled[by] += 1
        for index, place, pixels in nifti.cut(voxels, zooms, settings, Path(item.code)):
            yield _image(item, pixels, f"{item.code}_{place}", str(index))
        return
    try:
        decoder = Decoder(settings.root / item.of.path)
        for frame in range(item.of.frames):
            pixels, by = decoder.picture(frame, settings)
            scaled[by] += 1
            if pixels.dtype != np.uint8:
                full = np.iinfo(np.uint8 if settings.depth == 8 else np.uint16)
                pixels = np.rint(pixels * full.max).astype(full.dtype)
            one = item.of.frames == 1
            name = item.code if one else f"{item.code}_f{frame:03d}"
            yield _image(item, pixels, name, "" if one else str(frame))
    except Broken as broken:
        raise broken.of(item.of.path) from None


def _image(item: Item, pixels: np.ndarray, image_id: str, index: str) -> Image:
    return Image(
        pixels=pixels,
        image_id=image_id,
        patient_id=item.patient,
        source_file=item.code,
        label=item.label,
        session=str(item.session or ""),
        slice=index,
        attributes=item.attributes,
    )


def _headers(of: Volume | Header) -> list[Header]:
    return of.headers if isinstance(of, Volume) else [of]


def _sessions(headers: Sequence[Header]) -> dict[str, list[str]]:
    """The dates of every patient's studies, ascending."""
    dates: dict[str, set[str]] = defaultdict(set)
    for header in headers:
        dates[ids.key(header.patient_id)] |= {header.study_date} - {""}
    return {patient: sorted(of) for patient, of in dates.items()}


def _tell(settings: Source, headers: Sequence[Header], descriptions: Descriptions) -> None:
    spellings = ids.Spellings()
    for header in headers:
        spellings.joined(header.patient_id)
    undated = sum(not header.study_date for header in headers)
    unused = descriptions.unused()
    for count, what in (
        (len(spellings.several), "PatientIDs are written in several ways; each is one patient"),
        (undated, "files have no StudyDate; their images have no session"),
        (unused, f"rows of {settings.table} are of no image here"),
        (
            len(descriptions.labels.several),
            f"labels are written in several ways and joined: {descriptions.labels.told()}",
        ),
    ):
        if count:
            print(f"Note: {settings.root}: {count} {what}", file=sys.stderr, flush=True)
