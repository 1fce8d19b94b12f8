"""The table of results, as text and as Markdown."""

import json

import pytest

from synthcohort.errors import UserError
from synthcohort.results.summary import summary

FID = {
    "metric": "fid",
    "value": 81.23456,
    "interval": [75.0, 88.125],
    "floor": {"value": 18.6, "interval": [17.5, 20.0]},
    "n": {"synthetic": 300, "test": 300, "train": 300},
}
PSNR = {
    "metric": "autoencoder",
    "value": 24.5,
    "interval": [24.0, 25.0],
    "n": {"images": 40},
    "details": {"ssim": {"value": 0.75, "interval": [0.7, 0.8]}},
}
AUC = {
    "metric": "real_or_synthetic",
    "value": 0.9,
    "interval": None,
    "n": {"test": 40},
    "details": {
        "accuracy": {"value": 0.8, "interval": [0.7, 0.9]},
        "floor_accuracy": {"value": 0.5, "interval": [0.4, 0.6]},
        "folds": 5,
    },
}


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results" / "tiny"
    (folder / "evaluation").mkdir(parents=True)
    (folder / "evaluation" / "fid.json").write_text(json.dumps(FID))
    (folder / "evaluation" / "real_or_synthetic.json").write_text(json.dumps(AUC))
    (folder / "evaluation" / "sets.json").write_text(json.dumps({"train": [1]}))
    (folder / "evaluation" / "autoencoder.json").write_text(json.dumps(PSNR))
    return folder


def audited(results, passed, override=None):
    gate = {
        "name": "memorised_share",
        "value": 0.0125,
        "interval": [0.005, 0.03],
        "floor": {"value": 0.01, "interval": [0.001, 0.05]},
        "n": {"synthetic": 400},
    }
    audit = {
        "passed": passed,
        "gates": [gate | {"passed": passed} | ({"override": override} if override else {})],
        "measures": [gate],
        "dropped": [],
    }
    (results / "audit.json").write_text(json.dumps(audit))


def test_plain_table(results):
    audited(results, passed=True)
    (results / "export").mkdir()
    text = summary(results)
    lines = text.splitlines()
    header = lines[0]
    assert header.split("  ")[0] == "Metric"
    line = next(line for line in lines if "81.23" in line)
    assert "[75, 88.12]" in line and "18.6 [17.5, 20]" in line
    assert line.endswith("train 300, test 300, synthetic 300")
    assert line.index("train") == header.index("N", len("Metric"))
    assert any("Memorised share" in line and "0.0125" in line for line in lines)
    assert "Audit: passed." in text
    assert f"{results / 'export'}/" in text
    assert "snakemake --report report.html" in text and "make ui" in text
    assert not any(line != line.rstrip() for line in lines)


def test_markdown_table(results):
    text = summary(results, as_markdown=True)
    lines = text.splitlines()
    assert {line.count("|") for line in lines} == {6}
    assert lines[0] == "| Metric | Value | 95 % interval | Floor | N |"
    assert "| Autoencoder, PSNR in dB | 24.5 | [24, 25] |  | images 40 |" in lines
    assert "| Autoencoder, SSIM | 0.75 | [0.7, 0.8] |  | images 40 |" in lines
    assert "| Real or synthetic, AUC | 0.9 |  |  | test 40 |" in lines
    assert "| Real or synthetic, accuracy | 0.8 | [0.7, 0.9] | 0.5 [0.4, 0.6] | test 40 |" in lines
    assert len(lines) == 2 + 5


@pytest.mark.parametrize(("passed", "told"), [(False, "Audit: FAILED"), (None, "has not run")])
def test_a_run_that_was_not_exported(results, passed, told):
    if passed is not None:
        audited(results, passed)
    text = summary(results)
    assert told in text
    assert "Dataset:" not in text


def test_an_overridden_gate_is_told_with_its_reason(results):
    audited(results, False, "nobody's images")
    text = summary(results)
    assert "failed, and overridden" in text and "memorised_share: nobody's images" in text


def test_an_absent_folder(tmp_path):
    with pytest.raises(UserError, match="nothing has been evaluated"):
        summary(tmp_path / "absent")
