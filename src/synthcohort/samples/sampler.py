"""The models that draw, loaded once for all shards of a process.

A sample is a function of (model, seed, label, index): its noise and its attributes come from a seed
of its own, so neither the shard it is in nor the process that draws it matters.
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

_PAYS = 1_000_000
"""Passes of images through the denoiser from which on compiling it is worth its minute or so: an
estimate, some 20,000 images of 50 steps on a fast GPU."""


class Sampler:
    """Draws shards of a set, one after the other."""

    def __init__(
        self,
        settings: Sampling,
        *,
        seed: int,
        cohort: Path,
        split: Path,
        autoencoder: Path,
        diffusion: Path,
        hardware: Hardware,
        shards: int = 1,
    ) -> None:
        """`shards` is how many are going to be drawn, by which it is known whether compiling
        pays."""
        self._settings, self._seed, self._hardware = settings, seed, hardware
        device = hardware.open()
        self._data = open_cohort(cohort, split)
        self._names = read_json(diffusion / "labels.json")["names"]
        train = self._data.classes[self._data.of("train")]
        self._each = counts(settings, self._names, train)
        self._standard = read_json(diffusion / "attributes.json")
        self._schedule = load_schedule(diffusion)
        self._decoder = load_autoencoder(autoencoder).to(device)
        self._denoiser = load_denoiser(diffusion).to(device)
        passes = shards * settings.shard * settings.steps * (1 if settings.guidance == 1 else 2)
        hardware.prepare(self._decoder.decoder, self._denoiser, pays=passes >= _PAYS)

    def write(self, shard: int, out: Path) -> int:
        """Draw one shard and write it as npz: images n×C×H×W in the cohort's dtype, labels and
        index (the running number within the label) int64, seeds int64, label_names; and, where the
        cohort has them, attributes n×A float32 and attribute_names, and label_numbers where class
        numbers are not the places in label_names. Returns n."""
        data, names = self._data, self._names
        if shard == 0:  # once for all
            for told in lacking(self._each, data):
                print(f"Note: {told}", file=sys.stderr)
        mine = of_shard(self._settings, self._each, shard)
        seeds = [derive(self._seed, "sample", names[label], index) for label, index in mine]
        numbers = attributes(data, names, mine, seeds)
        labels, index = np.array(mine, dtype=np.int64).T
        condition = describe(
            labels, len(names), numbers, self._standard["mean"], self._standard["std"]
        )
        models = self._decoder, self._denoiser, self._schedule
        with progress(f"sampling shard {shard}", total=len(mine)) as bar:
            made = []
            for images in draw(self._settings, *models, condition, seeds, self._hardware):
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
        return len(mine)
