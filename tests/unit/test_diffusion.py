"""Noise schedules, the closed-form noising and the objective, against the papers and diffusers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synthcohort.config import Diffusion, Sampling
from synthcohort.diffusion import objective
from synthcohort.diffusion.schedule import build_sampler, build_schedule
from synthcohort.errors import UserError
from synthcohort.samples import plan


def settings(**keys) -> Diffusion:
    return Diffusion(images=100, **keys)


def test_linear_schedule_is_that_of_ho_2020():
    schedule = build_schedule(settings(schedule="linear"))
    betas = np.linspace(1e-4, 0.02, 1000)
    np.testing.assert_allclose(schedule.betas, betas, rtol=1e-5)
    np.testing.assert_allclose(schedule.alphas_cumprod, np.cumprod(1 - betas), rtol=1e-4)


def test_scaled_linear_schedule_is_linear_in_the_square_root():
    schedule = build_schedule(settings(schedule="scaled_linear", beta_start=0.00085))
    betas = np.linspace(0.00085**0.5, 0.02**0.5, 1000) ** 2
    np.testing.assert_allclose(schedule.betas, betas, rtol=1e-5)


def test_cosine_schedule_is_that_of_nichol_2021():
    schedule = build_schedule(settings(schedule="cosine", steps=300))

    def f(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - f((t + 1) / 300) / f(t / 300), 0.999) for t in range(300)]
    np.testing.assert_allclose(schedule.betas, betas, rtol=1e-4)


def test_sine_schedule_follows_its_formula():
    schedule = build_schedule(settings(schedule="sine", steps=300, beta_start=0.001, beta_end=0.05))
    t = np.arange(300)
    betas = 0.001 + 0.5 * (0.05 - 0.001) * (1 - np.cos(np.pi * t / 299))
    np.testing.assert_allclose(schedule.betas, betas, rtol=1e-5)
    np.testing.assert_allclose(schedule.alphas_cumprod, np.cumprod(1 - betas), rtol=1e-4)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm-solver++"])
@pytest.mark.parametrize("name", ["linear", "scaled_linear", "cosine", "sine"])
def test_a_saved_schedule_gives_every_sampler_the_same_noise_levels(name, sampler, tmp_path):
    schedule = build_schedule(settings(schedule=name, steps=300))
    schedule.save_pretrained(tmp_path)
    loaded = type(schedule).from_pretrained(tmp_path)
    solver = build_sampler(loaded, Sampling(sampler=sampler, steps=30))
    assert torch.equal(loaded.alphas_cumprod, schedule.alphas_cumprod)
    assert torch.equal(solver.alphas_cumprod, schedule.alphas_cumprod)
    assert len(solver.timesteps) == 30 and int(solver.timesteps[0]) == 299


@pytest.mark.parametrize("pixels", [True, False])
def test_ddpm_keeps_pixels_in_their_range_and_latents_not(pixels):
    schedule = build_schedule(settings(schedule="linear", prediction="epsilon"), pixels=pixels)
    solver = build_sampler(schedule, Sampling(sampler="ddpm", steps=10))
    x = torch.full((1, 1), 5.0)
    x0 = solver.step(torch.zeros_like(x), solver.timesteps[-1], x).pred_original_sample
    assert (float(x0) == 1) is pixels


@pytest.mark.parametrize("kind", ["mse", "l1"])
def test_the_loss_is_the_asked_error_of_the_prediction(kind, monkeypatch):
    schedule = build_schedule(settings(prediction="epsilon"))
    monkeypatch.setattr(objective, "predict", lambda model, noisy, t, condition: noisy * 0 + 1)
    noise, t = torch.tensor([[0.0], [4.0]]), torch.tensor([3, 700])
    value = objective.loss(None, schedule, torch.zeros(2, 1), torch.ones(2, 2), t, noise, kind)
    assert float(value) == {"mse": 5, "l1": 2}[kind]


@pytest.mark.parametrize("name", ["linear", "scaled_linear", "cosine", "sine"])
def test_noising_in_one_go_has_the_moments_of_noising_step_by_step(name):
    schedule = build_schedule(settings(schedule=name, steps=50))
    generator = torch.Generator().manual_seed(0)
    clean = torch.full((200_000,), 0.7)
    walked = clean.clone()
    for beta in schedule.betas[:21]:
        noise = torch.randn(clean.shape, generator=generator)
        walked = (1 - beta).sqrt() * walked + beta.sqrt() * noise
    noise = torch.randn(clean.shape, generator=generator)
    jumped = schedule.add_noise(clean, noise, torch.tensor([20]))
    assert float(jumped.mean()) == pytest.approx(float(walked.mean()), abs=0.01)
    assert float(jumped.std()) == pytest.approx(float(walked.std()), abs=0.01)


@given(st.integers(0, 999), st.floats(-3, 3), st.floats(-3, 3))
def test_v_and_the_noisy_latent_give_back_the_clean_one(t, clean, noise):
    """Salimans 2022: z_0 = √ᾱ z_t − √(1−ᾱ) v."""
    schedule = build_schedule(settings())
    step = torch.tensor([t])
    z0, eps = torch.tensor([clean]), torch.tensor([noise])
    zt = schedule.add_noise(z0, eps, step)
    v = objective.target(schedule, z0, eps, step)
    alpha = schedule.alphas_cumprod[t]
    assert float(alpha.sqrt() * zt - (1 - alpha).sqrt() * v) == pytest.approx(clean, abs=1e-4)


def test_epsilon_prediction_has_the_noise_as_its_target():
    schedule = build_schedule(settings(prediction="epsilon"))
    z0, noise, t = torch.zeros(2, 1), torch.randn(2, 1), torch.tensor([3, 700])
    assert torch.equal(objective.target(schedule, z0, noise, t), noise)


@given(st.integers(1, 300), st.integers(1, 1000), st.integers(0, 99))
def test_timesteps_cover_the_whole_range_evenly(batch, steps, seed):
    t = objective.draw_timesteps(batch, steps, torch.Generator().manual_seed(seed))
    assert t.shape == (batch,) and int(t.min()) >= 0 and int(t.max()) < steps
    edges = np.histogram(t.numpy(), bins=4, range=(0, steps))[0]
    if batch >= 40 and steps >= 100:
        assert edges.min() >= batch / 4 - 3


@given(st.floats(0, 1), st.integers(0, 99))
def test_label_and_attributes_are_withheld_together_at_the_asked_rate(share, seed):
    told = torch.ones(4000, 3)
    withheld = objective.draw_withheld(4000, share, torch.Generator().manual_seed(seed))
    left = objective.withhold(told, withheld)
    assert set(left.sum(1).tolist()) <= {0.0, 3.0}
    assert float((left.sum(1) == 0).float().mean()) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm-solver++"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_every_sampler_recovers_a_point_from_a_perfect_denoiser(sampler, prediction):
    """For data that is one point z, the ideal prediction is known in closed form."""
    schedule = build_schedule(settings(schedule="cosine", prediction=prediction))
    solver = build_sampler(schedule, Sampling(sampler=sampler, steps=50))
    point = torch.tensor([[1.5, -0.5, 0.0]])
    x = torch.randn(1, 3, generator=torch.Generator().manual_seed(1))
    noise = {} if sampler == "dpm-solver++" else {"generator": torch.Generator().manual_seed(2)}
    for t in solver.timesteps:
        alpha = schedule.alphas_cumprod[t]
        eps = (x - alpha.sqrt() * point) / (1 - alpha).sqrt()
        v = alpha.sqrt() * eps - (1 - alpha).sqrt() * point
        predicted = eps if prediction == "epsilon" else v
        x = solver.step(predicted, t, x, **noise).prev_sample
    torch.testing.assert_close(x, point, atol=0.02, rtol=0)


def test_a_ddim_step_is_that_of_the_paper_for_pixels_too():
    """Song 2021, equation 12 without noise, also where the predicted pixels overshoot [−1, 1]."""
    schedule = build_schedule(settings(prediction="epsilon"), pixels=True)
    solver = build_sampler(schedule, Sampling(sampler="ddim", steps=10))
    x, eps = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
    t, s = solver.timesteps[3:5]
    now, then = schedule.alphas_cumprod[t], schedule.alphas_cumprod[s]
    point = (x - (1 - now).sqrt() * eps) / now.sqrt()
    assert point.abs().max() > 1
    made = solver.step(eps, t, x).prev_sample
    torch.testing.assert_close(made, then.sqrt() * point + (1 - then).sqrt() * eps)


@given(st.integers(1, 500), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_a_total_is_shared_out_as_the_labels_are(total, sizes):
    names = [f"label {i}" for i in range(len(sizes))]
    classes = np.repeat(np.arange(len(sizes)), sizes)
    each = plan.counts(Sampling(images=total), names, classes)
    assert sum(each) == total
    np.testing.assert_array_less(np.abs(each - total * np.array(sizes) / sum(sizes)), 1)


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=5).filter(any),
    st.integers(1, 30),
)
def test_the_shards_hold_every_sample_once(each, shard):
    sampling = Sampling(images={str(i): n for i, n in enumerate(each)}, shard=shard)
    made = [pair for k in range(plan.shards(sampling)) for pair in plan.of_shard(sampling, each, k)]
    assert sorted(made) == [(label, i) for label, n in enumerate(each) for i in range(n)]


def test_a_label_that_is_not_there_is_told():
    with pytest.raises(UserError, match=r"sampling\.images: no label 'XX'.*'AD', 'NC'"):
        plan.counts(Sampling(images={"XX": 3}), ["AD", "NC"], np.array([0, 1]))
