"""Bulk sampling: a plan of all samples, then shards, each a job of its own.

A sample is a function of (model, seed, label, index): its noise comes from a generator of its own,
and every batch is filled up to the same size, so neither the shard nor its neighbours matter.
"""

from pathlib import Path

import numpy as np
import torch

from synthcohort.cohort import open_cohort
from synthcohort.config import Sampling
from synthcohort.device import Hardware
from synthcohort.diffusion.plan import counts, of_shard
from synthcohort.diffusion.schedule import build_sampler
from synthcohort.files import atomic_file, read_json
from synthcohort.models import load_autoencoder, load_denoiser
from synthcohort.models.pixels import denormalise, from_model
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal


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
    (the running number within the label) int64, seeds int64, label_names."""
    device, autocast = hardware.open(), hardware.autocast()
    data = open_cohort(cohort, split)
    names = read_json(diffusion / "labels.json")["names"]
    each = counts(settings, names, data.classes[data.of("train")])
    mine = of_shard(settings, each, shard)
    decoder, denoiser = (
        load_autoencoder(autoencoder).to(device),
        load_denoiser(diffusion).to(device),
    )
    hardware.prepare(decoder.decoder, denoiser)
    made, seeds = [], []
    bar = progress(f"sampling shard {shard}", total=len(mine))
    for start in range(0, len(mine), settings.batch):
        batch = mine[start : start + settings.batch]
        own = [derive(seed, "sample", names[label], index) for label, index in batch]
        with torch.inference_mode():
            with autocast:
                latents = draw(settings, denoiser, diffusion, batch, own, device)
            pixels = decoder.decode(denormalise(latents, decoder.config)).sample
        made.append(from_model(pixels[: len(batch)], data.images.dtype))
        seeds += own
        bar.update(len(batch))
    bar.close()
    labels, index = np.array(mine, dtype=np.int64).T
    with atomic_file(out) as temporary:
        np.savez(
            temporary,
            images=np.concatenate(made),
            labels=labels,
            index=index,
            seeds=np.array(seeds, dtype=np.int64),
            label_names=np.array(names),
        )
    journal.result(images=len(mine))


def draw(
    settings: Sampling,
    denoiser: torch.nn.Module,
    diffusion: Path,
    batch: list[tuple[int, int]],
    seeds: list[int],
    device: torch.device,
) -> torch.Tensor:
    """Latents for (label, index) pairs, B×C×H×W float32 with B = settings.batch whatever the
    number of pairs: the places behind them repeat the last one."""
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from diffusers.utils.torch_utils import randn_tensor

    missing = settings.batch - len(batch)
    generators = [torch.Generator().manual_seed(s) for s in [*seeds, *[seeds[-1]] * missing]]
    labels = torch.tensor([label for label, _ in batch] + [batch[-1][0]] * missing, device=device)
    sampler = build_sampler(
        DDPMScheduler.from_pretrained(diffusion, subfolder="scheduler"), settings
    )
    height, width = np.broadcast_to(denoiser.config.sample_size, 2).tolist()
    shape = (settings.batch, denoiser.config.in_channels, height, width)
    latents = randn_tensor(shape, generator=generators, device=device) * sampler.init_noise_sigma
    extra = {} if settings.sampler == "dpm-solver++" else {"generator": generators}
    for t in sampler.timesteps:
        predicted = guided(denoiser, latents, t, labels, settings.guidance)
        latents = sampler.step(predicted, t, latents, **extra).prev_sample
    return latents


def guided(
    denoiser: torch.nn.Module,
    latents: torch.Tensor,
    t: torch.Tensor,
    labels: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """The denoiser's prediction with classifier-free guidance, float32 (Ho 2022, equation 6 with
    w = scale − 1); a scale of 1 asks the network once."""
    if scale == 1:
        return denoiser(latents, t, class_labels=labels).sample.float()
    null = torch.full_like(labels, denoiser.config.num_class_embeds - 1)
    both = denoiser(torch.cat([latents, latents]), t, class_labels=torch.cat([labels, null]))
    with_label, without = both.sample.float().chunk(2)
    return without + scale * (with_label - without)
