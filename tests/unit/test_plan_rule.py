"""The planner's rule and arithmetic: networks that can be built, times that add up."""

import dataclasses

import pytest
import torch
import yaml
from snakemake.utils import update_config
from tiny import REPOSITORY

from synthcohort.config import Autoencoder, Diffusion, Sampling, check
from synthcohort.errors import UserError
from synthcohort.models import build_autoencoder, build_denoiser
from synthcohort.planning import expected, rule, sections
from synthcohort.planning.stage_times import Around, Systems, fitted, seconds
from synthcohort.planning.trials import AutoencoderCost, DenoiserCost, latent_of

COST = AutoencoderCost(step=5e-3, validation=0.5, encode=1e-3, reconstruct=2e-3)
UNET = DenoiserCost(step=1e-2, validation=1.0, walk=2e-3, decode=1e-3, weights=3_500_000)
AROUND = Around(train=3_000, held_out=500, images=4_000, start=8.0, at_once=2)
PLANNED = Systems(
    rule.autoencoder((28, 28)), rule.denoisers((28, 28), (4, 8, 8))[1], Sampling(), COST, UNET
)


@pytest.mark.parametrize(
    ("size", "gigabytes"),
    [
        ((16, 16), 0),
        ((28, 28), 0),
        ((64, 64), 0),
        ((100, 76), 0),
        ((512, 512), 0),
        ((28, 28), 16.9),
        ((64, 64), 6.4),
        ((208, 176), 85.0),
    ],
)
def test_every_network_of_the_rule_can_be_built_the_widest_last(size, gigabytes):
    settings = rule.autoencoder(size, gigabytes)
    with torch.device("meta"):
        latent = latent_of(build_autoencoder(settings, 1, size), (1, *size))
        ladder = rule.denoisers(size, latent, gigabytes)
        # Building takes a second for each of the largest.
        ends = [build_denoiser(diffusion, latent, 2) for diffusion in (ladder[0], ladder[-1])]
    assert latent[0] == 4
    if settings.network == "strided":
        assert max(latent[1:]) <= rule.MOST_PLACES
    weights = [sum(p.numel() for p in network.parameters()) for network in ends]
    assert len(ladder) == 1 or weights[0] < weights[1]
    assert [d.channels for d in ladder] == sorted({d.channels for d in ladder}, key=sum)


def test_the_rule_gives_the_recipe_of_the_measured_systems():
    autoencoder = rule.of_length(rule.autoencoder((28, 28)), 32_000)
    told = autoencoder.model_dump(exclude_defaults=True)
    assert told == {
        "images": 32_000,
        "batch": 32,
        "channels": (64,),
        "latent_channels": 4,
        "optimizer": "muon",
        "decay": "linear",
        "learning_rate": 0.002,
        "warmup_images": 1_000,
    }
    diffusion = rule.of_length(rule.denoisers((64, 64), (4, 16, 16))[1], 44_000)
    assert diffusion.channels == (64, 128, 192) and diffusion.attention == (False, False, True)
    assert (diffusion.ema_images, diffusion.batch, diffusion.blocks) == (2_200, 64, 1)
    assert rule.of_length(diffusion, 5_000).warmup_images == 500


@pytest.mark.parametrize("gigabytes", [8, 16, 24, 80])
def test_the_rule_for_a_gpu_is_the_preset_for_its_memory(gigabytes):
    preset = yaml.safe_load((REPOSITORY / f"config/presets/{gigabytes}gb.yaml").read_text())
    size, latent = (128, 128), (4, 32, 32)
    planned = {
        "autoencoder": rule.autoencoder(size, gigabytes),
        "diffusion": rule.denoisers(size, latent, gigabytes)[-1],
    }
    for name, section in planned.items():
        told = section.model_dump(mode="json")
        assert {key: told[key] for key in preset[name]} == preset[name]


@pytest.mark.parametrize("minutes", [5, 30, 600])
def test_the_stages_of_a_plan_take_the_time_that_is_given(minutes):
    plan = fitted(PLANNED, AROUND, 60 * minutes)
    taken = sum(seconds(plan, AROUND).values())
    assert 0.98 * 60 * minutes < taken <= 60 * minutes
    trained = plan.autoencoder.images * COST.step, plan.diffusion.images * UNET.step
    assert trained[0] / sum(trained) == pytest.approx(rule.AUTOENCODER_SHARE, abs=0.01)


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("encode", {"images": 40_000}),
        ("autoencoder", {"train": 30_000}),
        ("encode", {"held_out": 5_000}),
        ("sampling", {"at_once": 1}),
    ],
)
def test_what_there_is_more_to_do_is_counted_in_its_stage(stage, change):
    before = seconds(PLANNED, AROUND)
    after = seconds(PLANNED, dataclasses.replace(AROUND, **change))
    assert {name for name in before if after[name] > before[name]} == {stage}


def test_a_slower_start_is_counted_once_a_job():
    before, slow = seconds(PLANNED, AROUND), dataclasses.replace(AROUND, start=18.0)
    more = {name: taken - before[name] for name, taken in seconds(PLANNED, slow).items()}
    assert more.pop("Snakemake") > 0
    # The default of 1,000 samples is two shards, drawn at once.
    jobs = ("autoencoder", "encode", "diffusion", "sampling")
    assert more == pytest.approx(dict.fromkeys(jobs, 10))


@pytest.mark.parametrize(
    ("asked", "passes", "starts"),
    [
        (Sampling(images=100, shard=100, batch=50), 100, 1),
        (Sampling(images=101, shard=200, batch=50), 150, 1),  # the last batch is filled up
        (Sampling(images={"a": 70, "b": 50}, shard=100, batch=50), 150, 2),
    ],
)
def test_sampling_counts_batches_that_are_filled_up_and_a_start_a_shard(asked, passes, starts):
    plan = dataclasses.replace(PLANNED, sampling=asked)
    found = seconds(plan, dataclasses.replace(AROUND, at_once=1))["sampling"]
    # Guided from 0.2 to 0.8 of T, and so twice through the network in six steps of ten.
    each = 1.6 * asked.steps * UNET.walk + UNET.decode
    assert found == pytest.approx(passes * each + starts * AROUND.start)


def test_too_short_a_time_is_told_with_one_that_is_enough():
    with pytest.raises(UserError, match=r"1 minutes are too few.*Give at least ([\d.]+) ") as told:
        fitted(PLANNED, AROUND, 60)
    least = float(str(told.value).split("at least ")[1].split()[0])
    plan = fitted(PLANNED, AROUND, 60 * least)
    assert rule.LEAST_IMAGES <= min(plan.autoencoder.images, plan.diffusion.images) < 5_000


def test_a_plan_laid_over_a_system_takes_the_place_of_all_its_settings():
    own = {
        "autoencoder": {"images": 9, "kl_weight": 0.5, "adversarial_weight": 0.1, "network": "kl"},
        "diffusion": {"images": 9, "prediction": "epsilon", "weight_decay": 1e-6},
        "sampling": {"images": {"AD": 5_000, "NO": 1}, "guidance": 1.5, "steps": 3},
    }
    asked = Sampling(**own["sampling"])
    plan = dataclasses.replace(fitted(PLANNED, AROUND, 3_600), sampling=rule.sampling(asked))
    parts = {name: getattr(plan, name) for name in own}
    written = sections.text(["A line.", "  as it is"], parts, own)
    assert written.startswith("# A line.\n#   as it is\n")
    whole = {"name": "x", "source": {"kind": "digits"}} | own
    update_config(whole, yaml.safe_load(written))
    system = check(whole)
    assert (system.autoencoder, system.diffusion) == (plan.autoencoder, plan.diffusion)
    assert system.sampling == plan.sampling and system.sampling.guidance == 1.5
    assert (system.sampling.sampler, system.sampling.steps) == ("dpm-solver++", 10)


def test_small_numbers_are_written_so_that_yaml_reads_numbers():
    settings = Autoencoder(images=1, kl_weight=1e-7, channels=[8])
    written = sections.text([], {"autoencoder": settings}, {})
    assert yaml.safe_load(written)["autoencoder"]["kl_weight"] == 1e-7
    diffusion = Diffusion(images=1_000, attention=(False, True))
    assert "images: 1_000" in sections.text([], {"diffusion": diffusion}, {})


def test_the_nearest_run_is_near_in_size_then_in_number_then_in_length():
    assert expected.nearest((28, 28), 60_000, 30_000).name == "MNIST"
    assert expected.nearest((28, 28), 3_000, 30_000).name == "chest X-rays"
    assert expected.nearest((64, 48), 2_000, 30_000).name == "brain MRI"
    assert expected.nearest((256, 256), 1_000_000, 30_000).side == 64
    assert expected.nearest((64, 64), 4_000, 40_000).denoiser == 44_000
    assert expected.nearest((64, 64), 4_000, 150_000).denoiser == 160_000
    # A cohort of another size counts for more than a training of another length.
    assert expected.nearest((28, 28), 60_000, 200_000).name == "MNIST"
