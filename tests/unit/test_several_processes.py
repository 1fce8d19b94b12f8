"""One training in two processes, through the command line and torch's own launcher."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from socket import socket
from threading import Event

import pytest
import torch
import trained
from safetensors.torch import load_file
from trained import AUTOENCODER, DIFFUSION, autoencoder, data, diffusion

from synthcohort.errors import UserError
from synthcohort.tracking.journal import Journal, read_journal
from synthcohort.training import ranks
from synthcohort.training.ranks import Ranks

# The fixture of these tests too.
system = trained.system


# Without attention, and with more than a pixel to a group of its norms, rounding stays rounding.
UNET = DIFFUSION.model_copy(update={"channels": (8,), "attention": (False,)})


def _begin(
    system: Path, stage: str, out: str, settings, variables: dict | None = None, **more: str
) -> subprocess.Popen:
    """`synthcohort <stage>` in two processes, a checkpoint at every step."""
    names = {"history": f"{out}.json"}
    if stage == "diffusion":
        names |= {"snapshots": f"{out}.npz", "latents": "latents", "autoencoder": "autoencoder"}
    paths = {key: system / name for key, name in names.items()} | data(system)
    paths |= {"out": system / out, "checkpoints": system / f"checkpoints-{out}"}
    words = {"settings": settings.model_dump_json(), "seed": 0, "device": "cpu"} | paths
    words |= {"precision": "fp32", "threads": 2, "processes": 2, "checkpoint-minutes": 0}
    words |= {"journal": system / f"{out}.jsonl"} | more
    options = [part for key, value in words.items() for part in (f"--{key}", str(value))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, "-m", "synthcohort", stage, *options]
    return subprocess.Popen(command, env=os.environ | (variables or {}), **pipes)


def _losses(journal: Path) -> dict[int, float]:
    events = [event for event in read_journal(journal) if event["event"] == "metric"]
    return {event["images"]: event["values"]["loss"] for event in events}


def _alone(system: Path, monkeypatch, stage, out: str, settings) -> dict[int, float]:
    """The losses of the same training in this process."""
    path = system / f"{out}.jsonl"
    with Journal(path, "alone", {}) as journal, monkeypatch.context() as patch:
        patch.setattr(trained, "JOURNAL", journal)
        stage(system, out, settings)
    return _losses(path)


def test_two_processes_give_the_loss_curve_of_one_and_a_dead_one_ends_both(system, monkeypatch):
    settings = UNET.model_copy(update={"images": 480})
    alone = _alone(system, monkeypatch, diffusion, "one", settings)
    journal = system / "two.jsonl"
    with _begin(system, "diffusion", "two", settings, **{"micro-batch": "3"}) as training:
        # At the second, the checkpoint after the first is written.
        while not journal.exists() or len(_losses(journal)) < 2:
            assert training.poll() is None, training.stdout.read()
            time.sleep(0.01)
        first = read_journal(journal)[0]
        assert first["pid"] != training.pid
        os.kill(first["pid"], signal.SIGKILL)
        told = training.communicate()[0]
    assert training.returncode == 1
    assert "process 0 of 2 was killed by signal 9" in told and "goes on from the last" in told
    assert not (system / "two").exists()
    assert list((system / "checkpoints-two").glob("*/*.safetensors"))

    with _begin(system, "diffusion", "two", settings) as training:
        told = training.communicate()[0]
    assert training.returncode == 0, told
    together = _losses(journal)
    assert together.keys() == alone.keys()
    assert list(together.values()) == pytest.approx(list(alone.values()), rel=1e-3)
    starts = [event for event in read_journal(journal) if event["event"] == "start"]
    assert len(starts) == 2, "only the first process of each attempt writes"
    assert (system / "two/unet/diffusion_pytorch_model.safetensors").exists()


def test_the_autoencoder_and_its_discriminator_in_two_processes(system, monkeypatch):
    # Muon takes every direction of a gradient alike, those that are rounding, too.
    settings = AUTOENCODER.model_copy(update={"adversarial_weight": 0.1, "optimizer": "muon"})
    alone = _alone(system, monkeypatch, autoencoder, "adversarial-one", settings)
    with _begin(system, "autoencoder", "adversarial-two", settings) as training:
        told = training.communicate()[0]
    assert training.returncode == 0, told
    together = _losses(system / "adversarial-two.jsonl")
    assert together == pytest.approx(alone, rel=5e-3)
    assert json.loads((system / "adversarial-two/config.json").read_text())["scaling_factor"]
    assert load_file(system / "adversarial-two/diffusion_pytorch_model.safetensors")


def test_the_one_that_is_left_ends_by_itself(system):
    """Without a launcher that would end it."""
    settings = UNET.model_copy(update={"images": 10**6})
    journal = system / "left.jsonl"
    with socket() as found:
        found.bind(("localhost", 0))
        port = str(found.getsockname()[1])
    together = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": port}
    together["MASTER_ADDR"] = "localhost"
    first, second = (
        _begin(system, "diffusion", "left", settings, together | {"RANK": k, "LOCAL_RANK": k})
        for k in "01"
    )
    with first, second:
        while not journal.exists() or not _losses(journal):
            assert first.poll() is None, first.stdout.read()
            time.sleep(0.01)
        second.kill()
        told = first.communicate(timeout=60)[0]
    assert first.returncode == 1
    assert "process 0 of 2: another process has gone" in told and "Traceback" not in told
    assert read_journal(journal)[-1]["status"] == "failed"


@pytest.mark.parametrize("failure", [RuntimeError("NCCL communicator was aborted"), OSError()])
def test_nobody_waits_for_work_that_a_dead_process_has_left(monkeypatch, failure):
    """As NCCL may: what gives up hangs."""
    for name in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(ranks.distributed, name, lambda *_, **__: None)
    hanging = Event()
    monkeypatch.setattr(ranks, "_give_up", hanging.wait)
    monkeypatch.setattr(ranks, "_FAREWELL", 0.1)
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "0")):
        monkeypatch.setenv(name, value)
    clock = time.monotonic()
    with pytest.raises(type(failure)), ranks.joined(torch.device("cpu")):
        raise failure
    assert time.monotonic() - clock < 5
    hanging.set()


@pytest.mark.parametrize("stage", [autoencoder, diffusion])
def test_micro_batches_leave_the_loss_curve_as_it_is(system, monkeypatch, stage):
    settings = UNET
    if stage is autoencoder:
        settings = AUTOENCODER.model_copy(update={"adversarial_weight": 0.1})
    whole = _alone(system, monkeypatch, stage, f"whole-{stage.__name__}", settings)
    cut = dataclasses.replace(trained.HARDWARE, micro_batch=6)  # 16 images: 6, 6 and 4
    monkeypatch.setattr(trained, "HARDWARE", cut)
    parts = _alone(system, monkeypatch, stage, f"parts-{stage.__name__}", settings)
    assert parts == pytest.approx(whole, rel=1e-3)


def test_every_image_of_a_batch_falls_to_one_process():
    for batch, size, micro in ((16, 3, 0), (16, 3, 2), (7, 7, 4)):
        parts = [part for rank in range(size) for part in Ranks(rank, size).parts(batch, micro)]
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(batch))
        assert sum(part.share for part in parts) == pytest.approx(1)
        assert not micro or max(part.stop - part.start for part in parts) <= micro
    with pytest.raises(UserError, match="a batch of 2 images cannot be shared by 3 processes"):
        Ranks(0, 3).parts(2, 0)
