"""FID over growing numbers of images, results by label, and every metric of few images."""

import json
from dataclasses import replace

import numpy as np
import pytest
from evaluated import measure
from test_evaluation_distances import material, normal
from test_evaluation_statistics import scans

from synthcohort.evaluation.estimation.frechet import distance
from synthcohort.evaluation.extractors.statistics import statistics
from synthcohort.evaluation.metrics import fid_infinity


def labelled(features: dict, classes: np.ndarray, images_each: int = 1):
    made = material(features, images_each)
    sets = {name: replace(part, classes=classes) for name, part in made.sets.items()}
    return replace(made, sets=sets, label_names=["a", "b"])


def test_fewer_dimensions_change_no_distance():
    features = {name: values[:, :200] for name, values in normal(20, 300, 0, shift=0.2).items()}
    small = fid_infinity.rotated(features)
    assert small["test"].shape == (20, 60)
    assert distance(small["test"], small["synthetic"]) == pytest.approx(
        distance(features["test"], features["synthetic"])
    )


def test_the_line_is_drawn_to_infinite_n():
    n = np.array([100.0, 50, 100 / 3, 25])
    assert fid_infinity.extrapolated(n, 7 + 300 / n) == pytest.approx(7)
    assert fid_infinity.extrapolated(n[:1], np.array([4.0])) == pytest.approx(4)


def test_every_image_counts_at_every_n():
    first, second = np.random.default_rng(0).normal(size=(2, 40, 3))
    n, values = fid_infinity.growing(first, second)
    assert n.tolist() == pytest.approx([40, 20, 40 / 3, 10])
    assert values[0] == pytest.approx(distance(first, second))
    halves = distance(first[:20], second[:20]), distance(first[20:], second[20:])
    assert values[1] == pytest.approx(np.mean(halves))


def test_extrapolation_takes_off_the_bias_of_few_images(tmp_path):
    # More images than features: the bias is proportional to 1/N, and the truth is known.
    shift = 0.5
    given = material(normal(400, 8, seed=3, shift=shift), images_each=1)
    found, plain = measure("fid_infinity", given, tmp_path), measure("fid", given, tmp_path)
    truth = 8 * shift**2
    assert found["interval"][0] <= truth <= found["interval"][1]
    assert found["floor"]["interval"][0] <= 0 <= found["floor"]["interval"][1]
    assert abs(found["floor"]["value"]) < plain["floor"]["value"] / 2
    assert found["details"]["fid"]["synthetic"]["values"][0] == pytest.approx(
        plain["value"], rel=1e-4
    )
    assert (tmp_path / "fid_infinity.png").stat().st_size > 1000


@pytest.mark.parametrize("metric", ["fid", "frechet_classifier"])
def test_a_label_that_was_made_badly_is_told_from_one_made_well(metric, tmp_path):
    features, classes = normal(120, 4, seed=1), np.arange(120) % 2
    features["synthetic"][classes == 1] += 1.5
    details = measure(metric, labelled(features, classes), tmp_path)["details"]
    good, bad = details["by_label"]["a"], details["by_label"]["b"]
    assert good["n"] == bad["n"] == 60 and details["labels_left_out"] == {}
    assert (
        good["difference_to_floor"]["interval"][0]
        <= 0
        <= good["difference_to_floor"]["interval"][1]
    )
    assert bad["difference_to_floor"]["interval"][0] > 0
    assert bad["value"] == pytest.approx(
        distance(features["synthetic"][1::2], features["test"][1::2]), rel=1e-4
    )


def test_a_label_of_few_images_is_left_out_and_why(tmp_path):
    classes = (np.arange(120) < 30).astype(int)
    details = measure("fid", labelled(normal(120, 4, seed=1), classes), tmp_path)["details"]
    assert set(details["by_label"]) == {"a"}
    assert details["labels_left_out"] == {"b": "30 images of 30 patients; needs 40 of 4 or more"}
    one = measure("fid", material(normal(60, 4, seed=1)), tmp_path)["details"]
    assert one["by_label"] == one["labels_left_out"] == {}


@pytest.mark.parametrize("patients", [4, 8])
@pytest.mark.parametrize(
    "metric",
    [
        "precision_recall",
        "density_coverage",
        "frechet_statistics",
        "fid_infinity",
        "ms_ssim",
        "duplicates",
    ],
)
def test_few_images_of_few_patients_give_finite_results(metric, patients, tmp_path):
    for n in (16, patients):
        images = {name: scans(n, i) for i, name in enumerate(("train", "test", "synthetic"))}
        features = (
            {name: statistics(part) for name, part in images.items()}
            if metric == "frechet_statistics"
            else normal(n, 2048, 0)
        )
        given = labelled(features, np.arange(n) // (n // patients) % 2, n // patients)
        sets = {name: replace(part, images=images[name]) for name, part in given.sets.items()}
        found = measure(metric, replace(given, sets=sets), tmp_path)
        low, high = found["interval"]
        assert low <= found["value"] <= high
        json.dumps(found, allow_nan=False)
