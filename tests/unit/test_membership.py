"""Whom the denoiser gives away, on planted truth: a model that has memorised its train images, one
that has seen nothing, and patients too few to tell."""

from dataclasses import replace
from functools import partial

import evaluated
import numpy as np
import pytest
import trained
from PIL import Image
from trained import DIFFUSION, HARDWARE, JOURNAL, data

from synthcohort.cohort import open_cohort
from synthcohort.config import Evaluation
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import membership
from synthcohort.evaluation.metrics.membership.denoiser_loss import chosen, losses
from synthcohort.evaluation.metrics.membership.patient_auc import (
    chance,
    exposed,
    strongest,
    told_apart,
)
from synthcohort.evaluation.metrics.over_training.advice import advised
from synthcohort.evaluation.networks.label_classifier import train_classifier
from synthcohort.evaluation.sets import Set
from synthcohort.models import moments

# The fixture of these tests too.
system = trained.system


def material(folder, cohort):
    rows = cohort.of("test")
    test = Set(cohort.images[rows], cohort.classes[rows], cohort.patients[rows], rows)
    models = ("autoencoder", "classifier", "diffusion", "latents")
    return Material(
        {"train": test, "test": test},
        cohort.label_names,
        cohort=cohort,
        models={name: folder / name for name in models},
    )


def measure(name, given, folder):
    result = evaluated.measure(name, given, folder)
    with Image.open(folder / f"{name}.png") as figure:
        assert figure.width > 500
    return result


@pytest.fixture(scope="module")
def memorised(system, tmp_path_factory):
    """10 train patients with images without anything in common, seen 500 times each by a network
    that can hold them: a latent of noise can only be known by heart."""
    folder = tmp_path_factory.mktemp("memorised")
    (folder / "latents").mkdir(parents=True)
    for name in ("cohort", "autoencoder"):
        (folder / name).symlink_to(system / name)
    mean = np.load(system / "latents/mean.npy")
    noise = np.random.default_rng(0).normal(size=mean.shape) * mean.std() + mean.mean()
    np.save(folder / "latents/mean.npy", noise.astype(np.float32))
    np.save(folder / "latents/std.npy", np.zeros_like(mean))
    rows = (system / "cohort/split.csv").read_text().splitlines()
    held_out = [*rows[:21], *(row.replace(",train", ",val") for row in rows[21:])]
    (folder / "split.csv").write_text("\n".join(held_out) + "\n")
    settings = DIFFUSION.model_copy(
        update={"images": 10_000, "batch": 20, "channels": (32, 64), "learning_rate": 2e-3,
                "ema_images": 500, "checkpoint_images": 10_000, "label_dropout": 0.0}
    )  # fmt: skip
    trained_on = {"cohort": system / "cohort", "split": folder / "split.csv"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained, "data", lambda _: trained_on)
        trained.diffusion(folder, "diffusion", settings)
    train_classifier(
        Evaluation(classifier_images=64), seed=0, **trained_on, out=folder / "classifier",
        hardware=HARDWARE, journal=JOURNAL,
    )  # fmt: skip
    return material(folder, open_cohort(**trained_on))


def test_a_model_that_has_memorised_its_images_is_caught(memorised, tmp_path):
    found = measure("membership", memorised, tmp_path)
    assert found["interval"][0] > 0.6 and found["value"] > 0.9
    assert found["patients"] == {"train": 10, "unseen": 20}
    low, high = found["floor"]["interval"]
    assert low < 0.5 < high and found["details"]["p"] < 0.01
    exposed_ones = found["details"]["exposed"]
    assert exposed_ones["value"] > 0.5 and exposed_ones["interval"][0] > 0.1
    assert exposed_ones["false_positives"]["value"] == 0
    assert exposed_ones["false_positives"]["interval"][1] > 0.1  # 20 patients cannot show less
    assert found["details"]["floor_exposed"]["value"] < 0.5
    assert "cannot_tell" not in found
    at_1_percent = found["details"]["exposed_at_1_percent"]
    assert at_1_percent["value"] is None and "at least 100" in at_1_percent["cannot_tell"]


def test_the_moments_of_a_training_show_when_it_has_been_too_long(memorised, tmp_path):
    found = measure("over_training", memorised, tmp_path)
    points = found["details"]["points"]
    assert [point["images"] for point in points] == [1260, 2500, 5000, 10_000]
    first, *_, last = points
    assert last["membership"]["value"] > 0.9 and last["membership"]["interval"][0] > 0.5
    assert last["near_copies"]["value"] > first["near_copies"]["value"]
    assert last["train_loss"]["value"] < last["unseen_loss"]["value"]
    assert last["quality"]["gain"]["value"] == 0 and found["value"] < 10_000
    assert "train patients are told from unseen ones" in found["details"]["advice"]


def test_a_model_that_has_hardly_been_trained_gives_nobody_away(system, tmp_path):
    given = material(system, open_cohort(**data(system)))
    found = measure("membership", given, tmp_path)
    low, high = found["interval"]
    assert low < 0.5 < high and found["details"]["p"] > 0.05
    assert found["n"] == {"train": 40, "val": 10, "test": 10}
    assert measure("membership", given, tmp_path) == found


def test_too_few_patients_are_told(system, tmp_path):
    cohort = open_cohort(**data(system))
    rows = [row | {"patient_id": row["patient_id"] if row["split"] == "train" else row["split"]}
            for row in cohort.rows]  # fmt: skip
    found = measure("membership", material(system, replace(cohort, rows=rows)), tmp_path)
    assert "only 2 patients of val and test" in found["cannot_tell"]
    assert found["interval"][1] - found["interval"][0] > 0.4


def test_without_early_weights_there_is_the_plain_attack_alone(system, tmp_path):
    (tmp_path / "diffusion").mkdir()
    for name in ("unet", "scheduler", "labels.json", "attributes.json"):
        (tmp_path / "diffusion" / name).symlink_to(system / "diffusion" / name)
    given = material(system, open_cohort(**data(system)))
    given = replace(given, models=given.models | {"diffusion": tmp_path / "diffusion"})
    assert measure("membership", given, tmp_path)["details"]["attacks"] == ["plain"]
    assert evaluated.measure("over_training", given, tmp_path)["value"] is None


def test_early_weights_are_of_a_younger_network(system):
    *early, last = moments(system / "diffusion").items()
    assert [images for images, _ in early] == [32, 64, 128] and last[0] == 240
    read = [(path / "unet/diffusion_pytorch_model.safetensors").read_bytes()
            for _, path in (*early, last)]  # fmt: skip
    assert len(set(read)) == len(read)


def test_patients_and_images_are_capped_at_random(system):
    given = material(system, open_cohort(**data(system)))
    draw = partial(chosen, given, "train")
    assert draw(100, 100, 0).tolist() == given.cohort.of("train").tolist()
    few = draw(5, 1, 0)
    assert len(few) == 5 == len(set(given.cohort.patients[few]))
    assert few.tolist() == draw(5, 1, 0).tolist() != draw(5, 1, 1).tolist()


def test_losses_that_the_job_has_taken_are_not_taken_again(system):
    given, rows = material(system, open_cohort(**data(system))), np.array([7, 3, 11])
    *_, last = moments(system / "diffusion").values()
    first = losses(given, last, rows, (0.1, 0.2, 0.3), 1, 0, HARDWARE)
    blind = replace(given, models={})  # without the models nothing can be taken
    assert (losses(blind, last, rows[1:], (0.1, 0.2), 1, 0, HARDWARE) == first[:2, 1:]).all()
    anew = losses(replace(given, kept={}), last, rows[1:], (0.1, 0.2), 1, 0, HARDWARE)
    assert anew == pytest.approx(first[:2, 1:], rel=1e-4)


def test_a_control_that_is_off_is_told_and_beyond_chance_nothing_else_is(
    system, tmp_path, monkeypatch
):
    """All of val are easier than all of test: the split's parts differ without any training."""
    cohort = open_cohort(**data(system))
    rows = [row | {"patient_id": row["image_id"]} for row in cohort.rows]  # more patients
    given = material(system, replace(cohort, rows=rows))
    easy = given.cohort.of("val")
    *_, last = moments(system / "diffusion").values()

    def of_split(_, network, rows, times, *rest):
        loss = np.where(np.isin(rows, easy), 1.0, 2.0) + 0.001 * rows
        return np.tile(loss if network == last else 3.0 + 0 * rows, (len(times), 1))

    monkeypatch.setattr(membership, "losses", of_split)
    found = evaluated.measure("membership", given, tmp_path)
    assert "other unseen patients" in found["cannot_tell"] and "wrong by some 0.50" in found["note"]
    near = {"value": 0.57, "interval": [0.505, 0.63]}
    assert "wrong by some 0.07" in membership.warning(near, "val against test")
    assert not membership.warning(near | {"interval": [0.49, 0.65]}, "val against test")


def test_the_area_is_that_of_pairs_and_its_interval_covers_it():
    assert told_apart(np.array([1, 2, 3]), np.array([0, 2]))["value"] == pytest.approx(4.5 / 6)
    whole = told_apart(np.arange(10) + 100.0, np.arange(10.0))
    assert whole["value"] == 1 and whole["interval"][0] == pytest.approx(0.6915, abs=1e-3)
    level = told_apart(np.zeros(9), np.zeros(9))
    assert level["value"] == 0.5 and level["interval"][0] < 0.25
    random, covered = np.random.default_rng(0), []
    for _ in range(300):
        low, high = told_apart(random.normal(1, 1, 20), random.normal(0, 1, 12))["interval"]
        covered.append(low < 0.7602 < high)  # Φ(1/√2)
    assert np.mean(covered) > 0.92


def test_looking_at_several_moments_of_a_training_raises_no_more_alarms():
    random, alarms = np.random.default_rng(1), []
    for _ in range(300):
        of = random.normal(size=(4, 2, 120))  # moments, attacks, patients
        lows = [
            strongest({"a": (a[:40], a[40:]), "b": (b[:40], b[40:])}, moments=4)[1]["interval"][0]
            for a, b in of
        ]
        alarms.append(max(lows) > 0.5)
    assert np.mean(alarms) < 0.06


def test_exposed_patients_are_counted_above_the_surest_unseen_one():
    members, others = np.array([5.0, 4.0, 1.0, 0.0]), np.array([3.0, 2.0, 1.0])
    found = exposed(members, others, 0.0)
    assert found["value"] == 0.5 and found["chance"] == 0.25
    assert found["false_positives"]["value"] == 0 < 0.6 < found["false_positives"]["interval"][1]
    hundred = exposed(np.full(10, 98.5), np.arange(100.0), 0.01)
    assert hundred["value"] == 1 and hundred["false_positives"]["value"] == 0.01
    assert chance(np.arange(20) + 100.0, np.arange(20.0), 0) < 0.001
    assert chance(np.arange(20.0), np.arange(20) + 0.5, 0) > 0.2


@pytest.mark.parametrize(
    ("leaks", "gains", "value", "says"),
    [
        ((0, 0, 0, 0), (1, 1, 1), 400, "Go on"),
        ((0, 0, 0, 0), (1, 1, 1), 400, "an AUC of up to 0.90 cannot be excluded"),
        ((0, 0, 0, 0), (1, 0, 0), 400, "Long enough: after 200 images"),
        ((0, 0, 1, 1), (1, 0, 0), 200, "Stop at 200 images: from 300"),
        ((0, 0, 1, 1), (1, 1, 1), 200, "or bring more patients"),
        ((1, 1, 1, 1), (1, 1, 0), 100, "Already from 100 images"),
    ],
)
def test_the_advice_weighs_what_is_given_away_against_quality(leaks, gains, value, says):
    points = [
        {
            "images": 100 * (i + 1),
            "membership": {"interval": [0.6 if leak else 0.4, 0.9]},
            "quality": {"gain": {"interval": [1.0 if gain else -1.0, 2.0]}},
            "unseen_loss": {"gain": {"interval": [-0.1, 0.1]}},
        }
        for i, (leak, gain) in enumerate(zip(leaks, (*gains, 0), strict=True))
    ]
    length, sentence = advised(points)
    assert length == value and says in sentence
