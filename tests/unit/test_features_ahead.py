"""Real images' features that are computed before there are samples."""

import json

import numpy as np
import pytest
from evaluated import CPU, QUIET, pictures, write_cohort, write_samples

from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.evaluation.features import ahead, extract
from synthcohort.evaluation.sets import choose

SETTINGS = Evaluation(images=72, classifier_images=2000, folds=3, neighbours=5)


@pytest.mark.parametrize("count", [60, 30])
def test_real_features_are_the_same_where_they_were_computed_ahead(tmp_path, count):
    """Also where there are fewer samples than expected, so that other real images are compared;
    and those ahead are taken: altered, they come out altered."""
    given = write_cohort(tmp_path / "cohort", train=30, test=8, images_each=6)
    classes = np.arange(count) % 2
    samples = write_samples(tmp_path / "made", pictures(classes, 5), classes)
    sets, known = tmp_path / "sets.json", tmp_path / "known.npz"
    common = {"seed": 0, "journal": QUIET, **given}
    choose(SETTINGS, samples=samples, out=sets, **common)
    of = {"extractor": "statistics", "hardware": CPU, **common}
    ahead(SETTINGS, out=known, **of)
    with np.load(known) as file:
        held = dict(file)
    rows = held["rows"]
    found = []
    for name, moved in (("at once", None), ("ahead", 0), ("altered", 1)):
        if moved is not None:
            np.savez(known, **held | {"features": held["features"] + moved})
        out = tmp_path / f"{name}.npz"
        given_ahead = {} if moved is None else {"ahead": known}
        extract(SETTINGS, samples=samples, sets=sets, out=out, **given_ahead, **of)
        found.append(np.load(out))
    at_once, taken, altered = found
    compared = json.loads(sets.read_text())["train"]
    # All that are compared now were expected, or, of fewer samples, most of them.
    assert np.isin(compared, rows).mean() > 0.5
    for name in ("train", "test", "spread", "synthetic"):
        assert np.array_equal(at_once[name], taken[name]), name
    moved = (altered["train"] == at_once["train"] + 1).all(1)
    assert np.array_equal(moved, np.isin(compared, rows))
    assert np.array_equal(altered["synthetic"], at_once["synthetic"])
    other = {"extractor": "classifier", "hardware": CPU, **common}
    with pytest.raises(UserError, match="features of another split or extractor"):
        extract(SETTINGS, samples=samples, sets=sets, out=known, ahead=known, **other)
    known.write_bytes(known.read_bytes()[:99])
    with pytest.raises(UserError, match="no whole file of features"):
        extract(SETTINGS, samples=samples, sets=sets, out=known, ahead=known, **of)
