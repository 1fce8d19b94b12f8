"""The example of a new metric in CONTRIBUTING.md, put where a contributor would put it."""

import re
import sys

import numpy as np
import pytest
from evaluated import measure
from test_evaluation_diversity import of
from test_evaluation_statistics import scans
from tiny import REPOSITORY

from synthcohort import config
from synthcohort.evaluation import metrics
from synthcohort.evaluation.draw import captions
from synthcohort.results import registry


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The name of the example's metric, which is there while the test runs."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(r"^## A new metric\n.*?(?=^## )", text, re.DOTALL | re.M)[0]
    name = re.search(r"evaluation/metrics/(\w+)\.py", section)[1]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    registry.measures.cache_clear()
    yield name
    registry.measures.cache_clear()
    sys.modules.pop(f"{metrics.__name__}.{name}", None)
    vars(metrics).pop(name, None)


def test_nothing_else_has_to_be_changed(example):
    assert example in metrics.jobs(config.Evaluation())["images"]
    assert example in captions() and registry.title(example) != example
    registry.check_gates(config.Audit(gates={example: {"at_most": 0.1}}))


def test_the_example_of_a_new_metric_measures_and_is_drawn(example, tmp_path):
    same, brighter = scans(60, 2), np.minimum(scans(60, 2), 205) + 50
    at_floor, above = (measure(example, of(made), tmp_path) for made in (same, brighter))
    assert at_floor["interval"][0] <= at_floor["floor"]["value"] <= at_floor["interval"][1]
    assert above["interval"][0] > above["floor"]["interval"][1]
    assert above["value"] == pytest.approx(at_floor["value"] + 50 / 255, abs=0.03)
    assert (tmp_path / f"{example}.png").stat().st_size > 1000
