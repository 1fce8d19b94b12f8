"""Distances and losses that are to be told apart are computed without TF32 on a GPU."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from synthcohort.audit import calibration, search
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


@pytest.fixture
def stopped(monkeypatch):
    """A cohort of nothing; what asks for its latents' space says in which precision."""

    def stop(*arguments) -> None:
        raise Asked(arguments[-1].precision)

    data = SimpleNamespace(
        of=lambda name: np.zeros(0, int), patients=np.zeros(0), images=np.zeros(1)
    )
    monkeypatch.setattr(calibration, "open_latents", lambda *_: (data, np.zeros(1)))
    monkeypatch.setattr(calibration, "Space", stop)
    monkeypatch.setattr("synthcohort.latents.space.Space", stop)


def test_the_calibration_of_the_search_is_exact(stopped, monkeypatch, tmp_path):
    monkeypatch.setattr(calibration, "draw_patients", lambda rows, *_: rows)
    paths = dict.fromkeys(("cohort", "split", "latents", "autoencoder"), tmp_path)
    with pytest.raises(Asked, match="fp32"):
        calibration.calibrate(
            Audit(), seed=0, **paths, out=tmp_path / "made", hardware=Watched(), journal=None
        )


def test_the_whole_search_is_exact(stopped, monkeypatch, tmp_path):
    monkeypatch.setattr(search.shards, "mapped", lambda *_: nullcontext())
    monkeypatch.setattr(search.shards, "describe", lambda _: SimpleNamespace(labels=[]))
    monkeypatch.setattr(search, "_require_alike", lambda *_: None)
    held = SimpleNamespace(unseen=[], test_distance=[])
    monkeypatch.setattr(calibration, "open_calibration", lambda *_: held)
    monkeypatch.setattr(calibration, "origin", lambda *_: "")
    paths = dict.fromkeys(("cohort", "split", "autoencoder", "arrays", "calibration"), tmp_path)
    paths |= {"latents": tmp_path, "out": tmp_path / "search.json", "samples": []}
    with pytest.raises(Asked, match="fp32"):
        search.search(Audit(), seed=0, **paths, hardware=Watched(), journal=None)


def test_the_losses_of_membership_are_exact():
    material = SimpleNamespace(models={}, cohort=None, kept={})
    with pytest.raises(Asked, match="fp32"):
        denoiser_loss.losses(material, HERE, np.arange(2), [0.1], 1, 0, Watched(precision="bf16"))
