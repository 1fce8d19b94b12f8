"""An autoencoder that starts from given weights, made to fit the cohort.

The first and last convolution of a model for RGB images become those of one for grey images that
does with them what the RGB model does with a grey image in RGB, and the other way round.
"""

from typing import TYPE_CHECKING

from torch import nn

from synthcohort.errors import UserError
from synthcohort.models.start_folder import GivenWeights, fault
from synthcohort.models.start_weights import (
    COLOURS,
    built,
    described,
    filled,
    recolour,
    weights_of,
)
from synthcohort.models.strided import StridedAutoencoder

if TYPE_CHECKING:
    from synthcohort import config


def autoencoder_like(
    settings: "config.Autoencoder", image_channels: int, size: tuple[int, int]
) -> nn.Module:
    """A network as the folder `autoencoder.start` says, with random weights, for images of
    `image_channels`×H×W.

    Raises:
        UserError: it cannot be made to fit them; or as `start_folder.find`.
    """
    place, network, values = described("autoencoder", settings.start)
    before = values["in_channels"]
    if values.get("out_channels", before) != before:
        raise fault("autoencoder", place, "gives back other channels than it takes; take another")
    if before != image_channels and {before, image_channels} != {*COLOURS}:
        raise fault(
            "autoencoder",
            place,
            f"takes images of {before} channels, but this cohort's have {image_channels} "
            "(prepare.colour); only 1 (grey) and 3 (RGB) are made of each other; take another",
        )
    if settings.recompute and not network._supports_gradient_checkpointing:
        raise UserError(f"autoencoder.recompute: {network.__name__} cannot; leave it out")
    values["in_channels"] = image_channels
    if network is StridedAutoencoder:
        return built("autoencoder", place, network, values | {"image_size": list(size)})
    reduction = 2 ** (len(values["block_out_channels"]) - 1)
    if any(side % reduction for side in size):
        raise fault(
            "autoencoder",
            place,
            f"needs images with sides in multiples of {reduction}, but prepare.size is "
            f"{size[0]}×{size[1]}; change it, or take another model",
        )
    values |= {"out_channels": image_channels, "sample_size": size[0]}
    return built("autoencoder", place, network, values)


def take_autoencoder(
    model: nn.Module, start: "config.AutoencoderStart | None"
) -> GivenWeights | None:
    """Fill a model of `autoencoder_like` with the weights of its folder; what is told of them.

    Raises:
        UserError: they cannot be read, or are not those of the network.
    """
    if start is None:
        return None
    place, network, values = described("autoencoder", start)
    weights, adapted = weights_of("autoencoder", place, network), []
    ends = ("encoder.conv_in", "decoder.conv_out")
    if network is StridedAutoencoder:
        ends = ("encoder.1", f"decoder.{len(model.decoder) - 2}")
    recolour(weights, ends, values["in_channels"], model.config["in_channels"], adapted)
    return filled("autoencoder", model, weights, start, adapted)
