"""Whole runs with a condition beside the label: a number, and several findings without a label."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image
from tiny import TINY, configured, snakemake

RESULTS = Path("results/tiny")
PATIENTS = 24
DIFFUSION = TINY["diffusion"] | {"images": 160}


def write_images(root: Path, rows: list[dict[str, str]]) -> None:
    """Two images of 16×16 a patient, with a table of `rows`, one a patient."""
    rng = np.random.default_rng(0)
    listed = []
    for number, row in enumerate(rows):
        for side in "lr":
            name = f"p{number}{side}.png"
            pixels = rng.integers(0, 256, (16, 16)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name)
            listed.append({"file": name, "id": f"p{number}", **row})
    with (root / "list.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(listed[0]))
        table.writeheader()
        table.writerows(listed)


def exported(folder: Path, columns: dict, **changes) -> tuple[list[dict[str, str]], dict, str]:
    """A whole run: the rows of the exported metadata, the arrays and the card."""
    source = {"kind": "folder", "root": "images", "table": "list.csv"}
    config = configured(
        folder,
        source=source | {"columns": {"patient": "id"} | columns},
        prepare={"size": [16, 16]},
        sampling={"images": 32, "shard": 20, "steps": 5, "batch": 16},
        evaluation={"images": 12, "classifier_images": 64, "folds": 2, "neighbours": 3},
        **changes,
    )
    done = snakemake(folder, "--configfile", config)
    assert done.returncode == 0, done.stdout[-4000:]
    export = folder / RESULTS / "export"
    rows = [
        row
        for path in sorted(export.glob("imagefolder/*/metadata.csv"))
        for row in csv.DictReader(path.open())
    ]
    arrays = np.load(export / "tiny.npz", allow_pickle=False)
    return rows, dict(arrays), (export / "README.md").read_text()


def test_a_label_and_a_number(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    people = [{"sex": "FM"[i % 2], "months": str(40 + i + 100 * (i % 2))} for i in range(PATIENTS)]
    write_images(images, people)
    rows, arrays, card = exported(
        tmp_path,
        {"label": "sex", "attributes": ["months"]},
        autoencoder=TINY["autoencoder"] | {"images": 160},
        diffusion=DIFFUSION | {"cross_attention": True},
    )
    real = {(of["sex"], of["months"]) for of in people}
    assert len(rows) == 32 and {(row["label"], row["months"]) for row in rows} <= real
    assert arrays["train_labels"].shape[1] == 1 and "months" in card
    unet = json.loads((tmp_path / RESULTS / "diffusion/unet/config.json").read_text())
    assert unet["_class_name"] == "UNet2DConditionModel"


def test_findings_without_a_label_in_pixel_space(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    people = [{"cough": str(i % 2), "fever": str(i // 2 % 2)} for i in range(PATIENTS)]
    write_images(images, people)
    rows, arrays, card = exported(
        tmp_path,
        {"attributes": ["cough", "fever"]},
        autoencoder={"network": "none"},
        diffusion=DIFFUSION | {"steps": 300, "loss": "l1", "prediction": "epsilon"},
    )
    assert len(rows) == 32 and "label" not in rows[0]
    labels = np.concatenate([arrays[f"{part}_labels"] for part in ("train", "val", "test")])
    assert labels.shape == (32, 2) and set(np.unique(labels)) == {0, 1}
    assert "no autoencoder: the model works on pixels" in card
    figures = tmp_path / RESULTS / "figures"
    assert Image.open(figures / "denoising.gif").n_frames > 1
    assert (figures / "noising.png").is_file() and (figures / "denoising.png").is_file()
