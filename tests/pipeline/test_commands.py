"""The commands a user types: help, dry run, lint, and faults told without a traceback."""

import json
import shlex
from pathlib import Path

import pytest
from tiny import REPOSITORY, configured, run, snakemake


def test_help_and_version_answer(tmp_path):
    shown = run(["synthcohort", "--help"], tmp_path)
    assert shown.returncode == 0 and "autoencoder" in shown.stdout
    assert run(["synthcohort", "--version"], tmp_path).stdout.startswith("synthcohort 0")


def test_no_heavy_library_is_imported_to_answer(tmp_path):
    code = (
        "import sys, synthcohort.cli\n"
        "try: synthcohort.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('heavy:', sorted({'torch', 'diffusers', 'mlflow', 'sklearn', 'matplotlib'}"
        " & set(sys.modules)))"
    )
    assert "heavy: []" in run(["python", "-c", code], tmp_path).stdout


def test_the_default_system_is_planned_from_the_repository(tmp_path):
    planned = run(["snakemake", "--dry-run", "--cores", "2"], REPOSITORY)
    assert planned.returncode == 0, planned.stdout[-2000:]
    assert "rule diffusion:" in planned.stdout and "train_again" not in planned.stdout


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"autoencodr": {}}, "autoencodr: unknown key; did you mean 'autoencoder'?"),
        ({"seed": "zero"}, "seed: "),
        ({"sampling": {"steps": 0}}, "sampling.steps: "),
        ({"audit": {"gates": {"fidd": {"at_most": 1}}}}, "audit.gates: no figure 'fidd'"),
        ({"source": {"kind": "folder", "root": "$NOT_SET_ANYWHERE"}}, "NOT_SET_ANYWHERE"),
    ],
)
def test_a_faulty_configuration_is_told_before_anything_runs(tmp_path, changes, told):
    failed = snakemake(tmp_path, "--configfile", configured(tmp_path, **changes))
    assert failed.returncode != 0 and told in failed.stdout
    assert "Traceback" not in failed.stdout and not (tmp_path / "results").exists()


def test_what_yaml_reads_otherwise_than_it_looks_is_told_before_anything_runs(tmp_path):
    path = configured(tmp_path)
    with Path(path).open("a") as file:
        file.write("seed: 010\nname: other\n")
    failed = snakemake(tmp_path, "--configfile", path)
    assert failed.returncode != 0 and "Traceback" not in failed.stdout
    assert "YAML reads 010 as 8" in failed.stdout and "name: stands in line" in failed.stdout


def test_a_stage_tells_a_fault_without_a_traceback_and_leaves_nothing(tmp_path):
    source = {"kind": "folder", "root": "nowhere", "expression": "(?P<patient>.+)"}
    config = configured(tmp_path, source=source)
    failed = snakemake(tmp_path, "results/tiny/cohort/images.npy", "--configfile", config)
    assert failed.returncode != 0 and "nowhere" in failed.stdout
    assert "Traceback (most recent call last)" not in failed.stdout
    assert not list((tmp_path / "results/tiny/cohort").glob("*"))


@pytest.mark.parametrize(
    "changes",
    [
        {"expression": r"(?P<patient>\d{8})_\d{3}"},
        {"expression": r"(?P<patient>\d{8})", "labels": {"{shard}": "{}"}, "licence": "a { b"},
        {"expression": "(?P<patient>.+)", "root": "{study}/{ 1 }/{a.b}"},
    ],
)
def test_braces_in_a_text_are_no_wildcards(tmp_path, changes):
    source = {"kind": "folder", "root": str(tmp_path)} | changes
    export = {"title": "Drawn with {shard} {extractor}"}
    config = configured(tmp_path, source=source, export=export)
    planned = snakemake(tmp_path, "--configfile", config, "--dry-run", "--printshellcmds")
    assert planned.returncode == 0, planned.stdout[-2000:]
    for stage, option, key, given in (
        ("prepare", "--source", None, source),
        ("export", "--system", "export", export),
    ):
        lines = planned.stdout.splitlines()
        (command,) = [line for line in lines if f"synthcohort {stage} " in line]
        words = shlex.split(command)
        handed = json.loads(words[words.index(option) + 1])
        assert given.items() <= (handed[key] if key else handed).items()


def test_keys_are_changed_for_one_run_and_their_neighbours_stay(tmp_path):
    changes = ["--config", "seed=7", "audit={pairs: 3}"]
    planned = snakemake(
        tmp_path,
        *["--configfile", configured(tmp_path), "--dry-run", "--printshellcmds", *changes],
    )
    assert planned.returncode == 0, planned.stdout[-2000:]
    (command,) = [line for line in planned.stdout.splitlines() if "synthcohort search" in line]
    assert "--seed 7" in command and '"pairs": 3' in command
    assert '"membership": {"at_least": null, "at_most": 1.0' in command
