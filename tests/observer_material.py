"""A small cohort with synthetic images, for the tests of the observer study and of its page."""

import csv
from pathlib import Path

import numpy as np


def write_system(
    folder: Path,
    labels: tuple[str, ...] = ("a", "b"),
    made: tuple[int, ...] = (0, 1),
    dtype: type = np.uint8,
    channels: int = 1,
    size: int = 24,
) -> dict:
    """Six test and two train patients of four images each, whose labels alternate, and twenty
    synthetic images of each label number in `made` in two shards; the stage's path arguments."""
    random, top = np.random.default_rng(0), np.iinfo(dtype).max
    folder.mkdir(parents=True, exist_ok=True)
    shape = (32, channels, size, size)
    np.save(folder / "images.npy", random.integers(0, top, shape, dtype, endpoint=True))
    with (folder / "manifest.csv").open("w") as manifest, (folder / "split.csv").open("w") as split:
        rows, splits = csv.writer(manifest), csv.writer(split)
        rows.writerow(["image_id", "patient_id", "label"])
        splits.writerow(["image_id", "patient_id", "split"])
        for i in range(32):
            patient = i // 4
            rows.writerow([f"i{i}", f"p{patient}", labels[patient % len(labels)]])
            splits.writerow([f"i{i}", f"p{patient}", "test" if patient < 6 else "train"])
    numbers = np.tile(np.array(made, dtype=np.int64), 20)
    samples = []
    for shard, of in enumerate(np.array_split(numbers, 2)):
        samples.append(folder / f"shard-{shard:05d}.npz")
        images = random.integers(0, top, (len(of), *shape[1:]), dtype, endpoint=True)
        index = np.arange(len(of), dtype=np.int64) + 1000 * shard
        np.savez(
            samples[-1],
            images=images,
            labels=of,
            label_names=np.array(labels),
            index=index,
            seeds=index,
        )
    return {"cohort": folder, "split": folder / "split.csv", "samples": samples}
