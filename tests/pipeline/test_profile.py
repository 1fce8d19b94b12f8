"""What the SLURM profile asks for each rule, as a dry run tells it; no cluster is needed."""

import re

import pytest
import yaml
from tiny import REPOSITORY, configured, run

PROFILE = REPOSITORY / "workflow/profiles/slurm"
SETTINGS = yaml.safe_load((PROFILE / "config.yaml").read_text())


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> dict[str, str]:
    """The resources of every rule."""
    folder = tmp_path_factory.mktemp("planned")
    dry = ["snakemake", "--profile", str(PROFILE), "--snakefile", str(REPOSITORY / "Snakefile")]
    shown = run([*dry, "--configfile", configured(folder), "--dry-run"], folder)
    assert shown.returncode == 0, shown.stdout[-4000:]
    return dict(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", shown.stdout, re.M))


def test_the_profile_names_only_rules_there_are(planned):
    named = {*SETTINGS["set-resources"], *SETTINGS["set-threads"]}
    assert named <= planned.keys()
    assert set(SETTINGS["slurm-array-jobs"].split(", ")) <= planned.keys()


def test_networks_run_on_gpus_and_the_rest_does_not(planned):
    on_gpus = {rule for rule, resources in planned.items() if "gpu=1" in resources}
    networks = {"autoencoder", "encode", "diffusion", "sample", "classifier", "features"}
    networks |= {"guidance", "search"}
    metrics = {"images", "membership", "real_or_synthetic", "utility"}
    assert on_gpus == networks | {f"evaluate_{name}" for name in metrics}


def test_every_job_has_partition_account_memory_and_time(planned):
    for rule, resources in planned.items():
        for asked in ("slurm_partition=gpu", "slurm_account=my_account", "mem_mb=", "runtime="):
            assert asked in resources, rule


def test_no_more_jobs_are_ready_than_are_handed_over_at_once():
    # The plugin never submits a part of an array: docs/slurm.md.
    at_once = min(SETTINGS["jobs"], int(SETTINGS["max-jobs-per-timespan"].split("/")[0]))
    assert at_once >= 10_000 > SETTINGS["slurm-array-limit"]
