"""The autoencoder stage: train, measure on validation patients, fit the latent's scale."""

from pathlib import Path

import torch
from torch.nn import functional as F

from synthcohort.cohort import Cohort, blocks, open_cohort
from synthcohort.config import Autoencoder
from synthcohort.device import Hardware
from synthcohort.files import atomic_directory
from synthcohort.models import build_autoencoder, parameters
from synthcohort.models.pixels import to_model
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.figure import draw_history
from synthcohort.training.loop import Values, train, validation_rows
from synthcohort.training.losses import build_discriminator, hinge, ssim
from synthcohort.training.state import State, adamw, descend

RECONSTRUCTION = {"l1": F.l1_loss, "mse": F.mse_loss}


def train_autoencoder(
    settings: Autoencoder,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    out: Path,
    curve: Path,
    checkpoints: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Train on the train split and write a model folder that diffusers' own classes load.

    The folder's config.json holds scaling_factor and shift_factor, fitted on train. With `network:
    none` the model is the identity, and nothing is trained.

    Raises:
        UserError: the loss stopped being finite, or the disk is full at a checkpoint.
    """
    device, autocast = hardware.open(), hardware.autocast()
    data = open_cohort(cohort, split)
    _, channels, height, width = data.images.shape
    if settings.network == "none":
        _leave_pixels(build_autoencoder(settings, channels, (height, width)), out, curve, journal)
        return
    torch.manual_seed(derive(seed, "autoencoder", "weights"))
    model = build_autoencoder(settings, channels, (height, width)).to(device)
    state = State({"autoencoder": model}, {"autoencoder": adamw(model, settings)})
    if settings.adversarial_weight:
        judge = build_discriminator(channels).to(device)
        state.modules["discriminator"] = judge
        state.optimizers["discriminator"] = adamw(judge, settings)
    hardware.prepare(model.encoder, model.decoder)
    kind, error = settings.reconstruction, RECONSTRUCTION[settings.reconstruction]
    held_out = to_model(data.images[validation_rows(data)])

    def step(batch: tuple[torch.Tensor, ...], generator: torch.Generator) -> Values:
        (images,) = batch
        with autocast:
            latent = model.encode(images).latent_dist
            made = model.decode(latent.sample(generator)).sample.float()
        divergence = 0.5 * (
            latent.mean.float() ** 2 + latent.var.float() - 1 - latent.logvar.float()
        )
        divergence = divergence.mean()
        reconstruction = error(made, images)
        structure = 1 - ssim(made, images)
        loss = reconstruction + settings.structure_weight * structure
        loss = loss + settings.kl_weight * divergence
        values = {kind: reconstruction, "one_minus_ssim": structure, "kl": divergence}
        judge = state.modules.get("discriminator")
        if state.images < settings.adversarial_start * settings.images:
            judge = None
        if judge is not None:
            with autocast:
                score = judge(made).float()
            loss = loss - settings.adversarial_weight * score.mean()
        descend(model, state.optimizers["autoencoder"], loss, settings.gradient_clip)
        if judge is not None:
            with autocast:
                judged = hinge(judge(images).float(), judge(made.detach()).float())
            descend(judge, state.optimizers["discriminator"], judged, settings.gradient_clip)
            values["discriminator"] = judged
        return values | {"loss": loss}

    @torch.no_grad()
    def validate() -> dict[str, float]:
        images = held_out.to(device)
        with autocast:
            made = model.decode(model.encode(images).latent_dist.mode()).sample.float()
        return {
            f"validation_{kind}": float(error(made, images)),
            "validation_one_minus_ssim": float(1 - ssim(made, images)),
        }

    # The manifest holds the sha256 of every image.
    inputs = (cohort / "manifest.csv", split)
    train(
        state,
        settings,
        what="autoencoder",
        seed=derive(seed, "autoencoder", "training"),
        device=device,
        rows=data.of("train"),
        load=lambda rows: (to_model(data.images[rows]),),
        step=step,
        validate=validate,
        checkpoints=Checkpoints(checkpoints, "autoencoder", settings, seed, inputs),
        journal=journal,
    )
    model.eval().requires_grad_(False)
    shift, scale = _fit_scale(model, data, device)
    model.register_to_config(scaling_factor=scale, shift_factor=shift)
    with atomic_directory(out) as folder:
        model.save_pretrained(folder)
    name = kind.upper()
    curves = {
        "loss": "training loss",
        kind: f"{name} (train)",
        f"validation_{kind}": f"{name} (validation)",
    }
    draw_history(state.history, curves, "Autoencoder", curve)
    journal.figure(curve)
    journal.result(**parameters(model), latent_scale=scale, latent_shift=shift)


def _leave_pixels(model: torch.nn.Module, out: Path, curve: Path, journal: Journal) -> None:
    """The files of this stage where the diffusion model works on pixels."""
    with atomic_directory(out) as folder:
        model.save_pretrained(folder)
    draw_history([], {}, "No autoencoder: the diffusion model works on pixels", curve)
    journal.figure(curve)
    journal.result(parameters=0)


def _fit_scale(model: torch.nn.Module, data: Cohort, device: torch.device) -> tuple[float, float]:
    """Mean and inverse standard deviation of the latents over train, their own spread included."""
    count, total, squares = 0, 0.0, 0.0
    for block in blocks(data.of("train")):
        latent = model.encode(to_model(data.images[block]).to(device)).latent_dist
        mean, variance = latent.mean.double(), latent.var.double()
        count += mean.numel()
        total += float(mean.sum())
        squares += float((mean.square() + variance).sum())
    mean = total / count
    return mean, (squares / count - mean**2) ** -0.5
