"""The diffusion stage: train the conditional DDPM, keep its average weights."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from synthcohort.cohort import Cohort, open_cohort
from synthcohort.config import Diffusion
from synthcohort.diffusion.objective import draw_timesteps, draw_withheld, loss, withhold
from synthcohort.diffusion.preview import shown_rows, snapshot
from synthcohort.diffusion.schedule import build_schedule
from synthcohort.files import atomic_directory, atomic_file, read_json, write_json
from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import Fitting, block_of, mean_of
from synthcohort.models import (
    SEEN,
    build_denoiser,
    folder_of_early,
    load_autoencoder,
    load_denoiser,
    parameters,
    works_on_pixels,
)
from synthcohort.models.condition import describe, predict
from synthcohort.models.layers import LAYERS, layers
from synthcohort.models.pixels import normalise
from synthcohort.models.start_denoiser import take_denoiser
from synthcohort.models.start_folder import files, leave_terms, record
from synthcohort.models.start_origin import require_unseen
from synthcohort.seeds import derive, torch_generator
from synthcohort.tracking.journal import Journal
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.loop import Batch, Values, train, validation_rows
from synthcohort.training.ranks import joined
from synthcohort.training.state import State, build_optimizer, update_average

# The average forgets the random start: its half-life grows with progress up to the asked one
# (Karras 2024, "EDM2", rampup ratio).
EMA_RAMP = 0.05
# Shares of the training after which the average weights are kept: what the evaluation compares the
# trained ones with, to see what the training went on to learn, and when it began to learn by heart.
EARLY = (1 / 8, 1 / 4, 1 / 2)


class _Error(nn.Module):
    """The denoiser's loss in one pass, as DistributedDataParallel wants it."""

    def __init__(self, model: nn.Module, schedule, kind: str) -> None:
        super().__init__()
        self.model, self.schedule, self.kind = model, schedule, kind

    def forward(
        self, clean: torch.Tensor, condition: torch.Tensor, t: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        return loss(self.model, self.schedule, clean, condition, t, noise, self.kind)


def train_diffusion(
    settings: Diffusion,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    latents: Path,
    autoencoder: Path,
    out: Path,
    history: Path,
    snapshots: Path,
    checkpoints: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Train on the train split's latents and write `out`: unet/, scheduler/ (both as diffusers
    saves them, the weights are the moving average), labels.json and attributes.json (names, and
    mean and standard deviation over train).

    In it also `layers.txt`, the U-Net layer by layer, `unet/start.json`, what weights it started
    from, where it did, `seen.json`, how many images it has seen, and
    in `early/` the average weights as they were at each of `EARLY`; beside it the `history` (JSON,
    a list: the images seen and the losses at every status) and `snapshots` (npz), samples at twenty
    moments of the training: images_seen (K int64) and samples (K×n×C×H×W uint8).

    Raises:
        UserError: the loss stopped being finite, or the disk is full at a checkpoint; the weights
            it starts from have seen held-out images; what else `train` raises.
    """
    # float16 is fine: the loop scales the losses.
    device, autocast = hardware.open(), hardware.autocast(half=True)
    data = open_cohort(cohort, split)
    mean = np.load(latents / "mean.npy", mmap_mode="r")
    std = np.load(latents / "std.npy", mmap_mode="r")
    scale = read_json(autoencoder / "config.json")
    names, standard = data.label_names, _standard(data)
    told = describe(data.classes, len(names), data.attributes, standard["mean"], standard["std"])
    require_unseen(settings.start, "diffusion", data)
    torch.manual_seed(derive(seed, "diffusion", "weights"))
    model = build_denoiser(settings, mean.shape[1:], len(names), len(standard["names"]))
    pixels = works_on_pixels(autoencoder)
    schedule = build_schedule(settings, pixels=pixels)
    given = take_denoiser(
        model,
        settings.start,
        labels=names,
        standard=standard,
        pixels=pixels,
        autoencoder=autoencoder,
        schedule=schedule,
    )
    model.to(device)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    state = State(
        {"unet": model, "average": average},
        {"unet": build_optimizer(model, settings)},
    )
    hardware.prepare(model)
    # Not compiled for the few images of the validations.
    average.to(memory_format=torch.channels_last)
    schedule.alphas_cumprod = schedule.alphas_cumprod.to(device)

    def move_average() -> None:
        half_life = min(settings.ema_images, EMA_RAMP * state.images)
        update_average(average, model, half_life, settings.batch)
        seen_now = state.images + settings.batch
        moments = [share * settings.images for share in EARLY]
        if ranks.first and any(state.images < moment <= seen_now for moment in moments):
            kept.keep_average(seen_now, average)

    held_out = validation_rows(data)
    sampled = told[shown_rows(held_out, seed)]
    decoder = load_autoencoder(autoencoder).to(device)
    inputs = (cohort / "manifest.csv", split, latents / "mean.npy", latents / "std.npy")
    inputs += (*files(settings.start, "diffusion"),)
    kept = Checkpoints(checkpoints, "diffusion", settings, seed, inputs)

    seen = block_of(*mean.shape[2:], hardware.micro_batch)
    fitting = Fitting(seen, "validation of the diffusion model")

    @torch.no_grad()
    def validate() -> dict[str, float]:
        fixed = torch_generator(seed, "diffusion", "validation")
        clean = normalise(torch.from_numpy(mean[held_out]), scale)
        noise = torch.randn(clean.shape, generator=fixed)
        t = draw_timesteps(len(clean), settings.steps, fixed)

        def validated(place: slice) -> np.ndarray:
            block = (whole[place].to(device) for whole in (clean, told[held_out], t, noise))
            with autocast:
                return np.array([float(loss(average, schedule, *block, settings.loss))])

        (value,) = mean_of(fitting.blocks(len(clean), validated), len(clean))
        kept.keep_snapshot(state.images, snapshot(schedule, average, sampled, decoder, seed))
        return {"validation_loss": value}

    with joined(device) as ranks:
        error = ranks.wrap(_Error(model, schedule, settings.loss))

        def draw(generator: torch.Generator) -> Batch:
            noise = torch.randn(2, settings.batch, *mean.shape[1:], generator=generator)
            withheld = draw_withheld(settings.batch, settings.label_dropout, generator)
            return *noise, withheld, draw_timesteps(settings.batch, settings.steps, generator)

        def objective(batch: Batch) -> tuple[Values, Values]:
            centre, spread, condition, latent_noise, noise, withheld, t = batch
            clean = normalise(centre + spread * latent_noise, scale)
            condition = withhold(condition, withheld)
            with autocast:
                value = error(clean, condition, t, noise)
            return {"unet": value}, {"loss": value}

        train(
            state,
            settings,
            what="diffusion",
            seed=derive(seed, "diffusion", "training"),
            hardware=hardware,
            device=device,
            ranks=ranks,
            rows=data.of("train"),
            load=lambda rows: (
                torch.from_numpy(mean[rows]),
                torch.from_numpy(std[rows]),
                told[torch.from_numpy(rows)],
            ),
            draw=draw,
            objective=objective,
            forward=lambda: predict(
                model,
                torch.zeros(2, *mean.shape[1:], device=device),
                torch.zeros(2, device=device),
                told[:1].repeat(2, 1).to(device),
            ),
            validate=validate,
            checkpoints=kept,
            journal=journal,
            after=move_average,
        )
    if not ranks.first:
        return
    with atomic_directory(out) as folder:
        average.save_pretrained(folder / "unet")
        begun = record(folder / "unet", given)
        leave_terms(folder / "unet", cohort)
        schedule.save_pretrained(folder / "scheduler")
        write_json(folder / "labels.json", {"names": names})
        write_json(folder / "attributes.json", standard)
        write_json(folder / SEEN, {"images": state.images})
        # Loaded anew: `average` may be compiled.
        denoiser = load_denoiser(folder)
        blank = torch.zeros(2, *mean.shape[1:])
        table = layers(
            denoiser, lambda: predict(denoiser, blank, torch.zeros(2), told[:1].repeat(2, 1))
        )
        (folder / LAYERS).write_text(table, encoding="utf-8")
        for images, weights in kept.averages().items():
            denoiser.load_state_dict(weights)
            early = folder_of_early(folder, images) / "unet"
            denoiser.save_pretrained(early)
            record(early, given)
            leave_terms(early, cohort)
    write_json(history, state.history)
    taken = kept.snapshots()
    with atomic_file(snapshots) as temporary:
        np.savez(
            temporary,
            images_seen=np.array(list(taken), np.int64),
            samples=np.array(list(taken.values()), np.uint8),
        )
    journal.figure(out / LAYERS)
    journal.result(**parameters(model), **begun)
    kept.finish()


def _standard(data: Cohort) -> dict[str, list]:
    """Name, mean and standard deviation of every attribute over train."""
    values = data.attributes[data.of("train")].astype(np.float64)
    return {
        "names": data.attribute_names,
        "mean": values.mean(0).tolist(),
        # One that is the same on all train images tells nothing, and is only centred.
        "std": np.where(np.ptp(values, axis=0) > 0, values.std(0), 1).tolist(),
    }
