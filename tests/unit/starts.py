"""Small models as diffusers saves them, to start from."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel, UNet2DModel

from synthcohort.config import Autoencoder, Diffusion
from synthcohort.models import build_autoencoder, build_denoiser
from synthcohort.models.start_autoencoder import take_autoencoder
from synthcohort.models.start_denoiser import take_denoiser
from synthcohort.models.strided import StridedAutoencoder


def autoencoder_kl(folder: Path, channels: int = 3, **changes) -> AutoencoderKL:
    """One of two levels with two latent channels, in a folder as a pipeline has it."""
    torch.manual_seed(1)
    model = AutoencoderKL(
        in_channels=channels,
        **{"out_channels": channels} | changes,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        latent_channels=2,
        norm_num_groups=4,
    ).eval()
    model.save_pretrained(folder / "vae")
    return model


def strided(folder: Path, channels: int = 1) -> StridedAutoencoder:
    """Ours, in the folder of a run."""
    torch.manual_seed(1)
    model = StridedAutoencoder(channels, (8, 8), 2, image_size=[16, 16]).eval()
    model.save_pretrained(folder / "autoencoder")
    return model


def unet_of_a_run(folder: Path, labels=("A", "B"), attributes=(), **changes) -> torch.nn.Module:
    """One of ours for latents of 2×8×8, in the folder of a run."""
    torch.manual_seed(1)
    settings = diffusion(channels=(8, 16), blocks=1, **changes)
    model = build_denoiser(settings, (2, 8, 8), len(labels), len(attributes)).eval()
    model.save_pretrained(folder / "diffusion/unet")
    for name, said in (("labels", {"names": [*labels]}), ("attributes", standard(attributes))):
        (folder / f"diffusion/{name}.json").write_text(json.dumps(said))
    scheduler().save_pretrained(folder / "diffusion/scheduler")
    return model


def standard(attributes, mean=0.0, std=2.0) -> dict[str, list]:
    """Names, mean and std of attributes over train."""
    names = [*attributes]
    return {"names": names, "mean": [mean] * len(names), "std": [std] * len(names)}


def unet_of_others(folder: Path, **changes) -> UNet2DModel:
    """One without labels, for 2×8×8."""
    torch.manual_seed(1)
    values = {"in_channels": 2, "out_channels": 2, "layers_per_block": 1, "norm_num_groups": 4}
    values |= {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    values |= {"block_out_channels": (8, 8), "attention_head_dim": 4}
    model = UNet2DModel(**values | changes).eval()
    model.save_pretrained(folder / "unet")
    return model


def unet_that_reads(folder: Path, **changes) -> UNet2DConditionModel:
    """One that is told by a text, as the public ones are, for latents of 2×8×8."""
    torch.manual_seed(1)
    values = {"in_channels": 2, "out_channels": 2, "layers_per_block": 1, "norm_num_groups": 4}
    values |= {"down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D")}
    values |= {"up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "cross_attention_dim": 12}
    values |= {"block_out_channels": (8, 8), "attention_head_dim": 4}
    model = UNet2DConditionModel(**values | changes).eval()
    model.save_pretrained(folder / "unet")
    return model


def scheduler(prediction: str = "v_prediction") -> DDPMScheduler:
    """The noise schedule of `diffusion()`."""
    return DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2", prediction_type=prediction)


def autoencoder(folder: Path, **changes) -> Autoencoder:
    return Autoencoder(images=48, batch=16, start={"folder": folder, "licence": "MIT"}, **changes)


def diffusion(folder: Path | None = None, licence: str = "MIT", **changes) -> Diffusion:
    start = {"folder": folder, "licence": licence} if folder else None
    return Diffusion(images=48, batch=16, start=start, **changes)


def started(folder: Path, channels: int = 1, size=(16, 16), **changes) -> tuple:
    """An autoencoder that starts from a folder, and what is told of it."""
    settings = autoencoder(folder, **changes)
    model = build_autoencoder(settings, channels, size).eval()
    return model, take_autoencoder(model, settings.start)


def denoiser(
    folder,
    labels=("A", "B"),
    attributes=(),
    shape=(2, 8, 8),
    pixels=False,
    of=Path("none"),
    moments=(0.0, 2.0),
    **changes,
):
    """A U-Net that starts from a folder, for latents of the autoencoder `of` and attributes of this
    mean and std; and what is told of it."""
    settings = diffusion(folder, **changes)
    model = build_denoiser(settings, shape, len(labels), len(attributes)).eval()
    told = take_denoiser(
        model,
        settings.start,
        labels=[*labels],
        standard=standard(attributes, *moments),
        pixels=pixels,
        autoencoder=of,
        schedule=scheduler(settings.prediction),
    )
    return model, told
