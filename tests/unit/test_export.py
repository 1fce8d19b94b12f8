"""The exported folder is read back the way its receivers read it."""

import csv
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.numpy import save_file

from synthcohort import config, shards
from synthcohort.errors import UserError
from synthcohort.export import export
from synthcohort.export.imagefolder import label_folders
from synthcohort.export.split import assign
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
    write_audit(root, paths, value=0.02)
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


def write_audit(root, paths, value):
    gate = {
        "name": "memorised_share",
        "value": value,
        "interval": [value / 2, value * 2],
        "threshold": 0.05,
        "passed": value <= 0.05,
        "quantile": 0.01,
        "floor": {"value": 0.0125, "interval": [0.002, 0.07]},
        "n": {"train": 160, "test": 80, "synthetic": 50},
    }
    nearer = {"name": "nearer_to_train_than_test", "value": 0.5, "interval": [0.4, 0.6], "n": {}}
    copy = {"shard": "s", "label": "a", "index": 1, "train_image": "secret", "distance": 0.1}
    audit = {
        "passed": gate["passed"],
        "gates": [gate],
        "measures": [nearer],
        "distance": "root-mean-square difference",
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


@pytest.mark.parametrize(
    ("channels", "dtype", "mode"), [(1, "u1", "L"), (1, "u2", "I;16"), (3, "u1", "RGB")]
)
def test_png_files_hold_the_samples(tmp_path, channels, dtype, mode):
    made = make(tmp_path / "run", channels=channels, dtype=dtype)
    folder = run(made) / "imagefolder"
    place = {
        ("ab"[label], int(index)): i
        for i, (label, index) in enumerate(zip(made.labels, made.index, strict=True))
    }
    seen = []
    for split in SPLITS.values():
        entries = metadata(folder / split)
        files = {
            path.relative_to(folder / split).as_posix() for path in folder.glob(f"{split}/*/*")
        }
        assert {entry["file_name"] for entry in entries} == files
        for entry in entries:
            i = place[entry["label"], int(entry["index"])]
            seen.append(i)
            assert entry["file_name"] == f"{entry['label']}/{int(entry['index']):06d}.png"
            assert int(entry["class"]) == made.labels[i]
            assert int(entry["seed"]) == made.labels[i] * 1000 + made.index[i] + 2**60
            with Image.open(folder / split / entry["file_name"]) as image:
                assert image.mode == mode
                pixels = np.asarray(image)
            expected = made.images[i, 0] if channels == 1 else made.images[i].transpose(1, 2, 0)
            np.testing.assert_array_equal(pixels, expected)
    assert sorted(seen) == list(range(50)), "every sample is in exactly one split"


@pytest.mark.parametrize(("channels", "dtype"), [(1, "u1"), (1, "u2"), (3, "u1")])
def test_npz_has_medmnists_six_keys(tmp_path, channels, dtype):
    made = make(tmp_path / "run", channels=channels, dtype=dtype)
    folder = run(made)
    with np.load(folder / "tiny.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {f"{s}_{what}" for s in SPLITS for what in ("images", "labels")}
        for split, name in SPLITS.items():
            images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
            entries = metadata(folder / "imagefolder" / name)
            assert images.shape == (len(entries), 12, 10, *([3] if channels == 3 else []))
            assert images.dtype == np.dtype(dtype)
            assert labels.shape == (len(entries), 1)
            assert labels.dtype == np.uint8
            by_file = []
            for entry in entries:
                with Image.open(folder / "imagefolder" / name / entry["file_name"]) as image:
                    by_file.append((int(entry["class"]), np.asarray(image).tobytes()))
            by_row = [
                (int(n), image.tobytes()) for n, image in zip(labels[:, 0], images, strict=True)
            ]
            assert sorted(by_row) == sorted(by_file), "PNG and npz have the same splits"


def test_without_labels_the_layout_is_flat(tmp_path):
    folder = run(make(tmp_path / "run", names=("",), counts=(20,)))
    entries = metadata(folder / "imagefolder" / "train")
    assert list(entries[0]) == ["file_name", "index", "seed"]
    assert entries[0]["file_name"].count("/") == 0
    assert (folder / "imagefolder" / "train" / entries[0]["file_name"]).exists()
    head, _ = front_matter(folder)
    assert head["task_categories"] == ["unconditional-image-generation"]


def test_a_split_without_images_is_left_out(tmp_path):
    folder = run(make(tmp_path / "run"), fractions={"train": 0.5, "val": 0.0, "test": 0.5})
    assert not (folder / "imagefolder" / "validation").exists()
    head, _ = front_matter(folder)
    assert [entry["split"] for entry in head["configs"][0]["data_files"]] == ["train", "test"]
    with np.load(folder / "tiny.npz", allow_pickle=False) as arrays:
        assert arrays["val_images"].shape == (0, 12, 10)
        assert arrays["val_labels"].shape == (0, 1)


def test_checksums_are_accepted_and_the_same_again(tmp_path):
    made = make(tmp_path / "run")
    folder = run(made)
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=folder, check=True)
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    names = [line.split("  ", 1)[1] for line in lines]
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert names == sorted(set(files) - {"SHA256SUMS"})
    again = run(made, "again")
    assert (again / "SHA256SUMS").read_bytes() == (folder / "SHA256SUMS").read_bytes()
    other = run(make(tmp_path / "other", shard=7))
    # The audit's digests of the shards are not exported, so the size of a shard leaves no trace.
    assert (other / "SHA256SUMS").read_bytes() == (folder / "SHA256SUMS").read_bytes()
    with (folder / "tiny.npz").open("ab") as file:
        file.write(b"x")
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode != 0


def test_the_card_says_what_it_is(tmp_path):
    folder = run(make(tmp_path / "run"), licence="cc0-1.0")
    head, body = front_matter(folder)
    assert head["license"] == "cc0-1.0"
    assert head["pretty_name"] == "Tiny synthetic digits"
    assert head["size_categories"] == ["n<1K"]
    assert "synthetic" in head["tags"]
    for entry in head["configs"][0]["data_files"]:
        assert list((folder).glob(entry["path"].replace("/**", "/metadata.csv")))
    assert "Every image in this dataset is synthetic" in body
    assert "15 parameters" in body and "2,000 images seen" in body
    assert (
        "| FID | 42.5 | [40, 45.25] | 18.25 [17, 19.5] | train 50, test 50, synthetic 50 |" in body
    )
    assert "Not for diagnosis" in body
    assert "What this audit cannot show" in body
    assert "| 0 | a | 24 | 3 | 3 |" in body
    for line in body.splitlines():
        if line.startswith("!["):
            assert (folder / line.split("](")[1].rstrip(")")).exists()


def test_nothing_about_real_images_leaves(tmp_path):
    folder = run(make(tmp_path / "run"))
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "README.md", "SHA256SUMS", "figures", "imagefolder", "results.json", "tiny.npz",
    }  # fmt: skip
    for name in ("README.md", "results.json"):
        text = (folder / name).read_text()
        assert "secret" not in text and "p1" not in text and str(tmp_path) not in text
    results = json.loads((folder / "results.json").read_text())
    assert "seconds" not in results["results"][0]


def test_a_failed_audit_stops_the_export(tmp_path):
    made = make(tmp_path / "run")
    write_audit(made.root, made.shards, value=0.2)
    with pytest.raises(UserError, match="nothing is exported"):
        run(made)
    assert not (made.root / "export").exists()


def test_colour_images_of_sixteen_bits_are_refused(tmp_path):
    made = make(tmp_path / "run", channels=3, dtype="u2")
    with pytest.raises(UserError, match=r"prepare\.depth"):
        run(made)
    assert not (made.root / "export").exists()


def test_an_older_export_is_replaced_as_a_whole(tmp_path):
    made = make(tmp_path / "run")
    folder = run(made)
    (folder / "left over").write_text("")
    run(made)
    assert not (folder / "left over").exists()


def test_splits_are_by_label_and_by_seed(tmp_path):
    made = make(tmp_path / "run", counts=(101, 10))
    sampled = shards.describe(made.shards)
    fractions = config.Fractions(train=0.7, val=0.1, test=0.2)
    split = assign(sampled, fractions, seed=1)
    for label, expected in ((0, (71, 10, 20)), (1, (7, 1, 2))):
        mine = split[made.labels == label]
        assert tuple(int((mine == part).sum()) for part in SPLITS) == expected
    assert (split == assign(sampled, fractions, seed=1)).all()
    assert (split != assign(sampled, fractions, seed=2)).any()


def test_label_folders_are_safe_and_unique():
    assert label_folders(["AD", "no finding", "../up"]) == ["AD", "no_finding", "_up"]
    assert len(set(map(str.casefold, label_folders(["a/b", "a_b", "A_B", "0-a_b"])))) == 4


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    made = make(tmp_path / "run")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(UserError, match="disk is full"):
        run(made)
    assert not [path for path in Path(made.root).iterdir() if "export" in path.name]
