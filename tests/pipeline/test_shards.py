"""Many shards: the plan of a large set, a half-finished set, and a shard that has been damaged."""

import re
import shutil
from pathlib import Path

import pytest
from tiny import configured, run, snakemake

TABLE = "results/tiny/samples/shards.csv"
SHARD = "results/tiny/samples/shard-00001.npz"


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """A finished run that a test may damage."""
    folder = tmp_path / "copied"
    return Path(shutil.copytree(finished, folder))  # with the times of the files


def jobs(output: str) -> dict[str, int]:
    """How many jobs of each rule Snakemake says it would run."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.M)}


def make_table(folder: Path, quick: dict[str, str], *arguments: str) -> str:
    config = ["--configfile", str(folder / "config.yaml")]
    done = snakemake(folder, TABLE, *config, *arguments, **quick)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def test_two_thousand_shards_are_planned(tmp_path):
    config = configured(tmp_path, sampling={"images": 1_000_000, "shard": 500, "steps": 5})
    planned = snakemake(tmp_path, "--configfile", config, "--dry-run", "--printshellcmds")
    assert planned.returncode == 0, planned.stdout[-4000:]
    assert jobs(planned.stdout)["sample"] == 2_000
    # No command names every shard: a shell takes 128 KiB at most.
    commands = re.findall(r"^Shell command: (.*)$", planned.stdout, re.M)
    assert len(commands) > 2_000 and max(map(len, commands)) < 20_000


def test_only_the_missing_shards_of_a_half_finished_set_are_made(copied, quick):
    (copied / TABLE).unlink()
    (copied / SHARD).unlink()
    assert jobs(make_table(copied, quick, "--dry-run")) == {"sample": 1, "gather": 1, "total": 2}


def test_a_part_makes_only_what_it_lacks_and_parts_may_be_cut_anew(copied, quick):
    before = {path: path.read_bytes() for path in (copied / "results/tiny/samples").iterdir()}
    (copied / SHARD).unlink()
    kept = copied / "results/tiny/samples/shard-00000.npz"
    time = kept.stat().st_mtime_ns
    cut = make_table(copied, quick, "--set-scatter", "sample=1", "--printshellcmds")
    assert jobs(cut) == {"sample": 1, "gather": 1, "total": 2} and "--parts 1 " in cut
    assert kept.stat().st_mtime_ns == time  # one job for both shards, and one of them was there
    for path, whole in before.items():
        assert path.suffix == ".txt" or path.read_bytes() == whole
    # More jobs than shards are not started.
    many = make_table(copied, quick, "--set-scatter", "sample=9", "--dry-run")
    assert jobs(many)["sample"] == 2


def test_a_damaged_shard_is_found_and_made_again(copied, quick):
    before = (copied / TABLE).read_bytes()
    whole = (copied / SHARD).read_bytes()
    damaged = bytearray(whole)
    damaged[2_000] ^= 1  # one bit of a pixel
    (copied / SHARD).write_bytes(damaged)

    gather = "synthcohort gather --shards 2 --folder results/tiny/samples --out shards.csv"
    read = run(gather.split(), copied)
    assert read.returncode == 1 and SHARD in read.stdout and "CRC" in read.stdout
    assert "Traceback" not in read.stdout and not (copied / "shards.csv").exists()

    found = run(["synthcohort", "discard-damaged", "--samples", TABLE], copied)
    assert f"{SHARD}: removed" in found.stdout and "1 damaged" in found.stdout
    assert jobs(make_table(copied, quick)) == {"sample": 1, "gather": 1, "total": 2}
    assert (copied / SHARD).read_bytes() == whole
    assert (copied / TABLE).read_bytes() == before
    assert (
        "every shard" in run(["synthcohort", "discard-damaged", "--samples", TABLE], copied).stdout
    )
