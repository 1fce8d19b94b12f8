"""What does not fit into a GPU's memory: smaller parts, the same result, and what is said."""

import dataclasses
import json
from unittest.mock import patch

import numpy as np
import pytest
import torch
import trained
from trained import AUTOENCODER, DIFFUSION, autoencoder, diffusion

from synthcohort.config import Sampling
from synthcohort.diffusion import sampling
from synthcohort.errors import UserError
from synthcohort.hardware import memory, telling
from synthcohort.hardware.memory import Fitting, block_of
from synthcohort.latents import encode
from synthcohort.models import load_autoencoder, load_denoiser, reduction_of
from synthcohort.tracking.journal import Journal, read_journal
from synthcohort.training import loop
from synthcohort.training.ranks import Ranks

# The fixture of these tests too.
system = trained.system

# Where a stage calculates, and which argument holds the images.
PLACES = {
    diffusion: ("synthcohort.training.diffusion.loss", 2),
    autoencoder: ("synthcohort.training.autoencoder.autoencoder_loss", 3),
}
SETTINGS = {autoencoder: AUTOENCODER, diffusion: DIFFUSION}


class Card:
    """Runs out of memory at the call `at` (from 1), or with more than `holds` images at once."""

    def __init__(self, call, argument: int = 0, at: int = 0, holds: float = np.inf) -> None:
        self.call, self.argument, self.at, self.holds = call, argument, at, holds
        self.seen: list[int] = []

    def __call__(self, *arguments, **keywords):
        self.seen.append(len(arguments[self.argument]))
        if len(self.seen) == self.at or self.seen[-1] > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.call(*arguments, **keywords)


def _of(place: str):
    module, name = place.rsplit(".", 1)
    return getattr(__import__(module, fromlist=[name]), name)


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(telling, "_said", set())


@pytest.mark.parametrize("stage", [autoencoder, diffusion])
def test_a_step_that_does_not_fit_is_begun_again_in_halves(system, monkeypatch, capsys, stage):
    """From the first step on: the same tensors as with that micro-batch from the start."""
    place, argument = PLACES[stage]
    name = f"short-{stage.__name__}"
    path = system / f"{name}.jsonl"
    card = Card(_of(place), argument, at=1)
    settings = SETTINGS[stage].model_copy(update={"images": 96})
    with Journal(path, "short", {}) as journal, monkeypatch.context() as changed:
        changed.setattr(place, card)
        changed.setattr(trained, "JOURNAL", journal)
        short = stage(system, name, settings)
    assert card.seen[:3] == [16, 8, 8]
    hardware = dataclasses.replace(trained.HARDWARE, micro_batch=8)
    monkeypatch.setattr(trained, "HARDWARE", hardware)
    assert _same(short, stage(system, f"{name}-asked", settings))
    told = [event["values"] for event in read_journal(path) if event["event"] == "hardware"]
    assert told[-1] == {"micro_batch": "8"}
    said = capsys.readouterr().err
    assert "8 images at once from here on" in said and "SYNTHCOHORT_MICRO_BATCH=8" in said


# The second call is that of the first validation.
@pytest.mark.parametrize("at", [3, 7])
def test_a_later_step_that_does_not_fit_leaves_the_loss_curve_as_it_is(system, monkeypatch, at):
    place, argument = PLACES[diffusion]
    settings = DIFFUSION.model_copy(update={"channels": (8,), "attention": (False,)})
    diffusion(system, f"roomy-{at}", settings)
    card = Card(_of(place), argument, at=at)
    monkeypatch.setattr(place, card)
    diffusion(system, f"later-{at}", settings)
    assert 16 in card.seen[:at] and 16 not in card.seen[at:]
    whole, cut = (
        json.loads((system / f"{name}-{at}.json").read_text()) for name in ("roomy", "later")
    )
    assert [e["loss"] for e in cut] == pytest.approx([e["loss"] for e in whole], rel=1e-3)


def test_an_image_that_does_not_fit_is_told_with_the_ways_out(system, monkeypatch):
    place, argument = PLACES[diffusion]
    monkeypatch.setattr(place, card := Card(_of(place), argument, holds=0))
    with pytest.raises(UserError, match=r"does not hold what one image takes.*recompute.*cpu"):
        diffusion(system, "hopeless")
    assert card.seen == [16, 8, 4, 2, 1]
    assert not (system / "hopeless").exists()


def test_what_cannot_be_cut_is_told(system, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.\nof much")

    monkeypatch.setattr(loop, "descend", full)
    with pytest.raises(UserError, match=r"memory is short \(CUDA out of memory\.\); .*-batch 8"):
        diffusion(system, "moments")


def test_validation_and_encoding_go_through_in_blocks_that_fit(system, monkeypatch, tmp_path):
    whole = np.load(system / "latents/mean.npy")
    model = load_autoencoder(system / "autoencoder")
    card = Card(type(model).encode, argument=1, holds=20)
    data = trained.data(system)
    monkeypatch.setattr(type(model), "encode", lambda *a: card(*a))
    encode.encode(
        seed=0,
        **data,
        autoencoder=system / "autoencoder",
        out=tmp_path / "latents",
        measured=tmp_path / "measured.json",
        arrays=tmp_path / "measured.npz",
        hardware=trained.HARDWARE,
        journal=trained.JOURNAL,
    )
    assert card.seen[:5] == [60, 30, 15, 15, 15]
    np.testing.assert_allclose(np.load(tmp_path / "latents/mean.npy"), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_samples_are_walked_and_decoded_in_blocks_that_fit(system, monkeypatch, guidance):
    settings = Sampling(steps=2, batch=8, guidance=guidance)
    decoder, denoiser = (
        load_autoencoder(system / "autoencoder"),
        load_denoiser(system / "diffusion"),
    )
    told = torch.eye(3)[[0, 1, 2, 1, 0]]
    given = decoder, denoiser, sampling.load_schedule(system / "diffusion"), told, list(range(5))
    (whole,) = sampling.draw(settings, *given, trained.HARDWARE)
    walked = Card(sampling.predict, argument=1, holds=3)
    decoded = Card(decoder.decode, holds=5)
    monkeypatch.setattr(sampling, "predict", walked)
    monkeypatch.setattr(decoder, "decode", decoded)
    (cut,) = sampling.draw(settings, *given, trained.HARDWARE)
    torch.testing.assert_close(cut, whole, rtol=1e-3, atol=1e-4)
    assert walked.seen.count(2) >= 4 and decoded.seen == [8, 4, 4]
    # What does not fit is asked for before it is tried.
    few = dataclasses.replace(trained.HARDWARE, micro_batch=2)
    walked.seen, decoded.seen = [], []
    (cut,) = sampling.draw(settings, *given, few)
    torch.testing.assert_close(cut, whole, rtol=1e-3, atol=1e-4)
    assert {*walked.seen, *decoded.seen} == {2}


def test_blocks_are_bounded_by_pixels_images_and_the_micro_batch():
    assert [block_of(side, side) for side in (28, 48, 64, 90)] == [256] * 4
    assert [block_of(side, side) for side in (128, 256, 512, 4096)] == [128, 32, 8, 1]
    assert block_of(256, 256, 8) == block_of(28, 28, 8) == 8 and block_of(256, 256, 64) == 32


@pytest.mark.parametrize(("count", "holds"), [(10, 3), (256, 100), (1, 1), (7, 7), (0, 1)])
def test_every_place_comes_once_and_in_order_however_often_memory_is_short(count, holds):
    tried, fitting = [], Fitting(256, "a test")

    def call(place: slice) -> int:
        tried.append(place.stop - place.start)
        if tried[-1] > holds:
            raise torch.OutOfMemoryError("short")
        return place.start

    found = list(fitting.blocks(count, call))
    assert [i for place, _ in found for i in range(place.start, place.stop)] == list(range(count))
    assert [place.start for place, _ in found] == [made for _, made in found]
    # What did not fit is not tried again.
    assert len(set(n for n in tried if n > holds)) == sum(n > holds for n in tried)


def test_what_a_call_had_made_is_released_before_the_next():
    alive, seen = set(), []

    class Held:
        def __init__(self) -> None:
            alive.add(id(self))

        def __del__(self) -> None:
            alive.discard(id(self))

    def call() -> None:
        seen.append(len(alive))
        held = Held()  # noqa: F841
        if len(seen) < 3:
            raise torch.OutOfMemoryError("short")

    Fitting(8, "a test").run(call, 8)
    assert seen == [0, 0, 0]


def test_means_over_blocks_are_those_over_all():
    values = np.random.default_rng(0).normal(size=(10, 2))
    blocks = Fitting(4, "a test").blocks(10, lambda place: values[place].mean(0))
    assert memory.mean_of(blocks, 10) == pytest.approx(values.mean(0).tolist())


def test_several_processes_try_their_first_steps_alone(system, monkeypatch):
    """Gradients that are being averaged cannot be begun again by one process."""
    now = []

    class Two(Ranks):
        """Two processes as this one sees them."""

        def averaging(self, now_: bool):
            now.append(now_)
            return super().averaging(now_)

    place, argument = PLACES[diffusion]
    monkeypatch.setattr(Two, "sum", lambda self, values: values)
    monkeypatch.setattr(Two, "any", lambda self, flag: flag)
    monkeypatch.setattr(Two, "wrap", lambda self, module: module)
    two = patch("synthcohort.training.diffusion.joined")
    monkeypatch.setattr(place, card := Card(_of(place), argument, at=1))
    with two as joined:
        joined.return_value.__enter__.return_value = Two(0, 2)
        joined.return_value.__exit__.return_value = False
        diffusion(system, "two", DIFFUSION.model_copy(update={"images": 48}))
    # 8 are its share: tried whole, then in halves, then averaged; twice; the third step at once.
    assert card.seen[:5] == [8, 4, 4, 4, 4]
    assert now[:5] == [False, False, False, False, True]
    assert now[5:] == [False, False, False, True, False, True]


def test_the_reduction_of_every_autoencoder(system):
    from synthcohort.config import Autoencoder
    from synthcohort.models import build_autoencoder

    for settings in (
        Autoencoder(images=1, channels=(8, 8)),
        Autoencoder(images=1, network="kl", channels=(8, 8, 8)),
        Autoencoder(network="none", patch=2),
    ):
        model = build_autoencoder(settings, 1, (32, 32))
        side = model.encode(torch.zeros(1, 1, 32, 32)).latent_dist.mean.shape[-1]
        assert reduction_of(model) * side == 32


def test_the_option_holds_for_every_stage_with_a_network(monkeypatch, tmp_path):
    from synthcohort.cli import main

    asked = []
    monkeypatch.setattr("synthcohort.latents.encode.encode", lambda **kw: asked.append(kw))
    paths = ["cohort", "split", "autoencoder", "out", "measured", "arrays"]
    (tmp_path / "split").write_text("")
    command = ["encode", "--seed", "0", *(f"--{p}={tmp_path / p}" for p in paths)]
    monkeypatch.setenv("SYNTHCOHORT_MICRO_BATCH", "5")
    main(command)
    main([*command, "--micro-batch", "3"])
    assert [given["hardware"].micro_batch for given in asked] == [5, 3]
