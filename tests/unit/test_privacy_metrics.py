"""Membership on planted truth: a model that has memorised, and one that has hardly been trained."""

import evaluated
import numpy as np
import trained
from PIL import Image
from trained import DIFFUSION, data

from synthcohort.cohort import open_cohort
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set

# The fixture of these tests too.
system = trained.system


def chosen(cohort, rows):
    return Set(cohort.images[rows], cohort.classes[rows], cohort.patients[rows], rows)


def material(system, diffusion="diffusion", samples=(), cohort=None):
    cohort = cohort or open_cohort(**data(system))
    sets = {
        "train": cohort.of("train")[:20],
        "test": np.concatenate([cohort.of("val"), cohort.of("test")]),
    }
    return Material(
        {name: chosen(cohort, rows) for name, rows in sets.items()},
        cohort.label_names,
        cohort=cohort,
        samples=samples,
        models={name: system / (diffusion if name == "diffusion" else name)
                for name in ("autoencoder", "diffusion", "latents")},
    )  # fmt: skip


def measure(name, given, folder):
    result = evaluated.measure(name, given, folder)
    with Image.open(folder / f"{name}.png") as figure:
        assert figure.width > 500
    return result


def test_a_model_that_has_memorised_its_images_is_caught(system, tmp_path, monkeypatch):
    """20 train images without anything in common, seen 500 times each by a network that can hold
    them: a latent of noise can only be known by heart."""
    folder = tmp_path / "memorised"
    (folder / "latents").mkdir(parents=True)
    for name in ("cohort", "autoencoder"):
        (folder / name).symlink_to(system / name)
    mean = np.load(system / "latents/mean.npy")
    noise = np.random.default_rng(0).normal(size=mean.shape) * mean.std() + mean.mean()
    np.save(folder / "latents/mean.npy", noise.astype(np.float32))
    np.save(folder / "latents/std.npy", np.zeros_like(mean))
    rows = (system / "cohort/split.csv").read_text().splitlines()
    held_out = [*rows[:21], *(row.replace(",train", ",val") for row in rows[21:])]
    (folder / "split.csv").write_text("\n".join(held_out) + "\n")
    settings = DIFFUSION.model_copy(
        update={"images": 10_000, "batch": 20, "channels": (32, 64), "learning_rate": 2e-3,
                "ema_images": 500, "checkpoint_images": 10_000, "label_dropout": 0.0}
    )  # fmt: skip
    trained_on = {"cohort": system / "cohort", "split": folder / "split.csv"}
    monkeypatch.setattr(trained, "data", lambda _: trained_on)
    trained.diffusion(folder, "diffusion", settings)
    found = measure("membership", material(folder, cohort=open_cohort(**trained_on)), tmp_path)
    assert found["interval"][0] > 0.6 and found["value"] > 0.9


def test_a_model_that_has_hardly_been_trained_gives_nobody_away(system, tmp_path):
    found = measure("membership", material(system), tmp_path)
    low, high = found["interval"]
    assert low < 0.5 < high
    assert found["floor"]["value"] == 0.5 and found["n"] == {"train": 20, "test": 20}
    assert measure("membership", material(system), tmp_path) == found
