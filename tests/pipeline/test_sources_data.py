"""The workflow from public data sets' files, here stand-ins, to the exported dataset; or, where
another test exports the like (16 bits: DICOM's), to the samples."""

import hashlib
import struct
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
from tiny import TINY, configured, snakemake

RESULTS = Path("results/tiny")
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


def exported(folder: Path, sketched: dict[str, str], **changes: dict) -> dict[str, np.ndarray]:
    """The arrays of the dataset that a tiny system with `changes` exports."""
    config = configured(folder, **changes)
    figures = [f"{RESULTS}/figures/{name}" for name in ("cohort.png", "reconstructions.png")]
    asked = [f"{RESULTS}/export/SHA256SUMS", *figures, f"{RESULTS}/figures/denoising.gif"]
    done = snakemake(folder, *asked, "--configfile", config, **sketched)
    assert done.returncode == 0, done.stdout[-4000:]
    assert not (folder / RESULTS / "raw").exists()
    export = folder / RESULTS / "export"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=export, check=True)
    with np.load(export / "tiny.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def labels_of(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Those of all splits, one row an image."""
    return np.concatenate([arrays[f"{part}_labels"] for part in ("train", "val", "test")])


def test_mnist_in_pixel_space(tmp_path, sketched):
    altered = {}
    for prefix, count in (("train", 60), ("t10k", 30)):
        for name, array in (
            ("images-idx3", pictures(classes(count), count)),
            ("labels-idx1", classes(count)),
        ):
            header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            content, name = header + array.tobytes(), f"{prefix}-{name}-ubyte"
            (tmp_path / name).write_bytes(content)
            altered[name] = f"md5:{hashlib.md5(content).hexdigest()}"
    arrays = exported(
        tmp_path,
        sketched,
        source={"kind": "mnist", "root": str(tmp_path), "digits": [1, 2], "altered": altered},
        prepare={"size": [28, 28]},
        autoencoder={"network": "none"},
        diffusion=TINY["diffusion"] | {"steps": 300, "loss": "l1", "prediction": "epsilon"},
    )
    assert len(labels_of(arrays)) == 40 and arrays["train_images"].shape[1:] == (28, 28)
    card = (tmp_path / RESULTS / "export/README.md").read_text()
    assert "no autoencoder: the model works on pixels" in card
    assert "not MNIST's: altered by somebody since it was published, in the files t10k-" in card
    figures = tmp_path / RESULTS / "figures"
    assert PIL.Image.open(figures / "denoising.gif").n_frames > 1
    assert (figures / "noising.png").is_file() and (figures / "denoising.png").is_file()


def test_colour_images_that_are_not_square_with_several_findings(tmp_path, sketched):
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
        sketched,
        source={"kind": "medmnist", "path": str(tmp_path / "own.npz"), "labels": names},
        prepare={"size": [32, 24], "colour": "rgb"},
        diffusion=TINY["diffusion"] | {"channels": [8], "attention": [True]},
    )
    cohort = np.load(tmp_path / RESULTS / "cohort/images.npy", allow_pickle=False)
    np.testing.assert_array_equal(cohort[:60].transpose(0, 2, 3, 1), made["train_images"])
    assert arrays["train_images"].shape[1:] == (32, 24, 3)
    labels = labels_of(arrays)
    assert labels.shape == (40, 3) and set(np.unique(labels)) <= {0, 1}


def test_classes_with_names_and_all_16_bits_of_the_images(tmp_path, sketched):
    made = {}
    for part, count in (("train", 60), ("val", 12), ("test", 30)):
        drawn = pictures(classes(count), count).astype(np.uint16)
        made[f"{part}_images"] = drawn * 256 + np.random.default_rng(1).integers(
            0, 256, drawn.shape, np.uint16
        )
        made[f"{part}_labels"] = classes(count)[:, None]
    np.savez_compressed(tmp_path / "own.npz", **made)
    names = ["one", "two", "three"]
    config = configured(
        tmp_path,
        source={"kind": "medmnist", "path": str(tmp_path / "own.npz"), "labels": names},
        prepare={"size": [28, 28], "depth": 16},
        diffusion=TINY["diffusion"] | {"channels": [8], "attention": [True]},
    )
    done = snakemake(tmp_path, f"{RESULTS}/samples/shards.csv", "--configfile", config, **sketched)
    assert done.returncode == 0, done.stdout[-4000:]
    cohort = np.load(tmp_path / RESULTS / "cohort/images.npy", allow_pickle=False)
    assert cohort.dtype == np.uint16
    np.testing.assert_array_equal(cohort[:60, 0], made["train_images"])
    with np.load(tmp_path / RESULTS / "samples/shard-00000.npz", allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["label_names"][arrays["labels"]]
    assert images.dtype == np.uint16 and len(np.unique(images & 255)) > 100
    assert set(labels) == set(names)
