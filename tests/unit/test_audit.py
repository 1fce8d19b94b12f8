"""The audit finds copies of train images and lets through what held-out patients look like."""

import csv
import json
import shutil
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import torch
from drawn import shard
from PIL import Image

from synthcohort import config
from synthcohort.audit import audit
from synthcohort.audit.calibration import calibrate, open_calibration
from synthcohort.audit.figures import draw_audit
from synthcohort.audit.gate import require_passed
from synthcohort.audit.search import search
from synthcohort.cohort import MANIFEST_COLUMNS, open_cohort
from synthcohort.errors import UserError
from synthcohort.hardware import Hardware
from synthcohort.tracking.journal import Journal

N, PATIENTS, SIDE = 240, 120, 16


class Blurring(torch.nn.Module):
    """An autoencoder that loses what is finer than 2×2 pixels."""

    config = MappingProxyType({"patch": 2})

    def encode(self, x):
        mean = torch.nn.functional.avg_pool2d(x, 2)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: mean))

    def decode(self, z):
        return SimpleNamespace(sample=torch.nn.functional.interpolate(z, scale_factor=2))


def pictures(count, seed, channels=1):
    """Smooth random pictures with some noise, n×C×16×16 uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 215, (count, channels, 4, 4))
    fine = coarse.repeat(4, 2).repeat(4, 3) + rng.normal(0, 8, (count, channels, SIDE, SIDE))
    return fine.clip(0, 255).astype(np.uint8)


def decoded(images):
    from synthcohort.models.pixels import from_model, to_model

    model = Blurring()
    return from_model(
        model.decode(model.encode(to_model(images)).latent_dist.mode()).sample, "uint8"
    )


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A cohort of 120 patients with two images each, split and encoded."""
    monkeypatch.setattr("synthcohort.models.load_autoencoder", lambda path: Blurring())
    # What is found by aligning images, and of which disguises, is test_copies.py's.
    monkeypatch.setattr("synthcohort.audit.ways._aligned", lambda *_: {})
    monkeypatch.setattr("synthcohort.audit.disguises.DISGUISES", {"as it is": lambda x, *_: x})
    images = pictures(N, seed=1)
    return SimpleNamespace(root=tmp_path, images=images, train=write_cohort(tmp_path, images))


def write_cohort(root, images):
    """A cohort of images, two a patient, split and encoded; the rows of the train images."""
    cohort = root / "cohort"
    cohort.mkdir()
    np.save(cohort / "images.npy", images)
    with (cohort / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, restval="")
        writer.writeheader()
        for i in range(N):
            writer.writerow({"image_id": f"i{i}", "patient_id": f"p{i // 2}", "label": "ab"[i % 2]})
    with (cohort / "split.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "patient_id", "split"])
        for i in range(N):
            part = "test" if i // 2 % 3 == 0 else "train"
            writer.writerow([f"i{i}", f"p{i // 2}", part])
    from synthcohort.models.pixels import to_model

    np.save(root / "mean.npy", Blurring().encode(to_model(images)).latent_dist.mode().numpy())
    return [i for i in range(N) if i // 2 % 3 != 0]


def run(study, samples, out="audit.json", **settings):
    root = study.root
    # So few patients decide little.
    quick = {"detector_images": 128, "planted": 4, "undecided": "go_on"}
    settings = config.Audit(**quick | settings)
    cohort = {"cohort": root / "cohort", "split": root / "cohort" / "split.csv"}
    common = cohort | {"latents": root, "autoencoder": root, "hardware": Hardware(), "seed": 3}
    calibrate(
        settings,
        **common,
        out=root / "calibration",
        journal=Journal(None, "calibrate", {}),
    )
    search(
        settings,
        **common,
        calibration=root / "calibration",
        samples=samples,
        out=root / "search.json",
        arrays=root / "search.npz",
        journal=Journal(None, "search", {}),
    )
    draw_audit(
        search=root / "search.json",
        arrays=root / "search.npz",
        pairs=root / "pairs.png",
        distances=root / "distances.png",
        planted=root / "planted.png",
        journal=Journal(None, "draw-audit", {}),
    )
    membership = {"metric": "membership", "value": 0.5, "interval": [0.45, 0.55], "floor": None}
    (root / "membership.json").write_text(json.dumps(membership))
    audit(
        settings,
        search=root / "search.json",
        results=[root / "membership.json"],
        out=root / out,
        journal=Journal(None, "audit", {}),
    )
    return json.loads((root / out).read_text())


def measured(result, name):
    (found,) = [entry for entry in result["measures"] if entry["name"] == name]
    return found


def test_samples_of_the_same_kind_pass(study):
    samples = [
        shard(study.root / "shard-00000.npz", decoded(pictures(300, seed=2))),
        shard(study.root / "shard-00001.npz", decoded(pictures(100, seed=4))),
    ]
    result = run(study, samples)
    copies, gate, membership = result["gates"]
    assert gate["outcome"] != "failed" and membership["outcome"] == "passed"
    # One of 400 may be taken for a copy: 40 patients cannot set limits that nobody reaches.
    assert copies["value"] <= 1 / 400 and len(result["copies"]) <= 1
    assert gate["value"] < 0.05
    assert gate["interval"][0] <= gate["value"] <= gate["interval"][1]
    assert gate["n"] == {"train": 160, "test": 80, "synthetic": 400}
    nearer = measured(result, "nearer_to_train_than_test")
    low, high = nearer["floor"]["interval"]
    assert low <= nearer["value"] <= high, "neither train nor test is nearer to such samples"
    assert require_passed(study.root / "audit.json", samples) == result


@pytest.mark.parametrize("through_decoder", [False, True])
def test_planted_copies_are_found_and_refused(study, through_decoder):
    images = decoded(pictures(200, seed=2))
    planted = range(0, 200, 10)
    copies = study.images[study.train[:20]]
    images[planted] = decoded(copies) if through_decoder else copies
    samples = [
        shard(study.root / "shard-00000.npz", images[:90]),
        shard(study.root / "shard-00001.npz", images[90:]),
    ]
    result = run(study, samples)
    assert not result["passed"]
    assert measured(result, "memorised_share")["value"] >= 0.1
    first = result["memorised"][:20]
    assert {entry["train_image"] for entry in first} == {f"i{i}" for i in study.train[:20]}
    assert max(entry["distance"] for entry in first) < 1e-6
    with pytest.raises(UserError) as refused:
        require_passed(study.root / "audit.json", samples)
    message = str(refused.value)
    assert "memorised_share: failed, 0.1" in message
    assert "where at most 0.05 is allowed" in message
    assert message.count("train image i") == 20, "the first ten of each kind are named"
    assert "audit.json" in message and "audit.override" in message


def test_nearness_to_train_shows_when_samples_are_noisy_copies(study):
    rng = np.random.default_rng(0)
    copies = study.images[rng.choice(study.train, 200)].astype(float)
    noisy = (copies + rng.normal(0, 25, copies.shape)).clip(0, 255).astype(np.uint8)
    result = run(study, [shard(study.root / "shard-00000.npz", noisy)])
    nearer = measured(result, "nearer_to_train_than_test")
    assert nearer["interval"][0] > nearer["expected"]


def test_the_same_again_whatever_the_shards(study):
    images = decoded(pictures(60, seed=2))
    whole = run(study, [shard(study.root / "shard-00000.npz", images)], "a.json")
    figures = [(study.root / name).read_bytes() for name in ("pairs.png", "distances.png")]
    again = run(study, [study.root / "shard-00000.npz"], "b.json")
    assert again == whole
    assert figures == [(study.root / name).read_bytes() for name in ("pairs.png", "distances.png")]
    halves = [
        shard(study.root / "half-0.npz", images[:30]),
        shard(study.root / "half-1.npz", images[30:]),
    ]
    assert run(study, halves, "c.json")["gates"] == whole["gates"]


def test_an_audit_of_other_samples_is_no_audit(study):
    samples = [shard(study.root / "shard-00000.npz", decoded(pictures(60, seed=2)))]
    run(study, samples)
    shard(samples[0], decoded(pictures(60, seed=5)))
    with pytest.raises(UserError, match="other samples"):
        require_passed(study.root / "audit.json", samples)


def test_figures_can_be_opened(study):
    run(study, [shard(study.root / "shard-00000.npz", decoded(pictures(5, seed=2)))], pairs=5)
    for name in ("pairs.png", "distances.png"):
        with Image.open(study.root / name) as image:
            assert image.width > 900


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda root: np.save(root / "mean.npy", np.zeros((3, 1, 8, 8), "f4")), "3 latents"),
        (lambda root: shard(root / "s.npz", np.zeros((4, 1, 8, 8), "u1")), "images of"),
        (lambda root: (root / "s.npz").write_bytes(b"PK\x03\x04 cut"), "not a readable shard"),
        (lambda root: np.savez(root / "s.npz", images=np.zeros(3)), "labels"),
    ],
)
def test_inputs_that_do_not_belong_together(study, spoil, told):
    path = shard(study.root / "s.npz", decoded(pictures(4, seed=2)))
    spoil(study.root)
    with pytest.raises(UserError, match=told):
        run(study, [path])
    assert not (study.root / "audit.json").exists()


def test_shards_of_two_runs(study):
    images = decoded(pictures(4, seed=2))
    samples = [
        shard(study.root / "a.npz", images),
        shard(study.root / "b.npz", images, ("a", "c")),
    ]
    with pytest.raises(UserError, match="different runs"):
        run(study, samples)
    with pytest.raises(UserError, match="sampling stage"):
        run(study, [])


def test_no_work_files_are_left(study):
    run(study, [shard(study.root / "shard-00000.npz", decoded(pictures(5, seed=2)))])
    assert not [path for path in Path(study.root).iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "looks.npz").unlink(), "no whole calibration"),
        (lambda folder: _cut(folder / "looks.npz"), "no whole calibration"),
        (lambda folder: _cut(folder / "detector.safetensors"), "no whole calibration"),
        (lambda folder: _cut(folder / "planted.json"), "no whole calibration"),
        (
            lambda folder: np.savez(folder / "looks.npz", unseen=np.arange(3)),
            "no whole calibration",
        ),
        (lambda folder: None, "made of another cohort, split, autoencoder or seed"),
    ],
)
def test_a_calibration_that_is_not_whole_or_of_something_else_is_told(study, tmp_path, spoil, said):
    samples = [shard(study.root / "shard-00000.npz", decoded(pictures(8, seed=2)))]
    run(study, samples)
    folder = tmp_path / "spoilt"
    shutil.copytree(study.root / "calibration", folder)
    spoil(folder)
    data = open_cohort(study.root / "cohort", study.root / "cohort" / "split.csv")
    with pytest.raises(UserError, match=f"{said}.*calibrate the search again"):
        open_calibration(folder, data, "something else")


def _cut(path):
    path.write_bytes(path.read_bytes()[:100])
