"""Distances and losses that are to be told apart are computed without TF32 on a GPU."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from synthcohort.audit import search
from synthcohort.config import Audit
from synthcohort.evaluation.metrics.membership import denoiser_loss
from synthcohort.hardware import Hardware
from synthcohort.latents import space

HERE = Path()


class Asked(Exception):
    """How exactly a device was to calculate."""


class Watched(Hardware):
    """Ends a stage where it takes its device."""

    def open(self):
        raise Asked(self.precision)


@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_the_space_of_the_audit_is_exact(monkeypatch, precision):
    monkeypatch.setattr(space, "_channel_std", lambda *_: 1.0)
    monkeypatch.setattr("synthcohort.models.load_autoencoder", lambda path: None)
    with pytest.raises(Asked, match="fp32"):
        space.Space(HERE, None, None, None, HERE, Watched("cpu", precision))


def test_the_whole_search_is_exact(monkeypatch, tmp_path):
    def stop(*arguments) -> None:
        raise Asked(arguments[-1].precision)

    data = SimpleNamespace(of=lambda name: [], images=np.zeros(1))
    monkeypatch.setattr(search.shards, "mapped", lambda *_: nullcontext())
    monkeypatch.setattr(search, "open_cohort", lambda *_: data)
    monkeypatch.setattr(search.shards, "describe", lambda _: SimpleNamespace(labels=[]))
    monkeypatch.setattr(search, "_check", lambda *_: None)
    monkeypatch.setattr("synthcohort.latents.space.Space", stop)
    np.save(tmp_path / "mean.npy", np.zeros(1))
    paths = dict.fromkeys(("cohort", "split", "autoencoder", "arrays"), tmp_path)
    paths |= {"latents": tmp_path, "out": tmp_path / "search.json", "samples": []}
    with pytest.raises(Asked, match="fp32"):
        search.search(Audit(), seed=0, **paths, hardware=Watched(), journal=None)


def test_the_losses_of_membership_are_exact():
    material = SimpleNamespace(models={}, cohort=None, kept={})
    with pytest.raises(Asked, match="fp32"):
        denoiser_loss.losses(material, HERE, np.arange(2), [0.1], 1, 0, Watched(precision="bf16"))
