"""What a training costs and how fast it is; what is kept off its steps' path."""

import dataclasses
import errno
import json
import threading
import time

import pytest
import torch
import trained
from torch import nn
from trained import DIFFUSION, autoencoder, diffusion

from synthcohort.errors import UserError
from synthcohort.hardware import Hardware
from synthcohort.models import build_denoiser
from synthcohort.report.history import journals
from synthcohort.tracking.attempts import attempts
from synthcohort.tracking.journal import Journal
from synthcohort.training import checkpoints, loop, speed
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.speed import Speed
from synthcohort.training.state import State, adamw

# The fixture of these tests too.
system = trained.system


def test_the_share_of_the_peak_is_that_of_three_passes(monkeypatch):
    monkeypatch.setattr(speed, "_peak", lambda device, dtype: 1e6)
    network, two = nn.Linear(10, 5), torch.ones(2, 10)
    pace = Speed(lambda: network(two), torch.device("cpu"), torch.float32, processes=2)
    asked = 3 * (2 * 10 * 5)  # FLOPs of an image
    assert pace.overall() == {}
    first = pace.at(100, 1.0)
    assert first == {"tflops": pytest.approx(asked * 1e-10), "share_of_peak": asked * 100 / 2e6}
    pace.at(100, 3.0)
    overall = pace.overall()
    assert overall["mean_images_per_second"] == 50
    assert overall["mean_share_of_peak"] == pytest.approx(asked * 50 / 2e6)
    assert overall["training_gflop_per_image"] == asked / 1e9
    assert overall["peak_tflops"] == 2e6 / 1e12


@pytest.mark.parametrize("stage", [autoencoder, diffusion])
def test_journal_and_page_tell_the_share_of_the_peak(system, monkeypatch, tmp_path, stage):
    path = tmp_path / "journal" / f"{stage.__name__}.jsonl"
    with Journal(path, stage.__name__, {}) as journal, monkeypatch.context() as patch:
        patch.setattr(trained, "JOURNAL", journal)
        stage(system, f"paced-{stage.__name__}")
    (attempt,) = attempts(path)
    found = {name: value for name, value, *_ in attempt.results}
    assert found["mean_images_per_second"] > 0 and found["training_gflop_per_image"] > 0
    assert found["mean_share_of_peak"] > 0
    measured = {name for name, *_ in attempt.metrics}
    assert {"images_per_second", "tflops", "share_of_peak"} <= measured
    (told,) = journals(path.parent).stages
    assert "of the device's peak" in told.note
    # None of it is in what is compared byte by byte.
    history = json.loads((system / f"paced-{stage.__name__}.json").read_text())
    assert not {"images_per_second", "tflops", "share_of_peak"} & history[-1].keys()


@pytest.fixture
def kept(tmp_path) -> tuple[Checkpoints, State]:
    (tmp_path / "input").write_text("")
    module = nn.Linear(2, 2)
    state = State({"a": module}, {"a": adamw(module, DIFFUSION)}, images=16)
    return Checkpoints(tmp_path / "kept", "test", DIFFUSION, 0, [tmp_path / "input"]), state


def test_a_checkpoint_is_written_while_the_weights_change(kept, monkeypatch):
    folder, state = kept
    go, real = threading.Event(), checkpoints._save

    def slow(tensors, path, metadata):
        assert go.wait(30) and threading.current_thread() is not threading.main_thread()
        real(tensors, path, metadata)

    monkeypatch.setattr(checkpoints, "_save", slow)
    weight = state.modules["a"].weight
    before = weight.detach().clone()
    with folder.writing():
        folder.save(state)
        folder.written()  # nothing has gone wrong yet
        with torch.no_grad():
            weight += 1
        go.set()
    assert folder.restore(state)
    assert torch.equal(weight, before)


def test_a_fault_of_the_writer_comes_with_the_next_look(kept, monkeypatch):
    folder, state = kept

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "_save", full)
    with pytest.raises(UserError, match="the disk is full"), folder.writing():
        folder.save(state)
        while True:
            folder.written()
            time.sleep(0.01)
    with pytest.raises(UserError, match="the disk is full"), folder.writing():
        folder.save(state)
        folder.save(state)
    with pytest.raises(UserError, match="the disk is full"), folder.writing():
        folder.save(state)
    # An error that was there before is told instead.
    with pytest.raises(ZeroDivisionError), folder.writing():
        folder.save(state)
        raise ZeroDivisionError


def test_by_default_checkpoints_come_by_time_alone(system, monkeypatch):
    saved = []
    real = Checkpoints.save
    monkeypatch.setattr(
        Checkpoints, "save", lambda self, state: saved.append(state.images) or real(self, state)
    )
    settings = DIFFUSION.model_copy(update={"images": 96, "checkpoint_images": 0})
    assert type(DIFFUSION)(images=1).checkpoint_images == 0
    diffusion(system, "unplanned", settings)
    assert saved == [96]
    monkeypatch.setattr(
        trained, "HARDWARE", dataclasses.replace(trained.HARDWARE, checkpoint_minutes=0)
    )
    diffusion(system, "often", settings)
    assert saved[1:] == [16, 32, 48, 64, 80, 96]


def test_noise_is_that_of_the_step_however_far_ahead_it_is_drawn(system, monkeypatch):
    whole = diffusion(system, "ahead-1")
    monkeypatch.setitem(loop.AHEAD, "cpu", 4)
    ahead = diffusion(system, "ahead-4")
    assert all(torch.equal(ahead[key], whole[key]) for key in whole)


def test_the_networks_without_gradients_are_laid_out_but_not_compiled(system, monkeypatch):
    compiled = []
    monkeypatch.setattr(Hardware, "prepare", lambda self, *networks: compiled.extend(networks))
    diffusion(system, "laid-out", DIFFUSION.model_copy(update={"images": 16}))
    assert len(compiled) == 1
    assert isinstance(compiled[0], type(build_denoiser(DIFFUSION, (2, 2, 2), 2)))
