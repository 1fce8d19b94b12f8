"""The exported folder opened by its receivers' own libraries, without a line of code for it."""

import json
import logging

import numpy as np
import pytest
from exports import SPLITS, make, run

from synthcohort.files import sha256

RELEASE = {"version": "1.2.0", "date": "2026-11-25", "changes": "The first one."}
TOLD = {"licence": "cc0-1.0", "creator": "Some Institute", "contact": "data@example.org"}


def whole(made, **settings):
    return run(made, releases=[RELEASE], url="https://example.org/data", **TOLD, **settings)


def as_stored(folder):
    """Split, class number and pixels of every image, as the npz has them."""
    with np.load(folder / "tiny.npz", allow_pickle=False) as arrays:
        return sorted(
            (name, int(label), image.tobytes())
            for split, name in SPLITS.items()
            for label, image in zip(
                arrays[f"{split}_labels"][:, 0], arrays[f"{split}_images"], strict=True
            )
        )


@pytest.mark.parametrize("formats", [("imagefolder", "medmnist"), ("parquet", "medmnist")])
def test_mlcroissant_accepts_the_description_and_loads_the_images(tmp_path, formats, caplog):
    import mlcroissant

    folder = whole(make(tmp_path / "run", names=("none", "a|b")), formats=formats)
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(folder / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert not issues.errors and not issues.warnings and not caplog.records
    records = list(dataset.records("images"))
    loaded = [
        (
            record["images/split"].decode(),
            record["images/class"],
            np.asarray(record["images/image"].convert("L")).tobytes(),
        )
        for record in records
    ]
    assert sorted(loaded) == as_stored(folder)
    assert len({record["images/file_name"] for record in records}) == 50
    assert {record["labels/name"] for record in dataset.records("labels")} == {"none", "a|b"}
    splits = {record["splits/name"] for record in dataset.records("splits")}
    assert splits == set(SPLITS.values())


def test_the_description_tells_origin_conditions_and_limits(tmp_path):
    folder = whole(make(tmp_path / "run"))
    told = json.loads((folder / "croissant.json").read_text())
    assert "http://mlcommons.org/croissant/1.1" in told["conformsTo"]
    assert told["datePublished"] == "2026-11-25" and told["version"].startswith("1.2.0+")
    assert told["identifier"].removeprefix("sha256:").startswith(told["version"][6:])
    assert "Some Institute" in told["citeAs"] and "year    = {2026}" in told["citeAs"]
    files = {of["contentUrl"]: of["sha256"] for of in told["distribution"] if "sha256" in of}
    assert {"README.md", "tiny.npz", "results.json", "figures/samples.png"} < set(files)
    assert files["imagefolder/train/metadata.csv"] == sha256(
        folder / "imagefolder/train/metadata.csv"
    )
    assert "Handwritten Digits" in told["prov:wasDerivedFrom"]["prov:label"]
    agent = told["prov:wasGeneratedBy"]["prov:wasAssociatedWith"]
    assert agent["prov:label"] == "synthcohort" and agent["softwareVersion"]
    assert "odrl:Offer" in told["usageInfo"]["@type"]
    assert "re-identif" in json.dumps(told["usageInfo"]["odrl:prohibition"])
    private = told["rai:personalSensitiveInformation"]
    assert private[0].startswith("Passed: all gates")
    assert any(line.startswith("Memorised share: 0.02 [0.01, 0.04], among") for line in private)
    assert any("no differential privacy" in line for line in private)
    assert any("short of the floor" in line for line in told["rai:dataLimitations"])


def test_hugging_face_datasets_loads_images_with_their_labels(tmp_path, monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    from datasets import ClassLabel, load_dataset

    versions = set()
    for place, formats in enumerate([("imagefolder", "medmnist"), ("parquet", "medmnist")]):
        made = make(tmp_path / f"run{place}", names=("zebra", "ant"))
        folder = whole(made, formats=formats)
        dataset = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
        assert list(dataset) == list(SPLITS.values())
        features = dataset["train"].features
        assert features["label"] == ClassLabel(names=["zebra", "ant"]), "in the order of classes"
        loaded = [
            (split, row["class"], np.asarray(row["image"]).tobytes())
            for split, part in dataset.items()
            for row in part
        ]
        assert sorted(loaded) == as_stored(folder)
        labels = dataset["train"]["label"]
        assert list(labels) == list(dataset["train"]["class"])
        versions.add(json.loads((folder / "results.json").read_text())["dataset"]["version"])
    assert len(versions) == 1, "the same images are the same dataset, whatever files they lie in"


def test_sixteen_bits_stay_sixteen_in_datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    folder = whole(make(tmp_path / "run", names=("",), counts=(20,), dtype="u2"))
    dataset = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    loaded = [
        (split, 0, np.asarray(row["image"]).tobytes())
        for split, part in dataset.items()
        for row in part
    ]
    assert sorted(loaded) == as_stored(folder)
    assert np.asarray(dataset["train"][0]["image"]).dtype == np.uint16
