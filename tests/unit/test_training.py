"""Training through its stage functions on a tiny cohort: determinism, resumption, faults."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import trained
from safetensors.torch import load_file
from trained import AUTOENCODER, DIFFUSION, HARDWARE, autoencoder, data, diffusion

from synthcohort.config import Sampling
from synthcohort.errors import UserError
from synthcohort.models import load_autoencoder, load_denoiser, moments
from synthcohort.samples.sampler import Sampler
from synthcohort.training import loop
from synthcohort.training.checkpoints import Checkpoints

# The fixture of these tests too.
system = trained.system


def _sample(folder: Path, out: Path, **keys) -> dict[str, np.ndarray]:
    shard = keys.pop("number", 0)
    sampler = Sampler(
        Sampling(steps=4, **keys),
        seed=0,
        **data(folder),
        autoencoder=folder / "autoencoder",
        diffusion=folder / "diffusion",
        hardware=HARDWARE,
    )
    sampler.write(shard, out)
    return dict(np.load(out, allow_pickle=False))


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def _kill_at(monkeypatch, images: int) -> None:
    """Let the training die in the optimizer step after `images` images."""
    real, steps = loop.learning_rate, images

    def dying(settings, seen):
        if seen >= steps:
            raise Killed
        return real(settings, seen)

    monkeypatch.setattr(loop, "learning_rate", dying)


@pytest.mark.parametrize("images", [16, 48, 112, 224])
@pytest.mark.parametrize("stage", [autoencoder, diffusion])
def test_a_killed_and_resumed_training_ends_with_the_same_tensors(
    system, monkeypatch, stage, images
):
    name = f"{stage.__name__}-killed-{images}"
    with monkeypatch.context() as patch:
        _kill_at(patch, images)
        with pytest.raises(Killed):
            stage(system, name)
    assert not (system / name).exists()
    resumed = stage(system, name)
    whole = "autoencoder" if stage is autoencoder else "diffusion/unet"
    assert _same(resumed, load_file(system / whole / "diffusion_pytorch_model.safetensors"))
    undisturbed = "autoencoder" if stage is autoencoder else "diffusion"
    assert (system / f"{name}.json").read_bytes() == (system / f"{undisturbed}.json").read_bytes()
    if stage is diffusion:
        early = [moments(system / of) for of in (name, "diffusion")]
        assert [*early[0]] == [*early[1]] and len(early[0]) == 4
        for paths in zip(*(of.values() for of in early), strict=True):
            assert _same(*(load_denoiser(path).state_dict() for path in paths))


@pytest.mark.parametrize("damage", ["truncated", "emptied"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    system, monkeypatch, capsys, damage
):
    name = f"damaged-{damage}"
    with monkeypatch.context() as patch:
        _kill_at(patch, 160)
        with pytest.raises(Killed):
            diffusion(system, name)
    _, newest = sorted((system / f"checkpoints-{name}").glob("*/*.safetensors"))
    whole = newest.read_bytes()
    newest.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else b"")
    resumed = diffusion(system, name)
    assert newest.name in capsys.readouterr().err
    undisturbed = load_file(system / "diffusion/unet/diffusion_pytorch_model.safetensors")
    assert _same(resumed, undisturbed)


def test_a_checkpoint_of_other_settings_is_refused(system, monkeypatch):
    with monkeypatch.context() as patch:
        _kill_at(patch, 160)
        with pytest.raises(Killed):
            diffusion(system, "other")
    (folder,) = (system / "checkpoints-other").iterdir()
    checkpoints = Checkpoints(system / "elsewhere", "diffusion", DIFFUSION, 1, ())
    checkpoints.folder.parent.mkdir()
    folder.rename(checkpoints.folder)
    with pytest.raises(UserError, match="belongs to other settings"):
        checkpoints.restore(None)


def test_changed_settings_train_from_the_start(system):
    trained = diffusion(system, "changed", DIFFUSION.model_copy(update={"learning_rate": 5e-4}))
    original = load_file(system / "diffusion/unet/diffusion_pytorch_model.safetensors")
    assert not _same(trained, original)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_that_stops_being_finite_stops_the_training(system):
    wild = AUTOENCODER.model_copy(update={"learning_rate": 1e30, "gradient_clip": 1e30})
    with pytest.raises(UserError, match=r"stopped being finite after .* Lower learning_rate"):
        autoencoder(system, "wild", wild)
    assert not (system / "wild").exists()


def test_a_validation_that_is_not_finite_stops_the_training_too(system, tmp_path):
    for name in ("cohort", "autoencoder"):
        (tmp_path / name).symlink_to(system / name)
    shutil.copytree(system / "latents", tmp_path / "latents")
    mean = np.load(tmp_path / "latents/mean.npy")
    mean[40:50] = np.inf  # the rows of val
    np.save(tmp_path / "latents/mean.npy", mean)
    with pytest.raises(UserError, match="the validation_loss stopped being finite after 16 images"):
        diffusion(tmp_path, "blind")


def test_a_full_disk_at_a_checkpoint_is_told_and_costs_nothing(system, monkeypatch):
    from synthcohort.training import checkpoints

    saved = []

    def full(tensors, path, metadata):
        if not metadata:  # average weights, no checkpoint
            return real(tensors, path, metadata)
        if saved:
            path.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(path)
        real(tensors, path, metadata)

    real = checkpoints._save
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_save", full)
        with pytest.raises(UserError, match="the disk is full"):
            diffusion(system, "full")
    assert not (system / "full").exists()
    kept = list((system / "checkpoints-full").glob("*/[0-9]*"))
    assert len(kept) == 1, "the whole checkpoint stays, the half one does not"
    undisturbed = load_file(system / "diffusion/unet/diffusion_pytorch_model.safetensors")
    assert _same(diffusion(system, "full"), undisturbed)


def test_the_discriminator_takes_part_and_is_resumed(system, monkeypatch):
    settings = AUTOENCODER.model_copy(update={"adversarial_weight": 0.1})
    whole = autoencoder(system, "adversarial", settings)
    assert not _same(whole, load_file(system / "autoencoder/diffusion_pytorch_model.safetensors"))
    with monkeypatch.context() as patch:
        _kill_at(patch, 160)
        with pytest.raises(Killed):
            autoencoder(system, "adversarial-killed", settings)
    assert _same(autoencoder(system, "adversarial-killed", settings), whole)


def test_a_model_comes_with_its_layers_and_with_samples_of_its_training(system):
    weights = load_file(system / "diffusion/unet/diffusion_pytorch_model.safetensors")
    _, *lines, last = (system / "diffusion/layers.txt").read_text().splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in (*lines, last)]
    assert sum(counts[:-1]) == counts[-1] == sum(map(torch.numel, weights.values()))
    with np.load(system / "diffusion.npz", allow_pickle=False) as taken:
        seen, samples = taken["images_seen"], taken["samples"]
    history = json.loads((system / "diffusion.json").read_text())
    assert seen.tolist() == [e["images"] for e in history if "validation_loss" in e]
    assert samples.dtype == np.uint8 and samples.shape == (len(seen), 6, 1, 16, 16)
    assert (samples[0] != samples[-1]).any()


def test_diffusers_own_classes_load_what_was_trained(system):
    from diffusers import DDPMScheduler, UNet2DModel

    unet = UNet2DModel.from_pretrained(system / "diffusion/unet")
    scheduler = DDPMScheduler.from_pretrained(system / "diffusion/scheduler")
    assert unet.config.num_class_embeds == 3 and scheduler.config.prediction_type == "v_prediction"
    assert json.loads((system / "diffusion/labels.json").read_text()) == {"names": ["A", "B"]}


def test_diffusers_autoencoder_kl_is_built_saved_and_loaded(system):
    from diffusers import AutoencoderKL

    settings = AUTOENCODER.model_copy(update={"network": "kl", "images": 32, "channels": (8, 8)})
    autoencoder(system, "kl", settings)
    loaded = AutoencoderKL.from_pretrained(system / "kl")
    assert loaded.config.scaling_factor != AutoencoderKL().config.scaling_factor
    assert loaded.decode(loaded.encode(torch.zeros(1, 1, 16, 16)).latent_dist.mode()).sample.shape


def test_latents_are_unit_variance_over_train_after_the_stored_scale(system):
    mean, std = (np.load(system / f"latents/{name}.npy")[:40] for name in ("mean", "std"))
    config = load_autoencoder(system / "autoencoder").config
    drawn = mean + std * np.random.default_rng(0).standard_normal((500, *mean.shape))
    scaled = (drawn - config.shift_factor) * config.scaling_factor
    assert scaled.mean() == pytest.approx(0, abs=0.05) and scaled.std() == pytest.approx(
        1, abs=0.05
    )


def test_a_sample_does_not_depend_on_the_shard(system, tmp_path):
    whole = _sample(system, tmp_path / "whole.npz", images=14, shard=14, batch=4)
    for size in (5, 7):
        parts = [
            _sample(system, tmp_path / f"{k}.npz", images=14, shard=size, batch=4, number=k)
            for k in range(-(-14 // size))
        ]
        for key in ("images", "labels", "index", "seeds"):
            np.testing.assert_array_equal(np.concatenate([p[key] for p in parts]), whole[key])


def test_a_full_disk_at_a_shard_is_told_and_leaves_nothing(system, tmp_path, monkeypatch):
    def full(path, **_):
        Path(path).write_bytes(b"half a shard")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match=r"shard\.npz: the disk is full"):
        _sample(system, tmp_path / "shard.npz", images=4, shard=4, batch=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm-solver++"])
def test_samples_are_reproducible_and_differ_by_index(system, tmp_path, sampler):
    first = _sample(system, tmp_path / "a.npz", images={"B": 3}, sampler=sampler, batch=4)
    again = _sample(system, tmp_path / "b.npz", images={"B": 3}, sampler=sampler, batch=4)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert first["images"].shape == (3, 1, 16, 16) and first["images"].dtype == np.uint8
    assert first["labels"].tolist() == [1, 1, 1] and again["index"].tolist() == [0, 1, 2]
    assert not np.array_equal(first["images"][0], first["images"][1])


def test_guidance_of_zero_forgets_the_label(system):
    from synthcohort.diffusion.sampling import guided

    denoiser = load_denoiser(system / "diffusion")
    latents = torch.randn(2, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    t = torch.tensor(500)
    labels = torch.tensor([0, 1])
    told = torch.tensor([[1.0, 1, 0], [1, 0, 1]])
    null = denoiser(latents, t, class_labels=torch.tensor([2, 2])).sample
    label = denoiser(latents, t, class_labels=labels).sample
    torch.testing.assert_close(guided(denoiser, latents, t, told, 0.0), null)
    torch.testing.assert_close(guided(denoiser, latents, t, told, 1.0), label)
    expected = null + 3 * (label - null)
    torch.testing.assert_close(guided(denoiser, latents, t, told, 3.0), expected)


def test_the_autoencoder_can_be_trained_on_the_squared_error(system):
    settings = AUTOENCODER.model_copy(update={"reconstruction": "mse", "structure_weight": 0.0})
    trained_so = autoencoder(system, "squared", settings)
    assert not _same(
        trained_so, load_file(system / "autoencoder/diffusion_pytorch_model.safetensors")
    )
