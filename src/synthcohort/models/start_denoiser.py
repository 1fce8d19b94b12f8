"""A U-Net that starts from given weights, made to fit the cohort's latents, labels and attributes.

What it is told of an image is matched by name. A label that it has not known begins as one that is
withheld, an attribute as one that says nothing.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from torch import nn

from synthcohort.errors import UserError
from synthcohort.models.start_folder import (
    GivenWeights,
    fault,
    labels_of,
    mapping,
    scheduler_of,
)
from synthcohort.models.start_origin import latents_of
from synthcohort.models.start_weights import (
    ERRORS,
    Weights,
    built,
    described,
    filled,
    recolour,
    weights_of,
)

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    from synthcohort import config

_SAME_SCHEDULE = 1e-3
"""Up to this difference of any ᾱ two noise schedules are one."""
Names = dict[str, list[str]]
"""Those of each "label" and each "attribute"."""


def denoiser_like(
    settings: "config.Diffusion", latent_shape: tuple[int, int, int], labels: int, attributes: int
) -> nn.Module:
    """A U-Net as the folder `diffusion.start` says, with random weights, for latents of C×H×W and
    so many labels and attributes.

    Raises:
        UserError: it cannot be made to fit them; or as `start_folder.find`.
    """
    place, network, values = described("diffusion", settings.start)
    channels, height, width = latent_shape
    before = values["in_channels"]
    if values["out_channels"] != before:
        raise fault(
            "diffusion",
            place,
            f"takes {before} channels and predicts {values['out_channels']}, as one that learns "
            "the variance, too; expected as many as it takes; take another",
        )
    if before not in (channels, 3 * channels, channels / 3):
        raise _other_latents(place, before, channels)
    reduction = 2 ** (len(values["block_out_channels"]) - 1)
    if height % reduction or width % reduction:
        raise fault(
            "diffusion",
            place,
            f"needs latents in multiples of {reduction}, but those here are {height}×{width}; take "
            "a model with fewer levels, or larger images (prepare.size)",
        )
    if values.get("time_embedding_type", "positional") != "positional":
        raise fault(
            "diffusion",
            place,
            f"has a {values['time_embedding_type']} embedding of the time; expected positional, "
            "as for diffusion in discrete steps; take another",
        )
    values |= {"in_channels": channels, "out_channels": channels, "sample_size": [height, width]}
    values |= _condition(place, network, values, labels, attributes)
    return built("diffusion", place, network, values)


def _condition(
    place: Path, network: type, values: dict[str, Any], labels: int, attributes: int
) -> dict[str, Any]:
    """The settings by which a U-Net is told of labels and attributes as `models.condition` does."""
    told = 1 + labels + attributes
    embedded = values["class_embed_type"]
    if network is UNet2DModel:
        if attributes:
            raise fault(
                "diffusion",
                place,
                f"is a UNet2DModel, which takes a label alone, but this cohort has {attributes} "
                "attributes; start from a UNet2DConditionModel, or remove start",
            )
        if embedded is None:
            return {"num_class_embeds": labels + 1}
    elif values["addition_embed_type"] is None:
        asks = any(kind.startswith("CrossAttn") for kind in values["down_block_types"])
        projected = values["encoder_hid_dim_type"] in (None, "text_proj")
        if embedded == "projection" and not asks:
            return {"projection_class_embeddings_input_dim": told}
        if embedded is None and values["num_class_embeds"] is None and asks and projected:
            return {"encoder_hid_dim": told, "encoder_hid_dim_type": "text_proj"}
    raise fault(
        "diffusion",
        place,
        "is told of its condition in a way that is not known here; expected a class embedding "
        "(UNet2DModel), a projected one, or cross-attention; take another",
    )


def take_denoiser(
    model: nn.Module,
    start: "config.Start | None",
    *,
    labels: list[str],
    standard: Mapping[str, list],
    pixels: bool,
    autoencoder: Path,
    schedule: "DDPMScheduler",
) -> GivenWeights | None:
    """Fill a model of `denoiser_like` with the weights of its folder; what is told of them.

    `standard` are the names of the attributes with their mean and std over train, `autoencoder` is
    the folder of the one whose latents it is to learn.

    Raises:
        UserError: they cannot be read, or are not those of the network; they are for latents with
            other channels, or for pixels in place of latents; or they predict something else than
            the `schedule` says.
    """
    if start is None:
        return None
    place, network, values = described("diffusion", start)
    adapted = _schedules(place, schedule)
    weights = weights_of("diffusion", place, network)
    before, after = values["in_channels"], model.config["in_channels"]
    if before != after and not pixels:
        raise _other_latents(place, before, after)
    adapted += latents_of(place, autoencoder)
    recolour(weights, ("conv_in", "conv_out"), before, after, adapted)
    known = _known(place)
    kinds = {"label": labels, "attribute": standard["names"]}
    if network is UNet2DModel:
        _embed(place, model, weights, kinds, known)
    else:
        _project(place, model, weights, kinds, known, standard)
    adapted += _matched(kinds, known)
    return filled("diffusion", model, weights, start, adapted)


def _schedules(place: Path, schedule: "DDPMScheduler") -> list[str]:
    """How the noise schedule that the folder names differs from that of the training."""
    path = scheduler_of(place)
    if not path.is_file():
        return ["nothing is known of the noise schedule it was trained with"]
    said = mapping("diffusion", path)
    flow = "FlowMatch" in str(said.get("_class_name"))
    predicts = "flow" if flow else said.get("prediction_type", "epsilon")
    if predicts != schedule.config["prediction_type"]:
        raise UserError(
            f"diffusion.prediction is {schedule.config['prediction_type']}, but the U-Net of "
            f"diffusion.start predicts {predicts} ({path}); set prediction to that, where it is "
            "one of epsilon and v_prediction, or take another model"
        )
    try:
        theirs = type(schedule).from_config(said).alphas_cumprod
    except ERRORS as error:
        raise fault("diffusion", path, f"no noise schedule ({error}); get the model anew") from None
    ours = schedule.alphas_cumprod.cpu()
    if theirs.shape == ours.shape and (theirs - ours).abs().max() < _SAME_SCHEDULE:
        return []
    return ["it was trained with another noise schedule"]


def _known(place: Path) -> Names | None:
    """The labels and attributes that one of our U-Nets was trained with; None for others'."""
    paths = dict(zip(("label", "attribute"), labels_of(place), strict=True))
    if not all(path.is_file() for path in paths.values()):
        return None
    known = {kind: mapping("diffusion", path).get("names") for kind, path in paths.items()}
    for kind, names in known.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise fault("diffusion", paths[kind], "expected a list of names; get the model anew")
    return known


def _embed(
    place: Path, model: nn.Module, weights: Weights, kinds: Names, known: Names | None
) -> None:
    """The rows of a class embedding: one for each label, the last for a label that is withheld."""
    name = "class_embedding.weight"
    old = weights.get(name)
    if old is None:  # a model without labels: each is told as what it knows, nothing
        weights[name] = torch.zeros_like(model.state_dict()[name], device="cpu")
        return
    rows = None if known is None else [*known["label"], None]
    _require_as_many(place, rows, len(old))
    blank = old.mean(0) if rows is None else old[-1]
    weights[name] = _chosen(old, 0, [*kinds["label"], None], rows, blank)


def _project(
    place: Path,
    model: nn.Module,
    weights: Weights,
    kinds: Names,
    known: Names | None,
    standard: Mapping[str, list],
) -> None:
    """The columns of a projected condition: what is always told, labels, attributes."""
    name = "class_embedding.linear_1.weight"
    if model.config["encoder_hid_dim"]:
        name = "encoder_hid_proj.weight"
    if name not in weights:  # another's cross-attention, told of something else by now
        new = model.state_dict()
        weights |= {key: new[key].cpu() for key in (name, "encoder_hid_proj.bias")}
        return

    def columns(named: Names) -> list[tuple[str, str] | None]:
        return [None, *((kind, one) for kind, names in named.items() for one in names)]

    old, were = weights[name], None if known is None else columns(known)
    _require_as_many(place, were, old.shape[1])
    if known is not None and known["attribute"]:
        old = _rescaled(place, old, were, standard)
    weights[name] = _chosen(old, 1, columns(kinds), were, torch.zeros_like(old[:, 0]))


def _rescaled(
    place: Path, old: torch.Tensor, were: list, standard: Mapping[str, list]
) -> torch.Tensor:
    """`old` for attributes in standard deviations from their mean over this train, in place of
    over that of the folder: w(x - m)/s is w(s'/s)(x - m')/s' and w(m' - m)/s, which goes to what is
    always told."""
    path = labels_of(place)[1]
    said = mapping("diffusion", path)
    try:
        pairs = zip(said["mean"], said["std"], strict=True)
        theirs = {n: (float(m), float(s)) for n, (m, s) in zip(said["names"], pairs, strict=True)}
        if not all(math.isfinite(m) and 0 < s < math.inf for m, s in theirs.values()):
            raise ValueError("a std that is not above 0, or no finite number")
    except (KeyError, TypeError, ValueError) as error:
        raise fault(
            "diffusion", path, f"expected names, mean and std ({error}); get the model anew"
        ) from None
    new = old.clone()
    for name, mean, std in zip(*(standard[key] for key in ("names", "mean", "std")), strict=True):
        before, width = theirs.get(name, (mean, std))
        if name in theirs and width != 1:  # 1 is that of one which was the same on all images
            column = were.index(("attribute", name))
            new[:, 0] += old[:, column] * ((mean - before) / width)
            new[:, column] *= std / width
    return new


def _require_as_many(place: Path, known: list | None, count: int) -> None:
    if known is not None and len(known) != count:
        raise fault(
            "diffusion",
            labels_of(place)[0],
            f"names {len(known)} conditions, but the U-Net takes {count}; get the model anew",
        )


def _chosen(
    old: torch.Tensor, dim: int, wanted: list, known: list | None, blank: torch.Tensor
) -> torch.Tensor:
    """The slices of `old` along `dim` that are called as wanted, `blank` for those not known."""
    known = known or []
    slices = [old.select(dim, known.index(one)) if one in known else blank for one in wanted]
    return torch.stack(slices, dim)


def _matched(kinds: Names, known: Names | None) -> list[str]:
    """What cannot be matched by name, in sentences."""
    if known is None:
        return ["what it was told of its images is not known: labels and attributes begin anew"]
    adapted = []
    for kind, names in kinds.items():
        if new := [name or "(none)" for name in names if name not in known[kind]]:
            adapted.append(f"it does not know the {kind} {', '.join(new)}, which begins anew")
        if old := [name or "(none)" for name in known[kind] if name not in names]:
            adapted.append(f"the {kind} {', '.join(old)} that it knew is not in this cohort")
    return adapted


def _other_latents(place: Path, before: int, after: int) -> UserError:
    return fault(
        "diffusion",
        place,
        f"is for latents of {before} channels, but those here have {after}; start from a U-Net "
        "that was trained with the same autoencoder, or remove start",
    )
