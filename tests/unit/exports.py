"""Finished runs made up to be exported, and what is read back from an export."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import yaml
from PIL import Image
from safetensors.numpy import save_file

from synthcohort import config
from synthcohort.export import export
from synthcohort.files import sha256
from synthcohort.tracking.journal import Journal

SPLITS = {"train": "train", "val": "validation", "test": "test"}


def system(**settings):
    return config.check(
        {
            "name": "tiny",
            "seed": 5,
            "source": {"kind": "digits"},
            "autoencoder": {"images": 1000},
            "diffusion": {"images": 2000},
            "export": {"title": "Tiny synthetic digits"} | settings,
        }
    )


def make(root, names=("a", "b"), channels=1, dtype="u1", counts=(30, 20), shard=18):
    """A finished run: shards, an audit that passed, a result, models and figures."""
    root.mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    order = sorted((i / n, label, i) for label, n in enumerate(counts) for i in range(n))
    labels, index = np.array([entry[1:] for entry in order]).T
    images = rng.integers(0, np.iinfo(dtype).max, (len(order), channels, 12, 10), dtype)
    paths = []
    for number, start in enumerate(range(0, len(order), shard)):
        rows = slice(start, start + shard)
        paths.append(root / f"shard-{number:05d}.npz")
        np.savez(
            paths[-1],
            images=images[rows],
            labels=labels[rows],
            label_names=np.array(names),
            index=index[rows],
            seeds=(labels * 1000 + index + 2**60)[rows],
        )
    write_audit(root, paths)
    result = {
        "metric": "fid",
        "value": 42.5,
        "interval": [40.0, 45.25],
        "confidence": 0.95,
        "interval_method": "bootstrap",
        "n": {"synthetic": 50, "test": 50, "train": 50},
        "floor": {"value": 18.25, "interval": [17.0, 19.5]},
        "extractor": "inception",
        "layer": "2048",
        "seed": 5,
        "seconds": 12.3,
        "details": {"patients": ["p1"]},
    }
    (root / "fid.json").write_text(json.dumps(result))
    for folder in ("autoencoder", "diffusion/unet"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        save_file({"w": np.zeros((3, 5), "f4")}, root / folder / "model.safetensors")
    for name in ("samples", "embedding", "distances"):
        Image.new("L", (4, 4)).save(root / f"{name}.png")
    return SimpleNamespace(root=root, shards=paths, images=images, labels=labels, index=index)


def write_audit(root, paths, copies=0, dropped=(), override=None, outcome=None):
    """An audit that found `copies`, which are not allowed."""
    n = {"train": 160, "test": 80, "synthetic": 50}
    floor = {"value": 0, "interval": None}
    figure = {"value": copies, "interval": None, "floor": floor, "n": n}
    share = {
        "name": "memorised_share",
        "value": 0.02,
        "interval": [0.01, 0.04],
        "quantile": 0.01,
        "floor": {"value": 0.0125, "interval": [0.002, 0.07]},
        "n": n,
    }
    nearer = {"name": "nearer_to_train_than_test", "value": 0.5, "interval": [0.4, 0.6], "n": {}}
    outcome = outcome or ("failed" if copies else "passed")
    gate = figure | {
        "name": "copies",
        "rule": "at_most",
        "threshold": 0,
        "outcome": outcome,
        "why": f"{copies} where at most 0 is allowed.",
        "needs": None,
        "stops": outcome != "passed" and not override,
    }
    copy = {"shard": "s", "label": "a", "index": 1, "train_image": "secret", "distance": 0.1}
    audit = {
        "passed": outcome == "passed",
        "outcome": outcome,
        "undecided": "stop",
        "gates": [gate | ({"override": override} if override else {})],
        "measures": [{"name": "copies", **figure}, share, nearer],
        "distance": "root-mean-square difference",
        "copies": [copy | {"way": "mirrored", "correlation": 0.999}] * copies,
        "dropped": [{"label": label, "index": index} for label, index in dropped],
        "memorised": [copy],
        "nearest": [copy],
        "samples": {path.name: sha256(path) for path in paths},
        "seed": 5,
    }
    (root / "audit.json").write_text(json.dumps(audit))


def run(made, out="export", **settings):
    root = made.root
    export(
        system(**settings),
        samples=made.shards,
        audit=root / "audit.json",
        results=[root / "fid.json"],
        autoencoder=root / "autoencoder",
        diffusion=root / "diffusion",
        grid=root / "samples.png",
        embedding=root / "embedding.png",
        distances=root / "distances.png",
        out=root / out,
        journal=Journal(None, "export", {}),
    )
    return root / out


def metadata(folder):
    with (folder / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def front_matter(folder):
    _, head, body = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), body
