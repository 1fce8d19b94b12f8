"""Label and attributes as the denoiser is told them, from the network to the shards of samples."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from synthcohort.cohort import MANIFEST_COLUMNS, open_cohort
from synthcohort.config import Autoencoder, Diffusion, Sampling
from synthcohort.diffusion.objective import withhold
from synthcohort.errors import UserError
from synthcohort.hardware import Hardware
from synthcohort.latents.encode import encode
from synthcohort.models import build_autoencoder, build_denoiser, load_autoencoder, load_denoiser
from synthcohort.models.condition import describe, predict, withheld
from synthcohort.samples import shards
from synthcohort.samples.sampler import Sampler
from synthcohort.tracking.journal import Journal, read_journal
from synthcohort.training.autoencoder import train_autoencoder
from synthcohort.training.diffusion import train_diffusion
from synthcohort.training.draw_autoencoder import draw_autoencoder
from synthcohort.training.draw_diffusion import draw_diffusion

HARDWARE = Hardware("cpu", "fp32", 1)
JOURNAL = Journal(None, "test", {})
TINY = {"images": 96, "batch": 16, "channels": (8, 16), "blocks": 1, "warmup_images": 32}
PIXELS = Autoencoder(network="none")
# Attributes, cross-attention, the network that diffusers calls it.
KINDS = [
    (0, False, "UNet2DModel"),
    (2, False, "UNet2DConditionModel"),
    (2, True, "UNet2DConditionModel"),
    (0, True, "UNet2DConditionModel"),
]


def network(attributes: int, cross_attention: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    settings = Diffusion(**TINY, cross_attention=cross_attention)
    return build_denoiser(settings, (1, 8, 8), 3, attributes).eval()


def asked(model: torch.nn.Module, classes: list[int], attributes: list[list[float]]):
    """The prediction for the same noise at the same timestep."""
    noisy = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    count = len(attributes[0])
    told = describe(np.array(classes), 3, np.array(attributes), [40.0] * count, [10.0] * count)
    with torch.no_grad():
        return predict(model, noisy.expand(len(classes), -1, -1, -1), torch.tensor(500), told)


def test_a_condition_holds_one_the_label_and_the_standardised_attributes():
    told = describe(np.array([1, 0]), 3, np.array([[50.0], [30.0]]), [40.0], [10.0])
    assert told.tolist() == [[1, 0, 1, 0, 1], [1, 1, 0, 0, -1]] and told.dtype == torch.float32


@pytest.mark.parametrize(("attributes", "cross", "name"), KINDS)
def test_every_network_heeds_label_and_attributes(attributes, cross, name):
    model = network(attributes, cross)
    assert type(model).__name__ == name
    first, label, again = asked(model, [0, 2, 0], [[40.0] * attributes] * 3)
    assert first.shape == (1, 8, 8) and first.dtype == torch.float32
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, label, atol=1e-5)
    if attributes:
        young, old = asked(model, [0, 0], [[30.0, 40.0], [50.0, 40.0]])
        assert not torch.allclose(young, old, atol=1e-5)


@pytest.mark.parametrize(("attributes", "cross", "_"), KINDS)
def test_what_is_withheld_makes_no_difference(attributes, cross, _):
    model = network(attributes, cross)
    values = np.array([[30.0] * attributes, [70.0] * attributes])
    told = describe(np.array([0, 2]), 3, values, [40.0] * attributes, [10.0] * attributes)
    hidden = withhold(told, torch.tensor([True, True]))
    assert torch.equal(hidden, withheld(model, 2))
    with torch.no_grad():
        one, other = predict(model, torch.ones(2, 1, 8, 8), torch.tensor(500), hidden)
    torch.testing.assert_close(one, other)


def test_without_attributes_the_class_is_embedded():
    model, noisy = network(0, False), torch.ones(3, 1, 8, 8)
    told = describe(np.array([2, 0, 1]), 3, np.zeros((3, 0)), [], [])
    told[2] = 0
    with torch.no_grad():
        expected = model(noisy, 7, class_labels=torch.tensor([2, 0, 3])).sample
        assert torch.equal(predict(model, noisy, torch.tensor(7), told), expected)


@pytest.mark.parametrize(("attributes", "cross", "name"), KINDS)
def test_diffusers_own_classes_load_every_network(attributes, cross, name, tmp_path):
    import diffusers

    model = network(attributes, cross)
    model.save_pretrained(tmp_path / "unet")
    theirs = getattr(diffusers, name).from_pretrained(tmp_path / "unet").eval()
    values = [[35.0] * attributes]
    torch.testing.assert_close(asked(theirs, [1], values), asked(model, [1], values))
    ours = load_denoiser(tmp_path)
    torch.testing.assert_close(asked(ours, [1], values), asked(model, [1], values))


def write_cohort(folder: Path, labels: list[str], attributes: dict[str, np.ndarray]) -> None:
    """60 images of 8×8, two a patient, brighter with the first attribute; 40 are for training."""
    (folder / "cohort").mkdir(parents=True)
    noise = np.random.default_rng(0).normal(0, 10, (60, 1, 8, 8))
    bright = next(iter(attributes.values()))[:, None, None, None] * 2
    np.save(folder / "cohort/images.npy", (60 + bright + noise).clip(0, 255).astype(np.uint8))
    with (folder / "cohort/manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, (*MANIFEST_COLUMNS, *attributes), restval="")
        table.writeheader()
        for i, label in enumerate(labels):
            row = {"image_id": f"i{i}", "patient_id": f"p{i // 2}", "label": label}
            table.writerow(row | {name: values[i] for name, values in attributes.items()})
    with (folder / "cohort/split.csv").open("w", newline="") as file:
        file.write("image_id,patient_id,split\n")
        for i in range(60):
            file.write(f"i{i},p{i // 2},{'train' if i < 40 else 'val' if i < 50 else 'test'}\n")


def train(folder: Path, settings: Diffusion) -> None:
    """All stages up to the diffusion model, in pixel space."""
    data = {"cohort": folder / "cohort", "split": folder / "cohort/split.csv"}
    common = {"seed": 0, "hardware": HARDWARE, "autoencoder": folder / "autoencoder"}
    train_autoencoder(
        PIXELS,
        seed=0,
        **data,
        out=folder / "autoencoder",
        history=folder / "training/autoencoder.json",
        checkpoints=folder / "checkpoints",
        hardware=HARDWARE,
        journal=JOURNAL,
    )
    encode(
        **common,
        **data,
        out=folder / "latents",
        measured=folder / "autoencoder.json",
        arrays=folder / "autoencoder.npz",
        journal=JOURNAL,
    )
    with Journal(folder / "diffusion.jsonl", "diffusion", {}) as journal:
        train_diffusion(
            settings,
            **common,
            **data,
            latents=folder / "latents",
            out=folder / "diffusion",
            history=folder / "training/diffusion.json",
            snapshots=folder / "training/snapshots.npz",
            checkpoints=folder / "checkpoints",
            journal=journal,
        )


def draw(folder: Path, out: Path, number: int = 0, **keys) -> Path:
    sampler = Sampler(
        Sampling(**({"steps": 3, "batch": 4} | keys)),
        seed=0,
        cohort=folder / "cohort",
        split=folder / "cohort/split.csv",
        autoencoder=folder / "autoencoder",
        diffusion=folder / "diffusion",
        hardware=HARDWARE,
    )
    sampler.write(number, out)
    return out


@pytest.fixture(scope="module")
def aged(tmp_path_factory) -> Path:
    """Labels A and B with an age (A from 20 to 49, B from 60 to 89) and a dose, always the same."""
    folder = tmp_path_factory.mktemp("aged")
    numbers = np.arange(60)
    ages = np.where(numbers % 2, 60, 20) + numbers % 30
    write_cohort(folder, ["AB"[i % 2] for i in numbers], {"age": ages, "dose": np.full(60, 0.1)})
    train(folder, Diffusion(**TINY, steps=300, schedule="sine", loss="l1"))
    return folder


@pytest.fixture(scope="module")
def findings(tmp_path_factory) -> Path:
    """No label, two findings of 0 and 1 that never occur together."""
    folder = tmp_path_factory.mktemp("findings")
    kind = np.arange(60) % 3
    write_cohort(folder, [""] * 60, {"one": (kind == 1) * 1, "two": (kind == 2) * 1})
    return folder


def test_the_pixels_are_the_latents_without_an_autoencoder(aged):
    images = open_cohort(aged / "cohort").images
    mean = np.load(aged / "latents/mean.npy")
    np.testing.assert_allclose(mean, images / 127.5 - 1, atol=1e-6)
    assert not np.load(aged / "latents/std.npy").any()
    model = load_autoencoder(aged / "autoencoder")
    assert (model.config.scaling_factor, model.config.shift_factor) == (1, 0)
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(model.decode(model.encode(x).latent_dist.sample()).sample, x)
    assert json.loads((aged / "autoencoder.json").read_text())["details"]["ssim"]["value"] == 1


def test_the_figures_of_a_model_of_pixels(aged, tmp_path):
    left, to = aged / "training", {"figures": tmp_path, "journal": JOURNAL}
    assert json.loads((left / "autoencoder.json").read_text()) == [], "there was nothing to train"
    history = left / "autoencoder.json"
    draw_autoencoder(PIXELS, history=history, arrays=aged / "autoencoder.npz", **to)
    of = {name: aged / name for name in ("cohort", "latents", "autoencoder", "diffusion")}
    of |= {"history": left / "diffusion.json", "snapshots": left / "snapshots.npz"}
    draw_diffusion(seed=0, split=aged / "cohort/split.csv", **of, hardware=HARDWARE, **to)
    for name in ("autoencoder-training", "reconstructions", "noising", "denoising", "snapshots"):
        assert Image.open(tmp_path / f"{name}.png").size[0] > 500, name
    assert Image.open(tmp_path / "denoising.gif").n_frames > 10


def test_the_stage_leaves_what_samplers_and_readers_need(aged):
    standard = json.loads((aged / "diffusion/attributes.json").read_text())
    ages = open_cohort(aged / "cohort").attributes[:40, 0].astype(float)
    assert standard["names"] == ["age", "dose"]
    assert standard["mean"] == pytest.approx([ages.mean(), 0.1])
    assert standard["std"] == pytest.approx([ages.std(), 1])
    scheduler = json.loads((aged / "diffusion/scheduler/scheduler_config.json").read_text())
    assert scheduler["clip_sample"] and len(scheduler["trained_betas"]) == 300


def test_the_journal_counts_the_parameters_by_block(aged):
    # The first tells how fast the training was.
    (_, result) = (e for e in read_journal(aged / "diffusion.jsonl") if e["event"] == "result")
    values = result["values"]
    assert {"parameters/down_blocks", "parameters/mid_block", "parameters/up_blocks"} < set(values)
    whole = values.pop("parameters")
    assert whole == sum(values[name] for name in values if name.startswith("parameters/"))


def test_a_sample_has_the_attributes_of_a_train_image_of_its_label(aged, tmp_path):
    sampled = shards.describe([draw(aged, tmp_path / "a.npz", images=24, shard=24)])
    data = open_cohort(aged / "cohort", aged / "cohort/split.csv")
    train = data.of("train")
    assert sampled.attribute_names == ["age", "dose"] and not sampled.multi_label
    for label, name in enumerate("AB"):
        real = set(data.attributes[train[data.classes[train] == label], 0])
        made = set(sampled.attributes[sampled.labels == label, 0])
        assert made <= real and len(made) > 3, name


def test_samples_with_attributes_do_not_depend_on_the_shard(aged, tmp_path):
    whole = np.load(draw(aged, tmp_path / "whole.npz", images=10, shard=10))
    parts = [np.load(draw(aged, tmp_path / f"{k}.npz", k, images=10, shard=4)) for k in range(3)]
    for key in ("images", "labels", "index", "seeds", "attributes"):
        np.testing.assert_array_equal(np.concatenate([part[key] for part in parts]), whole[key])


def test_findings_without_labels_are_sampled_as_they_occur_together(findings, tmp_path):
    train(findings, Diffusion(**TINY, steps=20, cross_attention=True))
    made = draw(findings, tmp_path / "a.npz", images=30, shard=30, sampler="ddpm")
    sampled = shards.describe([made])
    assert sampled.label_names == [""] and sampled.multi_label
    assert {tuple(row) for row in sampled.attributes.tolist()} == {(0, 0), (1, 0), (0, 1)}


def test_shards_of_a_cohort_without_attributes_hold_none(tmp_path):
    arrays = {name: np.zeros(2, np.int64) for name in ("labels", "index", "seeds")}
    images = np.zeros((2, 1, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, label_names=np.array([""]), **arrays)
    sampled = shards.describe([tmp_path / "a.npz"])
    assert sampled.attributes.shape == (2, 0) and sampled.attribute_names == []
    assert not sampled.multi_label


def test_patches_of_pixels_are_saved_loaded_and_put_back(tmp_path):
    images = torch.rand(2, 3, 8, 12) * 2 - 1
    model = build_autoencoder(Autoencoder(network="none", patch=2), 3, (8, 12))
    model.save_pretrained(tmp_path)
    loaded = load_autoencoder(tmp_path)
    latents = loaded.encode(images).latent_dist.sample()
    assert latents.shape == (2, 12, 4, 6)
    assert torch.equal(loaded.decode(latents).sample, images)
    with pytest.raises(UserError, match="needs multiples of 4"):
        build_autoencoder(Autoencoder(network="none", patch=4), 1, (8, 10))
    with pytest.raises(ValidationError, match="patch: is for network: none"):
        Autoencoder(images=1, patch=2)
