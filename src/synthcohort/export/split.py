"""Which exported split each synthetic image goes to."""

import numpy as np

from synthcohort.config import Fractions
from synthcohort.seeds import derive
from synthcohort.shards import Samples


def assign(sampled: Samples, fractions: Fractions, seed: int) -> np.ndarray:
    """N texts, "train", "val" or "test": every label is shared out by `fractions`.

    The places go by largest remainders. An image's split depends on the seed and on how many
    images of its label there are, not on the shards.
    """
    shares = np.array([fractions.train, fractions.val, fractions.test])
    split = np.empty(len(sampled.labels), dtype="<U5")
    for number, name in enumerate(sampled.label_names):
        rows = np.flatnonzero(sampled.labels == number)
        rows = rows[np.argsort(sampled.index[rows])]
        exact = shares * len(rows)
        counts = np.floor(exact + 1e-9).astype(int)
        by_remainder = np.argsort(counts - exact, kind="stable")
        counts[by_remainder[: len(rows) - counts.sum()]] += 1
        shuffled = np.random.default_rng(derive(seed, "export", name)).permutation(rows)
        split[shuffled] = np.repeat(["train", "val", "test"], counts)
    return split
