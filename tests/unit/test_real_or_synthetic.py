"""Real or synthetic: what is told from what, and when nothing can be told."""

from dataclasses import replace

import numpy as np
import pytest
from evaluated import CPU, pictures

from synthcohort.config import Evaluation
from synthcohort.evaluation.draw import draw_record
from synthcohort.evaluation.evaluate import measured
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics.real_or_synthetic import _blurred
from synthcohort.evaluation.records import write_record
from synthcohort.evaluation.sets import Set

SETTINGS = Evaluation(classifier_images=600, folds=2)


def of(seed, patients="", count=48):
    names = [f"{patients or seed} {i // 2 if patients else i}" for i in range(count)]
    classes = np.arange(count) % 2
    return Set(pictures(classes, seed), classes, np.array(names), np.arange(count))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Synthetic images that are blurred as what comes out of an autoencoder is."""
    train = of(1, "train")
    sets = {"train": train, "test": of(2, "test"), "synthetic": _blurred(of(3))}
    material = Material(sets | {"decoded": _blurred(train)}, ["a", "b"])
    out = tmp_path_factory.mktemp("found")
    result, arrays = measured(
        "real_or_synthetic", SETTINGS, seed=0, material=material, hardware=CPU
    )
    write_record(out / "real_or_synthetic.json", result, arrays)
    assert draw_record(out / "real_or_synthetic.json", out).is_file()
    return result


def test_what_the_autoencoder_costs_is_told_from_what_the_model_does(found):
    assert found["interval"][0] > 0.6 and found["decoded"]["interval"][0] > 0.6
    low, high = found["details"]["against_decoded"]["interval"]
    assert low <= 0.5 <= high
    assert found["floor"]["interval"][0] <= 0.5 <= found["floor"]["interval"][1]


def test_an_area_of_one_goes_with_a_high_accuracy_and_is_not_certain(found):
    assert found["value"] > 0.9
    assert found["details"]["accuracy"]["value"] > 0.8
    # 24 test patients: 0.025 to the power of one over 24.
    assert found["interval"][0] <= 0.86 and "cannot_tell" not in found


def test_a_network_that_finds_nothing_is_asked_what_it_would_have_found():
    sets = {"train": of(1, "train"), "test": of(2, "test"), "synthetic": of(3)}
    result, _ = measured(
        "real_or_synthetic", SETTINGS, seed=0, material=Material(sets, ["a", "b"]), hardware=CPU
    )
    assert result["interval"][0] <= 0.5 and result["details"]["blurred"]["interval"][0] > 0.5
    assert "cannot_tell" not in result and "decoded" not in result
    few = {name: replace(part, images=part.images[:8], classes=part.classes[:8],
                         patients=part.patients[:8], rows=part.rows[:8])
           for name, part in sets.items()}  # fmt: skip
    short = Evaluation(classifier_images=32, folds=2)
    result, _ = measured(
        "real_or_synthetic", short, seed=0, material=Material(few, ["a", "b"]), hardware=CPU
    )
    assert "does not even tell real images that were blurred" in result["cannot_tell"]
