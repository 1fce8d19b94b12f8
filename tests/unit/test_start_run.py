"""Trainings that start from given weights, and what journal and cards say of these."""

import json
import shutil

import exports
import generators
import pytest
import torch
import trained
import yaml
from safetensors.torch import load_file, save_file
from starts import autoencoder_kl
from trained import AUTOENCODER, DIFFUSION

import synthcohort
from synthcohort.config import Autoencoder
from synthcohort.export.verify import verify
from synthcohort.models.start_folder import RECORD, WEIGHTS, GivenWeights, record
from synthcohort.tracking.journal import Journal, read_journal

system = trained.system

GIVEN = GivenWeights(
    part="autoencoder",
    folder="weights/vae",
    licence="CC BY-NC 4.0",
    network="AutoencoderKL",
    sha256="ab" * 32,
    frozen=True,
    adapted=("it was made for RGB images",),
    restricted=("the study's agreement",),
    before=GivenWeights(
        part="autoencoder",
        folder="older",
        licence="only with consent",
        network="AutoencoderKL",
        sha256="cd" * 32,
        frozen=False,
        adapted=(),
    ),
)


def starting(settings, folder, **changes):
    """`settings` of the tiny system, but for the network, which the folder says."""
    kept = ("images", "batch", "warmup_images", "checkpoint_images")
    values = {key: getattr(settings, key) for key in kept}
    return type(settings)(**values | changes, start={"folder": folder, "licence": "MIT"})


def losses(folder, name):
    return [entry["loss"] for entry in json.loads((folder / f"{name}.json").read_text())]


def test_frozen_weights_are_those_that_encode(system, tmp_path, monkeypatch):
    folder = shutil.copytree(system, tmp_path / "run")
    old = autoencoder_kl(tmp_path / "public")
    settings = Autoencoder(start={"folder": tmp_path / "public", "licence": "MIT", "frozen": True})
    shutil.rmtree(folder / "autoencoder")
    journal = Journal(tmp_path / "autoencoder.jsonl", "autoencoder", {})
    with journal:
        monkeypatch.setattr(trained, "JOURNAL", journal)
        weights = trained.autoencoder(folder, "autoencoder", settings)
    assert torch.equal(weights["encoder.conv_out.weight"], old.encoder.conv_out.weight)
    whole = old.encoder.conv_in.weight.sum(1, keepdim=True)
    assert torch.allclose(weights["encoder.conv_in.weight"], whole)
    assert json.loads((folder / "autoencoder.json").read_text()) == []
    config = json.loads((folder / "autoencoder/config.json").read_text())
    assert config["scaling_factor"] != 0.18215 and config["shift_factor"] is not None
    assert str(tmp_path) not in (folder / "autoencoder/config.json").read_text()
    told = json.loads((folder / "autoencoder" / RECORD).read_text())
    assert told["frozen"] and told["licence"] == "MIT"
    assert told["folder"].startswith("…/") and told["folder"].endswith("/public")
    results = [e for e in read_journal(tmp_path / "autoencoder.jsonl") if e["event"] == "result"]
    assert results[-1]["values"]["start_sha256"] == told["sha256"]
    # The rest of the run goes on with it, as with one of its own.
    monkeypatch.setattr(trained, "JOURNAL", Journal(None, "test", {}))
    trained.encoded(folder)
    assert json.loads((folder / "measured.json").read_text())["details"]["ssim"]["value"] <= 1
    trained.diffusion(folder, "anew", DIFFUSION.model_copy(update={"images": 32}))


def test_a_training_goes_on_from_given_weights(system):
    trained.autoencoder(system, "onwards", starting(AUTOENCODER, system, images=32))
    assert losses(system, "onwards")[0] < losses(system, "autoencoder")[0]
    trained.diffusion(system, "onwards-too", starting(DIFFUSION, system, images=32))
    assert losses(system, "onwards-too")[0] < losses(system, "diffusion")[0]
    told = json.loads((system / "onwards-too/unet" / RECORD).read_text())
    assert told["network"] == "UNet2DModel" and told["adapted"] == []
    early = sorted((system / "onwards-too/early").glob("*/unet"))
    assert early and all(json.loads((of / RECORD).read_text()) == told for of in early)
    # Started from what had started: the origin of the origin is told.
    trained.autoencoder(system, "third", starting(AUTOENCODER, system / "onwards", images=16))
    told = json.loads((system / "third" / RECORD).read_text())
    assert told["before"]["folder"].startswith("…/") and told["before"]["before"] is None


def test_other_weights_at_the_same_place_are_another_training(system, tmp_path):
    given = shutil.copytree(system / "autoencoder", tmp_path / "given")
    settings = starting(AUTOENCODER, given, images=32)
    first = trained.autoencoder(system, "same-place", settings)
    again = trained.autoencoder(system, "same-place", settings)
    assert all(torch.equal(first[name], again[name]) for name in first)
    weights = {name: tensor * 0.9 for name, tensor in load_file(given / WEIGHTS).items()}
    save_file(weights, given / WEIGHTS, {"format": "pt"})
    other = trained.autoencoder(system, "same-place", settings)
    assert not any(torch.equal(first[name], other[name]) for name in first)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run whose autoencoder has started from given weights, with its export and its model."""
    root = tmp_path_factory.mktemp("begun")
    made = exports.make(root / "dataset")
    record(made.root / "autoencoder", GIVEN)
    of = generators.system()
    generators.make_run(root / "run", of)
    record(root / "run/diffusion/unet", GIVEN.model_copy(update={"part": "diffusion"}))
    return exports.run(made), generators.write(root / "run", of)


def test_the_cards_tell_where_weights_began(begun):
    export, model = begun
    for folder, part in ((export, "autoencoder"), (model, "denoiser")):
        card = (folder / "README.md").read_text()
        (row,) = (line for line in card.splitlines() if line.startswith("| First weights"))
        for said in (part, "`weights/vae`", GIVEN.sha256, "as they are", "`older`", "made for RGB"):
            assert said in row
        assert "CC BY-NC 4.0; before that, only with consent" in card
        assert "is not known to the\naudit" in card
        assert "derive from restricted data** (the study's agreement)" in card
    assert "took no part in any training of this run" in (export / "README.md").read_text()
    assert "CC BY-NC 4.0" in (model / "LICENSE.md").read_text()
    head = yaml.safe_load((model / "README.md").read_text().split("---\n")[1])
    assert "under the terms “the study's agreement”" in head["extra_gated_prompt"]
    assert generators.record_of(model)["given_weights"][0]["sha256"] == GIVEN.sha256


def test_who_draws_from_such_a_model_is_told(begun, capsys):
    synthcohort.generate(begun[1], "A", 1, hardware=generators.HARDWARE)
    assert "under the terms the study's agreement, which hold" in capsys.readouterr().err


def test_machines_are_told_too(begun):
    export, _ = begun
    stated = json.loads((export / "results.json").read_text())["dataset"]
    assert stated["given_weights"] == [GIVEN.model_dump(mode="json")]
    derived = json.loads((export / "croissant.json").read_text())["prov:wasDerivedFrom"]
    assert derived[1]["license"] == "CC BY-NC 4.0"
    conditions = json.loads((export / "croissant.json").read_text())["usageInfo"]
    assert "given weights (the study's agreement)" in json.dumps(conditions)
    told, faults = verify(export)
    assert faults == [] and any("terms: the study's agreement. They are res" in x for x in told)


def test_a_run_that_began_at_random_says_nothing_of_it(tmp_path):
    card = (exports.run(exports.make(tmp_path / "made")) / "README.md").read_text()
    assert "First weights" not in card and "given" not in card.partition("## Licence")[2]
