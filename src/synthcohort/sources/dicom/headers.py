"""What is read of a DICOM file before its pixels: who, when, what, and where each frame lies."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthcohort.intake import lookalikes
from synthcohort.sources.dicom.syntaxes import quiet, unreadable

if TYPE_CHECKING:
    from pydicom import Dataset

DIRECTORY = "1.2.840.10008.1.3.10"  # DICOMDIR, the table of contents of a disc
_SHARED, _EACH = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
# What sets apart volumes of one series that lie in the same place; in the order it is tried in.
_REPEATS = ("EchoTime", "TemporalPositionIdentifier", "DiffusionBValue", "AcquisitionNumber")
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "PatientBirthDate")
_IDS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_OTHERS = (
    *("SOPClassUID", "Modality", "ImageType", "PatientName", "PatientSex", "SeriesDescription"),
    *("Rows", "Columns", "NumberOfFrames", "PixelSpacing", "ImagePositionPatient"),
    *("ImageOrientationPatient", "BurnedInAnnotation", "EncryptedAttributesSequence"),
)
# A command set or the elements that begin a file without a preamble, in either byte order.
_BARE = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
_ENVELOPES = (b"\x30\x80", b"\x30\x82", b"\x30\x83", b"\x30\x84")


class Broken(Exception):
    """What is wrong with a file, what to do and, once somebody knows, its path."""

    def __init__(
        self, what: str, way: str = "fetch it again, or take it out", path: str = ""
    ) -> None:
        super().__init__(what, way)
        self.path = path
        self.identifiers: frozenset[str] = frozenset()

    def of(self, path: str) -> "Broken":
        """The same of a file."""
        return Broken(*self.args, path)


@dataclass(frozen=True)
class Plane:
    """Where one frame lies in the patient, in DICOM's axes (left, posterior, superior), in mm."""

    frame: int
    position: tuple[float, float, float]
    """The centre of its first pixel."""
    orientation: tuple[float, ...]
    """Unit vectors along a row and along a column, six numbers."""
    spacing: tuple[float, float]
    """From row to row, and from column to column."""
    kind: str
    """What is shown, such as magnitude or phase: frames of one volume share it."""
    repeats: tuple[str, ...]
    """Echo, time, diffusion weight and acquisition."""


@dataclass(frozen=True)
class Header:
    """One DICOM object."""

    path: str
    """Relative to the source's root."""
    sop_class: str
    has_pixels: bool
    sop_uid: str
    series_uid: str
    study_uid: str
    study_date: str
    patient_id: str
    birth_date: str
    sex: str
    modality: str
    description: str
    """Of the series."""
    image_type: tuple[str, ...]
    shape: tuple[int, int]
    frames: int
    planes: tuple[Plane, ...]
    """One a frame, or none where the file does not say how all of them lie."""
    burned_in: bool
    encrypted: bool
    identifiers: frozenset[str]
    """Every name, date and id in it."""
    values: dict[str, Any]
    """Keyword → value of the tags that were asked for; those that are absent or empty are not."""


def read(path: Path, relative: str, keywords: Sequence[str]) -> Header | None:
    """The header of a file, None where that is no DICOM file and does not pretend to be one.

    `keywords` are DICOM keywords whose values are wanted besides.

    Raises:
        Broken: it is cut off, encrypted, in a syntax that cannot be decoded, or not what its name
            says.
    """
    from pydicom.errors import InvalidDicomError

    wanted = [*_DATES, *_IDS, *_UIDS, *_OTHERS, *_REPEATS, _SHARED, _EACH, *keywords]
    with quiet(), path.open("rb") as file:
        head = file.read(lookalikes.HEAD)
        file.seek(0)
        try:
            dataset, has_pixels, fault = _read(file, wanted, force=head[:2] in _BARE)
        except InvalidDicomError:
            return _no_dicom(path, head)
        except Exception:  # whatever a damaged file makes of pydicom; its words may hold ids
            raise Broken("its header cannot be read, it is damaged or cut off") from None
        if not _sop_class(dataset) and not has_pixels:
            if head[128:132] == b"DICM":
                raise Broken("it does not say what it is (SOPClassUID) and has no pixels")
            return _no_dicom(path, head)
        if not has_pixels and _is_cut(dataset):
            raise Broken("it is cut off within its header")
        try:
            header = _header(dataset, relative, has_pixels, keywords)
        except Exception:  # as above
            raise Broken("a value in its header is not what the DICOM standard allows") from None
    if fault is not None:
        fault.identifiers = header.identifiers
        raise fault
    return header


def _read(file: Any, wanted: list[str], force: bool) -> tuple["Dataset", bool, Broken | None]:
    """The wanted elements, whether pixels follow them, and what is wrong with these."""
    from pydicom.filereader import read_partial
    from pydicom.tag import Tag

    size = os.fstat(file.fileno()).st_size
    pixels: list[int] = []  # the byte at which they should end, 0 where nobody knows

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        if tag >> 16 != 0x7FE0:
            return False
        pixels.append(0 if length == 0xFFFFFFFF else file.tell() + length)
        return True

    tags = [Tag(keyword) for keyword in wanted]
    dataset = read_partial(file, stop_when=at_pixels, force=force, specific_tags=tags)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    fault = None
    if pixels and syntax and (reason := unreadable(syntax)):
        fault = Broken(*reason)
    # What is deflated is not read from the file itself.
    elif pixels and pixels[0] > size and not (syntax and syntax.is_deflated):
        fault = Broken(f"it is cut off, {pixels[0] - size} bytes of its pixels are missing")
    return dataset, bool(pixels), fault


def _no_dicom(path: Path, head: bytes) -> None:
    if head[:2] in _ENVELOPES or head.startswith(b"Salted__"):
        raise Broken("it is encrypted", "decrypt it, or take it out")
    if path.suffix.lower() in (".dcm", ".dicom", ".ima"):
        what, _, way = lookalikes.what(head).partition("; ")
        raise Broken(
            f"it is no DICOM file, whatever its name says{what and ': '}{what}",
            way or "fetch it again, or take it out",
        )


def _header(dataset: "Dataset", relative: str, has_pixels: bool, keywords: Sequence[str]) -> Header:
    frames = int(dataset.get("NumberOfFrames") or 1)
    return Header(
        path=relative,
        sop_class=_sop_class(dataset),
        has_pixels=has_pixels,
        sop_uid=_text(dataset, "SOPInstanceUID"),
        series_uid=_text(dataset, "SeriesInstanceUID"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        study_date=_text(dataset, "StudyDate").replace(".", ""),
        patient_id=_text(dataset, "PatientID"),
        birth_date=_text(dataset, "PatientBirthDate").replace(".", ""),
        sex=_text(dataset, "PatientSex").upper(),
        modality=_text(dataset, "Modality").upper(),
        description=_text(dataset, "SeriesDescription"),
        image_type=_kinds(dataset.get("ImageType")),
        shape=(int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)),
        frames=frames,
        planes=tuple(_planes(dataset, frames)),
        burned_in=_text(dataset, "BurnedInAnnotation").upper() == "YES",
        encrypted="EncryptedAttributesSequence" in dataset,
        identifiers=frozenset(_identifiers(dataset)),
        values={key: value for key in keywords if (value := dataset.get(key)) not in (None, "")},
    )


def _sop_class(dataset: "Dataset") -> str:
    of = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
    return str(of or "")


def _is_cut(dataset: "Dataset") -> bool:
    """Whether the class is absent or ends early, which would count as one that is no image."""
    whole = str(dataset.file_meta.get("MediaStorageSOPClassUID") or "")
    own = str(dataset.get("SOPClassUID") or "")
    return own != whole != DIRECTORY and whole.startswith(own)


def _text(dataset: "Dataset", keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip("\0 ")


def _kinds(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value or []
    return tuple(str(of).strip().upper() for of in values)


def _identifiers(dataset: "Dataset") -> Iterator[str]:
    for keyword in (*_DATES, *_IDS, *_UIDS):
        value = dataset.get(keyword) or ""
        yield from [value] if isinstance(value, str) else map(str, value)
    name = str(dataset.get("PatientName") or "")
    yield from [name, *name.replace("=", "^").replace(" ", "^").split("^")]


def _planes(dataset: "Dataset", frames: int) -> Iterator[Plane]:
    if dataset.get(_EACH):
        (common,) = dataset.get(_SHARED) or [{}]
        groups = [[each, common] for each in dataset[_EACH].value]
    else:
        groups = [[dataset]] if frames == 1 else []
    places = [
        (
            _of(group, "PlanePositionSequence", "ImagePositionPatient"),
            _of(group, "PlaneOrientationSequence", "ImageOrientationPatient"),
            _of(group, "PixelMeasuresSequence", "PixelSpacing"),
        )
        for group in groups
    ]
    if len(places) != frames or not all(all(place) for place in places):
        return
    for i, (group, (position, orientation, spacing)) in enumerate(zip(groups, places, strict=True)):
        kinds = (
            _of(group, f"{which}FrameTypeSequence", "FrameType") for which in ("MRImage", "CTImage")
        )
        yield Plane(
            frame=i,
            position=tuple(map(float, position)),
            orientation=tuple(map(float, orientation)),
            spacing=tuple(map(float, spacing)),
            kind="\\".join(next((_kinds(kind) for kind in kinds if kind), ())),
            repeats=tuple(
                str(value if value is not None else "")
                for value in (
                    _of(group, "MREchoSequence", "EffectiveEchoTime") or _of(group, "", "EchoTime"),
                    _of(group, "FrameContentSequence", "TemporalPositionIndex")
                    or _of(group, "", "TemporalPositionIdentifier"),
                    _of(group, "MRDiffusionSequence", "DiffusionBValue"),
                    _of(group, "", "AcquisitionNumber"),
                )
            ),
        )


def _of(groups: list[Any], sequence: str, keyword: str) -> Any:
    """A value of a frame: in a functional group of its own or of all, or in the object itself."""
    for group in groups:
        items = [*(group.get(sequence) or []), group] if sequence else [group]
        for item in items:
            if (value := item.get(keyword)) is not None:
                return value
    return None
