"""The evidence on models whose truth is known: one that repeats its train images, one that has seen
nothing, strangers handed out as synthetic, and one patient leaked among a hundred images."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import trained
from drawn import shard
from scipy.ndimage import gaussian_filter
from trained import HARDWARE, JOURNAL, data

from synthcohort import config
from synthcohort.audit.calibration import calibrate
from synthcohort.audit.search import search
from synthcohort.cohort import MANIFEST_COLUMNS, open_cohort
from synthcohort.config import Autoencoder, Diffusion, Sampling
from synthcohort.diffusion.sampling import load_schedule
from synthcohort.evaluation.evaluate import measured
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set
from synthcohort.files import read_json
from synthcohort.models import load_denoiser
from synthcohort.models.pixels import normalise
from synthcohort.samples.sampler import Sampler
from synthcohort.training.autoencoder import train_autoencoder

SPLITS = {"train": 20, "val": 50, "test": 100}
"""Patients, of one image each: what is learnt by heart, what is handed out, what judges it."""
SIDE = 16
UNTRAINED = Diffusion(images=20, batch=20, channels=(16,), attention=(False,), blocks=1)


class Learnt(torch.nn.Module):
    """Where a training on a few images without end arrives: the minimiser of its loss, which knows
    every one of them by heart. Called as the U-Net is, it predicts v."""

    def __init__(self, diffusion: Path, clean: torch.Tensor) -> None:
        super().__init__()
        self.config, self.device = load_denoiser(diffusion).config, torch.device("cpu")
        self.alphas, self.clean = load_schedule(diffusion).alphas_cumprod, clean

    def forward(self, noisy: torch.Tensor, t: torch.Tensor, **_: object) -> SimpleNamespace:
        a = self.alphas[t.expand(len(noisy)).long()].reshape(-1, 1, 1, 1)
        far = (noisy[:, None] - a.sqrt()[:, None] * self.clean).square().flatten(2).sum(2)
        share = (-far / (2 * (1 - a[:, 0, 0]))).softmax(1)
        clean = torch.einsum("bi,ichw->bchw", share, self.clean)
        noise = (noisy - a.sqrt() * clean) / (1 - a).sqrt()
        return SimpleNamespace(sample=a.sqrt() * noise - (1 - a).sqrt() * clean)


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
    trained.encoded(folder)
    return folder


@pytest.fixture(scope="module")
def untrained(study) -> Path:
    """A denoiser after a single step."""
    trained.diffusion(study, "untrained", UNTRAINED)
    return study / "untrained"


@pytest.fixture
def memorising(study, untrained, monkeypatch) -> Path:
    latents = np.load(study / "latents/mean.npy")[: SPLITS["train"]]
    scale = read_json(study / "autoencoder/config.json")
    learnt = Learnt(untrained, normalise(torch.from_numpy(latents), scale))
    monkeypatch.setattr("synthcohort.samples.drawer.load_denoiser", lambda _: learnt)
    return untrained


def drawn(study: Path, diffusion: Path, folder: Path, count: int = 40) -> Path:
    sampler = Sampler(
        Sampling(images=count, shard=count, sampler="ddim", steps=20, guidance=1),
        seed=1,
        **data(study),
        autoencoder=study / "autoencoder",
        diffusion=diffusion,
        hardware=HARDWARE,
        shards=1,
    )
    sampler.write(0, folder / "shard-00000.npz")
    return folder / "shard-00000.npz"


def searched(study: Path, samples: Path, folder: Path) -> tuple[dict, dict]:
    """What the audit's search has found, and the share of memorised images."""
    settings = config.Audit(detector_images=256, planted=4)
    models = {"latents": study / "latents", "autoencoder": study / "autoencoder"}
    common = data(study) | models | {"seed": 2, "hardware": HARDWARE, "journal": JOURNAL}
    calibration = study / "calibration"
    if not calibration.is_dir():
        calibrate(settings, **common, out=calibration)
    search(
        settings,
        **common,
        calibration=calibration,
        samples=[samples],
        out=folder / "search.json",
        arrays=folder / "search.npz",
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


def test_a_model_that_repeats_its_images_is_found(study, memorising, tmp_path):
    samples = drawn(study, memorising, tmp_path)
    found, memorised = searched(study, samples, tmp_path)
    assert memorised["value"] > 0.9 and len(found["copies"]) > 30
    assert len({image["train_image"] for image in found["copies"]}) > 10
    authentic = metric(study, "authenticity", memorising, samples)
    assert authentic["interval"][1] < authentic["floor"]["interval"][0]
    assert "cannot_tell" not in authentic


def test_a_model_that_has_seen_nothing_gives_nobody_away(study, untrained, tmp_path):
    samples = drawn(study, untrained, tmp_path)
    found, _ = searched(study, samples, tmp_path)
    assert found["copies"] == []
    low, high = metric(study, "membership", untrained, samples)["interval"]
    assert low < 0.6 and high > 0.4


def test_strangers_handed_out_as_synthetic_pass(study, untrained, tmp_path):
    cohort = open_cohort(**data(study))
    samples = shard(tmp_path / "shard-00000.npz", cohort.images[cohort.of("val")], ("",))
    found, memorised = searched(study, samples, tmp_path)
    assert found["copies"] == [] and memorised["interval"][0] <= 0.05
    authentic = metric(study, "authenticity", untrained, samples)
    low, high = authentic["floor"]["interval"]
    assert authentic["interval"][0] <= high and low <= authentic["interval"][1]


def test_one_patient_leaked_among_a_hundred_is_named(study, tmp_path):
    random = np.random.default_rng(3)
    made = gaussian_filter(random.normal(size=(100, SIDE, SIDE)), (0, 1.5, 1.5))
    images = (128 + 45 * made / made.std()).clip(0, 255).astype(np.uint8)[:, None]
    images[57] = open_cohort(**data(study)).images[7]
    found, _ = searched(study, shard(tmp_path / "shard-00000.npz", images, ("",)), tmp_path)
    assert [(copy["index"], copy["train_image"]) for copy in found["copies"]] == [(57, "i7")]
