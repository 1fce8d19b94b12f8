"""What the profiles ask for each rule, as a dry run tells it; no cluster and no GPU is needed."""

import re
from pathlib import Path

import pytest
import yaml
from tiny import REPOSITORY, configured, run

PROFILES = REPOSITORY / "workflow/profiles"
GPUS = ("slurm", "workstation")
NETWORKS = {
    *("autoencoder", "encode", "diffusion", "sample", "classifier", "guidance"),
    *("features_ahead", "features"),
    *("train_again", "measure_again"),
    *(
        "calibrate",
        "search",
        "evaluate_images",
        "evaluate_membership",
        "evaluate_real_or_synthetic",
    ),
    *("evaluate_utility", "decode_sets"),
}


def settings(profile: str) -> dict:
    return yaml.safe_load((PROFILES / profile / "config.yaml").read_text())


SETTINGS = settings("slurm")


def plan(folder: Path, *options: str) -> str:
    """What a dry run prints."""
    snakefile = ["--snakefile", str(REPOSITORY / "Snakefile")]
    dry = [
        "snakemake",
        *snakefile,
        "--configfile",
        configured(folder, training_seeds=3),
        "--dry-run",
        *options,
    ]
    shown = run(dry, folder)
    assert shown.returncode == 0, shown.stdout[-4000:]
    return shown.stdout


def resources(shown: str) -> dict[str, str]:
    """The resources of every rule."""
    return dict(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", shown, re.M))


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("planned")
    return resources(plan(folder, "--profile", str(PROFILES / "slurm")))


def test_the_profile_names_only_rules_there_are(planned):
    assert all(settings(name)["set-scatter"].keys() == {"sample"} for name in GPUS)
    assert set(SETTINGS["slurm-array-jobs"].split(", ")) <= planned.keys()
    for profile in GPUS:
        named = {*settings(profile)["set-resources"], *settings(profile)["set-threads"]}
        assert named <= planned.keys()


def test_networks_run_on_gpus_and_the_rest_does_not(planned):
    assert {rule for rule, asked in planned.items() if "gpu=1" in asked} == NETWORKS


def test_on_a_workstation_too_and_each_takes_one_for_itself(tmp_path):
    workstation = ["--profile", str(PROFILES / "workstation"), "--resources", "gpu=2"]
    shown = plan(tmp_path, *workstation, "--cores", "8", "--printshellcmds")
    assert {rule for rule, of in resources(shown).items() if "gpu=1" in of} == NETWORKS
    commands = re.findall(r"^Shell command: synthcohort (\S+) (.*)$", shown, re.M)
    taking = {stage for stage, arguments in commands if "--gpus 1" in arguments}
    named = {rule for rule in NETWORKS if "_" not in rule}
    assert taking == named | {"evaluate", "decode-sets", "measure-again", "features-ahead"}


def test_a_million_images_are_some_jobs_that_load_their_models_once(tmp_path):
    sampling = {"images": 1_000_000, "shard": 500, "steps": 5}
    config = ["--configfile", configured(tmp_path, sampling=sampling)]
    for profile in GPUS:
        dry = ["snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), *config, "--dry-run"]
        shown = run([*dry, "--profile", str(PROFILES / profile), "--cores", "2"], tmp_path).stdout
        parts = settings(profile)["set-scatter"]["sample"]
        assert re.search(rf"^sample +{parts}$", shown, re.M), shown[-4000:]


def test_without_a_profile_no_gpu_is_asked_for(tmp_path):
    asked = resources(plan(tmp_path, "--cores", "8"))
    assert {rule for rule, of in asked.items() if "gpu=0" in of} >= NETWORKS
    assert not any("gpu=1" in of for of in asked.values())


def test_every_job_has_partition_account_memory_and_time(planned):
    for rule, resources in planned.items():
        for asked in ("slurm_partition=gpu", "slurm_account=my_account", "mem_mb=", "runtime="):
            assert asked in resources, rule


def test_no_more_jobs_are_ready_than_are_handed_over_at_once():
    # The plugin never submits a part of an array: docs/slurm.md.
    at_once = min(SETTINGS["jobs"], int(SETTINGS["max-jobs-per-timespan"].split("/")[0]))
    assert at_once >= 10_000 > SETTINGS["slurm-array-limit"]
