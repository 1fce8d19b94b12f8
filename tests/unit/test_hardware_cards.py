"""GPUs of a command's own, by locks alone: no GPU is needed to count them."""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from synthcohort.errors import UserError
from synthcohort.hardware import cards

# A process that takes GPUs, says which, and holds them until its standard input ends.
TAKES = (
    "import os, sys; from synthcohort.hardware.cards import take; take(int(sys.argv[1]));"
    "print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); sys.stdin.read()"
)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with the GPUs 0 and 1, for this process and those it starts."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("SLURM_JOB_ID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    held: list = []
    monkeypatch.setattr(cards, "_held", held)
    yield monkeypatch
    for lock in held:
        lock.release()


@pytest.fixture
def taking(machine):
    started = []

    def start(count: int, **variables: str) -> subprocess.Popen:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command, environment = [sys.executable, "-c", TAKES, str(count)], os.environ | variables
        started.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def test_each_takes_one_and_the_third_waits_for_the_first_to_end(taking):
    one, two = taking(1), taking(1)
    told = {one.stdout.readline().strip(), two.stdout.readline().strip()}
    assert told == {"0", "1"}
    three = taking(1)
    assert "Waiting for 1 of the GPUs 0, 1" in three.stderr.readline()
    one.stdin.close()
    assert three.stdout.readline().strip() in told


def test_one_that_was_killed_leaves_no_lock_behind(taking):
    both = taking(2)
    assert both.stdout.readline().strip() == "0,1"
    both.kill()
    both.wait()
    assert taking(2).stdout.readline().strip() == "0,1"


def test_two_that_want_both_get_them_in_turn(taking):
    first, second = taking(2), taking(2)
    for process in (first, second):
        process.stdin.close()  # ends as soon as it has had them
    assert {first.wait(30), second.wait(30)} == {0}


def test_jobs_of_slurm_do_not_wait_for_each_other(taking):
    # Each calls the GPU that SLURM gave it 0.
    jobs = [taking(1, SLURM_JOB_ID=job, CUDA_VISIBLE_DEVICES="0") for job in "78"]
    assert [job.stdout.readline().strip() for job in jobs] == ["0", "0"]


def test_a_process_keeps_what_it_has(machine):
    cards.take(1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    began = time.monotonic()
    cards.take(1)  # it would wait for itself
    assert time.monotonic() - began < 0.4


@pytest.mark.parametrize(
    ("count", "device", "variables"),
    [
        (0, "auto", {}),
        (1, "cpu", {}),
        (1, "cuda:1", {}),
        (1, "auto", {"CUDA_VISIBLE_DEVICES": ""}),
        (1, "auto", {"LOCAL_RANK": "1"}),  # its launcher has taken them
    ],
)
def test_nothing_is_taken_where_there_is_nothing_to_choose(machine, count, device, variables):
    for name, value in variables.items():
        machine.setenv(name, value)
    before = os.environ["CUDA_VISIBLE_DEVICES"]
    cards.take(count, device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == before


def test_more_than_there_are_is_an_error(machine):
    with pytest.raises(UserError, match=r"--gpus 3: there are 2 here \(0, 1\)"):
        cards.take(3)


def test_gpus_are_counted_by_their_devices_where_nothing_names_them(machine, tmp_path):
    machine.delenv("CUDA_VISIBLE_DEVICES")
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert cards.visible(tmp_path) == ["0", "1"]  # as CUDA numbers what a container was given
    assert cards.visible(tmp_path / "none") == []
    machine.setenv("CUDA_VISIBLE_DEVICES", "GPU-8d4, MIG-GPU-1/2/0")
    assert cards.visible() == ["GPU-8d4", "MIG-GPU-1/2/0"]
    cards.take(2)  # names with slashes lock too
