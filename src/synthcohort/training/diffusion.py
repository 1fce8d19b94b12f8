"""The diffusion stage: train the class-conditional latent DDPM, keep its average weights."""

import copy
from pathlib import Path

import numpy as np
import torch

from synthcohort.cohort import open_cohort
from synthcohort.config import Diffusion
from synthcohort.device import Hardware
from synthcohort.diffusion.objective import draw_timesteps, loss, withhold_labels
from synthcohort.diffusion.schedule import build_schedule
from synthcohort.files import atomic_directory, digest, read_json, sha256, write_json
from synthcohort.models import build_denoiser
from synthcohort.models.pixels import normalise
from synthcohort.seeds import derive, torch_generator
from synthcohort.tracking.journal import Journal
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.figure import draw_history
from synthcohort.training.loop import Values, train
from synthcohort.training.state import State, adamw, descend, update_average

VALIDATION_IMAGES = 256
# The average forgets the random start: its half-life grows with progress up to the asked one
# (Karras 2024, "EDM2", rampup ratio).
EMA_RAMP = 0.05


def train_diffusion(
    settings: Diffusion,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    latents: Path,
    autoencoder: Path,
    out: Path,
    curve: Path,
    checkpoints: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Train on the train split's latents and write `out`: unet/, scheduler/ (both as diffusers
    saves them, the weights are the moving average) and labels.json.

    Raises:
        UserError: the loss stopped being finite, or the disk is full at a checkpoint.
    """
    device, autocast = hardware.open(), hardware.autocast()
    data = open_cohort(cohort, split)
    mean = np.load(latents / "mean.npy", mmap_mode="r")
    std = np.load(latents / "std.npy", mmap_mode="r")
    scale = read_json(autoencoder / "config.json")
    names, classes = data.label_names, torch.from_numpy(data.classes)
    torch.manual_seed(derive(seed, "diffusion", "weights"))
    model = build_denoiser(settings, mean.shape[1:], len(names)).to(device)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    state = State(
        {"unet": model, "average": average},
        {"unet": adamw(model, settings)},
    )
    hardware.prepare(model, average)
    schedule = build_schedule(settings)
    schedule.alphas_cumprod = schedule.alphas_cumprod.to(device)

    def step(batch: tuple[torch.Tensor, ...], generator: torch.Generator) -> Values:
        centre, spread, labels = batch
        noise = torch.randn(2, *centre.shape, generator=generator, device=device)
        clean = normalise(centre + spread * noise[0], scale)
        labels = withhold_labels(labels, settings.label_dropout, len(names), generator)
        t = draw_timesteps(len(labels), settings.steps, generator)
        with autocast:
            value = loss(model, schedule, clean, labels, t, noise[1])
        descend(model, state.optimizers["unet"], value, settings.gradient_clip)
        half_life = min(settings.ema_images, EMA_RAMP * state.images)
        update_average(average, model, half_life, settings.batch)
        return {"loss": value}

    held_out = data.of("val") if len(data.of("val")) else data.of("train")
    held_out = held_out[:VALIDATION_IMAGES]

    @torch.no_grad()
    def validate() -> dict[str, float]:
        fixed = torch_generator(seed, "diffusion", "validation")
        clean = normalise(torch.from_numpy(mean[held_out]), scale).to(device)
        noise = torch.randn(clean.shape, generator=fixed).to(device)
        t = draw_timesteps(len(clean), settings.steps, fixed).to(device)
        with autocast:
            value = loss(average, schedule, clean, classes[held_out].to(device), t, noise)
        return {"validation_loss": float(value)}

    inputs = [sha256(path) for path in (split, latents / "mean.npy", latents / "std.npy")]
    train(
        state,
        settings,
        what="diffusion",
        seed=derive(seed, "diffusion", "training"),
        device=device,
        rows=data.of("train"),
        load=lambda rows: (
            torch.from_numpy(mean[rows]),
            torch.from_numpy(std[rows]),
            classes[torch.from_numpy(rows)],
        ),
        step=step,
        validate=validate,
        checkpoints=Checkpoints(
            checkpoints,
            "diffusion",
            digest([settings.model_dump(mode="json"), seed, inputs]),
        ),
        journal=journal,
    )
    with atomic_directory(out) as folder:
        average.save_pretrained(folder / "unet")
        build_schedule(settings).save_pretrained(folder / "scheduler")
        write_json(folder / "labels.json", {"names": names})
    curves = {"loss": "training", "validation_loss": "validation (average weights)"}
    draw_history(state.history, curves, f"Diffusion, {settings.prediction}", curve)
    journal.figure(curve)
    journal.result(parameters=sum(p.numel() for p in model.parameters()))
