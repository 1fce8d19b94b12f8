"""A system so small that the whole workflow runs on it in a minute, and the commands to run it."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
TINY = {
    "name": "tiny",
    "source": {"kind": "phantom", "patients": 24, "slices": 3},
    "prepare": {"size": [32, 32]},
    "split": {"fractions": {"train": 0.5, "val": 0.2, "test": 0.3}},
    "autoencoder": {"images": 320, "batch": 16, "channels": [8], "latent_channels": 2},
    "diffusion": {
        "images": 320,
        "batch": 32,
        "channels": [8, 16],
        "blocks": 1,
        "attention": [False, True],
    },
    "sampling": {"images": 40, "shard": 25, "steps": 5, "batch": 20},
    "evaluation": {
        "images": 16,
        "classifier_images": 200,
        "folds": 2,
        "guidance_scales": [1, 2],
        "guidance_images": 16,
        "neighbours": 3,
    },
    # A model that has hardly been trained makes images near the mean of all; what the audit says
    # of them is no matter here, nor that so few patients decide nothing.
    "audit": {
        "detector_images": 256,
        "planted": 4,
        "undecided": "go_on",
        "gates": {
            "copies": {"at_most": 1_000},
            "memorised_share": {"at_most": 1},
            "membership": {"at_most": 1},
        },
    },
}


def environment() -> dict[str, str]:
    """What the commands run in. Compiling UMAP takes twenty seconds, drawing the few points of a
    tiny run one; the unit tests compile it. Threads that wait for each other sleep: two cores that
    several tests share have no time to spin."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "NUMBA_DISABLE_JIT": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def run(command: list[str], folder: Path, **changes: str) -> subprocess.CompletedProcess:
    """Run a command of this environment in `folder`; stdout and stderr come as one text."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment() | changes,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def snakemake(folder: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess:
    """Run the repository's workflow in `folder`, two jobs of one thread each at a time: two threads
    that share so little work wait for each other, and on a busy core they wait long."""
    snakefile = ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(folder)]
    command = ["snakemake", "--cores", "2", "--max-threads", "1", *snakefile, *arguments]
    return run(command, folder, **changes)


def configured(folder: Path, **changes: dict) -> str:
    """Write the tiny system's configuration with `changes`; the path to it."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(TINY | changes))
    return str(path)
