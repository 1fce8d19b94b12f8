"""Does bulk sampling stay flat? Seconds an image and peak memory, from 1,000 to 100,000 images.

    python benchmarks/sampling_scale.py [--images 1000 10000 100000]

A tiny model (trained for seconds on the simulated cohort) draws sets of growing size in shards of
500, each set in a process of its own; a second process then reads the whole set as the later stages
do. Printed as a Markdown table.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
SYSTEM = {
    "name": "scale",
    "source": {"kind": "phantom", "patients": 24, "slices": 3},
    "prepare": {"size": [32, 32]},
    "autoencoder": {"images": 320, "batch": 16, "channels": [8], "latent_channels": 2},
    "diffusion": {"images": 320, "batch": 16, "channels": [8, 16], "blocks": 1},
}
SHARD = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--part", help=argparse.SUPPRESS)  # one measurement, in this process
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        measure = {"draw": draw, "read": read}[given.part]
        print(json.dumps(measure(given.folder, given.images[0], given.threads)))
        return
    print("| images | shards | ms an image | drawing, peak MB | reading, ms an image | peak MB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))
        for images in given.images:
            one, two = (again(part, folder, images, given.threads) for part in ("draw", "read"))
            print(
                f"| {images:,} | {-(-images // SHARD):,} | {one['ms']:.2f} | {one['mb']:.0f} "
                f"| {two['ms']:.3f} | {two['mb']:.0f} |",
                flush=True,
            )


def train(folder: Path) -> None:
    """The workflow up to the trained models."""
    (folder / "config.yaml").write_text(yaml.safe_dump(SYSTEM))
    command = ["snakemake", "results/scale/diffusion", "--cores", "2", "--quiet"]
    command += ["--snakefile", REPOSITORY / "Snakefile", "--configfile", "config.yaml"]
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)


def again(part: str, folder: str, images: int, threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part, "--folder", folder]
    command += ["--images", str(images), "--threads", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def draw(folder: Path, images: int, threads: int) -> dict[str, float]:
    """Every shard of a set, by models that are loaded already."""
    from synthcohort.config import Sampling
    from synthcohort.hardware import Hardware
    from synthcohort.samples.sampler import Sampler

    results = folder / "results/scale"
    settings = Sampling(images=images, shard=SHARD, steps=5, batch=100)
    sampler = Sampler(
        settings,
        seed=0,
        cohort=results / "cohort",
        split=results / "cohort/split.csv",
        autoencoder=results / "autoencoder",
        diffusion=results / "diffusion",
        hardware=Hardware("cpu", "fp32", threads),
    )
    start = time.monotonic()
    for shard in range(-(-images // SHARD)):
        sampler.write(shard, folder / f"samples/shard-{shard:05d}.npz")
    return _measured(start, images)


def read(folder: Path, images: int, threads: int) -> dict[str, float]:
    """The table of the set, and its pixels and labels as the later stages read them."""
    from synthcohort.samples import listing, shards
    from synthcohort.tracking.journal import Journal

    start, table = time.monotonic(), folder / "samples/shards.csv"
    listing.gather(
        shards=-(-images // SHARD),
        folder=folder / "samples",
        out=table,
        journal=Journal(None, "scale", {}),
    )
    paths = listing.listed([table])
    assert len(shards.describe(paths).labels) == images
    assert sum(map(len, shards.pixels(paths))) == images
    return _measured(start, images)


def _measured(start: float, images: int) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    return {"ms": 1000 * (time.monotonic() - start) / images, "mb": peak}


if __name__ == "__main__":
    main()
