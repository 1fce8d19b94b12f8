"""The folder of weights that a training starts from: where in it they are, and what is told of
them. Nothing is loaded here."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

from pydantic import ValidationError

from synthcohort.cohort import RESTRICTION
from synthcohort.errors import UserError
from synthcohort.files import read_json, sha256, write_json
from synthcohort.settings import Settings

if TYPE_CHECKING:
    from synthcohort import config

Part = Literal["autoencoder", "diffusion"]
"""The section of the configuration whose network starts from them."""
WEIGHTS = "diffusion_pytorch_model.safetensors"
RECORD = "start.json"
"""In the folder of a network that has started from given weights: what these were."""
PLACES = {
    "autoencoder": ("", "autoencoder", "vae"),
    "diffusion": ("", "unet", "diffusion/unet"),
}
CLASSES = {
    "autoencoder": ("AutoencoderKL", "StridedAutoencoder"),
    "diffusion": ("UNet2DModel", "UNet2DConditionModel"),
}
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class GivenWeights(Settings):
    """What is known of weights that a training started from."""

    part: Part
    folder: str
    """As the configuration says it; of an absolute path the last two parts, the rest is nobody
    else's."""
    licence: str
    network: str
    """The class in diffusers, or ours."""
    sha256: str
    """Of the file of the weights."""
    frozen: bool
    """Whether they were used as they are."""
    adapted: tuple[str, ...]
    """What was made to fit, a sentence each."""
    restricted: tuple[str, ...] = ()
    """The terms of images that only those who agreed may have, and that they were trained on."""
    before: Optional["GivenWeights"] = None
    """What those had started from themselves, where their folder says it."""


def find(start: "config.Start", part: Part) -> Path:
    """The folder, in that of the settings or below, with config.json and the weights.

    Raises:
        UserError: there is none, it is of another kind of network, its weights are not there as
            one file in the safetensors format, or they derive from restricted images whose terms
            `licence` does not name.
    """
    try:
        return _found(start, part)
    except PermissionError as error:
        raise fault(
            part,
            Path(error.filename or start.folder),
            "you may not read it; ask its owner to let you, or for a copy of the whole folder",
        ) from None


def _found(start: "config.Start", part: Part) -> Path:
    folder = start.folder
    if not folder.is_dir():
        raise fault(part, folder, "there is no such folder; expected a model as diffusers saves it")
    classes = " or ".join(CLASSES[part])
    places = [folder / name for name in PLACES[part] if (folder / name / "config.json").is_file()]
    if not places:
        below = ", ".join(filter(None, PLACES[part]))
        raise fault(
            part,
            folder,
            f"holds no config.json, nor does a folder in it ({below}); expected a model ({classes})"
            " as diffusers saves it (model.save_pretrained)",
        )
    place = places[0]
    if (found := class_of(part, place)) not in CLASSES[part]:
        raise fault(part, place, f"is a {found}; expected {classes}; name another folder")
    if not (place / WEIGHTS).is_file():
        raise fault(part, place, _without_weights(place))
    (place / WEIGHTS).open("rb").close()  # what may not be read is told here
    if unnamed := [terms for terms in _restricted(part, place) if terms not in start.licence]:
        raise UserError(
            f"{part}.start.licence: the weights in {place} derive from restricted images, under "
            f"the terms {', '.join(map(repr, unnamed))}. Read them; if they and those who gave you "
            "access allow you to pass on what you make of the images, name them in licence. The "
            "cards will tell it"
        )
    return place


def _restricted(part: Part, place: Path) -> tuple[str, ...]:
    """The terms of restricted images that a model of ours was trained on, as far as the record of
    its run and those of what it had started from say."""
    above = [place, *folders_above(place), *folders_above(place / WEIGHTS)]
    # A finished run has its record in `model/`; before that, the cohort says it. `access` passes
    # over a folder above that may not be looked into.
    names = ("model.json", "model/model.json", f"cohort/{RESTRICTION}", RESTRICTION)
    records = dict.fromkeys(folder / name for folder in above for name in names)
    told = [mapping(part, path).get("terms") for path in records if os.access(path, os.F_OK)]
    names = [str(of.get("name")) for of in told if isinstance(of, dict) and of.get("gated")]
    step = recorded(place)
    while step is not None:
        names, step = [*names, *step.restricted], step.before
    return tuple(dict.fromkeys(names))


def folders_above(place: Path) -> list[Path]:
    """Those in which the record of a run may lie whose weights are in `place`, the nearest first:
    as it is called, and where links lead to. Early moments of a training again are six below it."""
    return list(dict.fromkeys((*place.absolute().parents[:6], *place.resolve().parents[:6])))


def _without_weights(place: Path) -> str:
    names = sorted(path.name for path in place.iterdir() if path.is_file())
    others = [name for name in names if Path(name).suffix == ".safetensors"]
    pickles = [name for name in names if Path(name).suffix in _PICKLES]
    once = (
        f"save it anew as one file in diffusers: model.save_pretrained({str(place)!r}, "
        "max_shard_size='1TB')"
    )
    if others:
        return f"has no {WEIGHTS}, but {', '.join(others)}; {once}"
    if pickles:
        return (
            f"holds its weights as {', '.join(pickles)} alone, pickles, which can run code when "
            f"they are opened; nothing was opened. Take a version with {WEIGHTS}, or, where you "
            f"trust whoever made them, {once}"
        )
    return f"has no {WEIGHTS}; get the model anew"


def class_of(part: Part, place: Path) -> str:
    """The class of the network in a folder, as its config.json names it."""
    values = mapping(part, place / "config.json")
    return str(values.get("_class_name", "model of unknown class"))


def mapping(part: Part, path: Path) -> dict[str, Any]:
    """The keys and values of a JSON file beside the weights.

    Raises:
        UserError: it is none.
    """
    try:
        values = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise fault(part, path, f"cannot be read as JSON ({error}); get the model anew") from None
    if not isinstance(values, dict):
        raise fault(part, path, "expected a JSON object; get the model anew")
    return values


def files(start: "config.Start | None", part: Part) -> list[Path]:
    """All files that a training takes something from; none without `start`."""
    if start is None:
        return []
    place = find(start, part)
    beside = [place / RECORD, place / RESTRICTION]
    if part == "diffusion":
        beside += [*labels_of(place), scheduler_of(place)]
    return [place / "config.json", place / WEIGHTS, *(path for path in beside if path.is_file())]


def labels_of(place: Path) -> tuple[Path, Path]:
    """Where the names of labels and attributes are that one of our U-Nets was trained with."""
    return place.parent / "labels.json", place.parent / "attributes.json"


def scheduler_of(place: Path) -> Path:
    """Where the noise schedule of a U-Net is described, if anywhere."""
    flat = place / "scheduler_config.json"
    return flat if flat.is_file() else place.parent / "scheduler/scheduler_config.json"


def given_weights(start: "config.Start", part: Part, adapted: Sequence[str]) -> GivenWeights:
    """What is told of the weights in a folder."""
    place, folder = find(start, part), start.folder
    return GivenWeights(
        part=part,
        folder=f"…/{'/'.join(folder.parts[-2:])}" if folder.is_absolute() else str(folder),
        licence=start.licence,
        network=class_of(part, place),
        sha256=sha256(place / WEIGHTS),
        frozen=getattr(start, "frozen", False),
        adapted=tuple(adapted),
        restricted=_restricted(part, place),
        before=recorded(place),
    )


def record(folder: Path, given: GivenWeights | None) -> dict[str, str]:
    """Write what is told of them into the folder of the network that started from them; the same
    for the journal. Nothing without any."""
    if given is None:
        return {}
    write_json(folder / RECORD, given.model_dump(mode="json"))
    told = {key: getattr(given, key) for key in ("folder", "licence", "network", "sha256")}
    told |= {"frozen": str(given.frozen), "adapted": "; ".join(given.adapted)}
    told["restricted"] = "; ".join(given.restricted)
    return {f"start_{key}": value for key, value in told.items() if value}


def leave_terms(folder: Path, cohort: Path) -> None:
    """Leave the terms of restricted images beside weights that have seen them, so that a copy of
    the folder carries them. Nothing where the images are not restricted."""
    if (cohort / RESTRICTION).is_file():
        shutil.copyfile(cohort / RESTRICTION, folder / RESTRICTION)


def recorded(folder: Path) -> "GivenWeights | None":
    """What the network in a folder has started from, None where from random weights.

    Raises:
        UserError: its record is not as `record` writes it.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        return GivenWeights.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        line = f"{key}: {first['msg']}" if key else first["msg"]
    except (ValueError, OSError, RecursionError) as error:
        line = str(error)
    raise UserError(f"{path}: not a record of given weights ({line}); get the model anew")


def recorded_of(autoencoder: Path, diffusion: Path) -> tuple[GivenWeights, ...]:
    """What the networks of a run have started from; none for those from random weights.

    Raises:
        UserError: as `recorded`.
    """
    return tuple(one for one in map(recorded, (autoencoder, diffusion / "unet")) if one)


def fault(part: Part, path: Path, what: str) -> UserError:
    """An error in what `start.folder` of a section names."""
    return UserError(f"{part}.start.folder: {path}: {what}")
