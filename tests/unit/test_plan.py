"""`synthcohort plan` on a small prepared cohort: what it prints, writes and refuses."""

import csv
from pathlib import Path

import cohorts
import numpy as np
import pytest
import yaml
from snakemake.utils import update_config

from synthcohort.cli import main
from synthcohort.config import load
from synthcohort.models import build_autoencoder
from synthcohort.planning import planner, trials
from synthcohort.planning.trials import AutoencoderCost, DenoiserCost

CONFIG = {
    "name": "small",
    "source": {"kind": "digits"},
    "prepare": {"size": [16, 16]},
    "sampling": {"images": 40, "batch": 20},
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with a configuration and its prepared cohort, 60 images of 16×16."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16), dtype=np.uint8)
    labels = [str(i % 3) for i in range(60)]
    cohort = cohorts.cohort_of(tmp_path / "results/small/cohort", images, range(60), labels)
    with (cohort / "split.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image_id", "split"])
        for i in range(60):
            table.writerow([f"{i}/{i}", "train" if i < 40 else "val" if i < 50 else "test"])
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


@pytest.fixture
def clock(monkeypatch) -> list[str]:
    """Made-up costs in place of measured ones; the U-Nets that were tried."""
    tried = []

    def try_denoiser(settings, *_):
        tried.append("-".join(map(str, settings.channels)))
        width = sum(settings.channels) / 100
        return DenoiserCost(0.004 * width, 0.1, 0.001, 0.001, int(1e6 * width**2))

    def try_autoencoder(settings, images, hardware):
        model = build_autoencoder(settings, 1, (16, 16))
        return AutoencoderCost(0.005, 0.1, 0.001, 0.001), model

    monkeypatch.setattr(trials, "try_denoiser", try_denoiser)
    monkeypatch.setattr(trials, "try_autoencoder", try_autoencoder)
    monkeypatch.setattr(trials, "gain_of_bf16", lambda *_: 1.5)
    monkeypatch.setattr(planner.time, "process_time", lambda: 2.0)
    return tried


def plan(*arguments: str) -> None:
    main(["plan", "--configfile", "my.yaml", "--threads", "1", *arguments])


def test_what_is_printed_goes_under_a_configuration_that_has_none(folder, clock, capsys):
    plan("--minutes", "3")
    printed = capsys.readouterr().out
    told = " ".join(printed.replace("\n#", " ").split())
    assert "40 train images of 40 patients, 1×16×16; 3 labels" in told
    assert "export SYNTHCOHORT_PRECISION=bf16" in told
    assert "digits, 16×16" in told and "membership was 0.555 after 11 times" in told
    written = yaml.safe_load(printed)
    assert written.keys() == {"autoencoder", "diffusion", "sampling"}
    Path("whole.yaml").write_text(yaml.safe_dump(CONFIG | written))
    system = load(Path("whole.yaml"))
    assert system.sampling.images == 40 and system.diffusion.images > 2_000


def test_a_longer_time_gets_a_wider_network(folder, clock, capsys):
    found = []
    for minutes in ("2", "30"):
        plan("--minutes", minutes)
        found.append(sum(yaml.safe_load(capsys.readouterr().out)["diffusion"]["channels"]))
    assert found[0] < found[1]
    assert clock[:2] == ["64-96", "64-128"]  # the first that sees too few images ends the trials


def test_networks_are_measured_and_the_plan_is_written_once(folder, monkeypatch, capsys):
    monkeypatch.setattr(trials, "_SECONDS", 0.05)
    # What this process has imported is counted, and not the tests that ran before in it.
    monkeypatch.setattr(planner.time, "process_time", lambda: 2.0)
    monkeypatch.setattr(planner.rule, "IMAGES_A_MILLION", 1e9)  # the first is enough
    monkeypatch.setattr(trials, "gain_of_bf16", lambda *_: 0.5)
    plan("--minutes", "30", "--write", "plan.yaml")
    assert "in all" in capsys.readouterr().out
    written = Path("plan.yaml").read_text()
    assert yaml.safe_load(written)["diffusion"]["channels"] == [64, 96]
    assert "it stays fp32" in written and "million weights" in written
    with pytest.raises(SystemExit):
        plan("--minutes", "30", "--write", "plan.yaml")
    assert "is there already" in capsys.readouterr().err
    assert Path("plan.yaml").read_text() == written


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (["--minutes", "0"], "--minutes: expected a time above 0"),
        (["--minutes", "1e308"], "--minutes: expected a time above 0 and of a year at most"),
        (["--minutes", "nan"], "--minutes: expected a time above 0"),
        (["--gpu-hours", "-1"], "--gpu-hours: expected a time above 0"),
        (["--gpu-hours", "2", "--device", "cpu"], "no GPU here"),
        (["--minutes", "0.2"], "12 seconds are too few here"),
        (["--minutes", "0.0001"], "0.006 seconds are too few here"),
        (["--minutes", "0.2"], "Give at least"),
        (["--minutes", "5", "--results", "elsewhere"], "there is no prepared cohort yet"),
    ],
)
def test_what_cannot_be_planned_is_told(folder, clock, capsys, fault, told):
    with pytest.raises(SystemExit) as ended:
        plan(*fault)
    captured = capsys.readouterr()
    assert ended.value.code == 1 and told in captured.err and not captured.out


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("my.yaml/plan.yaml", "my.yaml is a file, not a folder"),
        ("my.yaml/new/plan.yaml", "my.yaml is a file, not a folder"),
        ("", "is a folder; name a new file"),
        ("results", "is a folder; name a new file"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_is_tried(
    folder, clock, capsys, file, told
):
    with pytest.raises(SystemExit):
        plan("--minutes", "5", "--write", file)
    assert told in capsys.readouterr().err and not clock


def test_labels_that_are_numbers_stay_so_and_what_is_replaced_is_told(folder, clock, capsys):
    own = CONFIG | {
        "sampling": {"images": {0: 20, 1: 20}, "batch": 20, "steps": 50},
        "diffusion": {"images": 9, "label_dropout": 0.3, "learning_rate": "2e-3"},
    }
    Path("my.yaml").write_text(yaml.safe_dump(own))
    plan("--minutes", "5", "--write", "folder/plan.yaml")
    written = Path("folder/plan.yaml").read_text()
    told = " ".join(written.replace("\n#", " ").split())
    keys = "diffusion.images, diffusion.label_dropout, sampling.steps. "
    assert f"other values than my.yaml: {keys}" in told
    update_config(own, yaml.safe_load(written))
    Path("whole.yaml").write_text(yaml.safe_dump(own))
    assert load(Path("whole.yaml")).sampling.images == {"0": 20, "1": 20}


def test_without_a_cohort_the_command_that_makes_it_is_told(folder, capsys):
    Path("results/small/cohort/split.csv").unlink()
    with pytest.raises(SystemExit):
        plan("--minutes", "5")
    told = capsys.readouterr().err
    assert "snakemake --cores 1 results/small/cohort/split.csv --configfile my.yaml" in told
    assert "--config 'autoencoder={images: 1}' 'diffusion={images: 1}'" in told


def test_a_cohort_of_another_size_is_refused(folder, capsys):
    Path("my.yaml").write_text(yaml.safe_dump(CONFIG | {"prepare": {"size": [32, 32]}}))
    with pytest.raises(SystemExit):
        plan("--minutes", "5")
    assert "holds images of 16×16" in capsys.readouterr().err


def test_a_fault_in_a_section_that_stays_is_told(folder, capsys):
    Path("my.yaml").write_text(yaml.safe_dump(CONFIG | {"split": {"fraction": 1}}))
    with pytest.raises(SystemExit):
        plan("--minutes", "5")
    assert "split.fraction: unknown key" in capsys.readouterr().err


@pytest.mark.parametrize("section", ["autoencoder", "diffusion"])
def test_given_weights_are_not_planned_over(folder, clock, capsys, section):
    start = {section: {"images": 9, "start": {"folder": "weights", "licence": "cc0-1.0"}}}
    (folder / "my.yaml").write_text(yaml.safe_dump(CONFIG | start))
    with pytest.raises(SystemExit):
        plan("--minutes", "5")
    assert f"{section}.start" in capsys.readouterr().err and not clock
