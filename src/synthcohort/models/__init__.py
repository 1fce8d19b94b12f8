"""The networks: the only seam to the network library (diffusers).

An autoencoder has `encode(x).latent_dist` and `decode(z).sample`, and both kinds of network
`save_pretrained`; that is diffusers' own convention, kept by the networks of ours as well. How a
denoiser is told of label and attributes differs between diffusers' U-Nets: `models.condition` calls
each as it wants to be called.
"""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from synthcohort import config

SEEN = "seen.json"
"""In the folder of a trained U-Net: how many images it has seen."""


def build_autoencoder(
    settings: "config.Autoencoder", image_channels: int, size: tuple[int, int]
) -> "nn.Module":
    """A fresh autoencoder for images of `image_channels`×H×W; with `start`, built as that folder
    says, to be filled by `start_autoencoder.take_autoencoder`.

    Its weights come from torch's global generator; seed it first.

    Raises:
        UserError: the image size is no multiple of the reduction (`kl`) or the patch (`none`); the
            folder of `start` has no network that fits.
    """
    if settings.start is not None:
        from synthcohort.models.start_autoencoder import autoencoder_like

        return _recomputing(autoencoder_like(settings, image_channels, size), settings)
    if settings.network == "none":
        from synthcohort.models.identity import IdentityAutoencoder

        if any(side % settings.patch for side in size):
            raise UserError(
                f"prepare.size is {size[0]}×{size[1]}, but autoencoder.patch needs multiples of "
                f"{settings.patch}; change one of the two"
            )
        return IdentityAutoencoder(in_channels=image_channels, patch=settings.patch)
    if settings.network == "strided":
        from synthcohort.models.strided import StridedAutoencoder

        return StridedAutoencoder(
            in_channels=image_channels,
            block_out_channels=list(settings.channels),
            latent_channels=settings.latent_channels,
            image_size=list(size),
        )
    levels = len(settings.channels)
    reduction = _reduction(strided=False, levels=levels)
    if any(side % reduction for side in size):
        raise UserError(
            f"prepare.size is {size[0]}×{size[1]}, but an autoencoder with {levels} levels "
            f"(autoencoder.channels) needs multiples of {reduction}; change one of the two"
        )
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    model = AutoencoderKL(
        in_channels=image_channels,
        out_channels=image_channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.channels,
        layers_per_block=2,
        latent_channels=settings.latent_channels,
        norm_num_groups=math.gcd(32, *settings.channels),
        sample_size=size[0],
    )
    return _recomputing(model, settings)


def build_denoiser(
    settings: "config.Diffusion",
    latent_shape: tuple[int, int, int],
    labels: int,
    attributes: int = 0,
) -> "nn.Module":
    """A fresh U-Net for latents of C×H×W, to be called through `models.condition.predict`.

    It is a UNet2DModel with an embedding of the class (class `labels` is "withheld"), or, with
    attributes or cross-attention, a UNet2DConditionModel that takes the whole condition. With
    `start` it is built as that folder says, to be filled by `start_denoiser.take_denoiser`.

    Raises:
        UserError: the latent is too small for the number of levels; the folder of `start` has no
            network that fits.
    """
    if settings.start is not None:
        from synthcohort.models.start_denoiser import denoiser_like

        return _recomputing(denoiser_like(settings, latent_shape, labels, attributes), settings)
    channels, height, width = latent_shape
    reduction = 2 ** (len(settings.channels) - 1)
    if height % reduction or width % reduction:
        raise UserError(
            f"diffusion.channels has {len(settings.channels)} levels, which need latents in "
            f"multiples of {reduction}, but those here are {height}×{width}; "
            "take fewer levels or larger images"
        )
    kind = "CrossAttn" if settings.cross_attention else "Attn"
    common = {
        "sample_size": (height, width),
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": settings.channels,
        "layers_per_block": settings.blocks,
        "down_block_types": tuple(
            f"{kind}DownBlock2D" if attention else "DownBlock2D" for attention in settings.attention
        ),
        "up_block_types": tuple(
            f"{kind}UpBlock2D" if attention else "UpBlock2D"
            for attention in settings.attention[::-1]
        ),
        "norm_num_groups": math.gcd(32, *settings.channels),
    }
    width_of_head = math.gcd(32, *settings.channels)
    if not attributes and not settings.cross_attention:
        from diffusers.models.unets.unet_2d import UNet2DModel

        model = UNet2DModel(**common, attention_head_dim=width_of_head, num_class_embeds=labels + 1)
        return _recomputing(model, settings)
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    told = 1 + labels + attributes
    if settings.cross_attention:
        model = UNet2DConditionModel(
            **common,
            mid_block_type="UNetMidBlock2DCrossAttn",
            # With cross-attention, diffusers takes this for the number of heads of each level.
            attention_head_dim=tuple(width // width_of_head for width in settings.channels),
            cross_attention_dim=settings.channels[-1],
            encoder_hid_dim=told,
            encoder_hid_dim_type="text_proj",
        )
        return _recomputing(model, settings)
    model = UNet2DConditionModel(
        **common,
        mid_block_type="UNetMidBlock2D",
        attention_head_dim=width_of_head,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=told,
    )
    return _recomputing(model, settings)


def _recomputing(
    model: "nn.Module", settings: "config.Autoencoder | config.Diffusion"
) -> "nn.Module":
    if settings.recompute:
        model.enable_gradient_checkpointing()
    return model


def load_autoencoder(path: Path) -> "nn.Module":
    """The trained autoencoder in a folder, in eval mode on the CPU."""
    name = _class_name(path)
    if name == "StridedAutoencoder":
        from synthcohort.models.strided import StridedAutoencoder as Autoencoder
    elif name == "IdentityAutoencoder":
        from synthcohort.models.identity import IdentityAutoencoder

        # There are no weights, so diffusers has saved the configuration alone.
        return IdentityAutoencoder.from_config(IdentityAutoencoder.load_config(path)).eval()
    else:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL as Autoencoder
    return Autoencoder.from_pretrained(path, low_cpu_mem_usage=False).eval()


def reduction_of(autoencoder: "nn.Module") -> int:
    """How many pixels a side become one place of the latent."""
    if patch := autoencoder.config.get("patch"):
        return patch
    strided = type(autoencoder).__name__ == "StridedAutoencoder"
    return _reduction(strided, len(autoencoder.config["block_out_channels"]))


def _reduction(strided: bool, levels: int) -> int:
    return 2 ** (levels + 1) if strided else 2 ** (levels - 1)


def works_on_pixels(autoencoder: Path) -> bool:
    """Whether the autoencoder in a folder is none: its latents are the pixels."""
    return _class_name(autoencoder) == "IdentityAutoencoder"


def load_denoiser(path: Path) -> "nn.Module":
    """The trained U-Net in a stage's folder (`diffusion/`), in eval mode on the CPU."""
    unet = Path(path) / "unet"
    if _class_name(unet) == "UNet2DModel":
        from diffusers.models.unets.unet_2d import UNet2DModel as UNet
    else:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel as UNet
    return UNet.from_pretrained(unet, low_cpu_mem_usage=False).eval()


def folder_of_early(path: Path, images: int) -> Path:
    """Where in a stage's folder (`diffusion/`) the U-Net is, for `load_denoiser`, as it was after
    so many images seen."""
    return Path(path) / "early" / str(images)


def load_guide(path: Path) -> "nn.Module":
    """The U-Net of the first early moment kept in a stage's folder (`diffusion/`) or a model's,
    what guidance leads away from; in eval mode on the CPU.

    Raises:
        UserError: none was kept.
    """
    return load_denoiser(folder_of_guide(path))


def folder_of_guide(path: Path) -> Path:
    """Where that is.

    Raises:
        UserError: none was kept.
    """
    if early := _early(Path(path)):
        return early[min(early)]
    raise UserError(
        f"{path}: holds no denoiser of an early moment (early/), which `sampling.guide: early` "
        "needs: train the diffusion model again, or take `guide: withheld`"
    )


def moments(path: Path) -> dict[int, Path]:
    """The U-Nets in a stage's folder (`diffusion/`), for `load_denoiser`, by the images that they
    have seen, in that order: those of early moments and, last, the trained one.

    A training of one step has the trained one alone, which is its early moment, too; so has a
    folder of a version that kept none, with 0 for images not known.
    """
    path = Path(path)
    seen = path / SEEN
    images = json.loads(seen.read_text(encoding="utf-8"))["images"] if seen.exists() else 0
    return dict(sorted(_early(path).items())) | {images: path}


def _early(path: Path) -> dict[int, Path]:
    # Other programs leave folders of their own, such as .ipynb_checkpoints.
    folders = (folder for folder in path.glob("early/*/") if folder.name.isdecimal())
    return {int(folder.name): folder for folder in folders}


def parameters(model: "nn.Module") -> dict[str, int]:
    """The number of weights, in all ("parameters") and of each part of the model that has any
    ("parameters/encoder", "parameters/down_blocks", …)."""
    parts = {
        f"parameters/{name}": sum(p.numel() for p in part.parameters())
        for name, part in model.named_children()
    }
    whole = {"parameters": sum(p.numel() for p in model.parameters())}
    return whole | {name: count for name, count in parts.items() if count}


def _class_name(folder: Path) -> str:
    return json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))["_class_name"]
