"""Folders that no training can start from: each is refused by what is wrong with it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from starts import (
    autoencoder_kl,
    denoiser,
    started,
    strided,
    unet_of_a_run,
    unet_of_others,
    unet_that_reads,
)

from synthcohort.config import Autoencoder, Diffusion
from synthcohort.config.reading import checked
from synthcohort.errors import UserError
from synthcohort.models.start_folder import WEIGHTS, record


def emptied(folder):
    shutil.rmtree(folder)


def unnamed(folder):
    (folder / "autoencoder/config.json").unlink()


def of_another_kind(folder):
    path = folder / "autoencoder/config.json"
    path.write_text(path.read_text().replace("StridedAutoencoder", "AutoencoderTiny"))


def not_json(folder):
    (folder / "autoencoder/config.json").write_text("{'in_channels': 1}")


def not_a_network(folder):
    path = folder / "autoencoder/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"block_out_channels": "many"}))


def pickled(folder):
    path = folder / "autoencoder" / WEIGHTS
    path.rename(path.with_suffix(".bin"))


def in_parts(folder):
    path = folder / "autoencoder" / WEIGHTS
    path.rename(path.with_name("diffusion_pytorch_model-00001-of-00002.safetensors"))


def cut_off(folder):
    path = folder / "autoencoder" / WEIGHTS
    path.write_bytes(path.read_bytes()[:2000])


def pickled_under_another_name(folder):
    torch.save({"a": torch.zeros(1)}, folder / "autoencoder" / WEIGHTS)


def lacking(folder):
    path = folder / "autoencoder" / WEIGHTS
    weights = load_file(path)
    weights.pop("encoder.1.bias")
    save_file(weights, path, {"format": "pt"})


def not_finite(folder):
    path = folder / "autoencoder" / WEIGHTS
    weights = load_file(path)
    weights["encoder.1.bias"][0] = torch.nan
    save_file(weights, path, {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (emptied, "no such folder"),
        (unnamed, "holds no config.json"),
        (of_another_kind, "is a AutoencoderTiny; expected AutoencoderKL or StridedAutoencoder"),
        (not_json, "cannot be read as JSON"),
        (not_a_network, "no StridedAutoencoder can be built from it"),
        (pickled, "pickles, which can run code when they are opened; nothing was opened"),
        (in_parts, "save it anew as one file"),
        (cut_off, "cannot be read as the weights"),
        (pickled_under_another_name, "cannot be read as the weights"),
        (lacking, r"lacks 1 of the network's weights, such as encoder\.1\.bias"),
        (not_finite, "is not finite"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(tmp_path, damage, told):
    strided(tmp_path / "run")
    damage(tmp_path / "run")
    with pytest.raises(UserError, match=told) as error:
        started(tmp_path / "run")
    assert str(error.value).startswith("autoencoder.start.folder: ")


def test_an_autoencoder_that_cannot_fit_is_refused(tmp_path):
    autoencoder_kl(tmp_path / "4", 4)
    with pytest.raises(UserError, match=r"images of 4 channels.*have 1 \(prepare.colour\)"):
        started(tmp_path / "4")
    autoencoder_kl(tmp_path / "2", 3, out_channels=6)
    with pytest.raises(UserError, match="other channels than it takes"):
        started(tmp_path / "2")
    autoencoder_kl(tmp_path / "kl")
    with pytest.raises(UserError, match=r"multiples of 2, but prepare.size is 15×16"):
        started(tmp_path / "kl", size=(15, 16))
    strided(tmp_path / "run")
    with pytest.raises(UserError, match=r"autoencoder\.recompute: StridedAutoencoder cannot"):
        started(tmp_path / "run", recompute=True)


def test_a_unet_that_cannot_fit_is_refused(tmp_path):
    unet_of_a_run(tmp_path / "run")
    for shape in ((4, 8, 8), (6, 8, 8)):  # three times as many are colours only of pixels
        with pytest.raises(UserError, match="is for latents of 2 channels, but those here have"):
            denoiser(tmp_path / "run", shape=shape)
    with pytest.raises(UserError, match="in multiples of 2, but those here are 7×8"):
        denoiser(tmp_path / "run", shape=(2, 7, 8))
    with pytest.raises(UserError, match="this cohort has 1 attributes"):
        denoiser(tmp_path / "run", attributes=["age"])
    with pytest.raises(UserError, match=r"prediction is epsilon.* predicts v_prediction"):
        denoiser(tmp_path / "run", prediction="epsilon")
    (tmp_path / "run/diffusion/labels.json").write_text('{"names": ["A"]}')
    with pytest.raises(UserError, match="names 2 conditions, but the U-Net takes 3"):
        denoiser(tmp_path / "run")
    for name, changes in {
        "learns the variance": {"out_channels": 4},
        "embedding of the time": {"time_embedding_type": "fourier"},
        "not known here": {"class_embed_type": "timestep"},
    }.items():
        unet_of_others(tmp_path / "others", **changes)
        with pytest.raises(UserError, match=name):
            denoiser(tmp_path / "others")
    unet_that_reads(tmp_path / "text", class_embed_type="timestep")
    with pytest.raises(UserError, match="not known here"):
        denoiser(tmp_path / "text")
    with pytest.raises(UserError, match="expected AutoencoderKL or StridedAutoencoder"):
        started(tmp_path / "text/unet")


@pytest.mark.parametrize(
    "place",
    [
        *("run", "run/diffusion", "run/diffusion/unet"),
        *("run/diffusion/early/8", "run/model/early/8/unet", "link"),
    ],
)
def test_weights_of_restricted_images_need_their_terms_named(tmp_path, place):
    unet_of_a_run(tmp_path / "run")
    for early in ("diffusion/early/8/unet", "model/early/8/unet"):
        shutil.copytree(tmp_path / "run/diffusion/unet", tmp_path / "run" / early)
    (tmp_path / "link").symlink_to("run/diffusion/unet")
    terms = {"terms": {"gated": True, "name": "the agreement"}}
    (tmp_path / "run/model/model.json").write_text(json.dumps(terms))
    with pytest.raises(UserError, match=r"start\.licence: .* under the terms 'the agreement'"):
        denoiser(tmp_path / place)
    _, given = denoiser(tmp_path / place, licence="MIT, and the agreement")
    assert given.restricted == ("the agreement",)
    # So do those that were made of them, wherever they have gone.
    kept = tmp_path / "kept"
    shutil.copytree(tmp_path / "run/diffusion/unet", kept)
    record(kept, given)
    with pytest.raises(UserError, match="under the terms 'the agreement'"):
        denoiser(kept)


@pytest.mark.parametrize("way", ["linked", "linked file", "copied", "from within"])
def test_terms_beside_the_weights_hold_whatever_leads_there(tmp_path, monkeypatch, way):
    strided(tmp_path / "run")
    place = tmp_path / "run/autoencoder"
    terms = {"terms": {"gated": True, "name": "the agreement"}}
    if way == "linked file":
        (tmp_path / "run/model").mkdir()
        (tmp_path / "run/model/model.json").write_text(json.dumps(terms))
        (tmp_path / "kept").mkdir()
        for name in ("config.json", WEIGHTS):
            (tmp_path / "kept" / name).symlink_to(place / name)
    else:
        (place / "model.json").write_text(json.dumps(terms))
    if way == "linked":
        (tmp_path / "kept").symlink_to(place)
    if way == "copied":
        shutil.copytree(place, tmp_path / "kept")
    monkeypatch.chdir(place)
    with pytest.raises(UserError, match="under the terms 'the agreement'"):
        started("." if way == "from within" else tmp_path / "kept")


def test_a_folder_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    strided(tmp_path / "run")

    def closed(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(UserError, match=r"start\.folder: .*config\.json: you may not read it"):
        started(tmp_path / "run")


def test_a_record_that_is_none_is_told_in_a_line(tmp_path):
    strided(tmp_path / "run")
    path = tmp_path / "run/autoencoder/start.json"
    for text in ('{"a": 1, "b": 2}', "[]", "{", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(UserError, match=r"start\.json: not a record of given we") as error:
            started(tmp_path / "run")
        assert "\n" not in str(error.value) and len(str(error.value)) < 300 + len(str(path))


@pytest.mark.parametrize(
    ("model", "values", "told"),
    [
        (
            Autoencoder,
            {"images": 9, "start": {"licence": "  "}},
            "start.licence: .*at least 1 char",
        ),
        (
            Diffusion,
            {"images": 9, "start": {"folder": "a b{x}", "licence": "a"}},
            "start.folder: .*{",
        ),
        (Autoencoder, {"images": 9, "start": {"folder": "a"}}, "start.licence: missing"),
        (Autoencoder, {"start": {}}, "images: missing"),
        (Autoencoder, {"images": 9, "channels": [8], "start": {}}, "channels is given, too"),
        (Autoencoder, {"images": 9, "network": "kl", "start": {}}, "network is given, too"),
        (Autoencoder, {"images": 9, "start": {"frozen": True}}, "but images is given"),
        (Autoencoder, {"network": "none", "start": {}}, "but start is given"),
        (Diffusion, {"images": 9, "blocks": 1, "start": {}}, "blocks is given, too"),
        (Diffusion, {"images": 9, "start": {"frozen": True}}, "frozen: unknown key"),
    ],
)
def test_settings_that_contradict_the_folder_are_refused(model, values, told):
    if "folder" not in values["start"]:
        values = values | {"start": {"folder": "a", "licence": "MIT"} | values["start"]}
    with pytest.raises(UserError, match=told):
        checked(model, values, "config.yaml")
