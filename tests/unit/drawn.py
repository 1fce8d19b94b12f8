"""Shards of images as if a model had drawn them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def shard(path: Path, images: np.ndarray, names: Sequence[str] = ("a", "b")) -> Path:
    """Images in turn of each of the labels called `names`."""
    labels = np.arange(len(images)) % len(names)
    np.savez(
        path,
        images=images,
        labels=labels.astype(np.int64),
        label_names=np.array(names),
        index=np.arange(len(images)) // len(names),
        seeds=np.arange(len(images)),
    )
    return path
