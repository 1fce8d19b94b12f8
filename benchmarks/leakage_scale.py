"""How long the leakage check takes, and how that grows with the number of images.

    python benchmarks/leakage_scale.py [--images 10000 30000 100000] [--cohort results/NAME/cohort]

Made-up images are 64×64, each of a patient of its own, and about as alike as chest X-rays are at
that size: half of all pairs of thumbnails correlate by more than 0.75, one in a thousand by more
than 0.94. In every thousand images one is a copy of another of some other thousand: shifted by up
to two pixels and, by turns, as it is, noised or less in contrast. With --cohort the images are the
first ones of a prepared cohort, and nothing is planted.

Prints a Markdown table. Every size is measured in a process of its own, on as many threads as numpy
takes (OMP_NUM_THREADS). The memory is that of the search and what it began with, looked at twenty
times a second, without the images: they stay on disk, and the machine keeps of them what fits.
Linux only.
"""

import argparse
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from synthcohort.cohort import Cohort, leakage, open_cohort

SIDE, THOUSAND = 64, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--cohort", type=Path)
    given = parser.parse_args()
    print("| images | seconds | CPU seconds | peak MB | candidates | pairs found | planted |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for count in given.images:
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            print(process.submit(measure, count, given.cohort).result(), flush=True)


def measure(count: int, cohort: Path | None) -> str:
    """A line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        if cohort is None:
            planted = write(Path(folder) / "images.npy", count)
            images = np.load(Path(folder) / "images.npy", mmap_mode="r")
            rows = [{"patient_id": f"p{i}", "sha256": str(i)} for i in range(count)]
            opened = Cohort(images, rows)
        else:
            opened, planted = open_cohort(cohort), set()
            opened = Cohort(opened.images[:count], opened.rows[:count])
        wall, cpu = time.perf_counter(), time.process_time()
        with Peak() as peak:
            findings = leakage.search(opened, 0.99)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found = {(pair.first, pair.second) for pair in findings.near_identical}
    return (
        f"| {len(opened.rows):,} | {wall:.1f} | {cpu:.1f} | {peak.megabytes:.0f} "
        f"| {findings.method['candidates']:,} | {findings.found:,} "
        f"| {len(planted & found):,} of {len(planted):,} |"
    )


class Peak:
    """The most memory this process has had inside the block, files that are mapped left out."""

    def __enter__(self) -> "Peak":
        self.megabytes, self._done = 0.0, threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._done.wait(0.05):
            status = Path("/proc/self/status").read_text()
            kilobytes = int(status.split("RssAnon:")[1].split()[0])
            self.megabytes = max(self.megabytes, kilobytes / 1e3)


def write(path: Path, count: int) -> set[tuple[int, int]]:
    """Write `count` images with planted copies to `path`; the rows of every copied pair."""
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 1, SIDE, SIDE))
    starts = range(0, count, THOUSAND)
    copies = {}
    for number, start in enumerate(starts):
        block = made_up(min(THOUSAND, count - start), seed=number + 1)
        images[start : start + len(block), 0] = block[:, 2:-2, 2:-2]
        random = np.random.default_rng(number)
        y, x = random.integers(0, 5, 2)
        copy = block[0, y : y + SIDE, x : x + SIDE].astype(float)
        copy = (copy, copy + random.normal(0, 1.5, copy.shape), 0.8 * copy + 20)[number % 3]
        into = starts[(number + len(starts) // 2) % len(starts)]
        copies[start] = min(into + THOUSAND, count) - 1, np.clip(np.rint(copy), 0, 255)
    for place, copy in copies.values():
        images[place, 0] = copy
    images.flush()
    return {(min(pair), max(pair)) for pair in ((a, b) for a, (b, _) in copies.items())}


def made_up(count: int, seed: int) -> np.ndarray:
    """`count`×68×68 uint8: what all images have in common, and each its own structure, of all sizes
    and the weaker the finer."""
    side = SIDE + 4
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))

    def structure(count: int, seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).standard_normal((count, side, side), np.float32)
        smooth = np.fft.irfft2(np.fft.rfft2(noise) / (frequency + 1 / side) ** 2, s=(side, side))
        smooth -= smooth.mean(axis=(1, 2), keepdims=True)
        return smooth / smooth.std(axis=(1, 2), keepdims=True)

    # Some differ more from what all have in common than others do.
    amount = np.exp(0.3 * np.random.default_rng(seed).standard_normal((count, 1, 1)))
    own = amount * structure(count, seed)
    return np.clip(128 + 22 * (1.75 * structure(1, 0) + own), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
