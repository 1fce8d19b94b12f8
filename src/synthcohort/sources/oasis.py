"""OASIS-1 brain MRI as 2-D slices: `keras_png_slices_data.zip`, or the folder it unpacks to.

The zip file is read in place and never unpacked. The slices lie in keras_png_slices_train,
keras_png_slices_validate and keras_png_slices_test as case_<patient>_slice_<number>.nii.png, 8 bits
grey, without labels; the segmentations beside them are not read.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from synthcohort.errors import UserError, first
from synthcohort.intake import lookalikes, pictures
from synthcohort.intake.finder import find, hidden, nameable, shown
from synthcohort.progress import progress
from synthcohort.settings import Settings
from synthcohort.sources import Image, Terms

TERMS = Terms(
    name="OASIS-1 terms of use",
    source="brain MRI of the Open Access Series of Imaging Studies, cross-sectional (OASIS-1, "
    "oasis-brains.org; Marcus et al., Journal of Cognitive Neuroscience 19, 2007)",
    note="Publications cite OASIS and acknowledge its grants P50 AG05681, P01 AG03991, P01 "
    "AG026276, R01 AG021910, P20 MH071616 and U24 RR021382.",
)
_PARTS = {
    "keras_png_slices_train": "train",
    "keras_png_slices_validate": "val",
    "keras_png_slices_test": "test",
}
_SLICE = re.compile(r"(?P<patient>case_(?P<case>\d+))_slice_(?P<slice>\d+)\.nii\.png")


# Name, part of the official split, and the matched file name.
_Slices = list[tuple[str, str, re.Match[str]]]


class Source(Settings):
    kind: Literal["oasis"] = "oasis"
    root: Path
    """keras_png_slices_data.zip, or the folder that holds keras_png_slices_train, _validate and
    _test, at any depth."""
    images: Annotated[int, Field(gt=0)] | None = None
    """Most training images that are used: the cases in order of their number, each as a whole, as
    long as they do not exceed it. By default all; validation and test are always whole."""


def read(settings: Source, root: Path | None = None) -> Iterator[Image]:
    """Every slice, H×W uint8, by official part, case and slice; `root` is not used.

    Raises:
        UserError: the root is neither a zip file nor a folder, a part is empty, a file has another
            name than expected or cannot be read, or `images` cannot be met.
    """
    with _opened(settings.root) as (names, content):
        found = _found(settings, names)
        reader = pictures.Reader(settings.root)
        for name, part, match in progress("reading images", of=found):
            path = settings.root / name
            try:
                data = content(name)
            except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
                raise UserError(
                    f"{path}: cannot be read: {error}; it is damaged or truncated: fetch it again"
                ) from None
            yield Image(
                pixels=reader.pixels(path, io.BytesIO(data)),
                image_id=name.rpartition("/")[2].removesuffix(".nii.png"),
                patient_id=match["patient"],
                slice=match["slice"],
                source_file=name,
                split=part,
            )
        reader.judge()


@contextmanager
def _opened(root: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names of the files in a folder or a zip file, and what reads one of them."""
    if root.is_dir():
        files = find(root, lambda path: path.parent.name in _PARTS).files
        names = [path.relative_to(root).as_posix() for path in files]
        yield names, lambda name: (root / name).read_bytes()
        return
    if not root.is_file() and not root.is_symlink():
        raise UserError(
            f"source.root: {root}: there is no such file or folder; give keras_png_slices_data.zip "
            "or the folder it unpacks to"
        )
    try:
        archive = zipfile.ZipFile(root)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{root}: cannot be read as a zip file: {lookalikes.why(root, error, b'PK')}"
        ) from None
    with archive:
        yield [name for name in archive.namelist() if not name.endswith("/")], archive.read


def _found(settings: Source, names: list[str]) -> _Slices:
    """The slices that are used, in order."""
    found: _Slices = []
    odd = []
    for name in names:
        file = PurePosixPath(name).name
        part = _PARTS.get(PurePosixPath(name).parent.name)
        if part is None or hidden(PurePosixPath(name)):
            continue
        match = _SLICE.fullmatch(file)
        if match is None:
            odd.append(name)
        else:
            found.append((name, part, match))
    if unnameable := [shown(name) for name, *_ in found if not nameable(name)]:
        raise UserError(
            f"{settings.root}: {len(unnameable)} names hold control characters or bytes that are "
            f"not UTF-8, {first(unnameable)}; no table can hold them: rename the folders"
        )
    if odd:
        raise UserError(
            f"{settings.root}: {len(odd)} files are not named case_<number>_slice_<number>"
            f".nii.png, {first(sorted(odd))}; without the case nobody knows whose they are: take "
            "them out"
        )
    for parent, part in _PARTS.items():
        if part not in (of[1] for of in found):
            raise UserError(
                f"{settings.root}: no images in {parent}; expected "
                "case_<number>_slice_<number>.nii.png there; check source.root"
            )
    order = list(_PARTS.values())
    found.sort(key=lambda of: (order.index(of[1]), int(of[2]["case"]), int(of[2]["slice"]), of[0]))
    return found if settings.images is None else _limited(found, settings)


def _limited(found: _Slices, settings: Source) -> _Slices:
    """Without the training cases from the one on that would exceed `images`."""
    cases = [match["patient"] for _, part, match in found if part == "train"]
    if settings.images > len(cases):
        raise UserError(
            f"source.images: {settings.images} asked for, but there are {len(cases)} training "
            "images; lower it, or leave it out to use them all"
        )
    kept = settings.images
    # Whole cases: back to the first slice of the one that would be cut.
    while kept < len(cases) and kept and cases[kept] == cases[kept - 1]:
        kept -= 1
    if not kept:
        raise UserError(
            f"source.images: {settings.images} is less than the {cases.count(cases[0])} images of "
            f"the first case, {cases[0]}; raise it, as cases are taken whole"
        )
    return found[:kept] + found[len(cases) :]
