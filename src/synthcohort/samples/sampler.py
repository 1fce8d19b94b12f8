"""The models that draw, loaded once for all shards of a process.

A sample is a function of (model, seed, label, index): its noise and its attributes come from a seed
of its own, so neither the shard it is in nor the process that draws it matters.
"""

import sys
from pathlib import Path

import numpy as np

from synthcohort.cohort import open_cohort
from synthcohort.config import Sampling
from synthcohort.files import atomic_file
from synthcohort.hardware import Hardware
from synthcohort.progress import progress
from synthcohort.samples.drawer import Drawer
from synthcohort.samples.plan import attributes, counts, lacking, of_shard, seed_of


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
        self._settings, self._seed = settings, seed
        self._data = open_cohort(cohort, split)
        self._drawer = Drawer(
            settings,
            autoencoder=autoencoder,
            diffusion=diffusion,
            hardware=hardware,
            images=shards * settings.shard,
        )
        train = self._data.classes[self._data.of("train")]
        self._each = counts(settings, self._drawer.names, train)

    def write(self, shard: int, out: Path) -> int:
        """Draw one shard and write it as npz: images n×C×H×W in the cohort's dtype, labels and
        index (the running number within the label) int64, seeds int64, label_names; and, where the
        cohort has them, attributes n×A float32 and attribute_names, and label_numbers where class
        numbers are not the places in label_names. Returns n."""
        data, names = self._data, self._drawer.names
        if shard == 0:  # once for all
            for told in lacking(self._each, data):
                print(f"Note: {told}", file=sys.stderr)
        mine = of_shard(self._settings, self._each, shard)
        seeds = [seed_of(self._seed, names[label], index) for label, index in mine]
        numbers = attributes(data, names, mine, seeds)
        labels, index = np.array(mine, dtype=np.int64).T
        asked = self._settings, labels, numbers, seeds, data.images.dtype
        with progress(f"sampling shard {shard}", total=len(mine)) as bar:
            made = []
            for images in self._drawer.images(*asked):
                made.append(images)
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
