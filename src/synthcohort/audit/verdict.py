"""Which images count as copies, and of which train image, from what all ways say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from synthcohort.audit import limits, ways
from synthcohort.cohort import Cohort
from synthcohort.numerics.resampling import CONFIDENCE, binomial_interval
from synthcohort.samples.shards import Samples
from synthcohort.seeds import derive

# How often the unseen patients are halved to count false alarms: one half may be lucky.
HALVINGS = 20


@dataclass(frozen=True)
class Verdict:
    """On N images, by ways whose limits unseen patients have set."""

    looks: Mapping[str, ways.Look]
    limits: Mapping[str, float]
    found: Mapping[str, np.ndarray]
    """By way: N bools."""
    alarms: Mapping[str, dict]
    """By group of ways, and of "any": the share of unseen patients' images taken for copies."""

    @cached_property
    def copied(self) -> np.ndarray:
        """N bools: found by any way."""
        return ways.by_group(self.found)["any"]

    @cached_property
    def way(self) -> dict[int, str]:
        """Of every copy the way that is named for it."""
        return {int(i): ways.first(self.found, self.looks, i) for i in np.flatnonzero(self.copied)}

    @cached_property
    def source(self) -> dict[int, int]:
        """Of every copy the place of the train image that it copies."""
        return {i: int(self.looks[way].place[i]) for i, way in self.way.items()}

    def above(self, i: int) -> float:
        """How far the score of a copy is above its limit."""
        way = self.way[i]
        return float(self.looks[way].score[i] - self.limits[way])

    def correlation(self, i: int) -> float:
        """The highest correlation that an image has with a train image by any comparison of
        pixels, laid over each other or not."""
        scores = [look.score[i] for way, look in self.looks.items() if ways.correlates(way)]
        return float(1 - np.exp(-max(scores)))

    def listed(self) -> list[int]:
        """The copies: the plainest ways first, and of one way those farthest above its limit."""
        return sorted(
            self.way, key=lambda i: (ways.GROUPS.index(ways.group(self.way[i])), -self.above(i))
        )


def verdict(
    looks: Mapping[str, ways.Look],
    unseen: Mapping[str, ways.Look],
    patients: np.ndarray,
    seed: int,
) -> Verdict:
    """On the images that `looks` are of; the images of the `unseen`, whose `patients` these are,
    set the limits."""
    strangers = {way: look.score for way, look in unseen.items()}
    limit_of, found = limits.judged({way: look.score for way, look in looks.items()}, strangers)
    halved = [
        ways.by_group(limits.held_out(strangers, patients, derive(seed, "half", i)))
        for i in range(HALVINGS)
    ]
    alarms = {
        name: limits.false_alarms(np.mean([half[name] for half in halved], axis=0), patients)
        for name in halved[0]
    }
    return Verdict(looks, limit_of, found, alarms)


def measured(found: Verdict, n: dict[str, int]) -> dict:
    """The figure "copies"."""
    count = int(found.copied.sum())
    return {
        "name": "copies",
        "n": n,
        "value": float(found.copied.mean()),
        "count": count,
        "confidence": CONFIDENCE,
        "interval": binomial_interval(count, len(found.copied), "exact"),
        "interval_method": "exact binomial, over the synthetic images",
        "floor": found.alarms["any"],
        "limits": dict(found.limits),
    }


@dataclass(frozen=True)
class Told:
    """What is listed of single images."""

    data: Cohort
    train: np.ndarray
    """Rows of the train images."""
    samples: Sequence[Path]
    sampled: Samples
    nearest_train: np.ndarray
    """N rows of the nearest train images in the latents."""
    distance: np.ndarray
    """N distances to these."""
    memorised: np.ndarray
    """N bools."""
    found: Verdict

    def near(self, i: int) -> dict:
        """A synthetic image and the train image nearest to it."""
        return {
            "shard": self.samples[self.sampled.shard[i]].name,
            "label": self.sampled.label_names[self.sampled.labels[i]],
            "index": int(self.sampled.index[i]),
            "train_image": self.data.rows[self.nearest_train[i]]["image_id"],
            "distance": float(self.distance[i]),
        }

    def copy(self, i: int) -> dict:
        """A synthetic image and the train image that it copies."""
        way = self.found.way[i]
        return self.near(i) | {
            "train_image": self.data.rows[self.beside(i)]["image_id"],
            "way": way,
            "correlation": self.found.correlation(i),
            "score": float(self.found.looks[way].score[i]),
            "limit": float(self.found.limits[way]),
        }

    def beside(self, i: int) -> int:
        """The row of the train image that an image is shown beside."""
        return int(
            self.train[self.found.source[i]] if self.found.copied[i] else self.nearest_train[i]
        )

    def words(self, i: int) -> str:
        """Below the image in the figure."""
        if self.found.copied[i]:
            return f"copy ({self.found.way[i]}), correlation {self.found.correlation(i):.4f}"
        return f"distance {self.distance[i]:.3g}" + (" (memorised)" if self.memorised[i] else "")
