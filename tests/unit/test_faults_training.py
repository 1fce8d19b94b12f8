"""What a cluster does to a training: kills, time limits, a second job, other settings on return."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import trained
from safetensors.torch import load_file
from trained import DIFFUSION, diffusion

from synthcohort.errors import UserError
from synthcohort.training import lock, loop, stopping, usage
from synthcohort.training.stopping import Stopped

# The fixture of these tests too.
system = trained.system


HERE = Path(__file__).parent


def _undisturbed(system: Path) -> dict[str, torch.Tensor]:
    return load_file(system / "diffusion/unet/diffusion_pytorch_model.safetensors")


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def _on(monkeypatch, **hardware) -> None:
    monkeypatch.setattr(trained, "HARDWARE", dataclasses.replace(trained.HARDWARE, **hardware))


def _at(monkeypatch, images: int, act) -> None:
    """Let `act` happen in the step after `images` images."""
    real = loop.learning_rate

    def acting(settings, seen):
        if seen == images:
            act()
        return real(settings, seen)

    monkeypatch.setattr(loop, "learning_rate", acting)


def _checkpoints(system: Path, name: str) -> list[int]:
    return sorted(int(p.stem) for p in (system / f"checkpoints-{name}").glob("*/*.safetensors"))


def test_kill_9_at_twenty_random_moments_loses_nothing(system):
    command = [sys.executable, HERE / "faults.py", system, "20", "0"]
    paths = {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(command, env=os.environ | paths, capture_output=True, text=True)
    assert killed.returncode == 0, killed.stderr
    done = json.loads(killed.stdout.splitlines()[-1])
    print("kill -9:", done)
    assert done["kills"] >= 20 and done["in_write"] >= 3 and done["finished"] >= 4
    assert done["different"] == 0


def test_a_time_budget_cuts_a_training_into_five_pieces(system, monkeypatch):
    # With few statuses, a piece ends in the midst of what one of them is a mean of.
    monkeypatch.setattr(loop, "STATUSES", 4)
    whole = diffusion(system, "uncut")
    _on(monkeypatch, time_budget=1, began=0.0)
    pieces = 0
    while not (system / "cut").exists():
        # Three steps fit before the minute's last tenth begins.
        minute = iter(range(18, 1000, 18))
        clock = SimpleNamespace(time=lambda minute=minute: next(minute))
        monkeypatch.setattr(stopping, "time", clock)
        pieces += 1
        try:
            cut = diffusion(system, "cut")
        except Stopped as stopped:
            told = f"stopped after {48 * pieces} of 240 images: its time budget of 1 minutes"
            assert told in str(stopped) and "run the same command again" in str(stopped)
            assert _checkpoints(system, "cut")[-1] == 48 * pieces
    assert pieces == 5
    assert _same(cut, whole)
    assert (system / "cut.json").read_bytes() == (system / "uncut.json").read_bytes()


def test_slurm_s_own_end_of_the_job_is_heeded(system, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 1))
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    _on(monkeypatch, began=time.time())
    _at(monkeypatch, 32, lambda: time.sleep(1))
    with pytest.raises(Stopped, match="SLURM job 4711 is nearly over"):
        diffusion(system, "slurm")
    monkeypatch.undo()
    assert _same(diffusion(system, "slurm"), _undisturbed(system))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops(system, monkeypatch, number):
    name, former = f"signal-{number}", signal.getsignal(number)
    with monkeypatch.context() as patch:
        _at(patch, 96, lambda: os.kill(os.getpid(), number))
        with pytest.raises(Stopped, match=f"after 112 of 240 images: it was sent {number.name}"):
            diffusion(system, name)
    assert signal.getsignal(number) is former
    assert _checkpoints(system, name)[-1] == 112
    assert _same(diffusion(system, name), _undisturbed(system))


def test_checkpoints_come_by_time_as_well(system, monkeypatch):
    def die():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        _on(patch, checkpoint_minutes=0)
        _at(patch, 80, die)
        with pytest.raises(KeyboardInterrupt):
            diffusion(system, "timed")
    assert _checkpoints(system, "timed") == [64, 80]
    assert _same(diffusion(system, "timed"), _undisturbed(system))


HOLDER = """
import sys
from pathlib import Path
from synthcohort.training import lock
lock._LEASE = 5.0
with lock.alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def held(system, request, monkeypatch):
    """A training's lock, held by a process with a SLURM job; path and process."""
    monkeypatch.setattr(lock, "_LEASE", 5.0)
    path = system / f"checkpoints-{request.node.name}" / "diffusion.lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    job = os.environ | {"SLURM_JOB_ID": "4711"}
    with subprocess.Popen(command, env=job, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        yield path, holder
        holder.kill()


def test_a_second_job_for_a_stage_is_told_who_is_there(system, held, monkeypatch, request):
    path, holder = held
    monkeypatch.setattr(lock, "_PATIENCE", 0.5)
    with pytest.raises(UserError, match=f"by process {holder.pid} on .*, SLURM job 4711"):
        diffusion(system, request.node.name)
    holder.kill()
    holder.wait()
    assert path.exists(), "the holder is dead and its lock is left"
    assert _same(diffusion(system, request.node.name), _undisturbed(system))
    assert not path.exists()


def test_the_lock_of_a_vanished_machine_expires(held):
    path, holder = held
    holder.kill()
    holder.wait()
    # As if written on another machine, whose processes cannot be looked at.
    path.write_text(re.sub("host=.*", "host=elsewhere", path.read_text()))
    clock = time.monotonic()
    with lock.alone(path):
        assert time.monotonic() - clock > 4
    assert not path.exists()


def test_settings_changed_before_a_resume_are_refused_with_the_difference(system, monkeypatch):
    def die():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        _at(patch, 160, die)
        with pytest.raises(KeyboardInterrupt):
            diffusion(system, "refused")
    changed = DIFFUSION.model_copy(update={"learning_rate": 5e-4, "channels": (8, 8)})
    with pytest.raises(UserError) as refused:
        diffusion(system, "refused", changed)
    told = str(refused.value)
    assert "stopped after 144 of 240 images" in told
    assert "diffusion.learning_rate: 0.001 → 0.0005" in told
    assert "diffusion.channels: [8, 16] → [8, 8]" in told
    assert "batch" not in told, "what is the same is not shown"
    assert "rm -r " in told
    assert _same(diffusion(system, "refused"), _undisturbed(system))
    # It is through now: other settings are what was meant, and take its place.
    diffusion(system, "refused", changed)
    assert _checkpoints(system, "refused") == [240]


def test_a_training_that_is_through_is_not_trained_again(system, monkeypatch):
    diffusion(system, "through")
    assert _checkpoints(system, "through") == [240]
    _at(monkeypatch, 0, lambda: pytest.fail("there is nothing to train"))
    assert _same(diffusion(system, "through"), _undisturbed(system))


def test_what_the_driver_tells_of_the_gpu(tmp_path, monkeypatch):
    driver = tmp_path / "nvidia-smi"
    driver.write_text(
        "#!/bin/sh\necho '40, [N/A], 300.0'; echo '60, [N/A], 500.0'; exec sleep 60\n"
    )
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    seen, wanted = {}, {"gpu_utilisation_percent": 50, "gpu_power_watts": 400}
    with usage.told_by_driver("GPU-1") as tell:
        for _ in range(200):
            time.sleep(0.1)
            if seen := tell():
                break
    assert seen.pop("gpu_energy_wh") == pytest.approx(800 * 5 / 3600)
    assert seen == wanted
    driver.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with usage.told_by_driver("GPU-1") as tell:
        assert tell() == {}
