"""The guidance scale's curve, with a denoiser that has learnt nothing."""

import json

import numpy as np
import pytest
from evaluated import CPU, QUIET, SIZE, pictures, write_cohort

from synthcohort import config
from synthcohort.config import Evaluation, Sampling
from synthcohort.evaluation.draw import draw_evaluation
from synthcohort.evaluation.guidance.against_real import variance_within
from synthcohort.evaluation.guidance.scales import guidance
from synthcohort.evaluation.networks.label_classifier import train_classifier

SETTINGS = Evaluation(
    images=30, classifier_images=800, guidance_scales=(1.0, 3.0), guidance_images=12
)
SAMPLING = Sampling(images=40, steps=2, batch=8, guidance=2.0, guide="withheld")


def made(folder, labels):
    """A cohort, its classifier, and networks as they start."""
    import torch
    from diffusers import DDPMScheduler

    from synthcohort.models import build_autoencoder, build_denoiser

    given = write_cohort(folder / "cohort", labels=labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder = config.Autoencoder(images=1, channels=(8, 16), latent_channels=4)
        network = build_autoencoder(autoencoder, 1, (SIZE, SIZE))
        network.register_to_config(scaling_factor=1.0, shift_factor=0.0)
        network.save_pretrained(folder / "autoencoder")
        diffusion = config.Diffusion(images=1, channels=(16, 32), blocks=1)
        for place in ("early/1/unet", "unet"):
            unet = build_denoiser(diffusion, (4, 2, 2), len(labels))
            unet.save_pretrained(folder / "diffusion" / place)
    DDPMScheduler().save_pretrained(folder / "diffusion/scheduler")
    (folder / "diffusion/labels.json").write_text(json.dumps({"names": list(labels)}))
    (folder / "diffusion/attributes.json").write_text(json.dumps({"mean": [], "std": []}))
    train_classifier(
        SETTINGS, seed=0, out=folder / "classifier", hardware=CPU, journal=QUIET, **given
    )
    return given


def compared(folder, given, out, sampling=SAMPLING):
    models = {name: folder / name for name in ("classifier", "autoencoder", "diffusion")}
    guidance(
        SETTINGS,
        sampling,
        seed=0,
        out=out / "guidance.json",
        hardware=CPU,
        journal=QUIET,
        **models,
        **given,
    )
    draw_evaluation(results=[out / "guidance.json"], out=out / "figures", journal=QUIET)
    figure = (out / "figures/guidance.png").read_bytes()
    return json.loads((out / "guidance.json").read_text()), figure


def test_every_scale_and_the_chosen_one_are_compared_with_real_images(tmp_path):
    given = made(tmp_path, ("a", "b"))
    (result, figure), (again, same) = (
        compared(tmp_path, given, tmp_path / name) for name in ("first", "again")
    )
    assert result | {"seconds": 0} == again | {"seconds": 0} and figure == same
    assert [point["scale"] for point in result["details"]["points"]] == [1.0, 2.0, 3.0]
    assert result["metric"] == "guidance" and result["value"] == 2.0
    assert result["n"] == {"train": 12, "test": 30, "synthetic": 12}
    for point in result["details"]["points"]:
        for key in ("fidelity", "diversity", "label_accuracy"):
            low, high = point[key]["interval"]
            assert low <= point[key]["value"] <= high
        # The networks are as they start: their images are far from real, and show no label.
        assert point["fidelity"]["value"] > 3 * result["details"]["real"]["fidelity"]["value"]
        assert (
            point["label_accuracy"]["value"] < result["details"]["real"]["label_accuracy"]["value"]
        )
    distances = [point["fidelity"]["value"] for point in result["details"]["points"]]
    assert len(set(distances)) == 3


def test_without_a_label_there_is_nothing_to_guide(tmp_path):
    given = made(tmp_path, ("",))
    result, _ = compared(tmp_path, given, tmp_path / "out")
    assert result["value"] is None and "does not apply" in result["note"]
    # But for what is told nothing either.
    early = SAMPLING.model_copy(update={"guide": "early"})
    result, _ = compared(tmp_path, given, tmp_path / "early", early)
    plain, *led = (point["fidelity"]["value"] for point in result["details"]["points"])
    assert plain not in led and result["details"]["points"][0]["label_accuracy"] is None


def test_the_variance_within_a_label_leaves_out_what_is_between_labels():
    classes = np.arange(200) % 2
    features = np.random.default_rng(0).normal(size=(200, 3)) + 50 * classes[:, None]
    assert variance_within(features, classes) == pytest.approx(3, rel=0.15)
    assert variance_within(pictures(classes * 0, 0)[:, 0, :, 0] * 0.0, classes) == 0
