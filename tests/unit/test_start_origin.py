"""What the run that given weights come from says of them: patients, latents, attributes, terms."""

import csv
import json
import shutil

import numpy as np
import PIL.Image
import pytest
import torch
import trained
from starts import autoencoder_kl, denoiser, standard, strided, unet_of_a_run
from trained import AUTOENCODER, DIFFUSION

from synthcohort.cohort import RESTRICTION, Cohort
from synthcohort.cohort.prepare import prepare
from synthcohort.config import Prepare
from synthcohort.config.start import Start
from synthcohort.errors import UserError
from synthcohort.models.condition import describe, predict
from synthcohort.models.identity import IdentityAutoencoder
from synthcohort.models.start_folder import GivenWeights, record
from synthcohort.models.start_origin import require_unseen
from synthcohort.sources.folder import Source
from synthcohort.tracking.journal import Journal

system = trained.system


def of_run(folder, **splits):
    """A cohort of an image a letter, with the splits they are in, in the folder of a run."""
    images = [(image, split) for split, names in splits.items() for image in names]
    (folder / "cohort").mkdir(parents=True)
    rows = [{"image_id": f"i{x}", "sha256": x * 64, "split": split} for x, split in images]
    for name, column in (("manifest", "sha256"), ("split", "split")):
        with (folder / f"cohort/{name}.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, ["image_id", column], extrasaction="ignore")
            table.writeheader()
            table.writerows(rows)
    return Cohort(np.zeros((len(rows), 1, 4, 4), np.uint8), rows)


@pytest.mark.parametrize("place", ["run", "run/autoencoder", "run/model/autoencoder", "link"])
def test_weights_that_have_seen_held_out_patients_are_refused(tmp_path, place):
    of_run(tmp_path / "run", train="abc", val="d", test="ef")
    strided(tmp_path / "run")
    shutil.copytree(tmp_path / "run/autoencoder", tmp_path / "run/model/autoencoder")
    (tmp_path / "link").symlink_to("run/autoencoder")
    start = Start(folder=tmp_path / place, licence="MIT")

    def check(name, **splits):
        require_unseen(start, "autoencoder", of_run(tmp_path / name, **splits))

    check("same", train="abc", val="d", test="ef")
    check("others", train="gh", val="i", test="e")
    # Bytes that are on both sides of this split, too, such as a blank image: no proof.
    check("blank", train="ag", val="a", test="e")
    for name, splits in {
        "val": {"train": "de", "val": "af", "test": "g"},
        "test": {"train": "de", "val": "f", "test": "ga"},
    }.items():
        with pytest.raises(UserError, match=r"^autoencoder\.start\.folder: .* 1 of the 3 .* 'ia'"):
            check(name, **splits)


def test_what_a_run_has_only_used_has_not_seen_its_patients(tmp_path):
    of_run(tmp_path / "run", train="abc", val="d")
    strided(tmp_path / "run")
    start = Start(folder=tmp_path / "run", licence="MIT")
    ours = of_run(tmp_path / "ours", train="d", val="a")
    given = {"part": "autoencoder", "folder": "a", "licence": "MIT", "network": "a", "adapted": ()}
    for frozen in (False, True):
        told = GivenWeights(**given, sha256="ab" * 32, frozen=frozen)
        record(tmp_path / "run/autoencoder", told)
        if frozen:
            require_unseen(start, "autoencoder", ours)
        else:
            with pytest.raises(UserError, match="were trained on 1 of"):
                require_unseen(start, "autoencoder", ours)


def test_both_trainings_look_at_whom_the_weights_have_seen(system, tmp_path, monkeypatch):
    folder = shutil.copytree(system, tmp_path / "run")
    rows = [{"image_id": f"i{i}", "sha256": str(i)} for i in range(60)]
    old = folder / "cohort/manifest.csv"
    with old.open(newline="") as file:
        table = list(csv.DictReader(file))
    with old.open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(one | other for one, other in zip(table, rows, strict=True))
    other = shutil.copytree(folder, tmp_path / "other")
    split = other / "cohort/split.csv"
    moved = {"train": "test", "test": "train", "val": "val"}
    lines = [line.rsplit(",", 1) for line in split.read_text().splitlines()]
    split.write_text("\n".join(f"{of},{moved.get(part, part)}" for of, part in lines))
    for train, settings in ((trained.autoencoder, AUTOENCODER), (trained.diffusion, DIFFUSION)):
        values = {key: getattr(settings, key) for key in ("images", "batch", "warmup_images")}
        start = {"folder": folder, "licence": "MIT"}
        with pytest.raises(UserError, match="were trained on 40 of the 50 validation and test"):
            train(other, "anew", type(settings)(**values, start=start))


def test_latents_of_another_autoencoder_are_told(tmp_path):
    unet_of_a_run(tmp_path / "run")
    strided(tmp_path / "run")
    same = shutil.copytree(tmp_path / "run/autoencoder", tmp_path / "same")
    assert denoiser(tmp_path / "run", of=same)[1].adapted == ()
    autoencoder_kl(tmp_path / "other")
    (sentence,) = denoiser(tmp_path / "run", of=tmp_path / "other/vae")[1].adapted
    assert "latents of another autoencoder" in sentence
    # Nothing is known of those of a U-Net that lies alone.
    alone = shutil.copytree(tmp_path / "run/diffusion", tmp_path / "alone/diffusion")
    assert denoiser(alone, of=tmp_path / "other/vae")[1].adapted == ()


@pytest.mark.parametrize("theirs", ["pixels", "latents"])
def test_pixels_are_not_taken_for_latents(tmp_path, theirs):
    unet_of_a_run(tmp_path / "run")
    strided(tmp_path / "latents")
    IdentityAutoencoder(in_channels=2, patch=1).save_pretrained(tmp_path / "pixels/autoencoder")
    shutil.copytree(tmp_path / theirs / "autoencoder", tmp_path / "run/autoencoder")
    ours = {"pixels": "latents", "latents": "pixels"}[theirs]
    with pytest.raises(UserError, match=f"was trained on {theirs} .* it is to learn {ours}"):
        denoiser(tmp_path / "run", of=tmp_path / ours / "autoencoder")
    _, given = denoiser(tmp_path / "run", of=tmp_path / theirs / "autoencoder")
    assert given.adapted == ()


@pytest.mark.parametrize("crossed", [False, True])
@torch.no_grad()
def test_attributes_mean_what_they_did_in_their_units(tmp_path, crossed):
    old = unet_of_a_run(tmp_path, "AB", ["age"], cross_attention=crossed)
    path = tmp_path / "diffusion/attributes.json"
    path.write_text(json.dumps(standard(["age"], 40.0, 8.0)))
    new, _ = denoiser(tmp_path, "AB", ["age"], moments=(65.0, 12.0))
    ages, torn = np.array([[50.0], [80.0]]), torch.randn(2, 2, 8, 8)
    was, now = (
        predict(model, torn, torch.tensor([400, 400]), describe([0, 1], 2, ages, [mean], [std]))
        for model, mean, std in ((old, 40.0, 8.0), (new, 65.0, 12.0))
    )
    assert torch.allclose(was, now, atol=1e-4)
    for said in ({"names": ["age"]}, standard(["age"], 40.0, 0.0)):
        path.write_text(json.dumps(said))
        with pytest.raises(UserError, match=r"attributes\.json: expected names, mean and std"):
            denoiser(tmp_path, "AB", ["age"])


def test_weights_carry_the_terms_of_the_images_from_the_first(system, tmp_path):
    for patient in "ab":
        pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        (tmp_path / "images").mkdir(exist_ok=True)
        PIL.Image.fromarray(pixels).save(tmp_path / f"images/{patient}.png")
    values = {"root": tmp_path / "images", "expression": "(?P<patient>.)"}
    for gated in (False, True):
        source = Source(**values, licence="the agreement", gated=gated)
        journal = Journal(None, "test", {})
        cohort = tmp_path / f"cohort-{gated}"
        prepare(source, Prepare(size=(16, 16)), root=None, out=cohort, journal=journal)
        assert (cohort / RESTRICTION).is_file() == gated
    folder = shutil.copytree(system, tmp_path / "run")
    shutil.copyfile(cohort / RESTRICTION, folder / "cohort" / RESTRICTION)
    trained.autoencoder(folder, "autoencoder", AUTOENCODER.model_copy(update={"images": 32}))
    trained.diffusion(folder, "diffusion", DIFFUSION.model_copy(update={"images": 32}))
    early = next((folder / "diffusion/early").iterdir())
    for number, of in enumerate(
        ("autoencoder", "diffusion/unet", early.relative_to(folder) / "unet")
    ):
        kept = shutil.copytree(folder / of, tmp_path / f"kept-{number}")
        part = "diffusion" if number else "autoencoder"
        start = Start(folder=kept, licence="MIT")
        with pytest.raises(UserError, match="under the terms 'the agreement'"):
            require_unseen(start, part, Cohort(np.zeros(0), []))
