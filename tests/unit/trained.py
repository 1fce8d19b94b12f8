"""A tiny cohort with all stages trained on it, and the trainings to train again."""

import csv
import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from synthcohort.cohort import MANIFEST_COLUMNS
from synthcohort.config import Autoencoder, Diffusion
from synthcohort.diffusion import preview
from synthcohort.hardware import Hardware
from synthcohort.latents.encode import encode
from synthcohort.tracking.journal import Journal
from synthcohort.training.autoencoder import train_autoencoder
from synthcohort.training.diffusion import train_diffusion

# Samples are drawn at every status, here at every step, and nobody judges them.
preview.SNAPSHOT_STEPS = 2
HARDWARE = Hardware("cpu", "fp32", 1)
JOURNAL = Journal(None, "test", {})
AUTOENCODER = Autoencoder(
    images=240, batch=16, channels=(8, 8), latent_channels=2, checkpoint_images=48, warmup_images=32
)
DIFFUSION = Diffusion(
    images=240,
    batch=16,
    channels=(8, 16),
    blocks=1,
    checkpoint_images=48,
    warmup_images=32,
)


@pytest.fixture(scope="session")
def system(tmp_path_factory) -> Path:
    """A folder with a cohort of 60 images of 16×16 in two labels, split, and all stages trained:
    every file of tests gets a copy of its own."""
    folder = tmp_path_factory.mktemp("system")
    return shutil.copytree(_trained(tmp_path_factory.getbasetemp()), folder, dirs_exist_ok=True)


@functools.cache
def _trained(root: Path) -> Path:
    folder = root / "trained"
    (folder / "cohort").mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    base = np.where(labels, 60, 180)[:, None, None, None] + rng.normal(0, 30, (60, 1, 16, 16))
    np.save(folder / "cohort/images.npy", base.clip(0, 255).astype(np.uint8))
    with (folder / "cohort/manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, MANIFEST_COLUMNS, restval="")
        table.writeheader()
        for i, label in enumerate(labels):
            row = {"image_id": f"i{i}", "patient_id": f"p{i // 2}", "label": "AB"[label]}
            table.writerow(row)
    with (folder / "cohort/split.csv").open("w", newline="") as file:
        file.write("image_id,patient_id,split\n")
        for i in range(60):
            part = "train" if i < 40 else "val" if i < 50 else "test"
            file.write(f"i{i},p{i // 2},{part}\n")
    autoencoder(folder, "autoencoder")
    encoded(folder)
    diffusion(folder, "diffusion")
    return folder


def data(folder: Path) -> dict[str, Path]:
    return {"cohort": folder / "cohort", "split": folder / "cohort/split.csv"}


def autoencoder(folder: Path, out: str, settings: Autoencoder = AUTOENCODER) -> dict:
    train_autoencoder(
        settings,
        seed=0,
        **data(folder),
        out=folder / out,
        history=folder / f"{out}.json",
        checkpoints=folder / f"checkpoints-{out}",
        hardware=HARDWARE,
        journal=JOURNAL,
    )
    return load_file(folder / out / "diffusion_pytorch_model.safetensors")


def encoded(folder: Path) -> None:
    encode(
        seed=0,
        **data(folder),
        autoencoder=folder / "autoencoder",
        out=folder / "latents",
        measured=folder / "measured.json",
        arrays=folder / "measured.npz",
        hardware=HARDWARE,
        journal=JOURNAL,
    )


def diffusion(folder: Path, out: str, settings: Diffusion = DIFFUSION) -> dict:
    train_diffusion(
        settings,
        seed=0,
        **data(folder),
        latents=folder / "latents",
        autoencoder=folder / "autoencoder",
        out=folder / out,
        history=folder / f"{out}.json",
        snapshots=folder / f"{out}.npz",
        checkpoints=folder / f"checkpoints-{out}",
        hardware=HARDWARE,
        journal=JOURNAL,
    )
    return load_file(folder / out / "unet/diffusion_pytorch_model.safetensors")
