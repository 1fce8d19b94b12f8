"""The whole workflow from public data sets' files, here stand-ins, to the exported dataset."""

import struct
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
from tiny import TINY, configured, snakemake

SIDE = 28


def pictures(labels: np.ndarray, seed: int) -> np.ndarray:
    """N×28×28 uint8: as many noisy bars as the label says."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 60, (len(labels), SIDE, SIDE), np.uint8)
    for picture, label in zip(drawn, labels, strict=True):
        top, left = rng.integers(0, 6, 2)
        picture[top : top + 20, left : left + 6 * (label + 1) : 6] += 180
    return drawn


def classes(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint8) % 3


def exported(folder: Path, **changes: dict) -> dict[str, np.ndarray]:
    """The arrays of the dataset that a tiny system with `changes` exports."""
    done = snakemake(folder, "--configfile", configured(folder, **changes))
    assert done.returncode == 0, done.stdout[-4000:]
    assert not (folder / "results/tiny/raw").exists()
    export = folder / "results/tiny/export"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=export, check=True)
    with np.load(export / "tiny.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_mnist_goes_from_idx_files_to_the_exported_dataset(tmp_path):
    for prefix, count in (("train", 60), ("t10k", 30)):
        for name, array in (
            ("images-idx3", pictures(classes(count), count)),
            ("labels-idx1", classes(count)),
        ):
            header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / f"{prefix}-{name}-ubyte").write_bytes(header + array.tobytes())
    arrays = exported(
        tmp_path,
        source={"kind": "mnist", "root": str(tmp_path), "digits": [1, 2]},
        prepare={"size": [28, 28]},
        diffusion=TINY["diffusion"] | {"channels": [8], "attention": [True]},
    )
    assert sum(len(arrays[f"{part}_images"]) for part in ("train", "val", "test")) == 40
    assert arrays["train_images"].shape[1:] == (28, 28)


def test_colour_images_that_are_not_square_with_several_findings(tmp_path):
    """MedMNIST's layout as users of their own may have it: RGB, high and narrow, three findings."""
    rng, made = np.random.default_rng(0), {}
    for part, count in (("train", 60), ("val", 12), ("test", 30)):
        findings = np.array([[i % 2, i // 2 % 2, i // 4 % 2] for i in range(count)], np.uint8)
        pixels = rng.integers(0, 80, (count, 32, 24, 3), np.uint8)
        pixels[:, 8:24, 8:16] += 170 * findings[:, None, None]  # a finding a colour
        made |= {f"{part}_images": pixels, f"{part}_labels": findings}
        made[f"{part}_patients"] = np.array([f"{part}{i // 2}" for i in range(count)])
    np.savez_compressed(tmp_path / "own.npz", **made)
    names = ["red", "green", "blue"]
    arrays = exported(
        tmp_path,
        source={"kind": "medmnist", "path": str(tmp_path / "own.npz"), "labels": names},
        prepare={"size": [32, 24], "colour": "rgb"},
        diffusion=TINY["diffusion"] | {"channels": [8], "attention": [True]},
    )
    cohort = np.load(tmp_path / "results/tiny/cohort/images.npy", allow_pickle=False)
    np.testing.assert_array_equal(cohort[:60].transpose(0, 2, 3, 1), made["train_images"])
    assert arrays["train_images"].shape[1:] == (32, 24, 3)
    labels = np.concatenate([arrays[f"{part}_labels"] for part in ("train", "val", "test")])
    assert labels.shape == (40, 3) and set(np.unique(labels)) <= {0, 1}


def test_images_of_16_bits_keep_them_all_the_way(tmp_path):
    made = {}
    for part, count in (("train", 60), ("val", 12), ("test", 30)):
        drawn = pictures(classes(count), count).astype(np.uint16)
        made[f"{part}_images"] = drawn * 256 + np.random.default_rng(1).integers(
            0, 256, drawn.shape, np.uint16
        )
        made[f"{part}_labels"] = classes(count)[:, None]
    np.savez_compressed(tmp_path / "own.npz", **made)
    arrays = exported(
        tmp_path,
        source={"kind": "medmnist", "path": str(tmp_path / "own.npz")},
        prepare={"size": [28, 28], "depth": 16},
        diffusion=TINY["diffusion"] | {"channels": [8], "attention": [True]},
    )
    cohort = np.load(tmp_path / "results/tiny/cohort/images.npy", allow_pickle=False)
    assert cohort.dtype == np.uint16
    np.testing.assert_array_equal(cohort[:60, 0], made["train_images"])
    images = arrays["train_images"]
    assert images.dtype == np.uint16 and len(np.unique(images & 255)) > 100
    path = next((tmp_path / "results/tiny/export/imagefolder/train").rglob("*.png"))
    assert PIL.Image.open(path).mode == "I;16"


def test_medmnist_goes_from_an_npz_to_the_exported_dataset(tmp_path):
    made = {}
    for part, count in (("train", 60), ("val", 12), ("test", 30)):
        made[f"{part}_images"] = pictures(classes(count), count)
        made[f"{part}_labels"] = classes(count)[:, None]
    np.savez_compressed(tmp_path / "own.npz", **made)
    arrays = exported(
        tmp_path,
        source={
            "kind": "medmnist",
            "path": str(tmp_path / "own.npz"),
            "labels": ["one", "two", "three"],
        },
    )
    assert sum(len(arrays[f"{part}_images"]) for part in ("train", "val", "test")) == 40
    assert arrays["train_images"].shape[1:] == (32, 32)
    folder = tmp_path / "results/tiny/export/imagefolder/train"
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"one", "two", "three"}
