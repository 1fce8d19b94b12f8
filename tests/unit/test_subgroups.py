"""Subgroups: the group that is served worst is named, and one of few patients is not judged."""

import numpy as np
import pytest
from evaluated import CPU, QUIET, pictures, write_cohort, write_samples

from synthcohort.cohort import open_cohort
from synthcohort.config import Evaluation
from synthcohort.evaluation.draw import draw_record
from synthcohort.evaluation.evaluate import evaluate
from synthcohort.evaluation.features import extract
from synthcohort.evaluation.metrics.subgroups.patient_groups import groups
from synthcohort.evaluation.networks.label_classifier import train_classifier
from synthcohort.evaluation.sets import choose
from synthcohort.files import read_json
from synthcohort.samples import shards

SETTINGS = Evaluation(images=60, classifier_images=500)
CLASSES = np.arange(120) % 2


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Labels a and b; the images asked for patients of sex 1, which are of less contrast, show the
    other label. An attribute is 1 for three test patients alone."""
    folder = tmp_path_factory.mktemp("subgroups")
    patient = np.arange(160) // 2
    sex, rare = (patient // 2) % 2, (patient >= 77).astype(int)
    rare[:8] = 1
    given = write_cohort(folder / "cohort", values={"sex": sex, "rare": rare})
    images = pictures((patient % 2), 0)
    images[sex == 1] = images[sex == 1] // 2 + 100
    np.save(folder / "cohort/images.npy", images)
    asked = {"sex": (np.arange(120) // 2) % 2, "rare": (np.arange(120) > 60).astype(int)}
    made = pictures(CLASSES ^ asked["sex"], 7)
    made[asked["sex"] == 1] = made[asked["sex"] == 1] // 2 + 100
    samples = write_samples(folder / "samples", made, CLASSES, values=asked)
    common = {"seed": 0, "samples": samples, "journal": QUIET, **given}
    classifier, sets, features = (folder / name for name in ("c", "sets.json", "f.npz"))
    train_classifier(SETTINGS, seed=0, out=classifier, hardware=CPU, journal=QUIET, **given)
    choose(SETTINGS, out=sets, **common)
    about = {"sets": sets, "hardware": CPU, "classifier": classifier, **common}
    extract(SETTINGS, extractor="classifier", out=features, **about)
    evaluate(SETTINGS, metric=["subgroups"], features=features, out=folder, **about)
    assert draw_record(folder / "subgroups.json", folder).is_file()
    return read_json(folder / "subgroups.json"), given, samples


def test_every_group_has_its_figures_or_says_what_is_lacking(found):
    result, *_ = found
    entries = {(entry["of"], entry["name"]): entry for entry in result["details"]["groups"]}
    assert set(entries) == {("label", "a"), ("label", "b"), ("sex", "0"), ("sex", "1"),
                            ("rare", "0"), ("rare", "1")}  # fmt: skip
    few = entries["rare", "1"]
    assert few["patients"]["test"] == 3 and few["lacks"] == ["3 test patients"]
    assert few["loss"] is few["privacy"] is few["fidelity"] is None
    for name in ("real", "synthetic", "loss", "privacy", "fidelity"):
        low, high = entries["sex", "1"][name]["interval"]
        assert low <= entries["sex", "1"][name]["value"] <= high
    low, high = entries["sex", "0"]["privacy"]["interval"]
    assert low <= 0.5 <= high


def test_the_value_is_the_worst_loss_with_an_interval_for_all(found):
    result, *_ = found
    losses = [entry["loss"] for entry in result["details"]["groups"] if entry["loss"]]
    assert result["value"] == max(loss["value"] for loss in losses) > 0.1
    worst = max(losses, key=lambda loss: loss["value"])
    assert result["interval"][0] <= worst["interval"][0]


def test_a_number_is_cut_into_thirds_of_train_patients(tmp_path):
    ages = {"age": np.arange(160) // 2 + 20.0}
    given = write_cohort(tmp_path / "cohort", labels=("",), values=ages)
    samples = write_samples(
        tmp_path / "s", pictures(CLASSES, 7), CLASSES * 0, ("",), {"age": np.full(120, 30.0)}
    )
    data = open_cohort(**given)
    found = groups(data, shards.describe(samples), data.label_names)
    train = data.of("train")
    assert [group.name for group in found] == ["up to 33", "above 33 up to 46", "above 46"]
    assert [group.real[train].sum() for group in found] == [28, 26, 26]
    assert [group.synthetic.sum() for group in found] == [120, 0, 0]
