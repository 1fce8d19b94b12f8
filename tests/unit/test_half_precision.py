"""Trainings in float16 with a scaler that really scales, on the CPU."""

import json

import numpy as np
import pytest
import torch
import trained
from safetensors.torch import load_file
from trained import AUTOENCODER, DIFFUSION, autoencoder, diffusion

from synthcohort.hardware import Hardware
from synthcohort.training import loop
from synthcohort.training.state import State, adamw, descend

# The fixture of these tests too.
system = trained.system


def test_float16_is_scaled_and_the_scale_is_resumed(system, monkeypatch):
    half = Hardware("cpu", "fp16", 1)
    assert half.scaler().is_enabled()
    monkeypatch.setattr(trained, "HARDWARE", half)
    settings = DIFFUSION.model_copy(update={"channels": (8,), "attention": (False,)})
    whole = diffusion(system, "half", settings)
    real = loop.learning_rate

    def dying(settings, seen):
        if seen == 112:
            raise KeyboardInterrupt
        return real(settings, seen)

    with monkeypatch.context() as changed:
        changed.setattr(loop, "learning_rate", dying)
        with pytest.raises(KeyboardInterrupt):
            diffusion(system, "half-killed", settings)
    newest = sorted((system / "checkpoints-half-killed").glob("*/*.safetensors"))[-1]
    kept = load_file(newest)
    assert kept["scaler.scale"] > 1 and kept["scaler._growth_tracker"] >= 1
    resumed = diffusion(system, "half-killed", settings)
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)
    losses = [entry["loss"] for entry in json.loads((system / "half.json").read_text())]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_the_discriminator_is_scaled_too(system, monkeypatch):
    monkeypatch.setattr(trained, "HARDWARE", Hardware("cpu", "fp16", 1))
    settings = AUTOENCODER.model_copy(update={"adversarial_weight": 0.1})
    made = autoencoder(system, "half-adversarial", settings)
    assert all(torch.isfinite(tensor).all() for tensor in made.values())
    history = json.loads((system / "half-adversarial.json").read_text())
    assert history[-1]["discriminator"] > 0 and history[-1]["l1"] < history[0]["l1"]


def test_a_step_that_float16_did_not_hold_is_left_out_and_the_scale_falls():
    module = torch.nn.Linear(2, 1)
    optimizer, scaler = adamw(module, DIFFUSION), Hardware("cpu", "fp16").scaler()
    before, scale = module.weight.detach().clone(), scaler.get_scale()
    scaler.scale(module(torch.full((1, 2), 1e38)).sum() * 1e38).backward()
    descend(module, optimizer, 1.0, scaler)
    scaler.update()
    assert torch.equal(module.weight, before) and scaler.get_scale() < scale


def test_a_checkpoint_of_another_precision_begins_with_a_fresh_scale():
    def state(precision: str) -> State:
        return State({"a": torch.nn.Linear(1, 1)}, {}, scaler=Hardware("cpu", precision).scaler())

    plain, half = state("fp32"), state("fp16")
    assert not any(name.startswith("scaler") for name in plain.tensors())
    scale = half.scaler.get_scale()
    half.restore(plain.tensors())
    assert half.scaler.get_scale() == scale
    kept = half.tensors() | {"scaler.scale": torch.tensor(4.0)}
    half.restore(kept)
    assert half.scaler.get_scale() == 4
    plain.restore(kept)
    assert not plain.scaler.is_enabled()
