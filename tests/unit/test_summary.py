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


def audited(results, outcome, override=None):
    gate = {
        "name": "memorised_share",
        "value": 0.0125,
        "interval": [0.005, 0.03],
        "floor": {"value": 0.01, "interval": [0.001, 0.05]},
        "n": {"synthetic": 400},
    }
    judged = {"outcome": outcome, "why": "so it is.", "stops": outcome != "passed" and not override}
    audit = {
        "passed": outcome == "passed",
        "outcome": outcome,
        "gates": [gate | judged | ({"override": override} if override else {})],
        "measures": [gate],
        "dropped": [{"label": "a", "index": 1}],
    }
    (results / "audit.json").write_text(json.dumps(audit))


def test_plain_table(results):
    audited(results, "passed")
    (results / "export").mkdir()
    text = summary(results)
    lines = text.splitlines()
    assert lines[0] == "Audit: Passed: all gates of the audit (Memorised share)."
    header = lines[2]
    assert header.split("  ")[0] == "Metric"
    line = next(line for line in lines if "81.23" in line)
    assert "[75, 88.12]" in line and "18.6 [17.5, 20]" in line
    assert line.endswith("train 300, test 300, synthetic 300")
    assert line.index("train") == header.index("N", len("Metric"))
    assert any("Memorised share" in line and "0.0125" in line for line in lines)
    assert "Left out of the export as copies or memorised: 1 images." in text
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


def test_what_the_autoencoder_alone_costs_has_a_column_where_it_is_known(results):
    decoded = {"value": 61.5, "interval": [58, 65]}
    told = FID | {"decoded": decoded}
    (results / "evaluation" / "fid.json").write_text(json.dumps(told))
    details = AUC["details"] | {"decoded_accuracy": {"value": 0.7, "interval": [0.6, 0.75]}}
    (results / "evaluation" / "real_or_synthetic.json").write_text(
        json.dumps(AUC | {"details": details})
    )
    lines = summary(results, as_markdown=True).splitlines()
    assert lines[0] == "| Metric | Value | 95 % interval | Floor | Through the autoencoder | N |"
    assert {line.count("|") for line in lines} == {7}
    fid = next(line for line in lines if line.startswith("| FID"))
    assert "| 18.6 [17.5, 20] | 61.5 [58, 65] | train 300" in fid
    assert any("| 0.5 [0.4, 0.6] | 0.7 [0.6, 0.75] | test 40 |" in line for line in lines)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("failed", "Audit: Export stopped: failed. Memorised share: failed, so it is."),
        ("undecided", "Audit: Export stopped: undecided. Memorised share: undecided, so it is."),
        (None, "Audit: has not run."),
    ],
)
def test_a_run_that_was_not_exported(results, outcome, told):
    if outcome is not None:
        audited(results, outcome)
    text = summary(results)
    assert text.splitlines()[0] == told
    assert "Dataset:" not in text


def test_an_overridden_gate_is_told_with_its_reason(results):
    audited(results, "failed", "nobody's images")
    first = summary(results).splitlines()[0]
    assert first.startswith("Audit: Exported all the same: failed. ")
    assert first.endswith("Overridden: nobody's images.")


def test_an_audit_of_a_version_without_outcomes_is_told(results):
    audited(results, "passed")
    audit = json.loads((results / "audit.json").read_text())
    del audit["outcome"]
    (results / "audit.json").write_text(json.dumps(audit))
    assert "knew no undecided gates" in summary(results).splitlines()[0]


def test_an_absent_folder(tmp_path):
    with pytest.raises(UserError, match="nothing has been evaluated"):
        summary(tmp_path / "absent")
