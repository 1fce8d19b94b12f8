"""Which labels a figure covers, where a part of the images lacks one."""

import json

import numpy as np
import pytest
from evaluated import CPU, QUIET, pictures, write_cohort, write_samples

from synthcohort.config import Evaluation
from synthcohort.evaluation.covered import note
from synthcohort.evaluation.evaluate import evaluate
from synthcohort.evaluation.sets import choose

SETTINGS = Evaluation(images=40, classifier_images=32)
LABELS = ("a", "b", "c")


def measured(folder, metric: str, drawn: int, untested: str = "") -> dict:
    """The result of a metric where samples show the first `drawn` labels and no test image shows
    `untested`."""
    given = write_cohort(folder / "cohort", LABELS, train=12, test=12)
    lines = given["split"].read_text().splitlines()
    manifest = (folder / "cohort/manifest.csv").read_text().splitlines()
    kept = [
        line.replace("test", "train") if f",{untested}" == of[-2:] else line
        for line, of in zip(lines, manifest, strict=True)
    ]
    given["split"].write_text("\n".join(kept))
    classes = np.arange(60) % drawn
    samples = write_samples(folder / "samples", pictures(classes, 3), classes, LABELS)
    choose(SETTINGS, seed=0, samples=samples, out=folder / "sets.json", journal=QUIET, **given)
    evaluate(
        SETTINGS,
        metric=[metric],
        seed=0,
        samples=samples,
        sets=folder / "sets.json",
        features=None,
        out=folder,
        hardware=CPU,
        journal=QUIET,
        **given,
    )
    return json.loads((folder / f"{metric}.json").read_text())


@pytest.mark.parametrize("metric", ["ms_ssim", "utility"])
@pytest.mark.parametrize(
    ("drawn", "untested", "said"),
    [
        (3, "", None),
        (2, "", "It covers the labels 'a', 'b' alone and says nothing of 'c', of which real"),
        (3, "b", "It covers the labels 'a', 'c' alone and says nothing of 'b', of which real"),
    ],
)
def test_a_figure_says_which_labels_it_covers(tmp_path, metric, drawn, untested, said):
    told = measured(tmp_path, metric, drawn, untested).get("note")
    assert told == said if said is None else told.startswith(said)


def test_the_note_is_empty_where_nothing_is_lacking():
    assert note(["a", "b"], {"b", "a"}) == note([""], {""}) == ""
    assert "covers the labels 'a' alone and says nothing of 'b', 'c'" in note("abc", {"a"})
