"""ADNI, OASIS and bone age, from stand-ins in their layouts.

OASIS goes to the exported dataset, because it has no labels; ADNI to the split, after which no
stage knows it from another source; bone age to the samples, which are asked for with an age. What
the card says of their terms is in tests/unit/test_terms.py.
"""

import csv
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tiny import TINY, configured, snakemake

RESULTS = "results/tiny"
ACKNOWLEDGED = {"acknowledge": "ADNI Data Use Agreement"}


def picture(seed: int, height: int, width: int) -> PIL.Image.Image:
    """A grey image of smooth shapes that no other seed gives."""
    coarse = np.random.default_rng(seed).integers(0, 255, (9, 9), "u1")
    return PIL.Image.fromarray(coarse).resize((width, height), PIL.Image.Resampling.BICUBIC)


def write_adni(root: Path) -> None:
    """Two scans of each of 24 patients, of which half are test; two slices a scan."""
    rows = ["Image Data ID,Subject,Group,Sex,Age,Visit"]
    for patient in range(24):
        part, label = ("train", "test")[patient % 2], ("AD", "NC")[patient // 2 % 2]
        folder = root / part / label
        folder.mkdir(parents=True, exist_ok=True)
        for visit in range(2):
            scan = 20000 + 2 * patient + visit
            rows.append(f"I{scan},002_S_{patient:04d},{label},F,74,m{12 * visit:02d}")
            for number in (79, 80):
                picture(10 * scan + number, 240, 256).save(folder / f"{scan}_{number}.jpeg")
    (root / "collection.csv").write_text("\n".join(rows) + "\n")


def write_oasis(path: Path) -> None:
    """A zip file of 24 cases in three parts, three slices a case."""
    with zipfile.ZipFile(path, "w") as archive:
        for case in range(24):
            part = "train" if case < 12 else "validate" if case < 16 else "test"
            for number in range(3):
                content = io.BytesIO()
                picture(100 * case + number, 64, 64).save(content, "png")
                folder = f"keras_png_slices_data/keras_png_slices_{part}"
                name = f"{folder}/case_{case:03d}_slice_{number}.nii.png"
                archive.writestr(name, content.getvalue())


def write_bone_age(root: Path) -> None:
    """One hand of each of 48 patients, in sizes of their own."""
    images = root / "boneage-training-dataset"
    images.mkdir(parents=True)
    rows = ["id,boneage,male"]
    for patient in range(48):
        rows.append(f"{1377 + patient},{24 + 3 * patient},{patient % 2 == 0}")
        high, wide = 100 + patient, 130 - patient
        picture(patient, high, wide).save(images / f"{1377 + patient}.png")
    (root / "boneage-training-dataset.csv").write_text("\n".join(rows) + "\n")


def ran(folder: Path, sketched: dict[str, str], target: str, **changes: dict) -> list[dict]:
    """The manifest's rows with their split, after a run up to `target`."""
    config = configured(folder, **changes)
    done = snakemake(folder, f"{RESULTS}/{target}", "--configfile", config, **sketched)
    assert done.returncode == 0, done.stdout[-4000:]
    with (folder / RESULTS / "cohort/manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / RESULTS / "cohort/split.csv").open(newline="") as file:
        return [
            row | {"split": of["split"]} for row, of in zip(rows, csv.DictReader(file), strict=True)
        ]


def test_adni(tmp_path, sketched):
    write_adni(tmp_path / "adni")
    source = {"kind": "adni", "root": "adni", "table": "collection.csv"}
    rows = ran(
        tmp_path,
        sketched,
        "cohort/split.csv",
        source=source,
        prepare={"centre_crop": [200, 200], "size": [32, 32]},
        split=TINY["split"] | {"validation_from": "test", "near_duplicates": "join"},
        export=ACKNOWLEDGED,
    )
    patients = {row["patient_id"]: row["split"] for row in rows}
    assert all(row["split"] == patients[row["patient_id"]] for row in rows)
    assert Counter(patients.values()) == {"train": 12, "val": 4, "test": 8}
    assert {row["split"] for row in rows if row["official_split"] == "train"} == {"train"}
    assert {row["label"] for row in rows} == {"AD", "NC"}


@pytest.mark.parametrize("export", [{}, {"acknowledge": "yes"}])
def test_adni_is_refused_at_once_without_the_acknowledgement(tmp_path, export):
    source = {"kind": "adni", "root": "adni"}
    path = configured(tmp_path, source=source, export=export)
    refused = snakemake(tmp_path, "--configfile", path)
    assert refused.returncode != 0 and 'acknowledge: "ADNI Data Use Agreement"' in refused.stdout
    assert "Traceback" not in refused.stdout and not (tmp_path / "results").exists()


def test_oasis(tmp_path, sketched):
    write_oasis(tmp_path / "oasis.zip")
    source = {"kind": "oasis", "root": "oasis.zip", "images": 31}
    rows = ran(tmp_path, sketched, "export/SHA256SUMS", source=source)
    # Ten whole cases of the twelve: 31 images are no whole number of them.
    assert Counter(row["split"] for row in rows) == {"train": 30, "val": 12, "test": 24}
    export = tmp_path / RESULTS / "export"
    made = [
        row
        for table in export.glob("imagefolder/*/metadata.csv")
        for row in csv.DictReader(table.open())
    ]
    assert len(made) == 40 and "label" not in made[0]
    card = (export / "README.md").read_text()
    assert "OASIS" in card and "P50 AG05681" in card and "restricted" not in card


def test_bone_age(tmp_path, sketched):
    write_bone_age(tmp_path / "hands")
    rows = ran(
        tmp_path,
        sketched,
        "samples/shards.csv",
        source={"kind": "bone_age", "root": "hands"},
        prepare={"size": [32, 32], "fit": "pad"},
        diffusion=TINY["diffusion"] | {"cross_attention": True},
    )
    assert len({row["patient_id"] for row in rows}) == len(rows) == 48
    asked = set()
    for shard in (tmp_path / RESULTS / "samples").glob("shard-*.npz"):
        with np.load(shard, allow_pickle=False) as arrays:
            assert list(arrays["attribute_names"]) == ["age_months"]
            labels = arrays["label_names"][arrays["labels"]]
            asked |= set(zip(labels, arrays["attributes"][:, 0], strict=True))
    assert asked <= {(row["label"], float(row["age_months"])) for row in rows}
    assert {label for label, _ in asked} == {"female", "male"}
    unet = json.loads((tmp_path / RESULTS / "diffusion/unet/config.json").read_text())
    assert unet["_class_name"] == "UNet2DConditionModel"
