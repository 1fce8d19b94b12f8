"""Does it work on this GPU, and how well is it used? Some ten minutes.

    make gpu-test                                         # or: python benchmarks/gpu_test.py
    python benchmarks/gpu_test.py --device cpu --tiny     # the same in small, without a GPU

Both trainings, the second killed and resumed; samples in bf16, compiled, and in float32, each held
against those of the CPU; and a table of what was measured. Without a GPU it says so and ends.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml

REPOSITORY = Path(__file__).parents[1]
SYSTEM = {
    "name": "gpu",
    "source": {"kind": "phantom", "patients": 80, "slices": 6},
    "prepare": {"size": [128, 128]},
    "autoencoder": {
        **{"network": "kl", "channels": [64, 128, 256], "latent_channels": 4},
        **{"images": 12_000, "batch": 16, "adversarial_weight": 0.1},
    },
    "diffusion": {
        **{"channels": [128, 256, 384], "attention": [False, True, True], "images": 120_000},
        **{"batch": 128, "checkpoint_images": 40_000},
    },
    "sampling": {"images": 400, "shard": 200, "steps": 50, "batch": 100},
}
TINY = {
    "source": {"kind": "phantom", "patients": 24, "slices": 3},
    "prepare": {"size": [32, 32]},
    "autoencoder": {"images": 160, "batch": 16, "channels": [8], "latent_channels": 2},
    "diffusion": {
        **{"channels": [8, 16], "blocks": 1, "images": 320, "batch": 16, "checkpoint_images": 32},
    },
    "sampling": {"images": 8, "shard": 4, "steps": 4, "batch": 4},
}
FARTHEST = {"float32": 1.0, "bf16": 8.0}
"""Grey levels of 255 by which images may differ from the CPU's in the mean: every step adds to what
the precisions differ by."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--tiny", action="store_true", help="networks of toy size, in a minute")
    asked = parser.parse_args()
    import torch

    if asked.device == "cuda" and not torch.cuda.is_available():
        print("The GPU test was skipped: torch sees no GPU here (`synthcohort doctor` says why).")
        return
    os.environ.update(SYNTHCOHORT_DEVICE=asked.device)
    system = SYSTEM | TINY if asked.tiny else SYSTEM
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(yaml.safe_dump(system))
        workflow(folder, "results/gpu/latents")
        killed = kill_and_resume(folder)
        far = distances(folder, system, asked)
        told = table(folder, torch.device(asked.device), killed, far)
    print(told)
    wrong = [name for name, value in far.items() if value > FARTHEST[name.split(",")[0]]]
    if wrong:
        sys.exit(f"too far from the CPU's images: {'; '.join(wrong)}")


def workflow(folder: Path, target: str) -> None:
    """Snakemake up to `target`."""
    subprocess.run(_command(target), cwd=folder, check=True, stdout=sys.stderr)


def _command(target: str) -> list[str]:
    command = ["snakemake", target, "--cores", str(min(os.cpu_count() or 1, 8)), "--quiet"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--rerun-incomplete"]
    return [*command, "--configfile", "config.yaml"]


def kill_and_resume(folder: Path) -> bool:
    """Train the diffusion model, killed at its first checkpoint, to the end; whether it was."""
    target, options = "results/gpu/diffusion", {"cwd": folder, "stdout": sys.stderr}
    running = subprocess.Popen(_command(target), start_new_session=True, **options)
    saved = folder / "results/gpu/checkpoints"
    while running.poll() is None and not any(saved.glob("diffusion-*/*.safetensors")):
        time.sleep(0.1)
    killed = running.poll() is None
    if killed:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        subprocess.run([*_command(target), "--unlock"], check=True, **options)
    workflow(folder, target)
    return killed


def distances(folder: Path, system: dict, asked: argparse.Namespace) -> dict[str, float]:
    """By how many grey levels the images of a way of sampling differ from the CPU's in the mean."""
    plain = ["--device", asked.device, "--precision", "fp32", "--compile", "off"]
    # A toy would be compiled for longer than all the rest takes.
    mixed = [*plain[:3], "bf16", "--compile", "off" if asked.tiny else "on"]
    cpu = ["--device", "cpu", "--precision", "fp32", "--compile", "off"]
    of_cpu = sampled(folder, system, "cpu", cpu)
    ways = {"float32": plain, "bf16" if asked.tiny else "bf16, compiled": mixed}
    return {
        name: float(np.abs(sampled(folder, system, name[:4], way) - of_cpu).mean())
        for name, way in ways.items()
    }


def sampled(folder: Path, system: dict, name: str, way: list[str]) -> np.ndarray:
    """The first images that `synthcohort sample` draws, float64 grey levels."""
    few = min(system["sampling"]["shard"], 8)
    settings = system["sampling"] | {"images": few, "shard": few, "batch": few}
    results = folder / "results/gpu"
    command = ["synthcohort", "sample", "--settings", json.dumps(settings), "--seed", "0"]
    command += ["--part", "0", "--parts", "1", "--cohort", str(results / "cohort"), *way]
    command += ["--split", str(results / "cohort/split.csv")]
    command += ["--autoencoder", str(results / "autoencoder")]
    command += ["--diffusion", str(results / "diffusion")]
    command += ["--out", str(folder / name / "part-00000.txt")]
    subprocess.run(command, check=True, stdout=sys.stderr)
    with np.load(folder / name / "shard-00000.npz") as shard:
        return shard["images"].astype(np.float64)


def table(folder: Path, device, killed: bool, far: dict[str, float]) -> str:
    """What was measured, as Markdown."""
    import torch

    from synthcohort.hardware import precision
    from synthcohort.hardware.peak import TRAINING, flops, matmul_peak
    from synthcohort.models import load_autoencoder, load_denoiser
    from synthcohort.models.condition import predict, withheld

    results = folder / "results/gpu"
    autoencoder, denoiser = (
        load_autoencoder(results / "autoencoder"),
        load_denoiser(results / "diffusion"),
    )
    images = np.load(results / "cohort/images.npy", mmap_mode="r")
    latent = torch.zeros(1, *np.load(results / "latents/mean.npy", mmap_mode="r").shape[1:])
    pixels = torch.zeros(1, *images.shape[1:])
    ask = {
        "autoencoder": lambda: autoencoder.decode(autoencoder.encode(pixels).latent_dist.mode()),
        "diffusion": lambda: predict(
            denoiser, latent, torch.zeros(1, dtype=torch.long), withheld(denoiser, 1)
        ),
    }
    dtype = precision.chosen("auto", device)
    peak = matmul_peak(device, dtype)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    kind = str(dtype).removeprefix("torch.")
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {card}, torch {torch.__version__}, {kind}, matrices "
        f"{peak / 1e12:.3g} TFLOP/s",
        "",
        "| training | images/s | TFLOP/s | share of the peak | most memory, MiB |",
        "|---|---|---|---|---|",
    ]
    for stage, call in ask.items():
        rate, memory = pace(results / f"journal/{stage}.jsonl")
        did = TRAINING * flops(call) * rate
        lines.append(f"| {stage} | {rate:.3g} | {did / 1e12:.3g} | {did / peak:.1%} | {memory} |")
    lines.append("")
    lines.append(f"Killed and resumed: {'yes' if killed else 'no, it ended too soon'}.")
    for name, value in far.items():
        lines.append(f"Images in {name}: {value:.3f} grey levels from the CPU's in the mean.")
    return "\n".join(lines)


def pace(journal: Path) -> tuple[float, str]:
    """Images a second, the median between two points of a journal; and the most memory it tells."""
    from synthcohort.tracking.journal import read_journal

    points = [event for event in read_journal(journal) if event["event"] == "metric"]
    pairs = [
        (later["images"] - earlier["images"], later["time"] - earlier["time"])
        for earlier, later in pairwise(points)
    ]
    rates = [seen / seconds for seen, seconds in pairs if seen > 0 and seconds > 0]
    memory = [
        value
        for event in points
        for name, value in event["values"].items()
        if name == "gpu_memory_allocated_peak_mib"
    ]
    return float(np.median(rates)), f"{max(memory):.0f}" if memory else "–"


if __name__ == "__main__":
    main()
