"""Series to volumes: frames sorted by where they lie, checked to lie evenly, turned to RAS."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from synthcohort.sources.dicom import greys
from synthcohort.sources.dicom.decoding import Decoder
from synthcohort.sources.dicom.headers import Broken, Header, Plane
from synthcohort.sources.dicom.source import Source

# Shares of the median distance between slices: from the first it is told, from the second refused.
_UNEVEN, _TOO_UNEVEN = 0.01, 0.05
_GAP = 1.5  # medians from which a slice is missing in between
_SAME_PLACE = 0.01  # mm
_TILTED = 0.02  # sine of the angle between the way from slice to slice and their normal
_PLANES = ("sagittal", "coronal", "axial")
_OUT = "fetch the series again, or leave it out by source.series or by taking its files out"

Slice = tuple[Header, Plane]


@dataclass(frozen=True, eq=False)
class Volume:
    """Frames of one series that lie behind one another, from the first along their normal on."""

    slices: tuple[Slice, ...]
    affine: np.ndarray
    """4×4: column, row and slice to mm towards right, anterior and superior."""
    part: int
    """Its number within the series, where that is several volumes."""
    uneven: float
    """The largest share by which a distance between slices differs from the median, above 1 %."""

    @property
    def headers(self) -> list[Header]:
        """The objects that it is made of, each once."""
        return list({header.path: header for header, _ in self.slices}.values())

    @property
    def identity(self) -> str:
        """What tells it from all other volumes."""
        return f"{self.slices[0][0].series_uid}:{self.part}"

    def read(self, settings: Source) -> tuple[np.ndarray, np.ndarray, str]:
        """X×Y×Z float32 over [0, 1] towards right, anterior and superior; the sizes of a voxel in
        mm; in words what decided on black and white.

        Raises:
            Broken: a file cannot be decoded, or the volume is constant.
        """
        import nibabel

        frames, scales = [], []
        decoder, path = None, ""
        for header, plane in self.slices:
            try:
                if header.path != path:  # the frames of an enhanced object follow one another
                    decoder, path = Decoder(settings.root / header.path), header.path
                frames.append(decoder.values(plane.frame))
                scales.append((decoder.scale(plane.frame, settings), decoder.inverted))
            except Broken as broken:
                raise broken.of(header.path) from None
        scale, inverted = scales[0]
        if any(turned != inverted for _, turned in scales):
            raise Broken("some slices of its series are MONOCHROME1, others MONOCHROME2", path=path)
        if any(of != scale for of, _ in scales):
            scale = greys.between(settings.percentiles, inverted)
        try:
            voxels = scale(np.stack(frames))
        except ValueError as error:
            way = "take its series out, or change source.percentiles"
            raise Broken(f"its volume: {error}", way, path) from None
        voxels = 1 - voxels if inverted else voxels
        image = nibabel.Nifti1Image(voxels.transpose(2, 1, 0), self.affine)
        image = nibabel.as_closest_canonical(image)
        zooms = nibabel.affines.voxel_sizes(image.affine)
        return np.asarray(image.dataobj), zooms, scale.words


def volumes(
    headers: Iterable[Header], plane: str, faults: dict[tuple[str, str], list[str]]
) -> list[Volume]:
    """The volumes of objects that cut a body into slices; what is wrong goes to `faults`.

    `plane` is the one that pictures are asked for in: a volume whose slices are shifted against one
    another (a tilted gantry) or single gives only those that it was made of.
    """
    made = []
    groups: dict[tuple, list[Slice]] = defaultdict(list)
    for header in headers:
        if not header.planes:
            what = (
                f"it is a slice ({header.modality}) and does not say where it lies: Image Position "
                "(Patient), Image Orientation (Patient) or Pixel Spacing is absent"
            )
            faults[what, _OUT].append(header.path)
        elif not header.series_uid:
            faults["it has no SeriesInstanceUID", _OUT].append(header.path)
        for of in header.planes:
            key = (header.series_uid, header.modality, header.image_type, header.shape, of.kind)
            groups[key].append((header, of))
    parts: dict[str, int] = defaultdict(int)
    for group in groups.values():
        for slices in _parallel(group):
            for one in _apart(slices):
                try:
                    series = one[0][0].series_uid
                    made.append(_stacked(one, plane, parts[series]))
                    parts[series] += 1
                except Broken as broken:
                    faults[broken.args].append(one[0][0].path)
    return made


def _parallel(group: Sequence[Slice]) -> Iterator[list[Slice]]:
    """Slices of one orientation and pixel size each."""
    rest = list(group)
    while rest:
        _, one = rest[0]
        alike = [
            np.allclose(one.orientation, of.orientation, rtol=0, atol=1e-3)
            and np.allclose(one.spacing, of.spacing, rtol=1e-3)
            for _, of in rest
        ]
        yield [of for of, same in zip(rest, alike, strict=True) if same]
        rest = [of for of, same in zip(rest, alike, strict=True) if not same]


def _apart(slices: list[Slice]) -> list[list[Slice]]:
    """Echoes, times and the like that lie in one place, each of its own; all together where
    nothing tells them apart."""
    if not _coincide(slices):
        return [slices]
    tags = range(len(slices[0][1].repeats))
    for chosen in [*([tag] for tag in tags), *(list(tags[: n + 1]) for n in tags[1:])]:
        parts: dict[tuple[str, ...], list[Slice]] = defaultdict(list)
        for of in slices:
            parts[tuple(of[1].repeats[tag] for tag in chosen)].append(of)
        if len(parts) > 1 and not any(_coincide(part) for part in parts.values()):
            return [parts[key] for key in sorted(parts)]
    return [slices]


def _coincide(slices: Sequence[Slice]) -> bool:
    return bool((np.diff(np.sort(_distances(slices))) < _SAME_PLACE).any())


def _distances(slices: Sequence[Slice]) -> np.ndarray:
    """How far along the normal each slice lies, in mm."""
    orientation = np.array(slices[0][1].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array([of.position for _, of in slices]) @ normal


def _stacked(slices: list[Slice], plane: str, part: int) -> Volume:
    first = slices[0][1]
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    axes = np.stack([row, column])
    if not np.allclose(axes @ axes.T, np.eye(2), rtol=0, atol=1e-2) or min(first.spacing) <= 0:
        raise Broken("Image Orientation (Patient) or Pixel Spacing is none", _OUT)
    normal = np.cross(row, column)
    distances = _distances(slices)
    order = np.argsort(distances, kind="stable")
    slices, distances = [slices[i] for i in order], distances[order]
    positions = np.array([of.position for _, of in slices])
    uneven = _unevenness(distances)
    step = (positions[-1] - positions[0]) / max(1, len(slices) - 1)
    straight = positions[0] + np.outer(np.arange(len(slices)), step)
    aside = positions - straight
    aside -= np.outer(aside @ normal, normal)
    if np.linalg.norm(aside, axis=1).max() > min(first.spacing) / 2:
        raise Broken("the slices of its series do not lie straight behind one another", _OUT)
    single = len(slices) == 1
    step = normal if single else step
    own = _PLANES[int(np.argmax(np.abs(normal)))]
    tilted = np.linalg.norm(np.cross(step, normal)) > _TILTED * np.linalg.norm(step)
    if (single or tilted) and own != plane:
        why = "is a single slice" if single else "has slices shifted sideways (a tilted gantry)"
        raise Broken(
            f"its series {why} in the {own} plane, which nothing can be cut from across",
            f"set source.plane: {own}, or leave the series out by source.series",
        )
    affine = np.eye(4)
    affine[:3] = np.column_stack(
        [row * first.spacing[1], column * first.spacing[0], step, positions[0]]
    )
    # DICOM's x and y run to the left and to posterior.
    return Volume(tuple(slices), np.diag([-1.0, -1, 1, 1]) @ affine, part, uneven)


def _unevenness(distances: np.ndarray) -> float:
    """The largest share by which ascending distances differ from even ones, above what is told."""
    if len(distances) == 1:
        return 0.0
    steps = np.diff(distances)
    median = float(np.median(steps))
    if (steps < _SAME_PLACE).any():
        raise Broken(
            "several images of its series lie in the same place, and neither echo, time, diffusion "
            "weight nor acquisition tells them apart",
            _OUT,
        )
    if (gaps := steps[steps > _GAP * median]).size:
        missing = int(np.rint(gaps / median - 1).sum())
        raise Broken(
            f"its series has gaps, in {gaps.size} of {len(steps)} places: slices missing, about "
            f"{missing}, where they are {median:g} mm apart",
            _OUT,
        )
    uneven = float(np.abs(steps / median - 1).max())
    if uneven > _TOO_UNEVEN:
        raise Broken(
            f"the slices of its series lie between {steps.min():g} and {steps.max():g} mm apart; "
            "a volume needs even distances",
            _OUT,
        )
    return uneven if uneven > _UNEVEN else 0.0
