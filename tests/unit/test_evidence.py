"""The evidence on models whose truth is known: one that repeats its train images, one that has seen
nothing, strangers handed out as synthetic, and one patient leaked among a hundred images."""

import csv
from pathlib import Path

import numpy as np
import pytest
import trained
from scipy.ndimage import gaussian_filter
from trained import HARDWARE, JOURNAL, data

from synthcohort import config
from synthcohort.audit.search import search
from synthcohort.cohort import MANIFEST_COLUMNS, open_cohort
from synthcohort.config import Autoencoder, Diffusion, Sampling
from synthcohort.evaluation.evaluate import measured
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set
from synthcohort.files import read_json
from synthcohort.latents.encode import encode
from synthcohort.samples.sampler import Sampler

SPLITS = {"train": 20, "val": 50, "test": 100}
"""Patients, of one image each: what is learnt by heart, what is handed out, what judges it."""
SIDE = 16
LEARNING = Diffusion(
    images=10_000,
    batch=20,
    channels=(64, 64),
    attention=(False, False),
    blocks=1,
    learning_rate=2e-3,
    warmup_images=400,
    ema_images=500,
    label_dropout=0.0,
)
NOTHING = LEARNING.model_copy(update={"images": 20})


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A cohort of smooth pictures, as latents of 16×4×4 in which nothing is lost."""
    folder = tmp_path_factory.mktemp("evidence")
    (folder / "cohort").mkdir()
    count = sum(SPLITS.values())
    random = np.random.default_rng(0)
    pictures = gaussian_filter(random.normal(size=(count, SIDE, SIDE)), (0, 1.5, 1.5))
    pixels = 128 + 45 * pictures / pictures.std()
    np.save(folder / "cohort/images.npy", pixels.clip(0, 255).astype(np.uint8)[:, None])
    splits = np.repeat(list(SPLITS), list(SPLITS.values()))
    with (folder / "cohort/manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, MANIFEST_COLUMNS, restval="")
        table.writeheader()
        table.writerows({"image_id": f"i{i}", "patient_id": f"p{i}"} for i in range(count))
    with (folder / "cohort/split.csv").open("w", newline="") as file:
        file.write("image_id,patient_id,split\n")
        file.writelines(f"i{i},p{i},{split}\n" for i, split in enumerate(splits))
    pixels_as_latents(folder)
    return folder


def pixels_as_latents(folder: Path) -> None:
    from synthcohort.training.autoencoder import train_autoencoder

    train_autoencoder(
        Autoencoder(network="none", patch=4),
        seed=0,
        **data(folder),
        out=folder / "autoencoder",
        history=folder / "autoencoder.json",
        checkpoints=folder / "checkpoints",
        hardware=HARDWARE,
        journal=JOURNAL,
    )
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


@pytest.fixture(scope="module")
def memorising(study) -> Path:
    """A denoiser that has seen each of 20 images 500 times."""
    trained.diffusion(study, "memorising", LEARNING)
    return study / "memorising"


@pytest.fixture(scope="module")
def ignorant(study) -> Path:
    """The same after a single step."""
    trained.diffusion(study, "ignorant", NOTHING)
    return study / "ignorant"


def drawn(study: Path, diffusion: Path, folder: Path, count: int = 40) -> Path:
    sampler = Sampler(
        Sampling(images=count, shard=count, sampler="ddim", steps=20),
        seed=1,
        **data(study),
        autoencoder=study / "autoencoder",
        diffusion=diffusion,
        hardware=HARDWARE,
        shards=1,
    )
    sampler.write(0, folder / "shard-00000.npz")
    return folder / "shard-00000.npz"


def handed_out(images: np.ndarray, folder: Path) -> Path:
    """Images as if a model had drawn them."""
    np.savez(
        folder / "shard-00000.npz",
        images=images,
        labels=np.zeros(len(images), np.int64),
        label_names=np.array([""]),
        index=np.arange(len(images)),
        seeds=np.arange(len(images)),
    )
    return folder / "shard-00000.npz"


def searched(study: Path, samples: Path, folder: Path) -> tuple[dict, dict]:
    """What the audit's search has found, and the share of memorised images."""
    search(
        config.Audit(),
        seed=2,
        **data(study),
        latents=study / "latents",
        autoencoder=study / "autoencoder",
        samples=[samples],
        out=folder / "search.json",
        arrays=folder / "search.npz",
        hardware=HARDWARE,
        journal=JOURNAL,
    )
    found = read_json(folder / "search.json")
    (memorised,) = [one for one in found["measures"] if one["name"] == "memorised_share"]
    return found, memorised


def metric(study: Path, name: str, diffusion: Path, samples: Path) -> dict:
    cohort = open_cohort(**data(study))
    sets = {
        split: Set(cohort.images[rows], cohort.classes[rows], cohort.patients[rows], rows)
        for split in ("train", "test")
        for rows in [cohort.of(split)]
    }
    with np.load(samples) as file:
        images = file["images"]
    rows = np.arange(len(images))
    sets["synthetic"] = Set(images, np.zeros_like(rows), np.array([f"s{i}" for i in rows]), rows)
    models = {"autoencoder": study / "autoencoder", "latents": study / "latents"}
    given = Material(
        sets,
        [""],
        cohort=cohort,
        samples=[samples],
        models=models | {"diffusion": diffusion},
        work=samples.parent,
    )
    return measured(name, config.Evaluation(), seed=0, material=given, hardware=HARDWARE)[0]


def test_a_model_that_repeats_its_images_is_found_by_every_test(study, memorising, tmp_path):
    samples = drawn(study, memorising, tmp_path)
    found, memorised = searched(study, samples, tmp_path)
    assert memorised["interval"][0] > 0.3
    assert len({image["train_image"] for image in found["memorised"]}) >= 5
    assert len(found["copies"]) >= 1
    authentic = metric(study, "authenticity", memorising, samples)
    assert authentic["interval"][1] < authentic["floor"]["interval"][0]
    assert "cannot_tell" not in authentic
    assert metric(study, "membership", memorising, samples)["interval"][0] > 0.6


def test_a_model_that_has_seen_nothing_gives_nobody_away(study, ignorant, tmp_path):
    samples = drawn(study, ignorant, tmp_path)
    found, _ = searched(study, samples, tmp_path)
    assert found["copies"] == []
    low, high = metric(study, "membership", ignorant, samples)["interval"]
    assert low < 0.6 and high > 0.4


def test_strangers_handed_out_as_synthetic_pass(study, ignorant, tmp_path):
    cohort = open_cohort(**data(study))
    samples = handed_out(cohort.images[cohort.of("val")], tmp_path)
    found, memorised = searched(study, samples, tmp_path)
    assert found["copies"] == [] and memorised["interval"][0] <= 0.05
    authentic = metric(study, "authenticity", ignorant, samples)
    low, high = authentic["floor"]["interval"]
    assert authentic["interval"][0] <= high and low <= authentic["interval"][1]


def test_one_patient_leaked_among_a_hundred_is_named(study, tmp_path):
    random = np.random.default_rng(3)
    made = gaussian_filter(random.normal(size=(100, SIDE, SIDE)), (0, 1.5, 1.5))
    images = (128 + 45 * made / made.std()).clip(0, 255).astype(np.uint8)[:, None]
    images[57] = open_cohort(**data(study)).images[7]
    found, _ = searched(study, handed_out(images, tmp_path), tmp_path)
    assert [(copy["index"], copy["train_image"]) for copy in found["copies"]] == [(57, "i7")]
