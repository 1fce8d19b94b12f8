"""Bulk sampling: a plan of all samples, then shards, each a job of its own.

A sample is a function of (model, seed, label, index): its noise comes from a generator of its own,
its attributes from a seed of its own, and every batch is filled up to the same size, so neither the
shard nor its neighbours matter.
"""

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthcohort.cohort import open_cohort
from synthcohort.config import Sampling
from synthcohort.device import Hardware
from synthcohort.diffusion.plan import attributes, counts, lacking, of_shard
from synthcohort.diffusion.schedule import build_sampler
from synthcohort.files import atomic_file, read_json
from synthcohort.models import load_autoencoder, load_denoiser
from synthcohort.models.condition import describe, predict
from synthcohort.models.pixels import denormalise, from_model
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler


def sample(
    settings: Sampling,
    *,
    seed: int,
    shard: int,
    cohort: Path,
    split: Path,
    autoencoder: Path,
    diffusion: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Draw one shard and write it as npz: images n×C×H×W in the cohort's dtype, labels and index
    (the running number within the label) int64, seeds int64, label_names; and, where the cohort has
    them, attributes n×A float32 and attribute_names, and label_numbers where class numbers are not
    the places in label_names."""
    device = hardware.open()
    data = open_cohort(cohort, split)
    names = read_json(diffusion / "labels.json")["names"]
    each = counts(settings, names, data.classes[data.of("train")])
    if shard == 0:  # once for all
        for told in lacking(each, data):
            print(f"Note: {told}", file=sys.stderr)
    mine = of_shard(settings, each, shard)
    seeds = [derive(seed, "sample", names[label], index) for label, index in mine]
    numbers = attributes(data, names, mine, seeds)
    labels, index = np.array(mine, dtype=np.int64).T
    standard = read_json(diffusion / "attributes.json")
    told = describe(labels, len(names), numbers, standard["mean"], standard["std"])
    schedule = load_schedule(diffusion)
    decoder, denoiser = (
        load_autoencoder(autoencoder).to(device),
        load_denoiser(diffusion).to(device),
    )
    hardware.prepare(decoder.decoder, denoiser)
    with progress(f"sampling shard {shard}", total=len(mine)) as bar:
        made = []
        for images in draw(settings, decoder, denoiser, schedule, told, seeds, hardware):
            made.append(from_model(images, data.images.dtype))
            bar.update(len(images))
    known = {"attributes": numbers, "attribute_names": np.array(data.attribute_names)}
    classes = {"label_numbers": np.array(data.class_numbers, dtype=np.int64)}
    with atomic_file(out) as temporary:
        np.savez(
            temporary,
            images=np.concatenate(made),
            labels=labels,
            index=index,
            seeds=np.array(seeds, dtype=np.int64),
            label_names=np.array(names),
            **(known if data.attribute_names else {}),
            **(classes if data.class_numbers != list(range(len(names))) else {}),
        )
    journal.result(images=len(mine))


def draw(
    settings: Sampling,
    decoder: torch.nn.Module,
    denoiser: torch.nn.Module,
    schedule: "DDPMScheduler",
    told: torch.Tensor,
    seeds: list[int],
    hardware: Hardware,
) -> Iterator[torch.Tensor]:
    """The images of n conditions (n×D) and seeds, batch by batch: b×C×H×W float32, in [−1, 1] but
    for what the decoder overshoots."""
    for start in range(0, len(seeds), settings.batch):
        batch = slice(start, start + settings.batch)
        with torch.inference_mode():
            with hardware.autocast():
                steps = walk(settings, denoiser, schedule, told[batch], seeds[batch])
                (latents,) = deque(steps, maxlen=1)
            pixels = decoder.decode(denormalise(latents, decoder.config)).sample
        yield pixels[: len(seeds[batch])]


def load_schedule(diffusion: Path) -> "DDPMScheduler":
    """The noise schedule in a stage's folder (`diffusion/`)."""
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    return DDPMScheduler.from_pretrained(diffusion, subfolder="scheduler")


def walk(
    settings: Sampling,
    denoiser: torch.nn.Module,
    schedule: "DDPMScheduler",
    condition: torch.Tensor,
    seeds: list[int],
) -> Iterator[torch.Tensor]:
    """The latents of samples from pure noise to the end, once before and after every step.

    Each is B×C×H×W float32 with B = settings.batch whatever the number of conditions (n×D) and
    seeds: the places behind them repeat the last one.
    """
    from diffusers.utils.torch_utils import randn_tensor

    device = denoiser.device
    missing = settings.batch - len(seeds)
    generators = [torch.Generator().manual_seed(s) for s in [*seeds, *[seeds[-1]] * missing]]
    condition = torch.cat([condition, condition[-1:].expand(missing, -1)]).to(device)
    sampler = build_sampler(schedule, settings)
    height, width = np.broadcast_to(denoiser.config.sample_size, 2).tolist()
    shape = (settings.batch, denoiser.config.in_channels, height, width)
    latents = randn_tensor(shape, generator=generators, device=device) * sampler.init_noise_sigma
    yield latents
    extra = {} if settings.sampler == "dpm-solver++" else {"generator": generators}
    for t in sampler.timesteps:
        predicted = guided(denoiser, latents, t, condition, settings.guidance)
        latents = sampler.step(predicted, t, latents, **extra).prev_sample
        yield latents


def guided(
    denoiser: torch.nn.Module,
    latents: torch.Tensor,
    t: torch.Tensor,
    condition: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """The denoiser's prediction with classifier-free guidance, float32 (Ho 2022, equation 6 with
    w = scale − 1); a scale of 1 asks the network once."""
    if scale == 1:
        return predict(denoiser, latents, t, condition)
    both = torch.cat([condition, torch.zeros_like(condition)])
    told, untold = predict(denoiser, torch.cat([latents, latents]), t, both).chunk(2)
    return untold + scale * (told - untold)
