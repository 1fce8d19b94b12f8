"""The layouts of the Medical Segmentation Decathlon and of nnU-Net: imagesTr/, labelsTr/ and more.

A file is `<case>.nii.gz` in the decathlon and `<case>_<channel>.nii.gz` in nnU-Net, four digits.
The segmentations beside the images and dataset.json are read for comparison alone.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from synthcohort.errors import UserError, first
from synthcohort.intake.description import agree
from synthcohort.sources.nifti.layouts import Source
from synthcohort.sources.nifti.scans import volumes
from synthcohort.sources.nifti.volume import ENDINGS, stem

_SPLITS = {"imagesTr": "train", "imagesTs": "test"}
# Where dataset.json lists and counts the cases of a part.
_LISTS = {"imagesTr": ("training", "numTraining"), "imagesTs": ("test", "numTest")}
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


class Case(NamedTuple):
    file: Path
    """Relative to the root."""
    name: str
    split: str
    """"train" or "test" where imagesTs/ has volumes, otherwise ""."""


def cases(settings: Source) -> list[Case]:
    """The volume of every case in the channel that is asked for, sorted by path.

    Raises:
        UserError: there are none, or their names, labelsTr/ and dataset.json contradict each other
            or the layout.
    """
    root = settings.root
    masks = _masks(root)
    besides = [Path("dataset.json"), *(path for of in masks.values() for path in of)]
    files, ways = volumes(settings, lambda path: str(path.parent) in _SPLITS, besides)
    agree(root, ways, lambda file: {"part": Path(file).parts[0], "case": stem(Path(file).name)})
    if not any(file.parts[0] == "imagesTr" for file in files):
        raise UserError(
            f"{root}: no volumes in imagesTr/; expected imagesTr/*.nii.gz; check source.root and "
            "source.layout"
        )
    names = {stem(path.name) for of in masks.values() for path in of}
    _check_layout(settings, [stem(file.name) for file in files], names)
    found = _one_channel(settings, files) if settings.layout == "nnunet" else _whole(files)
    twice = sorted(name for name, count in Counter(found.values()).items() if count > 1)
    if twice:
        raise UserError(
            f"{root}: {len(twice)} cases are in both imagesTr/ and imagesTs/, {first(twice)}; keep "
            "one of each"
        )
    if missing := sorted(names - {*found.values()}):
        _note(f"{root}: {len(missing)} segmentations are without a volume, {first(missing)}")
    _compare(settings, found)
    parted = {file.parts[0] for file in found} == {*_SPLITS}
    return [
        Case(file, name, _SPLITS[file.parts[0]] if parted else "") for file, name in found.items()
    ]


def _masks(root: Path) -> dict[str, list[Path]]:
    return {
        name: [
            path
            for path in sorted((root / name).iterdir())
            if path.name.lower().endswith(ENDINGS) and not path.name.startswith(".")
        ]
        for name in ("labelsTr", "labelsTs")
        if (root / name).is_dir()
    }


def _check_layout(settings: Source, stems: list[str], masks: set[str]) -> None:
    """Refuse one layout's files under the other's name: channels would come out as patients, or
    patients as channels."""
    split = [_CHANNEL.fullmatch(name) for name in stems]
    if settings.layout == "nnunet":
        odd = [name for name, match in zip(stems, split, strict=True) if match is None]
        if odd:
            raise UserError(
                f"{settings.root}: {len(odd)} volumes are not named <case>_<channel> with a "
                f"channel of four digits, {first(odd)}; rename them, or set source.layout: "
                "decathlon where names hold no channel"
            )
        if masks & {*stems}:
            raise UserError(
                f"{settings.root}: the segmentations are named as the volumes are, "
                f"{first(sorted(masks & {*stems}))}: the digits at the end are no channel; set "
                "source.layout: decathlon"
            )
        return
    if masks & {*stems} or None in split:
        return
    channels: dict[str, set[str]] = {}
    for match in split:
        channels.setdefault(match["case"], set()).add(match["channel"])
    alike = len(channels) > 1 and len({frozenset(of) for of in channels.values()}) == 1
    if masks & {*channels} or alike:
        raise UserError(
            f"{settings.root}: the volumes are named with a channel, {first(stems)}, as nnU-Net "
            "has them; as cases of the decathlon, channels of one patient would count as several "
            "patients: set source.layout: nnunet"
        )


def _whole(files: list[Path]) -> dict[Path, str]:
    return {file: stem(file.name) for file in files}


def _one_channel(settings: Source, files: list[Path]) -> dict[Path, str]:
    asked = f"{settings.channel:04d}"
    found: dict[Path, str] = {}
    others: list[str] = []
    every: dict[tuple[str, str], Path] = {}
    for file in files:
        match = _CHANNEL.fullmatch(stem(file.name))
        every.setdefault((file.parts[0], match["case"]), file)
        if match["channel"] == asked:
            found[file] = match["case"]
        else:
            others.append(file.as_posix())
    there = {(file.parts[0], name) for file, name in found.items()}
    without = [file.as_posix() for case, file in every.items() if case not in there]
    if without:
        raise UserError(
            f"{settings.root}: {len(without)} of {len(every)} cases have no channel {asked}, "
            f"{first(without)}; add it, take these out, or ask for another source.channel"
        )
    if others:
        _note(
            f"{settings.root}: {len(others)} volumes are of other channels than {asked} "
            f"(source.channel) and not taken, {first(others)}"
        )
    if "patient" not in {*settings.named_columns} and "(?P<patient>" not in settings.expression:
        _note(
            f"{settings.root}: each case counts as a patient; where a patient has several, say so "
            "by (?P<patient>…) in source.expression or by a table"
        )
    return found


def _compare(settings: Source, found: dict[Path, str]) -> None:
    """Hold dataset.json, where it is there, against the cases that were found."""
    path = settings.root / "dataset.json"
    if not path.is_file():
        return
    try:
        stated = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON in UTF-8: {error}; mend it or take it out") from None
    if not isinstance(stated, dict):
        raise UserError(f"{path}: expected names and values, as the decathlon has; mend it")
    for part, (listing, counting) in _LISTS.items():
        here = {name for file, name in found.items() if file.parts[0] == part}
        if not here:
            continue  # the test part is often left away, as a whole
        listed = _listed(stated.get(listing), settings.layout == "nnunet", here)
        if absent := sorted(listed - here):
            raise UserError(
                f"{path}: lists {len(absent)} volumes under {listing!r} that are not in {part}/, "
                f"{first(absent)}; fetch them, or take them out of the list"
            )
        count = stated.get(counting)
        if listed and (more := sorted(here - listed)):
            _note(f"{path}: does not list {len(more)} volumes that are taken, {first(more)}")
        if isinstance(count, int) and count != len(here):
            _note(f"{path}: counts {count} cases in {part}/, where there are {len(here)}")


def _listed(entries: Any, channels: bool, here: set[str]) -> set[str]:
    """The cases that dataset.json lists, as paths or as pairs of image and label."""
    cases = set()
    for entry in entries if isinstance(entries, list) else []:
        image = entry.get("image", "") if isinstance(entry, dict) else entry
        name = stem(PurePosixPath(str(image)).name)
        # The first nnU-Net lists its volumes without their channel.
        match = _CHANNEL.fullmatch(name) if channels and name not in here else None
        cases.add(match["case"] if match else name)
    return cases


def _note(text: str) -> None:
    print(f"Note: {text}", file=sys.stderr)
