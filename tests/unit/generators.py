"""Runs whose networks have learnt nothing, as they are handed on and drawn from."""

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from exports import write_audit

from synthcohort import config
from synthcohort.cohort import MANIFEST_COLUMNS
from synthcohort.diffusion.schedule import build_schedule
from synthcohort.files import write_json
from synthcohort.generator.writing import write_model
from synthcohort.hardware import Hardware
from synthcohort.models import build_autoencoder, build_denoiser, reduction_of
from synthcohort.samples.sampler import Sampler
from synthcohort.tracking.journal import Journal

HARDWARE = Hardware("cpu", "fp32", 1)
SEED = 5


def system(**changes) -> config.Config:
    """The configuration of a run with 16×16 images."""
    values = {
        "name": "tiny",
        "seed": SEED,
        "source": {"kind": "digits"},
        "autoencoder": {"images": 1000, "channels": [8], "latent_channels": 2},
        "diffusion": {"images": 2000, "channels": [8, 16], "blocks": 1},
        "sampling": {"images": {"A": 3, "B": 3}, "steps": 3, "batch": 4},
        "export": {"title": "Tiny digits", "licence": "cc0-1.0"},
    }
    for key, value in changes.items():
        # Without an autoencoder there is nothing to say of it.
        whole = value.get("network") == "none"
        values[key] = value if whole else values[key] | value
    return config.check(values)


def make_run(folder: Path, of: config.Config, labels=("A", "B"), attributes=(), **audit) -> Path:
    """A results folder with all that the model stage reads."""
    cohort(folder / "cohort", labels, attributes)
    torch.manual_seed(0)
    autoencoder = build_autoencoder(of.autoencoder, 1, (16, 16)).eval()
    autoencoder.register_to_config(scaling_factor=0.9, shift_factor=-0.05)
    autoencoder.save_pretrained(folder / "autoencoder")
    if of.autoencoder.network == "none":
        channels = of.autoencoder.patch**2
    else:
        channels = of.autoencoder.latent_channels
    side = 16 // reduction_of(autoencoder)
    shape = (channels, side, side)
    # What guides is another network than what draws.
    for place in ("early/1024/unet", "early/512/unet", "unet"):
        unet = build_denoiser(of.diffusion, shape, len(labels), len(attributes))
        unet.save_pretrained(folder / "diffusion" / place)
    build_schedule(of.diffusion, of.autoencoder.network == "none").save_pretrained(
        folder / "diffusion/scheduler"
    )
    (folder / "diffusion/layers.txt").write_text("the layers")
    write_json(folder / "diffusion/labels.json", {"names": list(labels)})
    standard = {"names": list(attributes), "mean": [50.0] * len(attributes)}
    standard["std"] = [10.0] * len(attributes)
    write_json(folder / "diffusion/attributes.json", standard)
    write_json(folder / "diffusion/seen.json", {"images": 2048})
    write_audit(folder, [], **audit)
    return folder


def cohort(folder: Path, labels, attributes) -> None:
    """Eight images a label, of which four are in train; attributes around 50."""
    folder.mkdir(parents=True)
    n = 8 * len(labels)
    np.save(folder / "images.npy", np.zeros((n, 1, 16, 16), np.uint8))
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*MANIFEST_COLUMNS, *attributes], restval="")
        table.writeheader()
        for i in range(n):
            row = {"image_id": f"i{i}", "patient_id": f"secret{i}", "label": labels[i // 8]}
            table.writerow(row | {name: 45 + i for name in attributes})
    with (folder / "split.csv").open("w") as file:
        file.write("image_id,split\n")
        file.writelines(f"i{i},{'train' if i % 2 else 'test'}\n" for i in range(n))


def write(folder: Path, of: config.Config) -> Path:
    """The model's folder of a run."""
    write_model(
        of,
        cohort=folder / "cohort",
        split=folder / "cohort/split.csv",
        autoencoder=folder / "autoencoder",
        diffusion=folder / "diffusion",
        audit=folder / "audit.json",
        results=[],
        out=folder / "model",
        journal=Journal(None, "model", {}),
    )
    return folder / "model"


def sampled(folder: Path, of: config.Config) -> dict[str, np.ndarray]:
    """What the sample stage draws in that run."""
    sampler = Sampler(
        of.sampling,
        seed=of.seed,
        cohort=folder / "cohort",
        split=folder / "cohort/split.csv",
        autoencoder=folder / "autoencoder",
        diffusion=folder / "diffusion",
        hardware=HARDWARE,
    )
    sampler.write(0, folder / "shard.npz")
    return dict(np.load(folder / "shard.npz", allow_pickle=False))


def card_of(model: Path) -> str:
    return (model / "README.md").read_text()


def record_of(model: Path) -> dict:
    return json.loads((model / "model.json").read_text())


def environment(uri: str) -> dict[str, str]:
    """For a server of a model from the store at `uri`."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"MLFLOW_TRACKING_URI": uri, "PATH": path}
