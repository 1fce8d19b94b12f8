"""From a source's images to a cohort on disk: one size, one colour mode, one depth."""

import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import IO

import numpy as np
import PIL.Image

from synthcohort import sources
from synthcohort.cohort import MANIFEST_COLUMNS, NOT_ATTRIBUTES, RESTRICTION, number_text
from synthcohort.cohort.admission import Admission
from synthcohort.config import Prepare
from synthcohort.errors import UserError
from synthcohort.files import atomic_directory, write_json
from synthcohort.intake import ids
from synthcohort.settings import Settings
from synthcohort.sources import Image
from synthcohort.tracking.journal import Journal

_MOST_FAULTS = 5
# ITU-R BT.601 luma; exact where R = G = B.
_LUMA = np.array([0.299, 0.587, 0.114])


def prepare(
    source: Settings, settings: Prepare, *, root: Path | None, out: Path, journal: Journal
) -> None:
    """Write `out`/images.npy (N×C×H×W, uint8 or uint16) and `out`/manifest.csv, in reading order;
    for restricted images also their terms (`terms.json`).

    Images pass one at a time. sha256 in the manifest is that of the prepared pixels, C×H×W, in
    little-endian order. `root` is the folder that the source's `fetch` filled, or the one
    that it keeps something private in; None without either.

    Raises:
        UserError: no images, images that do not fit `settings`, an image_id given twice, a patient
            or a label that `Admission` refuses, labels on some images only, or attributes that are
            not finite numbers of the same names on every image.
    """
    shape = (1 if settings.colour == "grey" else 3, *settings.size)
    dtype = np.dtype("u1" if settings.depth == 8 else "<u2")
    done: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    images: set[str] = set()
    admission = Admission()
    faults: list[tuple[str, str]] = []
    attributes: list[str] | None = None
    with (
        atomic_directory(out) as folder,
        (folder / "images.npy").open("wb") as pixels,
        (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as table,
    ):
        _write_header(pixels, dtype, (0, *shape))
        manifest = csv.writer(table, lineterminator="\n")
        for image in sources.module(source.kind).read(source, root):
            if image.image_id in images:
                raise UserError(
                    f"{image.source_file}: its image_id {image.image_id!r} was given before; "
                    "expected one of its own for every image"
                )
            image = admission.passed(image)
            if attributes is None:
                attributes = list(image.attributes)
                numbered = ["class"] if image.class_number is not None else []
                columns = (*MANIFEST_COLUMNS, *numbered, *attributes)
                _check_names(image, attributes)
                manifest.writerow(columns)
            _check_attributes(image, attributes)
            images.add(image.image_id)
            if fault := _fault(image, settings):
                faults.append(fault)
                if len(faults) == _MOST_FAULTS:
                    break
                continue
            data = _prepared(image.pixels, settings, done).astype(dtype).tobytes()
            pixels.write(data)
            row = _row(image, hashlib.sha256(data).hexdigest())
            manifest.writerow(row[column] for column in columns)
            labels[image.label] += 1
        if faults:
            ways = sorted({way for _, way in faults})
            raise UserError("\n".join([text for text, _ in faults] + ways))
        if not images:
            raise UserError(f"source: {source.kind} gave no images; check its settings")
        if "" in labels and len(labels) > 1:
            raise UserError(
                f"source: {labels['']} of {len(images)} images have no label; expected one for "
                "every image or for none"
            )
        _write_header(pixels, dtype, (len(images), *shape))
        terms = sources.terms(source)
        if terms.gated:
            write_json(folder / RESTRICTION, {"terms": {"gated": True, "name": terms.name}})
    joined = admission.tell()
    journal.result(
        images=len(images),
        patients=len(admission.patients),
        **({"names written in several ways": joined} if joined else {}),
        **{f"images/{label}": labels[label] for label in sorted(labels) if label},
        **{what: done[what] for what in sorted(done)},
    )


def _write_header(file: IO[bytes], dtype: np.dtype, shape: tuple[int, ...]) -> None:
    # numpy pads the header for the first axis to grow, so it can be written again over itself.
    file.seek(0)
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _row(image: Image, sha256: str) -> dict[str, str]:
    return {
        "image_id": image.image_id,
        "patient_id": image.patient_id,
        "session": image.session,
        "slice": image.slice,
        "label": image.label,
        "official_split": image.split,
        "source_file": image.source_file,
        "sha256": sha256,
        "class": str(image.class_number),
        **{name: number_text(value) for name, value in image.attributes.items()},
    }


def _check_attributes(image: Image, names: list[str]) -> None:
    if set(image.attributes) != set(names):
        has, others = (", ".join(sorted(of)) or "none" for of in (image.attributes, names))
        raise UserError(
            f"{image.source_file}: its attributes are {has}, but those of the images before it "
            f"{others}; expected the same on every image"
        )
    for name, value in image.attributes.items():
        if not abs(value) <= float(np.finfo(np.float32).max):
            raise UserError(
                f"{image.source_file}: the attribute {name!r} is {value}; expected a finite number"
            )


def _check_names(image: Image, attributes: list[str]) -> None:
    like: dict[str, str] = {}
    for name in attributes:
        if not ids.normal(name) or name in NOT_ATTRIBUTES:
            raise UserError(
                f"{image.source_file}: an attribute is called {name!r}, which is "
                + ("no name" if not ids.normal(name) else "the name of another column")
                + "; give it another name"
            )
        other = like.setdefault(ids.key(name), name)
        if other != name:
            raise UserError(
                f"{image.source_file}: two attributes are called {ids.shown(other)} and "
                f"{ids.shown(name)}; names have to differ in more than case, zeros in front and "
                "invisible characters"
            )


def _fault(image: Image, settings: Prepare) -> tuple[str, str] | None:
    """What is wrong with the image under these settings, and the ways forward."""
    (height, width), (high, wide) = image.pixels.shape[:2], settings.size
    which = "is"
    if settings.centre_crop:
        which, least = "its centre is", settings.centre_crop
        if height < least[0] or width < least[1]:
            return (
                f"{image.source_file}: is {width} wide and {height} high, smaller than "
                f"prepare.centre_crop, {least[1]} wide and {least[0]} high",
                "Lower prepare.centre_crop (height, width), or leave it out.",
            )
        height, width = least
    colour = "grey" if image.pixels.ndim == 2 else "rgb"
    if image.pixels.dtype == np.uint16 and settings.depth == 8:
        return (
            f"{image.source_file}: has 16 bits a pixel, but prepare.depth is 8",
            "Set prepare.depth: 16, or give 8-bit images.",
        )
    if colour != settings.colour and not settings.convert_colour:
        return (
            f"{image.source_file}: is {colour}, but prepare.colour is {settings.colour}",
            "Set prepare.convert_colour: true to convert such images, or change prepare.colour.",
        )
    if settings.fit == "refuse" and not _same_aspect((height, width), settings.size):
        return (
            f"{image.source_file}: {which} {width} wide and {height} high, but prepare.size is "
            f"{wide} wide and {high} high: another aspect ratio",
            "Choose a prepare.size (height, width) with the images' aspect ratio, or set "
            "prepare.fit to pad, crop or stretch.",
        )
    return None


def _same_aspect(shape: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether scaling `shape` to one side of `size` gives the other to the nearest pixel."""
    return _inside(shape, size) == tuple(size)


def _inside(shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The largest height and width of the aspect ratio of `shape` within `size`."""
    scale = min(size[0] / shape[0], size[1] / shape[1])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _prepared(pixels: np.ndarray, settings: Prepare, done: Counter[str]) -> np.ndarray:
    """C×H×W of the asked size, colour and depth; `done` counts what it took."""
    if settings.depth == 16 and pixels.dtype == np.uint8:
        done["widened to 16 bits"] += 1
        pixels = pixels.astype(np.uint16) * 257  # 255 becomes 65,535
    if settings.colour == "grey" and pixels.ndim == 3:
        done["converted to grey"] += 1
        pixels = np.rint(pixels @ _LUMA).astype(pixels.dtype)
    elif settings.colour == "rgb" and pixels.ndim == 2:
        done["converted to rgb"] += 1
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    planes = np.moveaxis(np.atleast_3d(pixels), 2, 0)
    if settings.centre_crop and planes.shape[1:] != settings.centre_crop:
        done["centre cut out"] += 1
        planes = _centre(planes, settings.centre_crop)
    if planes.shape[1:] == settings.size:
        return planes
    return _resized(planes, settings, done)


def _resized(planes: np.ndarray, settings: Prepare, done: Counter[str]) -> np.ndarray:
    shape, size = planes.shape[1:], settings.size
    part, target = shape, size
    if not _same_aspect(shape, size):
        done[{"pad": "padded", "crop": "cropped", "stretch": "stretched"}[settings.fit]] += 1
        if settings.fit == "pad":
            target = _inside(shape, size)
        elif settings.fit == "crop":
            part = _inside(size, shape)
    planes = _centre(planes, part)
    if target != part:
        done["enlarged" if target[0] > part[0] or target[1] > part[1] else "reduced"] += 1
        planes = np.stack([_resampled(plane, target) for plane in planes])
    top, left = ((n - m) // 2 for n, m in zip(size, target, strict=True))
    whole = np.zeros((len(planes), *size), planes.dtype)
    whole[:, top : top + target[0], left : left + target[1]] = planes
    return whole


def _centre(planes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    top, left = ((n - m) // 2 for n, m in zip(planes.shape[1:], shape, strict=True))
    return planes[:, top : top + shape[0], left : left + shape[1]]


def _resampled(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bicubic with antialiasing, in float32, so that 16 bits stay 16 bits.

    The cubic overshoots at sharp edges; what leaves the range of the type is limited to it.
    """
    image = PIL.Image.fromarray(plane.astype(np.float32))
    bicubic = image.resize(size[::-1], PIL.Image.Resampling.BICUBIC)
    full = np.iinfo(plane.dtype)
    return np.rint(np.clip(np.asarray(bicubic), full.min, full.max)).astype(plane.dtype)
