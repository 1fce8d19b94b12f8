"""The autoencoder stage: train, measure on validation patients, fit the latent's scale."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from synthcohort.cohort import Cohort, open_cohort
from synthcohort.config import Autoencoder
from synthcohort.files import atomic_directory, write_json
from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import Fitting, block_of, mean_of
from synthcohort.models import build_autoencoder, load_autoencoder, parameters
from synthcohort.models.layers import LAYERS, layers
from synthcohort.models.pixels import to_model
from synthcohort.models.start_autoencoder import take_autoencoder
from synthcohort.models.start_folder import files, leave_terms, record
from synthcohort.models.start_origin import require_unseen
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.loop import Batch, Values, train, validation_rows
from synthcohort.training.losses import (
    RECONSTRUCTION,
    autoencoder_loss,
    build_discriminator,
    hinge,
    ssim,
)
from synthcohort.training.ranks import joined
from synthcohort.training.state import State, adamw, build_optimizer


class _Reconstruction(nn.Module):
    """Images to their latents' distribution and to what comes back from a latent drawn of it, in
    one pass as DistributedDataParallel wants it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor, noise: torch.Tensor):
        latent = self.model.encode(images).latent_dist
        mean = latent.mean
        made = self.model.decode(mean + latent.std * noise.to(mean.dtype)).sample
        return latent, made.float()


class _Judgement(nn.Module):
    """The discriminator's loss on real and made images."""

    def __init__(self, judge: nn.Module) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        return hinge(self.judge(real).float(), self.judge(made).float())


def train_autoencoder(
    settings: Autoencoder,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    out: Path,
    history: Path,
    checkpoints: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Train on the train split and write a model folder that diffusers' own classes load; in it
    `layers.txt`, the model layer by layer.

    Beside it the `history` (JSON, a list): the images seen and the losses at every status. The
    folder's config.json holds scaling_factor and shift_factor, fitted on train. With `network:
    none` the model is the identity, and nothing is trained; nor are frozen weights, of which the
    history is empty. What weights it started from is in `start.json`.

    Raises:
        UserError: the loss stopped being finite, or the disk is full at a checkpoint; the weights
            it starts from have seen held-out images; what else `train` raises.
    """
    # float16 is fine: the loop scales the losses.
    device, autocast = hardware.open(), hardware.autocast(half=True)
    data = open_cohort(cohort, split)
    _, channels, height, width = data.images.shape
    if settings.network == "none":
        model = build_autoencoder(settings, channels, (height, width))
        with joined(device) as ranks:
            if ranks.first:
                _leave_pixels(model, out, history, journal)
        return
    require_unseen(settings.start, "autoencoder", data)
    torch.manual_seed(derive(seed, "autoencoder", "weights"))
    model = build_autoencoder(settings, channels, (height, width)).to(device)
    given = take_autoencoder(model, settings.start)
    state = State({"autoencoder": model}, {"autoencoder": build_optimizer(model, settings)})
    judge = None
    if settings.adversarial_weight:
        judge = build_discriminator(channels).to(device)
        state.modules["discriminator"] = judge
        state.optimizers["discriminator"] = adamw(judge, settings)
    held_out = to_model(data.images[validation_rows(data)])
    two = torch.zeros(2, channels, height, width, device=device)
    with torch.no_grad():
        latent_shape = model.encode(two).latent_dist.mean.shape[1:]
    hardware.prepare(model.encoder, model.decoder)
    kind, error = settings.reconstruction, RECONSTRUCTION[settings.reconstruction]
    seen = block_of(height, width, hardware.micro_batch)
    fitting = Fitting(seen, "validation of the autoencoder")

    @torch.no_grad()
    def validated(place: slice) -> np.ndarray:
        images = held_out[place].to(device)
        with autocast:
            made = model.decode(model.encode(images).latent_dist.mode()).sample.float()
        return np.array([float(error(made, images)), float(1 - ssim(made, images))])

    def validate() -> dict[str, float]:
        # Not compiled for so few images.
        with torch.compiler.set_stance("force_eager"):
            means = mean_of(fitting.blocks(len(held_out), validated), len(held_out))
        return dict(zip((f"validation_{kind}", "validation_one_minus_ssim"), means, strict=True))

    # The manifest holds the sha256 of every image.
    inputs = (cohort / "manifest.csv", split, *files(settings.start, "autoencoder"))
    kept = Checkpoints(checkpoints, "autoencoder", settings, seed, inputs)
    with joined(device) as ranks:
        reconstruct = ranks.wrap(_Reconstruction(model))
        judgement = None if judge is None else ranks.wrap(_Judgement(judge))

        def objective(batch: Batch) -> tuple[Values, Values]:
            images, noise = batch
            with autocast:
                latent, made = reconstruct(images, noise)
            loss, values = autoencoder_loss(settings, latent, made, images)
            losses = {"autoencoder": loss}
            if judge is not None and state.images >= settings.adversarial_start * settings.images:
                judge.requires_grad_(False)  # here it is asked, below it is taught
                with autocast:
                    score = judge(made).float()
                judge.requires_grad_(True)
                losses["autoencoder"] = loss = loss - settings.adversarial_weight * score.mean()
                with autocast:
                    judged = judgement(images, made.detach())
                losses["discriminator"] = values["discriminator"] = judged
            return losses, values | {"loss": loss}

        train(
            state,
            settings,
            what="autoencoder",
            seed=derive(seed, "autoencoder", "training"),
            hardware=hardware,
            device=device,
            ranks=ranks,
            rows=data.of("train"),
            load=lambda rows: (to_model(data.images[rows]),),
            draw=lambda generator: (
                torch.randn(settings.batch, *latent_shape, generator=generator),
            ),
            objective=objective,
            forward=lambda: model.decode(model.encode(two).latent_dist.mode()),
            validate=validate,
            checkpoints=kept,
            journal=journal,
        )
    if not ranks.first:
        return
    model.eval().requires_grad_(False)
    shift, scale = _fit_scale(model, data, device, seen)
    model.register_to_config(scaling_factor=scale, shift_factor=shift)
    with atomic_directory(out) as folder:
        model.save_pretrained(folder)
        told = record(folder, given)
        leave_terms(folder, cohort)
        # Loaded anew: `model` may be compiled.
        fresh, blank = load_autoencoder(folder), torch.zeros_like(held_out[:1]).repeat(2, 1, 1, 1)
        table = layers(fresh, lambda: fresh.decode(fresh.encode(blank).latent_dist.mode()))
        (folder / LAYERS).write_text(table, encoding="utf-8")
    write_json(history, state.history)
    journal.figure(out / LAYERS)
    journal.result(**parameters(model), **told, latent_scale=scale, latent_shift=shift)
    kept.finish()


def _leave_pixels(model: nn.Module, out: Path, history: Path, journal: Journal) -> None:
    """The files of this stage where the diffusion model works on pixels."""
    with atomic_directory(out) as folder:
        model.save_pretrained(folder)
    write_json(history, [])
    journal.result(parameters=0)


def _fit_scale(
    model: nn.Module, data: Cohort, device: torch.device, images: int
) -> tuple[float, float]:
    """Mean and inverse standard deviation of the latents over train, their own spread included,
    with so many images at once."""
    count, total, squares = 0, 0.0, 0.0
    rows = data.of("train")

    def moments(place: slice) -> tuple[int, float, float]:
        latent = model.encode(to_model(data.images[rows[place]]).to(device)).latent_dist
        mean, variance = latent.mean.double(), latent.var.double()
        return mean.numel(), float(mean.sum()), float((mean.square() + variance).sum())

    # Not compiled: without gradients and in float32 it would be another network to the compiler.
    with torch.compiler.set_stance("force_eager"):
        for _, found in Fitting(images, "scale of the latents").blocks(len(rows), moments):
            count, total, squares = count + found[0], total + found[1], squares + found[2]
    mean = total / count
    return mean, (squares / count - mean**2) ** -0.5
