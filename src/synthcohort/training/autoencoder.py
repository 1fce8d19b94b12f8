"""The autoencoder stage: train, measure on validation patients, fit the latent's scale."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from synthcohort.cohort import Cohort, blocks, open_cohort
from synthcohort.config import Autoencoder
from synthcohort.files import atomic_directory, write_json
from synthcohort.hardware import Hardware
from synthcohort.models import build_autoencoder, load_autoencoder, parameters
from synthcohort.models.layers import LAYERS, layers
from synthcohort.models.pixels import to_model
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.loop import Batch, Values, train, validation_rows
from synthcohort.training.losses import build_discriminator, hinge, ssim
from synthcohort.training.ranks import Part, joined
from synthcohort.training.state import State, adamw

RECONSTRUCTION = {"l1": F.l1_loss, "mse": F.mse_loss}


class _Reconstruction(nn.Module):
    """Images to their latents' distribution and to what comes back from a latent drawn of it, in
    one pass as DistributedDataParallel wants it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor, part: Part, generator: torch.Generator):
        latent = self.model.encode(images).latent_dist
        mean = latent.mean
        noise = torch.randn(
            part.of, *mean.shape[1:], generator=generator, device=mean.device, dtype=mean.dtype
        )
        made = self.model.decode(mean + latent.std * noise[part.rows]).sample
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
    none` the model is the identity, and nothing is trained.

    Raises:
        UserError: the loss stopped being finite, or the disk is full at a checkpoint; what else
            `train` raises.
    """
    device, autocast = hardware.open(), hardware.autocast()
    data = open_cohort(cohort, split)
    _, channels, height, width = data.images.shape
    if settings.network == "none":
        model = build_autoencoder(settings, channels, (height, width))
        with joined(device) as ranks:
            if ranks.first:
                _leave_pixels(model, out, history, journal)
        return
    torch.manual_seed(derive(seed, "autoencoder", "weights"))
    model = build_autoencoder(settings, channels, (height, width)).to(device)
    state = State({"autoencoder": model}, {"autoencoder": adamw(model, settings)})
    judge = None
    if settings.adversarial_weight:
        judge = build_discriminator(channels).to(device)
        state.modules["discriminator"] = judge
        state.optimizers["discriminator"] = adamw(judge, settings)
    hardware.prepare(model.encoder, model.decoder)
    kind, error = settings.reconstruction, RECONSTRUCTION[settings.reconstruction]
    held_out = to_model(data.images[validation_rows(data)])

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
    kept = Checkpoints(checkpoints, "autoencoder", settings, seed, inputs)
    with joined(device) as ranks:
        reconstruct = ranks.wrap(_Reconstruction(model))
        judgement = None if judge is None else ranks.wrap(_Judgement(judge))

        def objective(
            batch: Batch, part: Part, generator: torch.Generator
        ) -> tuple[Values, Values]:
            (images,) = batch
            with autocast:
                latent, made = reconstruct(images, part, generator)
            divergence = 0.5 * (
                latent.mean.float() ** 2 + latent.var.float() - 1 - latent.logvar.float()
            )
            divergence = divergence.mean()
            reconstruction = error(made, images)
            structure = 1 - ssim(made, images)
            loss = reconstruction + settings.structure_weight * structure
            loss = loss + settings.kl_weight * divergence
            losses = {"autoencoder": loss}
            values = {kind: reconstruction, "one_minus_ssim": structure, "kl": divergence}
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
            objective=objective,
            validate=validate,
            checkpoints=kept,
            journal=journal,
        )
    if not ranks.first:
        return
    model.eval().requires_grad_(False)
    shift, scale = _fit_scale(model, data, device)
    model.register_to_config(scaling_factor=scale, shift_factor=shift)
    with atomic_directory(out) as folder:
        model.save_pretrained(folder)
        # Loaded anew: `model` may be compiled.
        fresh, blank = load_autoencoder(folder), torch.zeros_like(held_out[:1]).repeat(2, 1, 1, 1)
        table = layers(fresh, lambda: fresh.decode(fresh.encode(blank).latent_dist.mode()))
        (folder / LAYERS).write_text(table, encoding="utf-8")
    write_json(history, state.history)
    journal.figure(out / LAYERS)
    journal.result(**parameters(model), latent_scale=scale, latent_shift=shift)
    kept.finish()


def _leave_pixels(model: nn.Module, out: Path, history: Path, journal: Journal) -> None:
    """The files of this stage where the diffusion model works on pixels."""
    with atomic_directory(out) as folder:
        model.save_pretrained(folder)
    write_json(history, [])
    journal.result(parameters=0)


def _fit_scale(model: nn.Module, data: Cohort, device: torch.device) -> tuple[float, float]:
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
