"""Which exported split each synthetic image goes to."""

import numpy as np

from synthcohort.config import Fractions
from synthcohort.samples.shards import Samples
from synthcohort.seeds import derive


def assign(
    sampled: Samples, fractions: Fractions, seed: int, dropped: np.ndarray | None = None
) -> np.ndarray:
    """N texts, "train", "val" or "test", or "" for the `dropped` samples (N bools): the others of
    every label are shared out by `fractions`.

    The places go by largest remainders. An image's split depends on the seed and on how many
    images of its label there are, not on the shards.
    """
    shares = np.array([fractions.train, fractions.val, fractions.test])
    split = np.zeros(len(sampled.labels), dtype="<U5")
    kept = np.ones(len(split), dtype=bool) if dropped is None else ~dropped
    for number, name in enumerate(sampled.label_names):
        rows = np.flatnonzero((sampled.labels == number) & kept)
        rows = rows[np.argsort(sampled.index[rows])]
        exact = shares * len(rows)
        counts = np.floor(exact + 1e-9).astype(int)
        by_remainder = np.argsort(counts - exact, kind="stable")
        counts[by_remainder[: len(rows) - counts.sum()]] += 1
        shuffled = np.random.default_rng(derive(seed, "export", name)).permutation(rows)
        split[shuffled] = np.repeat(["train", "val", "test"], counts)
    return split


def lacking(sampled: Samples, split: np.ndarray) -> list[str]:
    """In words, of which labels a part (`split`, as `assign` gives it) has no image."""
    parts = ["train", "val", "test"]
    told = []
    for number, name in enumerate(sampled.label_names):
        has = set(split[sampled.labels == number])
        if not has & set(parts):
            told.append(
                f"no exported image has the label {name!r}; say under sampling.images how many "
                "images each label is to have"
            )
        elif lacks := [part for part in parts if part in split and part not in has]:
            told.append(
                f"the exported parts {' and '.join(lacks)} have no image of the label {name!r}; "
                "draw more of it (sampling.images)"
            )
    return told
