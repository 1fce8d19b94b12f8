"""The diffusion model's figures: its training curve, real images on their way to noise, samples on
their way back, and samples of the same noise while the model learned.

Both networks run, on so few images that no GPU is needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthcohort.cohort import open_cohort
from synthcohort.diffusion.preview import decoded, denoised, shown_rows
from synthcohort.diffusion.sampling import load_schedule
from synthcohort.drawing import BLUE, ORANGE, save
from synthcohort.files import atomic_file, read_json
from synthcohort.hardware import Hardware
from synthcohort.models import load_autoencoder, load_denoiser
from synthcohort.models.condition import describe
from synthcohort.models.pixels import normalise
from synthcohort.seeds import torch_generator
from synthcohort.tracking.journal import Journal
from synthcohort.training.curves import draw_history
from synthcohort.training.loop import validation_rows

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from torch import nn

# Of T = 1000; other T are gone through in the same shares.
TIMESTEPS = (25, 50, 100, 250, 500, 999)
NOISED = 4
IN_HISTOGRAM = 64
STEPS = 50
IN_STRIP = 10
IN_ANIMATION = 26
# Small images are enlarged to about this height.
ANIMATION_HEIGHT = 128


@torch.no_grad()
def draw_diffusion(
    *,
    seed: int,
    cohort: Path,
    split: Path,
    latents: Path,
    autoencoder: Path,
    diffusion: Path,
    history: Path,
    snapshots: Path,
    figures: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Draw a training's `history` and `snapshots` and the trained models' two processes into the
    folder `figures`."""
    device = hardware.open()
    data = open_cohort(cohort, split)
    chosen = shown_rows(validation_rows(data), seed)
    names = read_json(diffusion / "labels.json")["names"]
    standard = read_json(diffusion / "attributes.json")
    told = describe(
        data.classes[chosen],
        len(names),
        data.attributes[chosen],
        standard["mean"],
        standard["std"],
    )
    mean = np.load(latents / "mean.npy", mmap_mode="r")
    schedule = load_schedule(diffusion)
    decoder, denoiser = (
        load_autoencoder(autoencoder).to(device),
        load_denoiser(diffusion).to(device),
    )
    curve, noising, strip, animation, course = (
        figures / name
        for name in (
            "diffusion-training.png",
            "noising.png",
            "denoising.png",
            "denoising.gif",
            "snapshots.png",
        )
    )
    curves = {"loss": "training", "validation_loss": "validation (average weights)"}
    title = f"Diffusion, {schedule.config.prediction_type}"
    draw_history(read_json(history), curves, title, curve)
    _draw_noising(schedule, torch.from_numpy(mean[chosen]), decoder, seed, noising)
    _draw_denoising(schedule, denoiser, told, decoder, seed, strip, animation)
    with np.load(snapshots, allow_pickle=False) as taken:
        _draw_snapshots(taken["images_seen"], taken["samples"], course)
    for figure in (curve, noising, strip, animation, course):
        journal.figure(figure)


def _draw_noising(
    schedule: "DDPMScheduler", latents: torch.Tensor, decoder: "nn.Module", seed: int, out: Path
) -> None:
    """Draw `latents` (N×C×H×W, not normalised) noised to rising levels and decoded, the values at
    the last step against N(0, 1), and β_t, α_t = 1 − β_t and ᾱ_t."""
    from matplotlib.figure import Figure

    last = schedule.config.num_train_timesteps - 1
    times = [round(t / 999 * last) for t in TIMESTEPS]
    clean = normalise(latents[:IN_HISTOGRAM], decoder.config)
    noise = torch.randn(clean.shape, generator=torch_generator(seed, "noising"))

    def noised(t: int) -> torch.Tensor:
        return schedule.add_noise(clean, noise, torch.full((len(clean),), t))

    columns = {"no noise": clean} | {f"t = {t}": noised(t) for t in times}
    pictures = {name: decoded(decoder, z[:NOISED]) for name, z in columns.items()}
    figure = Figure(figsize=(9, 1.3 * len(pictures["no noise"]) + 2.6), layout="constrained")
    above, below = figure.subfigures(2, height_ratios=(1.3 * len(pictures["no noise"]), 2.6))
    _draw_grid(above, pictures)

    betas, steps = schedule.betas.numpy(), np.arange(last + 1)
    rising, falling, values = below.subplots(1, 3)
    rising.plot(steps, betas, color=BLUE, label="β")
    falling.plot(steps, 1 - betas, color=BLUE, label="α")
    falling.plot(steps, np.cumprod(1 - betas.astype(np.float64)), color=ORANGE, label="ᾱ")
    noisy = noised(last).flatten().numpy()
    values.hist(noisy, bins=40, range=(-4, 4), density=True, color="0.7", label=f"at t = {last}")
    x = np.linspace(-4, 4, 201)
    values.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=BLUE, label="N(0, 1)")
    rising.set(xlabel="Diffusion step t", ylabel="Variance added")
    falling.set(xlabel="Diffusion step t", ylabel="Share of variance kept")
    values.set(xlabel="Value", ylabel="Density", yticks=[])
    for axes in (rising, falling, values):
        axes.legend(frameon=False, fontsize=8)
    save(figure, out)


def _draw_denoising(
    schedule: "DDPMScheduler",
    denoiser: "nn.Module",
    condition: torch.Tensor,
    decoder: "nn.Module",
    seed: int,
    strip: Path,
    animation: Path,
) -> None:
    """Draw a few samples from pure noise to the end: ten moments in `strip`, and more of them as a
    GIF in `animation`."""
    from matplotlib.figure import Figure

    moments = list(denoised(schedule, denoiser, condition, seed, STEPS))

    def images(count: int) -> dict[str, np.ndarray]:
        shown = _evenly(len(moments), count)
        return {f"step {i}": decoded(decoder, moments[i]) for i in shown}

    figure = Figure(figsize=(9, 0.95 * len(moments[0]) + 0.3), layout="constrained")
    _draw_grid(figure, images(IN_STRIP))
    save(figure, strip)
    _animate(list(images(IN_ANIMATION).values()), animation)


def _draw_snapshots(images_seen: np.ndarray, samples: np.ndarray, out: Path) -> None:
    """Draw `samples` (K×n×C×H×W uint8) by the `images_seen` (K) until then, ten of them at most.

    Without any, as where a version that kept none trained the model, the figure says so.
    """
    from matplotlib.figure import Figure

    if not len(images_seen):
        figure = Figure(figsize=(9, 0.8))
        figure.text(0.5, 0.5, "no samples were kept during this training", ha="center", va="center")
        save(figure, out)
        return
    shown = _evenly(len(images_seen), IN_STRIP)
    figure = Figure(figsize=(9, 0.95 * samples.shape[1] + 0.5), layout="constrained")
    figure.supxlabel("Images seen in training", fontsize=9)
    _draw_grid(figure, {f"{images_seen[i]:,}": samples[i] for i in shown})
    save(figure, out)


def _evenly(length: int, count: int) -> np.ndarray:
    """At most `count` places among `length`, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, count).round().astype(int))


def _draw_grid(figure, columns: dict[str, np.ndarray]) -> None:
    """One image an axes, each column under its name."""
    panels = figure.subplots(len(next(iter(columns.values()))), len(columns), squeeze=False)
    for column, (name, images) in zip(panels.T, columns.items(), strict=True):
        column[0].set_title(name, fontsize=8)
        for axes, image in zip(column, images, strict=True):
            axes.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])


def _animate(frames: list[np.ndarray], out: Path) -> None:
    """A GIF of images n×C×H×W that stand side by side; the last frame stays for two seconds."""
    from PIL import Image

    times = max(1, ANIMATION_HEIGHT // frames[0].shape[2])
    pictures = []
    for images in frames:
        row = np.concatenate([image.transpose(1, 2, 0) for image in images], axis=1)
        row = row.repeat(times, axis=0).repeat(times, axis=1)
        pictures.append(Image.fromarray(row[..., 0] if row.shape[2] == 1 else row))
    duration = [100] * (len(pictures) - 1) + [2000]
    with atomic_file(out) as temporary:
        pictures[0].save(
            temporary, save_all=True, append_images=pictures[1:], duration=duration, loop=0
        )
