"""The sample stage: one shard of the plan, each shard a job of its own.

A sample is a function of (model, seed, label, index): its noise and its attributes come from a seed
of its own, so the shard it is in does not matter.
"""

import sys
from pathlib import Path

import numpy as np

from synthcohort.cohort import open_cohort
from synthcohort.config import Sampling
from synthcohort.diffusion.sampling import draw, load_schedule
from synthcohort.files import atomic_file, read_json
from synthcohort.hardware import Hardware
from synthcohort.models import load_autoencoder, load_denoiser
from synthcohort.models.condition import describe
from synthcohort.models.pixels import from_model
from synthcohort.progress import progress
from synthcohort.samples.plan import attributes, counts, lacking, of_shard
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
