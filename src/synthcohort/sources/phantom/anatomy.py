"""The simulated head: its structures as distances, from which a T1-weighted picture is made.

Coordinates are in mm towards the patient's right, anterior and superior; z = 0 is at the level of
the commissures. Distances are in mm, negative inside a structure and exact to first order only.
The cortex is folded by band-limited noise: the noise's zero set is a labyrinth of sheets, and where
a sheet lies close enough beneath the brain's surface it is a sulcus with cortex on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import fft
from scipy.ndimage import map_coordinates

from synthcohort.seeds import derive

Array = np.ndarray
Point = tuple[Array, Array, Array]

_SMOOTH = 40.0  # mm; noise of a longer wavelength needs few points
_FOLD_WAVELENGTH = 30.0  # mm, so that neighbouring sulci are some 15 mm apart
_SHARED_FOLDS = 0.8  # amplitude of the folding pattern that all people share, of 1 in all


@dataclass(frozen=True)
class Patient:
    """What belongs to a patient, whatever the scan."""

    seed: int
    """Fixes the shape of the head, the folding and the asymmetry."""
    size: tuple[float, float, float]
    """Width, length and height of the head against the average."""
    ventricles: float
    """Width of the ventricles against the average."""
    cortex: float
    """Thickness of the cortex in mm."""
    sulci: float
    """Half the width of an open sulcus in mm."""


@dataclass(frozen=True)
class Contrast:
    """The intensity of every tissue in one scan; white matter is 1."""

    grey: float = 0.60
    deep: float = 0.70
    fluid: float = 0.20
    bone: float = 0.08
    marrow: float = 0.35
    muscle: float = 0.50
    fat: float = 0.85


def draw_patient(seed: int, group: str, age: float, sex: str) -> Patient:
    """A patient of the group "AD" or "NC"; `age` in years, `sex` "F" or "M".

    Atrophy is one number on a scale where healthy adults of 74 years are at 0.3 and patients with
    AD at 0.7, with a standard deviation of 0.2. The ventricles, the cortex and the sulci follow it
    with scatter of their own, so that the groups overlap in each of them.
    """
    rng = np.random.default_rng(derive(seed, "patient"))
    atrophy = (0.7 if group == "AD" else 0.3) + 0.012 * (age - 74) + 0.2 * rng.standard_normal()
    ventricles, cortex, sulci = (atrophy + 0.15 * rng.standard_normal() for _ in range(3))
    scale = (1.015 if sex == "M" else 0.985) + 0.015 * rng.standard_normal()
    width, length, height = (scale * (1 + 0.025 * rng.standard_normal()) for _ in range(3))
    return Patient(
        seed=seed,
        size=(width, length, height),
        ventricles=max(0.4, 0.7 + 0.95 * ventricles),
        cortex=max(2.5, 4.4 - 1.2 * cortex),
        sulci=max(0.2, 0.5 + 0.8 * sulci),
    )


def grow_older(patient: Patient, years: float) -> Patient:
    """The same patient `years` later: the same anatomy, slightly more atrophy."""
    return replace(
        patient,
        ventricles=patient.ventricles * (1 + 0.03 * years),
        cortex=patient.cortex - 0.03 * years,
        sulci=patient.sulci + 0.03 * years,
    )


def render(
    patient: Patient, points: Array, spacing: tuple[float, float, float], contrast: Contrast
) -> Array:
    """The T1-weighted intensity at `points`, without noise, X×Y×Z float32 from 0 to about 1.

    `points` is 3×X×Y×Z float32: a regular grid of `spacing` mm, which may lie rotated in the head.
    Edges are some 2 mm soft; average over finer points for the partial volume of larger voxels.
    """
    x, y, z = _to_average(patient, points)
    skull = _skull(x, y, z, spacing)
    fluid = _fluid_around(patient, x, y, z, skull, spacing)
    image = np.full_like(skull, 1.0)
    layers = [
        *((nucleus, contrast.deep) for nucleus in _deep_grey(patient, x, y, z)),
        (fluid - patient.cortex, contrast.grey),
        (fluid, contrast.fluid),
        (_ventricles(patient, x, y, z), contrast.fluid),
        *_coverings(patient, x, y, z, skull, contrast),
    ]
    for distance, intensity in layers:
        share = np.clip(0.5 - distance / 1.8, 0, 1)
        image += share * (intensity - image)
    return image


def _to_average(patient: Patient, points: Array) -> Point:
    """The places in the average head that the patient's `points` correspond to."""
    x, y, z = (axis / scale for axis, scale in zip(points, patient.size, strict=True))
    # One smooth deformation makes outline, midline and every structure the patient's own.
    bends = [_noise(patient.seed, f"bend {axis}", 110.0, x, y, z) for axis in "xyz"]
    return x + 1.1 * bends[0], y + 1.1 * bends[1], z + 1.1 * bends[2]


def _skull(x: Array, y: Array, z: Array, spacing: Sequence[float]) -> Array:
    """Distance to the inside of the skull: a rounded box, broader behind than in front."""
    back = (y + 12) / 84
    half_width = 67 * (1 - 0.10 * back - 0.06 * back**2)
    around = (np.abs(x) / half_width) ** 2.3 + (np.abs(y + 4) / 82) ** 2.3
    radius = np.sqrt(around ** (2 / 2.3) + (np.maximum(z, -20) / 78) ** 2)
    return (radius - 1) / np.maximum(_slope(radius, spacing), 0.004)


def _fluid_around(
    patient: Patient, x: Array, y: Array, z: Array, skull: Array, spacing: Sequence[float]
) -> Array:
    """Distance to the fluid around the brain, in its fissures and in its sulci."""
    side = np.abs(x)
    surface = -skull - (0.8 + 0.9 * patient.sulci)
    # The fissure between the hemispheres ends above the corpus callosum.
    below_callosum = 30 * np.maximum(1 - np.hypot((y + 4) / 38, (z - 2) / 26), 0)
    midline = np.hypot(side, below_callosum)
    # The Sylvian fissure runs inwards from the side and opens over the insula.
    paths = ([(72, 4, 0), (46, 6, 0), (39, 22, 0)], [(46, 6, 0), (38, -14, 0)])
    flat = np.minimum(*(_tube(side, y, 0 * z, [(*p, 0) for p in path]) for path in paths))
    sylvian = np.hypot(flat, np.maximum(np.abs(z - 2) - 16, 0))

    # The folds are seen along rays from the centre, so that their sheets run inwards; the part that
    # people share is also the same on both sides.
    reach = np.maximum(np.sqrt(x**2 + y**2 + (z - 5) ** 2) / 70, 0.3) ** -0.35
    ray = (x * reach, y * reach, (z - 5) * reach)
    folds = _SHARED_FOLDS * _noise(0, "folds", _FOLD_WAVELENGTH, np.abs(ray[0]), *ray[1:])
    folds += (1 - _SHARED_FOLDS**2) ** 0.5 * _noise(patient.seed, "folds", _FOLD_WAVELENGTH, *ray)
    sheet = folds / np.maximum(_slope(folds, spacing), 0.03)
    depth = 15 + 3 * _noise(patient.seed, "depth", 45.0, x, y, z)
    beneath = np.minimum(np.minimum(surface, midline + 5), sylvian + 6)
    ended = np.maximum(np.maximum(beneath - depth, below_callosum - side / 2), 0)
    width = patient.sulci * np.clip(1.2 - 0.8 * beneath / depth, 0.2, 1.2)
    return np.minimum(
        np.minimum(surface, np.hypot(sheet, ended) - width),
        np.minimum(midline - 0.7 * patient.sulci, sylvian - 1.6 * patient.sulci),
    )


def _ventricles(patient: Patient, x: Array, y: Array, z: Array) -> Array:
    """Distance to the lateral ventricles, the third, and the cistern behind it."""
    side, v = np.abs(x), patient.ventricles
    # Horns and bodies are higher than wide: their distance is taken in a flattened space.
    lateral = _tube(
        side,
        y,
        0.6 * z,
        [
            (8 + 6 * v, 33, 4, 1.0 + 1.2 * v),
            (5 + 3 * v, 18, 6, 1.5 + 3.2 * v),
            (6 + 4 * v, -4, 10, 1.2 + 3.4 * v),
            (10 + 6 * v, -26, 9, 1.5 + 4.0 * v),
            (20 + 5 * v, -42, 5, 1.5 + 4.4 * v),
            (21 + 3 * v, -62, 3, 0.2 + 2.2 * v),
        ],
    )
    septum = side - 0.8
    third = _ellipsoid(x, y, z, (0, -8, -2), (1.2 + 1.8 * v, 15, 10))
    cistern = _ellipsoid(x, y, z, (0, -38, -4), (7, 5, 9))
    return np.minimum(np.maximum(lateral, -septum), np.minimum(third, cistern))


def _deep_grey(patient: Patient, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    """Distances to the caudate nuclei, the thalami and the putamina; ventricles push them aside."""
    side, v = np.abs(x), patient.ventricles
    caudate = [(9 + 7 * v, 24, 4, 6.0), (11 + 8 * v, 8, 14, 5.0), (15 + 8 * v, -14, 22, 2.5)]
    return (
        _tube(side, y, z, caudate),
        _ellipsoid(side, y, z, (9 + 2 * v, -15, 5), (9.5, 15, 10)),
        _ellipsoid(side + 0.25 * (y - 4), y, z, (28, 2, 3), (5.5, 18, 12)),
    )


def _coverings(
    patient: Patient, x: Array, y: Array, z: Array, skull: Array, contrast: Contrast
) -> list[tuple[Array, float]]:
    """The layers outside the brain, from the inside out: each as all that lies beyond it."""
    bone = 6 + 0.7 * _noise(patient.seed, "bone", 80.0, x, y, z)
    scalp = 4.5 - 0.015 * y + 0.5 * _noise(patient.seed, "scalp", 80.0, x, y, z)
    temple = np.exp(-(((y - 30) / 20) ** 2) - (np.maximum(z + 12, 0) / 22) ** 2)
    muscle = bone + 5 * temple * np.clip(np.abs(x) / 40, 0, 1)
    return [
        (-skull, contrast.bone),
        (np.abs(skull - bone / 2) - bone / 6, contrast.marrow),
        (bone - skull, contrast.muscle),
        (muscle - skull, contrast.fat),
        (muscle + scalp - skull, 0.0),
    ]


def _tube(x: Array, y: Array, z: Array, nodes: Sequence[tuple[float, ...]]) -> Array:
    """Distance to a chain of tapered capsules through `nodes` of (x, y, z, radius)."""
    nearest = np.full_like(x, np.inf)
    for (*start, r_start), (*end, r_end) in pairwise(nodes):
        way = [b - a for a, b in zip(start, end, strict=True)]
        offset = [p - a for p, a in zip((x, y, z), start, strict=True)]
        t = sum(o * w for o, w in zip(offset, way, strict=True)) / sum(w * w for w in way)
        t = np.clip(t, 0, 1)
        square = sum((o - t * w) ** 2 for o, w in zip(offset, way, strict=True))
        nearest = np.minimum(nearest, np.sqrt(square) - (r_start + t * (r_end - r_start)))
    return nearest


def _ellipsoid(
    x: Array, y: Array, z: Array, centre: Sequence[float], axes: Sequence[float]
) -> Array:
    """Distance to an ellipsoid, measured along its shortest axis."""
    square = sum(((p - c) / a) ** 2 for p, c, a in zip((x, y, z), centre, axes, strict=True))
    return (np.sqrt(square) - 1) * min(axes)


def _slope(field: Array, spacing: Sequence[float]) -> Array:
    """The length of a field's gradient, a mm."""
    return np.sqrt(sum(part**2 for part in np.gradient(field, *spacing)))


def _noise(seed: int, name: str, wavelength: float, x: Array, y: Array, z: Array) -> Array:
    """Gaussian noise of unit variance around a wavelength in mm, at points in mm."""
    cube, step = _noise_cube(seed, name, wavelength)
    if wavelength < _SMOOTH:
        return _interpolated(cube, step, x, y, z)
    # So smooth a field is looked up at few of the points; it is linear between them.
    few, between = _sparse(x.shape[0]), _sparse(x.shape[1])
    places = np.ix_(few[0], between[0], range(x.shape[2]))
    found = _interpolated(cube, step, x[places], y[places], z[places])
    return np.einsum("ai,bj,ijk->abk", few[1], between[1], found, optimize=True)


def _interpolated(cube: Array, step: float, x: Array, y: Array, z: Array) -> Array:
    return map_coordinates(cube, np.stack([x, y, z]) / step, order=1, mode="grid-wrap")


@lru_cache(maxsize=4)
def _sparse(count: int) -> tuple[Array, Array]:
    """Every fifth of `count` places and the last one, and the matrix that interpolates between."""
    places = np.unique([*range(0, count, 5), count - 1])
    hats = [np.interp(range(count), places, hat) for hat in np.eye(len(places))]
    return places, np.stack(hats, axis=1).astype(np.float32)


# Enough for the shared folds and for all of one patient's fields: a few MB.
@lru_cache(maxsize=16)
def _noise_cube(seed: int, name: str, wavelength: float) -> tuple[Array, float]:
    """The field on a grid, and the grid's step in mm."""
    smooth = wavelength >= _SMOOTH
    step = 16.0 if wavelength >= 80 else 8.0 if smooth else 4.0
    # The folds are looked at in few slices: along z they may repeat themselves soon.
    sizes = [round(side / step) for side in (256.0, 256.0, 256.0 if smooth else 64.0)]
    rng = np.random.default_rng(derive(seed, "noise", name))
    white = rng.standard_normal(sizes, dtype=np.float32)
    kx, ky = (fft.fftfreq(size, step).astype(np.float32) for size in sizes[:2])
    kz = fft.rfftfreq(sizes[2], step).astype(np.float32)
    frequency = np.sqrt(kx[:, None, None] ** 2 + ky[:, None] ** 2 + kz**2)
    band = np.exp(-(((frequency * wavelength - 1) / 0.25) ** 2) / 2)
    field = fft.irfftn(fft.rfftn(white) * band, s=white.shape)
    return field / field.std(), step
