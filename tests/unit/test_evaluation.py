"""The evaluation on a tiny cohort: sets, extractors, the embedding, real against synthetic."""

import json

import numpy as np
import pytest
import torch
from evaluated import CPU, QUIET, SIZE, pictures, write_cohort, write_samples

from synthcohort import config
from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.evaluation import extractors
from synthcohort.evaluation.decoded import decode_sets
from synthcohort.evaluation.draw import draw_evaluation
from synthcohort.evaluation.evaluate import evaluate
from synthcohort.evaluation.extractors.statistics import statistics
from synthcohort.evaluation.features import extract
from synthcohort.evaluation.networks.label_classifier import cannot_tell, train_classifier
from synthcohort.evaluation.sets import choose, open_sets

SETTINGS = Evaluation(images=72, classifier_images=2000, folds=3, neighbours=5)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A cohort, samples of the same distribution, of noise, and untrained models."""
    from diffusers import DDPMScheduler

    from synthcohort.models import build_autoencoder, build_denoiser
    from synthcohort.models.pixels import to_model

    folder = tmp_path_factory.mktemp("system")
    given = write_cohort(folder / "cohort")
    classes = np.arange(100) % 2
    noise = np.random.default_rng(9).integers(0, 256, (100, 1, SIZE, SIZE), dtype=np.uint8)
    samples = {
        "same": write_samples(folder / "same", pictures(classes, seed=7), classes),
        "noise": write_samples(folder / "noise", noise, classes),
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder = config.Autoencoder(images=1, channels=(8, 16), latent_channels=4)
        network = build_autoencoder(autoencoder, 1, (SIZE, SIZE))
        # As the training stage does: latents of real images get zero mean and unit variance.
        with torch.no_grad():
            latents = network.encode(to_model(pictures(classes, seed=1))).latent_dist.mean
        network.register_to_config(
            scaling_factor=1 / latents.std().item(), shift_factor=latents.mean().item()
        )
        network.save_pretrained(folder / "autoencoder")
        diffusion = config.Diffusion(images=1, channels=(16, 32), blocks=1)
        build_denoiser(diffusion, (4, 2, 2), 2).save_pretrained(folder / "diffusion/unet")
    DDPMScheduler().save_pretrained(folder / "diffusion/scheduler")
    (folder / "diffusion/labels.json").write_text(json.dumps({"names": ["a", "b"]}))
    for name, paths in samples.items():
        choose(SETTINGS, seed=0, samples=paths, out=folder / f"{name}.json", journal=QUIET, **given)
    return folder, given, samples


def run(system, metric, kind, out, features=None, beside=None):
    folder, given, samples = system
    evaluate(
        SETTINGS,
        metric=[metric],
        seed=0,
        samples=samples[kind],
        sets=folder / f"{kind}.json",
        features=features,
        beside=beside,
        out=out,
        hardware=CPU,
        journal=QUIET,
        **given,
    )
    return json.loads((out / f"{metric}.json").read_text())


def drawn(out, metric):
    draw_evaluation(results=[out / f"{metric}.json"], out=out / "figures", journal=QUIET)
    return (out / f"figures/{metric}.png").read_bytes()


def extracted(system, extractor, kind, out):
    folder, given, samples = system
    extract(
        SETTINGS,
        extractor=extractor,
        seed=0,
        samples=samples[kind],
        sets=folder / f"{kind}.json",
        out=out,
        hardware=CPU,
        journal=QUIET,
        classifier=folder / "classifier",
        autoencoder=folder / "autoencoder",
        diffusion=folder / "diffusion",
        **given,
    )
    return out


def opened_classifier(folder):
    extractor = extractors.module("classifier")
    return extractor.open_extractor(SETTINGS, 0, {"classifier": folder}, CPU)


def test_sets_are_equal_in_size_and_labels_and_keep_patients_whole(system):
    folder, given, samples = system
    rows = json.loads((folder / "same.json").read_text())
    assert rows["left_out"] == 80 - 72
    opened, names = open_sets(folder / "same.json", samples=samples["same"], **given)
    assert names == ["a", "b"]
    assert {len(part.images) for part in opened.values()} == {72}
    counts = [np.bincount(part.classes).tolist() for part in opened.values()]
    assert counts[0] == counts[1] == counts[2]
    assert not set(opened["train"].patients) & set(opened["test"].patients)
    # Two images each: whole patients, but for at most one cut for each label.
    for name in ("train", "test"):
        _, images = np.unique(opened[name].patients, return_counts=True)
        assert np.sum(images == 1) <= 2
    whole = np.concatenate([np.load(path)["images"] for path in samples["same"]])
    assert np.array_equal(opened["synthetic"].images, whole[rows["synthetic"]])


def test_sets_depend_on_the_seed_alone(system, tmp_path):
    _, given, samples = system
    found = []
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        out = tmp_path / f"{name}.json"
        choose(SETTINGS, seed=seed, samples=samples["same"], out=out, journal=QUIET, **given)
        found.append(out.read_bytes())
    assert found[0] == found[1] != found[2]


def test_few_samples_of_a_label_are_compared_with_as_few_real_images(system, tmp_path, capsys):
    _, given, _ = system
    classes = np.array([0] * 60 + [1] * 3)
    samples = write_samples(tmp_path / "few", pictures(classes, 0), classes)
    choose(SETTINGS, seed=0, samples=samples, out=tmp_path / "o.json", journal=QUIET, **given)
    assert "3 synthetic images of label 'b'" in capsys.readouterr().err
    opened, _ = open_sets(tmp_path / "o.json", samples=samples, **given)
    counts = {tuple(np.bincount(part.classes)) for part in opened.values()}
    assert len(counts) == 1 and counts.pop()[1] == 3
    left_out = json.loads((tmp_path / "o.json").read_text())["left_out"]
    assert left_out == 80 - len(opened["test"].images)


def test_train_images_are_decoded_once_and_features_come_of_them_too(system, tmp_path):
    from synthcohort.latents.encode import reconstruct
    from synthcohort.models import load_autoencoder

    folder, given, samples = system
    common = {"sets": folder / "same.json", "hardware": CPU, "journal": QUIET, **given}
    for name in ("first", "again"):
        out = tmp_path / f"{name}.npy"
        decode_sets(autoencoder=folder / "autoencoder", out=out, **common)
    assert out.read_bytes() == (tmp_path / "first.npy").read_bytes()
    opened, _ = open_sets(folder / "same.json", samples=samples["same"], decoded=out, **given)
    train, decoded = opened["train"], opened["decoded"]
    model = load_autoencoder(folder / "autoencoder")
    assert np.array_equal(decoded.images, reconstruct(model, train.images, torch.device("cpu")))
    assert decoded.images.dtype == np.uint8 and decoded.patients is train.patients
    features = tmp_path / "features.npz"
    one = {"extractor": "statistics", "seed": 0, "samples": samples["same"], "out": features}
    extract(SETTINGS, decoded=out, **one, **common)
    assert np.load(features)["decoded"].shape == np.load(features)["train"].shape
    np.save(out, np.zeros((3, 1, SIZE, SIZE), np.uint8))
    with pytest.raises(UserError, match=r"again\.npy: holds \(3, 1, 16, 16\), but"):
        open_sets(folder / "same.json", samples=samples["same"], decoded=out, **given)


def test_where_patients_have_many_images_some_are_spread_over_more_of_them(system, tmp_path):
    folder, _, samples = system
    assert "spread" not in json.loads((folder / "same.json").read_text())  # two images each
    given = write_cohort(tmp_path / "cohort", train=30, test=8, images_each=6)
    sets, features = tmp_path / "sets.json", tmp_path / "features.npz"
    common = {"seed": 0, "samples": samples["same"], "journal": QUIET, **given}
    choose(SETTINGS, out=sets, **common)
    opened, _ = open_sets(sets, samples=samples["same"], **given)
    train, spread = opened["train"], opened["spread"]
    assert len(spread.images) == len(train.images) == 48
    assert np.bincount(spread.classes).tolist() == np.bincount(train.classes).tolist()
    _, count = np.unique(spread.patients, return_counts=True)
    assert len(count) == 30 and count.max() == 2
    shared = np.isin(spread.rows, train.rows)
    assert shared[np.isin(spread.patients, train.patients)].all() and not shared.all()
    # What both sets have is computed once, and stands in the right rows.
    of = {"extractor": "statistics", "sets": sets, "out": features, "hardware": CPU}
    extract(SETTINGS, **of, **common)
    assert np.array_equal(np.load(features)["spread"], statistics(spread.images))


def test_samples_of_another_cohort_are_told(system, tmp_path):
    _, given, _ = system
    classes = np.arange(20) % 2
    samples = write_samples(tmp_path / "x", pictures(classes, 0), classes, labels=("a", "z"))
    with pytest.raises(UserError, match="the cohort has no label 'z'"):
        choose(SETTINGS, seed=0, samples=samples, out=tmp_path / "o", journal=QUIET, **given)


def test_too_few_patients_are_told(tmp_path):
    given = write_cohort(tmp_path / "cohort", train=10, test=2)
    classes = np.arange(40) % 2
    samples = write_samples(tmp_path / "s", pictures(classes, 0), classes)
    with pytest.raises(UserError, match=r"2 patients of train can be compared.*at least 4"):
        choose(SETTINGS, seed=0, samples=samples, out=tmp_path / "o", journal=QUIET, **given)


def test_a_label_that_was_not_sampled_takes_no_part(system, tmp_path):
    _, given, _ = system
    classes = np.zeros(60, int)
    samples = write_samples(tmp_path / "a", pictures(classes, 0), classes)
    choose(SETTINGS, seed=0, samples=samples, out=tmp_path / "o.json", journal=QUIET, **given)
    opened, _ = open_sets(tmp_path / "o.json", samples=samples, **given)
    assert all(set(part.classes) == {0} for part in opened.values())


def test_the_classifier_learns_the_labels_and_trains_the_same_twice(system, tmp_path):
    folder, given, _ = system
    for out in (folder / "classifier", tmp_path / "again"):
        train_classifier(SETTINGS, seed=0, out=out, hardware=CPU, journal=QUIET, **given)
    first, again = (
        (place / "model.safetensors").read_bytes()
        for place in (folder / "classifier", tmp_path / "again")
    )
    assert first == again
    about = json.loads((tmp_path / "again/config.json").read_text())
    assert about["accuracy"]["interval"][0] > 0.8 > about["chance"] == 0.5
    assert about["patients"] == {"train": 40, "unseen": 40}
    assert cannot_tell(tmp_path / "again") is None
    name, _, _ = opened_classifier(tmp_path / "again")
    assert name.startswith("classifier trained on this cohort's train split")


def test_without_labels_the_classifier_learns_turns(tmp_path):
    given = write_cohort(tmp_path / "cohort", labels=("",), train=8, test=4)
    few = Evaluation(classifier_images=64)
    train_classifier(few, seed=0, out=tmp_path / "c", hardware=CPU, journal=QUIET, **given)
    about = json.loads((tmp_path / "c/config.json").read_text())
    assert about["classes"] == 4
    assert "turns" in opened_classifier(tmp_path / "c")[0]


def test_bottleneck_features_feed_the_embedding_and_repeat(system, tmp_path):
    found = []
    beside = extracted(system, "statistics", "same", tmp_path / "beside.npz")
    for name in ("first", "again"):
        features = extracted(system, "bottleneck", "same", tmp_path / f"{name}.npz")
        result = run(system, "embedding", "same", tmp_path / name, features, beside)
        result.pop("seconds")
        arrays = (tmp_path / name / "embedding.npz").read_bytes()
        figure = drawn(tmp_path / name, "embedding")
        found.append((features.read_bytes(), result, arrays, figure))
    assert found[0] == found[1]
    result = found[0][1]
    assert result["layer"] == "middle block, mean over positions, t = 100 of 1000, no label"
    assert result["n"] == {"train": 72, "test": 72, "synthetic": 72}
    for mixed in (result, result["details"]["classifier_mixing"]):
        assert mixed["interval"][0] <= 1.1 and mixed["interval"][1] >= 1
    assert np.load(tmp_path / "first.npz")["test"].shape == (72, 32)


def test_noise_does_not_mix_with_real_images(system, tmp_path):
    features = extracted(system, "bottleneck", "noise", tmp_path / "f.npz")
    result = run(system, "embedding", "noise", tmp_path, features)
    assert result["interval"][1] < result["floor"]["interval"][0]


def test_features_of_other_sets_are_refused(system, tmp_path):
    features = tmp_path / "f.npz"
    few = np.zeros((5, 3), np.float32)
    np.savez(features, train=few, test=few, synthetic=few, extractor="x", layer="y")
    with pytest.raises(UserError, match=r"features of 5 train images, but sets\.json names 72"):
        run(system, "fid", "same", tmp_path, features)


def test_the_same_distribution_passes_as_real_and_noise_does_not(system, tmp_path):
    same = run(system, "real_or_synthetic", "same", tmp_path / "same")
    # Cross-validation of what cannot be learnt lies a little below a half rather than above.
    assert same["interval"][0] <= 0.5 and same["interval"][1] > 0.4
    again = run(system, "real_or_synthetic", "same", tmp_path / "again")
    assert same | {"seconds": 0} == again | {"seconds": 0}
    figures = [drawn(tmp_path / name, "real_or_synthetic") for name in ("same", "again")]
    assert figures[0] == figures[1]
    noise = run(system, "real_or_synthetic", "noise", tmp_path / "noise")
    assert noise["interval"][0] > 0.9
    assert noise["details"]["accuracy"]["value"] > 0.9
    assert noise["floor"]["interval"][1] < 0.9
    told = noise["details"]
    for surest, mistaken in (
        ("told_most_surely", "most_taken_for_real"),
        ("real_most_taken_for_synthetic", "real_told_most_surely"),
    ):
        first, second = (
            [image["probability"] for image in told[key]] for key in (surest, mistaken)
        )
        assert len(first) == len(second) == 8
        assert min(first) >= max(second)
