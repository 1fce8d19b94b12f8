"""What samples are led away from, and at which noise levels."""

import json
import shutil

import generators
import numpy as np
import pytest
import torch
from generators import HARDWARE, SEED, card_of, make_run, record_of, sampled, write
from pydantic import ValidationError

import synthcohort
from synthcohort.config import Diffusion, Sampling
from synthcohort.diffusion import sampling
from synthcohort.diffusion.schedule import build_sampler, build_schedule
from synthcohort.errors import UserError
from synthcohort.models import folder_of_guide, moments


class Network:
    """Predicts the same everywhere, what it is told on top."""

    device = torch.device("cpu")

    def __init__(self, value: float) -> None:
        self.value = value
        self.config = type("Config", (), {"sample_size": 2, "in_channels": 1})


@pytest.fixture
def asked(monkeypatch) -> list[tuple[float, int]]:
    """Which network (by its value) was asked at which timestep."""
    found = []

    def predict(model, noisy, t, condition):
        found.append((model.value, int(t)))
        return torch.zeros_like(noisy) + model.value + condition[:, :1, None, None]

    monkeypatch.setattr(sampling, "predict", predict)
    return found


def test_samples_are_led_away_from_the_guide_that_is_told_the_same(asked):
    latents, told = torch.zeros(2, 1, 2, 2), torch.tensor([[1.0], [5.0]])
    t = torch.tensor(500)
    made = sampling.guided(Network(3), latents, t, told, 2, guide=Network(2))
    # 2 + c + 2 × (3 + c − 2 − c)
    assert made[:, 0, 0, 0].tolist() == [5, 9]
    assert asked == [(3, 500), (2, 500)]
    made = sampling.guided(Network(3), latents, t, told, 2)
    # 3 + 2 × c: the network itself, told nothing
    assert made[:, 0, 0, 0].tolist() == [5, 13]


@pytest.mark.parametrize("steps", [100, 1000])
@pytest.mark.parametrize("guide", [None, Network(2)])
def test_only_noise_levels_in_the_interval_are_guided(asked, guide, steps):
    schedule = build_schedule(Diffusion(images=1, steps=steps))
    settings = Sampling(steps=10, batch=1, guidance=2, guidance_interval=(0.25, 0.65))
    told = torch.ones(1, 1)

    def walked(of: Sampling) -> list[torch.Tensor]:
        return list(sampling.walk(of, Network(0), schedule, told, [0], guide=guide))

    led = walked(settings)
    within = [t for t in range(steps // 10 - 1, steps, steps // 10) if 0.25 <= t / steps <= 0.65]
    if guide:
        assert sorted(t for value, t in asked if value == 2) == within
        assert len(asked) == 10 + len(within) == 14
    free = walked(settings.model_copy(update={"guidance": 1}))
    same = [torch.equal(a, b) for a, b in zip(led, free, strict=True)]
    # From pure noise down: the first steps are above the interval.
    assert same[:4] == [True] * 4 and not any(same[5:])
    whole = walked(settings.model_copy(update={"guidance_interval": (0, 1)}))
    assert not torch.equal(whole[1], free[1])


def test_a_model_that_is_guided_by_an_early_moment_has_it_with_it(tmp_path):
    of = generators.system(sampling={"guidance": 1, "guidance_interval": [0.2, 0.9]})
    folder = make_run(tmp_path / "tiny", of)
    model = write(folder, of)
    guide = "early/512/unet/diffusion_pytorch_model.safetensors"
    assert guide in record_of(model)["files"] and not (model / "early/1024").exists()
    assert "no guidance" in card_of(model)
    assert "draws without guidance" not in card_of(model)
    # Who holds it can tell more of the patients, and is told so.
    assert "calibrated membership attack" in card_of(model)
    # Its scale can be asked for, and it is the early moment that it then leads away from.
    plain, led = (
        synthcohort.generate(model, "A", 2, guidance=scale, hardware=HARDWARE) for scale in (1, 3)
    )
    assert not np.array_equal(plain, led)
    stronger = generators.system(
        sampling={"guide": "early", "guidance": 3, "guidance_interval": [0.2, 0.9]}
    )
    drawn = sampled(folder, stronger)
    again = synthcohort.generate(model, "A", 3, seed=SEED, guidance=3, hardware=HARDWARE)
    assert np.array_equal(again, drawn["images"][drawn["labels"] == 0])
    told = "autoguidance of scale 3 at noise levels from 0.2 to 0.9 of T"
    card = card_of(write(folder, stronger))
    assert told in card and "draws without guidance: these are not" in card
    plainer = generators.system(sampling={"guide": "withheld"})
    model = write(folder, plainer)
    assert not (model / "early").exists() and "early/" not in card_of(model)
    shutil.rmtree(folder / "diffusion/early")
    for draw in (sampled, write):
        with pytest.raises(UserError, match=r"no denoiser of an early moment.*guide: withheld"):
            draw(folder, of)


def test_a_model_of_a_version_without_guides_draws_as_it_did(tmp_path):
    then = {"guide": "withheld", "guidance": 2, "guidance_interval": [0, 1]}
    of = generators.system(sampling=then)
    model = write(make_run(tmp_path / "tiny", of), of)
    made = synthcohort.generate(model, "A", 2, hardware=HARDWARE)
    record = record_of(model)
    del record["sampling"]["guide"], record["sampling"]["guidance_interval"]
    (model / "model.json").write_text(json.dumps(record))
    again = synthcohort.generate(model, "A", 2, hardware=HARDWARE)
    assert np.array_equal(made, again)


def test_the_guide_is_the_first_early_moment_whatever_else_lies_there(tmp_path):
    for name in ("1024", "512", ".ipynb_checkpoints", "notes", "²"):
        (tmp_path / "early" / name).mkdir(parents=True)
    (tmp_path / "seen.json").write_text('{"images": 2048}')
    assert list(moments(tmp_path)) == [512, 1024, 2048]
    assert folder_of_guide(tmp_path) == tmp_path / "early/512"


def test_a_training_of_one_step_has_a_guide(tmp_path):
    (tmp_path / "early/64").mkdir(parents=True)
    (tmp_path / "seen.json").write_text('{"images": 64}')
    assert moments(tmp_path) == {64: tmp_path}
    assert folder_of_guide(tmp_path) == tmp_path / "early/64"


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm-solver++"])
@pytest.mark.parametrize("steps", [1, 11, 30])
def test_settings_know_the_noise_levels_of_the_samplers(sampler, steps):
    settings = Sampling(sampler=sampler, steps=steps)
    solver = build_sampler(build_schedule(Diffusion(images=1, steps=300)), settings)
    assert (solver.timesteps / 300).tolist() == pytest.approx(settings.noise_levels(300))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sampling": {"steps": 1}}, r"\[0.2, 0.8\] has none .* nearest 0.999"),
        ({"sampling": {"guidance_interval": [0.4, 0.6]}}, r"none of the 3 .* nearest 0.666"),
        (
            {"sampling": {"guide": "withheld"}, "diffusion": {"label_dropout": 0}},
            "guide: withheld.*diffusion.label_dropout: 0",
        ),
    ],
)
def test_guidance_that_can_do_nothing_sound_is_refused(changes, told):
    with pytest.raises(UserError, match=told):
        generators.system(**changes)
    # It is not asked for.
    generators.system(**changes | {"sampling": changes["sampling"] | {"guidance": 1}})


@pytest.mark.parametrize("interval", [(0.6, 0.2), (0.5, 0.5), (-0.1, 1), (0, 1.5), (0,)])
def test_an_interval_that_is_none_is_refused(interval):
    with pytest.raises(ValidationError, match="guidance_interval"):
        Sampling(guidance_interval=interval)
