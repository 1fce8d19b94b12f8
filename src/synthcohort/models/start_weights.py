"""Given weights: building the network that their folder describes, reading and filling it.

Nothing is taken as it is said: a file that is not what it should be is told by its name.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError
from torch import nn

from synthcohort.hardware.telling import once
from synthcohort.models.start_folder import (
    WEIGHTS,
    GivenWeights,
    Part,
    class_of,
    fault,
    find,
    given_weights,
    mapping,
)
from synthcohort.models.strided import StridedAutoencoder

if TYPE_CHECKING:
    from synthcohort import config

Weights = dict[str, torch.Tensor]
NETWORKS = {
    network.__name__: network
    for network in (AutoencoderKL, StridedAutoencoder, UNet2DModel, UNet2DConditionModel)
}
COLOURS = {1: "grey", 3: "RGB"}
# What a wrong value in a file of somebody else's makes diffusers and torch raise.
ERRORS = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError),
    *(ArithmeticError, SafetensorError),
)


def described(part: Part, start: "config.Start") -> tuple[Path, type, dict[str, Any]]:
    """Where the network is, its class and all its settings, defaults too."""
    place = find(start, part)
    network = NETWORKS[class_of(part, place)]
    said = mapping(part, place / "config.json")
    with torch.device("meta"):
        whole = built(part, place, network, said).config
    return place, network, {key: value for key, value in whole.items() if key[0] != "_"}


def built(part: Part, place: Path, network: type, values: dict[str, Any]) -> nn.Module:
    """A network with random weights by the values of a config.json; what only tells of the folder
    it came from (`_name_or_path`) is left out.

    Raises:
        UserError: they make no network.
    """
    try:
        return network.from_config({k: v for k, v in values.items() if not k.startswith("_")})
    except ERRORS as error:
        raise fault(
            part,
            place / "config.json",
            f"no {network.__name__} can be built from it ({error}); get the model anew",
        ) from None


def weights_of(part: Part, place: Path, network: type) -> Weights:
    """The folder's weights, by the names that the network has for them, on the CPU.

    Raises:
        UserError: they cannot be read, are not all there, or are not finite.
    """
    try:
        model, told = network.from_pretrained(
            place, use_safetensors=True, low_cpu_mem_usage=False, output_loading_info=True
        )
    except ERRORS as error:
        line = " ".join(str(error).split())[:300]
        raise fault(
            part,
            place / WEIGHTS,
            f"cannot be read as the weights of a {network.__name__} ({line}); get the model anew "
            "(a file of a few hundred bytes is a pointer: git lfs pull)",
        ) from None
    if missing := sorted(told["missing_keys"]):
        raise fault(
            part,
            place / WEIGHTS,
            f"lacks {len(missing)} of the network's weights, such as {missing[0]}; get the model "
            "anew",
        )
    weights = model.state_dict()
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise fault(part, place / WEIGHTS, f"{name} is not finite; get the model anew")
    return weights


def recolour(
    weights: Weights,
    ends: tuple[str, str],
    before: int,
    after: int,
    adapted: list[str],
) -> None:
    """Make the first and the last convolution (their names: `ends`) those for images of `after`
    channels in place of `before`, a third or three times as many."""
    if before == after:
        return
    first, last = ends
    # A third of the channels are those of one colour, also where patches of pixels are channels.
    colours = (1, 3) if before < after else (3, 1)
    taken = _averaged(weights[f"{first}.weight"], 1, *colours)
    weights[f"{first}.weight"] = taken * (colours[0] / colours[1])
    for name in (f"{last}.weight", f"{last}.bias"):
        weights[name] = _averaged(weights[name], 0, *colours)
    adapted.append(
        f"it was made for {COLOURS[colours[0]]} images; its first and last convolution were made "
        f"ones for {COLOURS[colours[1]]} images"
    )


def _averaged(tensor: torch.Tensor, dim: int, before: int, after: int) -> torch.Tensor:
    """The mean over `before` colours in place of each of `after`; `dim` counts colour by colour."""
    mean = tensor.unflatten(dim, (before, -1)).mean(dim, keepdim=True)
    return mean.repeat_interleave(after, dim).flatten(dim, dim + 1)


def filled(
    part: Part,
    model: nn.Module,
    weights: Weights,
    start: "config.Start",
    adapted: list[str],
) -> GivenWeights:
    """Put the weights into the model, and say what has been `adapted`."""
    model.load_state_dict(weights)
    for sentence in adapted:
        once(f"{part}.start: {sentence}")
    return given_weights(start, part, adapted)
