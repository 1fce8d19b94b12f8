"""Utility and conditioning: planted truth, every kind of cohort, and the scores behind them."""

import json

import numpy as np
import pytest
import torch
from evaluated import CPU, QUIET, SIZE, pictures, write_cohort, write_samples
from sklearn import metrics as reference

from synthcohort.cohort import open_cohort
from synthcohort.config import Autoencoder, Evaluation
from synthcohort.evaluation.draw import draw_evaluation
from synthcohort.evaluation.evaluate import evaluate
from synthcohort.evaluation.evaluate import measured as evaluated_metric
from synthcohort.evaluation.features import extract
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.networks.label_classifier import cannot_tell, train_classifier
from synthcohort.evaluation.sets import choose, open_sets
from synthcohort.models import build_autoencoder
from synthcohort.numerics.scores import auc, balanced_accuracy, calibration_error_of_one
from synthcohort.results.summary import summary

SETTINGS = Evaluation(images=72, classifier_images=600)
CLASSES = np.arange(100) % 2


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A cohort of two labels and its classifier."""
    folder = tmp_path_factory.mktemp("cohort")
    given = write_cohort(folder / "cohort")
    return given, classified(folder / "classifier", given)


def classified(out, given, settings=SETTINGS):
    train_classifier(settings, seed=0, out=out, hardware=CPU, journal=QUIET, **given)
    return out


def measured(metric, given, samples, out, classifier=None, settings=SETTINGS):
    """The result as written; a number that is not finite would not be JSON."""
    common = {"seed": 0, "samples": samples, "journal": QUIET, **given}
    sets, features = out / "sets.json", None
    choose(settings, out=sets, **common)
    if metric == "label_accuracy":
        features = out / "features.npz"
        extract(
            settings,
            extractor="classifier",
            sets=sets,
            out=features,
            hardware=CPU,
            classifier=classifier,
            **common,
        )
    evaluate(
        settings,
        metric=[metric],
        sets=sets,
        features=features,
        out=out / "evaluation",
        hardware=CPU,
        classifier=classifier,
        **common,
    )
    results, figures = [out / f"evaluation/{metric}.json"], out / "figures/evaluation"
    draw_evaluation(results=results, out=figures, journal=QUIET)
    assert (figures / f"{metric}.png").is_file()

    def not_finite(number):
        raise AssertionError(f"{number} in the result of {metric}")

    text = (out / f"evaluation/{metric}.json").read_text()
    return json.loads(text, parse_constant=not_finite)


@pytest.mark.parametrize("metric", ["utility", "label_accuracy"])
def test_the_real_distribution_reaches_the_floor_and_wrong_labels_do_not(cohort, metric, tmp_path):
    given, classifier = cohort
    images = pictures(CLASSES, seed=7)
    same = write_samples(tmp_path / "same", images, CLASSES)
    wrong = write_samples(tmp_path / "wrong", images, 1 - CLASSES)
    good = measured(metric, given, same, tmp_path / "same", classifier)
    assert good["interval"][1] >= good["floor"]["interval"][0] > 0.6
    assert good["interval"][0] <= good["value"] <= good["interval"][1]
    # All are told rightly, which does not make it certain.
    assert good["interval"][0] < good["interval"][1] or good["interval"][1] < 1
    assert good["details"]["auc"]["value"] > 0.9 and good["details"]["floor_auc"]["value"] > 0.9
    bad = measured(metric, given, wrong, tmp_path / "wrong", classifier)
    assert bad["interval"][1] < 0.5 < bad["floor"]["interval"][0]


def test_noise_has_no_utility(cohort, tmp_path):
    given, _ = cohort
    noise = np.random.default_rng(9).integers(0, 256, (100, 1, SIZE, SIZE), dtype=np.uint8)
    samples = write_samples(tmp_path / "noise", noise, CLASSES)
    result = measured("utility", given, samples, tmp_path)
    details = result["details"]
    assert result["interval"][1] < result["floor"]["interval"][0]
    # As many synthetic images as there are real ones; what there is beyond has its own entry.
    assert result["n"] == {"train": 80, "test": 80, "synthetic": 80}
    assert details["available"] == {"train": 80, "synthetic": 100} and "all_synthetic" in details
    assert details["few_patients"] == [10, 10]
    assert set(details["real"]["recall"]) == {"a", "b"} and len(details["real"]["by_seed"]) == 2
    assert details["floor_auc"]["value"] > 0.9
    assert details["above_floor"]["interval"][1] < 0
    assert [point["images"] for point in details["curve"]] == [20, 40, 80]
    assert all(point["real"]["value"] > 0.6 for point in details["curve"])
    assert "cannot_tell" not in result
    assert not list((tmp_path / "evaluation").glob("tmp*"))


def test_where_real_images_teach_nothing_either_it_cannot_tell(tmp_path):
    given = write_cohort(tmp_path / "cohort", train=12, test=12)
    shuffled = np.random.default_rng(3).permutation(np.load(given["cohort"] / "images.npy"))
    np.save(given["cohort"] / "images.npy", shuffled)
    samples = write_samples(tmp_path / "s", pictures(CLASSES, seed=7), CLASSES)
    settings = Evaluation(images=40, classifier_images=300)
    classifier = classified(tmp_path / "classifier", given, settings)
    assert "no better than guessing: on 12 real patients" in cannot_tell(classifier)
    result = measured("label_accuracy", given, samples, tmp_path / "l", classifier, settings)
    assert result["cannot_tell"] == cannot_tell(classifier)
    result = measured("utility", given, samples, tmp_path / "u", settings=settings)
    assert "does the task no better than guessing" in result["cannot_tell"]


def test_what_the_autoencoder_costs_stands_beside(cohort, tmp_path):
    given, _ = cohort
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_autoencoder(
            Autoencoder(images=1, channels=(8, 16), latent_channels=4), 1, (SIZE, SIZE)
        )
    network.save_pretrained(tmp_path / "autoencoder")
    samples = write_samples(tmp_path / "s", pictures(CLASSES, seed=7), CLASSES)
    settings = Evaluation(images=72, classifier_images=300)
    choose(settings, seed=0, samples=samples, out=tmp_path / "sets.json", journal=QUIET, **given)
    sets, names = open_sets(tmp_path / "sets.json", samples=samples, **given)
    sets["decoded"] = sets["train"]
    material = Material(
        sets,
        names,
        cohort=open_cohort(**given),
        samples=samples,
        models={"autoencoder": tmp_path / "autoencoder"},
        work=tmp_path,
    )
    result, arrays = evaluated_metric("utility", settings, seed=0, material=material, hardware=CPU)
    # An untrained autoencoder leaves nothing to learn from.
    assert result["decoded"]["interval"][0] < 0.6 < result["floor"]["interval"][0]
    assert result["details"]["above_decoded"]["interval"][0] > 0
    assert set(arrays) == {"real", "decoded", "synthetic"}


def test_what_synthetic_images_add_is_in_the_table(cohort, tmp_path):
    given, _ = cohort
    samples = write_samples(tmp_path / "s", pictures(CLASSES, seed=7), CLASSES)
    settings = Evaluation(images=72, classifier_images=64)
    result = measured("utility", given, samples, tmp_path, settings=settings)
    both, real = result["details"]["both"]["value"], result["details"]["all_real"]["value"]
    assert result["details"]["augmentation"]["value"] == pytest.approx(both - real)
    (tmp_path / "evaluation/other.json").unlink(missing_ok=True)
    table = summary(tmp_path, as_markdown=True)
    for line in ("synthetic", "real and synthetic", "few real patients and synthetic"):
        assert line in table
    assert table.count("balanced accuracy") >= 3


@pytest.mark.parametrize("metric", ["utility", "label_accuracy"])
def test_few_patients_and_short_trainings_give_finite_figures_that_repeat(metric, tmp_path):
    settings = Evaluation(images=16, classifier_images=65)
    given = write_cohort(tmp_path / "cohort", train=5, test=5, images_each=3)
    classes = np.arange(40) % 2
    samples = write_samples(tmp_path / "s", pictures(classes, 3), classes)
    classifier = classified(tmp_path / "classifier", given, settings)
    result, again = (
        measured(metric, given, samples, tmp_path / name, classifier, settings)
        for name in ("one", "two")
    )
    assert result["interval"][0] <= result["value"] <= result["interval"][1]
    assert result["floor"]["value"] is not None
    assert result | {"seconds": 0} == again | {"seconds": 0}
    figures = [
        (tmp_path / name / f"figures/evaluation/{metric}.png").read_bytes()
        for name in ("one", "two")
    ]
    assert figures[0] == figures[1]


def test_a_number_is_learnt_from_its_images_and_not_from_others(tmp_path):
    settings = Evaluation(images=40, classifier_images=800)
    random = np.random.default_rng(0)
    ages = {"age": random.uniform(0, 2, 160).round(2)}
    given = write_cohort(tmp_path / "cohort", labels=("",), values=ages)
    asked = random.uniform(0, 2, 100).round(2)
    found = {}
    for name, told in (("same", asked), ("wrong", 2 - asked)):
        samples = write_samples(
            tmp_path / name, pictures(asked, 7), np.zeros(100, int), ("",), {"age": told}
        )
        found[name] = measured("utility", given, samples, tmp_path / name, settings=settings)
    same, wrong = found["same"], found["wrong"]
    assert same["measure"] == "mean absolute error of age" and same["better"] == "lower"
    assert same["interval"][1] < same["details"]["chance"] < wrong["interval"][0]
    assert same["interval"][0] <= same["floor"]["interval"][1]


def test_findings_and_a_number_beside_a_label(tmp_path):
    settings = Evaluation(images=40, classifier_images=64)
    random = np.random.default_rng(0)
    findings = {name: random.integers(0, 2, 160) for name in ("cough", "fever")}
    given = write_cohort(tmp_path / "findings", labels=("",), values=findings)
    asked = {name: random.integers(0, 2, 100) for name in findings}
    samples = write_samples(
        tmp_path / "f", pictures(asked["cough"], 7), np.zeros(100, int), ("",), asked
    )
    result = measured("utility", given, samples, tmp_path / "f", settings=settings)
    assert result["measure"] == "mean AUC over findings"
    assert 0 <= result["value"] <= 1 and result["details"]["chance"] == 0.5

    given = write_cohort(tmp_path / "both", values={"age": random.uniform(0, 2, 160)})
    asked = {"age": random.uniform(0, 2, 100)}
    samples = write_samples(tmp_path / "b", pictures(CLASSES, 7), CLASSES, values=asked)
    result = measured("utility", given, samples, tmp_path / "b", settings=settings)
    assert result["measure"] == "balanced accuracy"
    assert result["details"]["number"]["measure"] == "mean absolute error of age"
    assert "mean absolute error of age" in summary(tmp_path / "b")


@pytest.mark.parametrize("metric", ["utility", "label_accuracy"])
def test_without_anything_to_learn_it_says_that_it_does_not_apply(metric, tmp_path):
    settings = Evaluation(images=40, classifier_images=64)
    given = write_cohort(tmp_path / "cohort", labels=("",))
    samples = write_samples(tmp_path / "s", pictures(CLASSES, 7), np.zeros(100, int), ("",))
    classifier = classified(tmp_path / "classifier", given, settings)
    result = measured(metric, given, samples, tmp_path, classifier, settings)
    assert result["value"] is result["interval"] is result["floor"] is None
    assert "does not apply" in result["note"]
    assert "not applicable" in summary(tmp_path)


def test_weighted_scores_are_scikit_learns():
    random = np.random.default_rng(0)
    score, truth = random.integers(0, 9, 60) / 9, np.arange(60) % 2
    weights = random.integers(0, 4, (3, 60))
    expected = [reference.roc_auc_score(truth, score, sample_weight=w) for w in weights]
    assert auc(score, truth, weights) == pytest.approx(expected)
    answers, truth = random.dirichlet(np.ones(3), 60), random.integers(0, 3, 60)
    expected = [
        reference.balanced_accuracy_score(truth, answers.argmax(1), sample_weight=w)
        for w in weights
    ]
    assert balanced_accuracy(answers, truth, weights) == pytest.approx(expected)


def test_the_calibration_error_is_the_gap_of_confidence_and_accuracy():
    told, truth = np.repeat([0.9, 0.1], 10), np.r_[np.ones(7), np.zeros(3), np.zeros(10)]
    # 0.9 said where 0.7 are so, 0.1 where none is: gaps of 0.2 and 0.1.
    assert calibration_error_of_one(told, truth, np.ones((1, 20))) == pytest.approx(0.15)
