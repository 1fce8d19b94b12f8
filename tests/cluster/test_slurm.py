"""The whole workflow on a real SLURM of one node, disturbed the way clusters disturb it.

One run takes it all, because every job starts Python and torch anew: a training is cancelled,
another one put back into the queue, and Snakemake itself is killed. The same system run in one go
on this machine (`finished`) says what has to come out.

It goes up to the samples and one of the jobs that measure them. What is made of the samples is a
function of their files, which tests/pipeline shows; where its jobs run makes no difference to it.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from slurm import lacking, started
from tiny import REPOSITORY, configured, environment, run

from synthcohort.tracking.journal import read_journal

PROFILE = REPOSITORY / "workflow/profiles/slurm"
THREADS = yaml.safe_load((PROFILE / "config.yaml").read_text())["set-threads"]
RESULTS = "results/tiny"
JOURNALS = f"{RESULTS}/journal"
SAMPLES, MEASURED = f"{RESULTS}/samples/shards.csv", f"{RESULTS}/evaluation/frechet_statistics.json"
# What the profile asks a site to fill in, one core a job, and the pace of a small cluster.
HERE = [
    *("--default-resources", "slurm_partition=gpu", "mem_mb=1000", "runtime=10"),
    *("--set-threads", *(f"{rule}=1" for rule in THREADS)),
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"),
    *("--seconds-between-status-checks", "2"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A SLURM that runs; where there can be none the tests are skipped, but not in CI."""
    if reason := lacking():
        if os.environ.get("CI"):
            pytest.fail(f"CI tests the workflow on SLURM, which cannot be started: {reason}")
        pytest.skip(f"the workflow on SLURM is not tested: {reason}")
    with started(tmp_path_factory.mktemp("slurm")):
        yield


@dataclass
class Disturbed:
    folder: Path
    said: dict[str, str] = field(default_factory=dict)
    """What Snakemake printed, by start."""
    jobs: dict[str, str] = field(default_factory=dict)
    """What SLURM said of a stage's job while it ran."""


@pytest.fixture(scope="module")
def disturbed(cluster, tmp_path_factory) -> Disturbed:
    it = Disturbed(tmp_path_factory.mktemp("disturbed"))
    configured(it.folder)

    with _started(it, "first") as first:
        subprocess.run(["scancel", _job(it, "autoencoder", first)], check=True)
        _job(it, "encode", first)
        first.kill()  # its job goes on
    _until(lambda: not _output("squeue", "-h"), "the job left behind to end")
    assert run(_command("--unlock"), it.folder).returncode == 0

    timid = it.folder / "timid/config.yaml"
    timid.parent.mkdir()
    timid.write_text((PROFILE / "config.yaml").read_text().replace("rerun-incomplete: true", ""))
    with _started(it, "without --rerun-incomplete", profile=timid.parent) as second:
        subprocess.run(["scontrol", "requeue", _job(it, "diffusion", second)], check=True)
        _job(it, "sample-00000", second)
        second.kill()  # and its jobs with it
        subprocess.run(["scancel", "--user=root"], check=True)
    _until(lambda: not _output("squeue", "-h"), "the cancelled jobs to end")
    assert run(_command("--unlock"), it.folder).returncode == 0

    with _started(it, "with --rerun-incomplete") as last:
        code = last.wait(900)
    assert code == 0, it.said["with --rerun-incomplete"][-6000:]
    return it


def test_a_disturbed_run_draws_the_same_bytes(disturbed, finished):
    """What is measured of them may differ in the last digits: a job has other cores than a run on
    this machine, and sums come in another order."""

    def drawn(folder: Path) -> dict[str, bytes]:
        shards = (folder / RESULTS / "samples").glob("shard-*.npz")
        return {path.name: path.read_bytes() for path in [*shards, folder / SAMPLES]}

    def figures(folder: Path) -> dict:
        text = (folder / MEASURED).read_text()
        measured = json.loads(text, parse_float=lambda number: f"{float(number):.3g}")
        return measured | {"seconds": None}

    assert len(drawn(finished)) == 3 and drawn(disturbed.folder) == drawn(finished)
    assert figures(disturbed.folder) == figures(finished)


def test_a_cancelled_job_is_tried_again(disturbed):
    assert "SLURM status is: 'CANCELLED'" in disturbed.said["first"]
    assert "Trying to restart job" in disturbed.said["first"]
    assert _tries(disturbed, "autoencoder") == 2


def test_a_requeued_job_starts_anew_by_itself(disturbed):
    assert _tries(disturbed, "diffusion") == 2
    assert "Trying to restart" not in disturbed.said["without --rerun-incomplete"]


def test_a_killed_snakemake_goes_on_where_it_was(disturbed):
    """Its jobs may have gone on and finished without it, or have died as well."""
    assert _tries(disturbed, "encode") == 1 and _tries(disturbed, "sample-00000") == 2
    assert "rule encode:" not in disturbed.said["without --rerun-incomplete"]
    assert "rule diffusion:" not in disturbed.said["with --rerun-incomplete"]


def test_shards_are_one_array_with_a_gpu_each(disturbed):
    assert "Submitted array job" in disturbed.said["without --rerun-incomplete"]
    for stage in ("autoencoder", "diffusion", "sample-00000"):
        assert re.search("TresPerJob=gres.gpu:1 ", disturbed.jobs[stage])
    assert "ArrayTaskId=" in disturbed.jobs["sample-00000"]
    assert "mem=32000M" in disturbed.jobs["diffusion"]


def _tries(disturbed: Disturbed, stage: str) -> int:
    events = read_journal(disturbed.folder / JOURNALS / f"{stage}.jsonl")
    return sum(event["event"] == "start" for event in events)


def _job(disturbed: Disturbed, stage: str, snakemake: subprocess.Popen) -> str:
    """The number of the SLURM job that runs `stage`, as soon as it has begun."""
    journal = disturbed.folder / JOURNALS / f"{stage}.jsonl"

    def begun() -> bool:
        assert snakemake.poll() is None, "Snakemake ended early"
        return journal.is_file() and bool(read_journal(journal))

    _until(begun, f"{stage} to begin")
    start = next(event for event in read_journal(journal)[::-1] if event["event"] == "start")
    number = start["environment"]["slurm_job"]
    disturbed.jobs[stage] = _output("scontrol", "show", "job", "--oneliner", number)
    return number


def _command(*arguments: str, profile: Path = PROFILE) -> list[str]:
    system = ["--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", "config.yaml"]
    return ["snakemake", SAMPLES, MEASURED, "--profile", str(profile), *system, *HERE, *arguments]


@contextmanager
def _started(disturbed: Disturbed, name: str, profile: Path = PROFILE) -> Iterator:
    """Snakemake in the background; killed at the end, if it has not come to its own."""
    log = disturbed.folder / f"{len(disturbed.said)}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            _command(profile=profile),
            cwd=disturbed.folder,
            env=environment() | {"SYNTHCOHORT_DEVICE": "cpu"},  # its GPUs are pretended
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        disturbed.said[name] = log.read_text()
        print(disturbed.said[name])  # shown where a test fails


def _until(condition: Callable[[], bool], what: str, seconds: int = 900) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.1)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
