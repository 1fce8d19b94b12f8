"""What the autoencoder alone costs: its line in the results, and the warning that comes first."""

import json
from dataclasses import replace

import numpy as np
import pytest
from evaluated import CPU, QUIET, measure, pictures, write_cohort, write_samples
from report_material import result, system, write_results
from scipy.ndimage import gaussian_filter
from test_evaluation_distances import material

from synthcohort.config import Evaluation
from synthcohort.evaluation.evaluate import evaluate
from synthcohort.evaluation.sets import choose
from synthcohort.report import report
from synthcohort.report.headline import headline
from synthcohort.results.readings import readings
from synthcohort.results.summary import entries, summary

N = 120


def blurring(sigma):
    """What a perfect autoencoder but for so many pixels of blur gives back."""
    return lambda images: np.rint(
        gaussian_filter(images.astype(np.float32), (0, 0, sigma, sigma))
    ).astype(images.dtype)


def steepness(images):
    """n×16 float32: the mean step from pixel to pixel in each of 4×4 parts, which blur takes."""
    steps = np.abs(np.diff(images[:, 0].astype(np.float32), axis=2, prepend=0))
    return steps.reshape(-1, 4, 4, 4, 4).mean((2, 4)).reshape(-1, 16)


def gone_through(autoencoder, n=N, each=3):
    """Real train, real test and synthetic images in features that see blur, and the train
    images as the `autoencoder` gives them back."""
    images = {
        name: pictures(np.arange(n) // each % 2, seed)
        for seed, name in enumerate(("train", "test", "synthetic"))
    }
    images["decoded"] = autoencoder(images["train"])
    made = material({name: steepness(of) for name, of in images.items()}, each)
    return replace(made, sets=made.sets | {"decoded": made.sets["train"]})


def line_of(found, folder):
    """The line of the table that a result has for what the autoencoder alone costs."""
    (folder / "one.json").write_text(json.dumps(found))
    name = f"{found['metric']}.autoencoder"
    return next(
        one for one in readings(entries([folder / "one.json"])) if one.entry["metric"] == name
    )


@pytest.mark.parametrize("metric", ["fid", "frechet_classifier"])
def test_a_blurring_autoencoder_is_short_of_the_floor(metric, tmp_path):
    found = measure(metric, gone_through(blurring(1.5)), tmp_path)
    alone = found["details"]["autoencoder"]
    assert alone["value"] == found["decoded"]["value"] and alone["floor"] == found["floor"]
    ratio = alone["over_floor"]
    assert ratio["value"] == pytest.approx(alone["value"] / alone["floor"]["value"])
    assert 1.5 < ratio["interval"][0] < ratio["value"] < ratio["interval"][1]
    line = line_of(found, tmp_path)
    assert line.mark.words == "short of the floor"
    assert "more than 1.5 for certain" in line.notes[-1]


@pytest.mark.parametrize("autoencoder", [lambda images: images, blurring(0.2)])
def test_the_identity_and_what_is_as_good_are_at_the_floor(autoencoder, tmp_path):
    found = measure("fid", gone_through(autoencoder), tmp_path)
    ratio = found["details"]["autoencoder"]["over_floor"]
    assert ratio["value"] == pytest.approx(1, abs=0.02) and ratio["interval"][1] < 1.05
    line = line_of(found, tmp_path)
    assert line.mark.words == "at the floor" and "certain" not in line.notes[-1]


def told_first(folder, over_floor, **more):
    """The first lines of summary, page and MLflow's note where FID's autoencoder is so many floors
    away; and what MLflow shows as columns."""
    alone = {"value": 30.0, "interval": [28, 33], "over_floor": over_floor}
    alone["floor"] = {"value": 10.0, "interval": [9, 11]}
    fid = result(
        "fid", 40.0, (36, 44), floor=alone["floor"], details={"autoencoder": alone}, **more
    )
    write_results(folder)
    (folder / "evaluation/fid.json").write_text(json.dumps(fid))
    report(system(), results=folder, captions=[], out=folder / "page.html", journal=QUIET)
    page = (folder / "page.html").read_text(encoding="utf-8")
    told, _ = headline(system(), folder, [], {})
    return summary(folder), page[: page.index("<nav")], told.run, told.columns


def test_a_certain_warning_is_told_first_everywhere_with_what_to_change(tmp_path):
    ratio = {"value": 3.0, "interval": [2.5, 3.6]}
    *places, columns = told_first(tmp_path / "tiny", ratio)
    for told in places:
        assert "takes real images 3 floors [2.5, 3.6] (FID) away" in told
        assert "more than 1.5 for certain" in told and "autoencoder.latent_channels" in told
    assert places[0].splitlines()[2].startswith("Warning: ")
    assert columns["fid.autoencoder_over_floor"] == 3.0


@pytest.mark.parametrize(
    ("ratio", "more"),
    [
        ({"value": 3.0, "interval": [1.2, 5.0]}, {}),
        ({"value": 1.2, "interval": [1.1, 1.3]}, {}),
        ({"value": 3.0, "interval": [2.5, 3.6]}, {"cannot_tell": "it guesses"}),
        (None, {}),
    ],
)
def test_what_is_not_certain_is_no_warning(ratio, more, tmp_path):
    *places, _ = told_first(tmp_path / "tiny", ratio, **more)
    assert not any("Warning" in told for told in places)


def test_the_stage_warns_in_its_log_and_tells_its_journal(tmp_path, capsys):
    given = write_cohort(tmp_path / "cohort")
    classes = np.arange(80) % 2
    given["samples"] = write_samples(tmp_path / "samples", pictures(classes, 3), classes)
    settings, sets = Evaluation(images=72), tmp_path / "sets.json"
    choose(settings, seed=0, out=sets, journal=QUIET, **given)
    rows = json.loads(sets.read_text())
    real = np.load(tmp_path / "cohort/images.npy")
    decoded = blurring(1.5)(real[rows["train"]])
    np.save(tmp_path / "decoded.npy", decoded)
    made = pictures(np.arange(72) % 2, 5)
    of = {"train": real[rows["train"]], "test": real[rows["test"]], "synthetic": made}
    features = {name: steepness(one) for name, one in (of | {"decoded": decoded}).items()}
    np.savez(tmp_path / "features.npz", **features, extractor="steps", layer="")
    noted = {}

    class Noting:
        def result(self, **figures):
            noted.update(figures)

    evaluate(
        settings,
        metric=["fid"],
        seed=0,
        sets=sets,
        features=tmp_path / "features.npz",
        decoded=tmp_path / "decoded.npy",
        out=tmp_path / "out",
        hardware=CPU,
        journal=Noting(),
        **given,
    )
    assert capsys.readouterr().err.startswith("Warning: The autoencoder alone takes real images ")
    assert noted["fid_autoencoder_over_floor"] > 1.5
