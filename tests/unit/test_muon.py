"""Muon: what it does to matrices, what it leaves to AdamW, and that a training resumes with it."""

import copy

import pytest
import torch
import trained
from torch import nn
from trained import DIFFUSION, diffusion

from synthcohort.hardware import Hardware
from synthcohort.training import loop
from synthcohort.training.muon import Muon, orthogonal
from synthcohort.training.state import build_optimizer, descend

MUON = DIFFUSION.model_copy(update={"optimizer": "muon", "decay": "linear"})

# The fixture of these tests too.
system = trained.system


@pytest.mark.parametrize("shape", [(3, 8, 30), (2, 30, 8), (1, 5, 5)])
def test_every_singular_value_comes_near_one(shape):
    given = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-4
    made = orthogonal(given)
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.5 and values.max() < 1.3
    # In the same directions: the polar factor but for the singular values.
    assert (made - left @ right).norm() < 0.35 * (left @ right).norm()


@pytest.mark.parametrize("rank", [1, 3, 16])
def test_it_is_the_iteration_of_the_paper_also_where_directions_are_missing(rank):
    random = torch.Generator().manual_seed(rank)
    given = torch.randn(16, rank, generator=random) @ torch.randn(rank, 90, generator=random)
    given += 1e-6 * torch.randn(given.shape, generator=random)
    x = given.double() / given.double().norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    assert (orthogonal(given[None])[0] - x).abs().max() < 1e-3 * x.abs().max()


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Embedding(3, 2), nn.Linear(8, 2))


def _learn(module: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> None:
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * group.get("share", 1)
        random = torch.Generator().manual_seed(step)
        for weight in module.parameters():
            weight.grad = torch.randn(weight.shape, generator=random)
        optimizer.step()


def test_biases_and_embeddings_move_as_by_adamw_and_matrices_further_where_they_are_tall():
    one, other = _network(), _network()
    before = copy.deepcopy(one.state_dict())
    _learn(one, Muon(one, 1e-3, 1e-2, 0.0), steps=1)
    _learn(other, torch.optim.AdamW(other.parameters(), lr=0.0, weight_decay=0.0), steps=1)
    for name, weight in one.named_parameters():
        same = torch.allclose(weight, other.get_parameter(name))
        assert same == (name in {"0.bias", "2.weight", "3.bias"}), name
    moved = (one.state_dict()["3.weight"] - before["3.weight"]).norm()
    assert float(moved) == pytest.approx(1e-2 * 2**0.5, rel=0.3)


def test_channels_last_makes_no_difference():
    plain, last = _network(), _network()
    last[0].to(memory_format=torch.channels_last)
    for module in (plain, last):
        _learn(module, Muon(module, 1e-3, 1e-2, 0.1))
    for a, b in zip(plain.parameters(), last.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_step_that_float16_did_not_hold_moves_no_matrix_either():
    module = nn.Linear(2, 3)
    optimizer, scaler = build_optimizer(module, MUON), Hardware("cpu", "fp16").scaler()
    optimizer.param_groups[1]["lr"] = 1.0
    before = copy.deepcopy(module.state_dict())
    scaler.scale(module(torch.full((1, 2), 1e38)).sum() * 1e38).backward()
    descend(module, optimizer, 1.0, scaler)
    assert all(torch.equal(before[name], now) for name, now in module.state_dict().items())


def test_a_killed_training_ends_with_the_same_tensors(system, monkeypatch):
    whole = diffusion(system, "muon", MUON)
    real = loop.learning_rate

    def dying(settings, seen):
        if seen >= 112:
            raise KeyboardInterrupt
        return real(settings, seen)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "learning_rate", dying)
        with pytest.raises(KeyboardInterrupt):
            diffusion(system, "muon-killed", MUON)
    resumed = diffusion(system, "muon-killed", MUON)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
    assert (system / "muon-killed.json").read_bytes() == (system / "muon.json").read_bytes()


def test_a_linear_decay_ends_at_zero():
    span = MUON.images - MUON.warmup_images
    half = loop.learning_rate(MUON, MUON.warmup_images + span // 2)
    assert half == pytest.approx(MUON.learning_rate / 2)
    assert loop.learning_rate(MUON, MUON.images) == 0
