"""The metrics of privacy on planted truth: copies, patients scanned twice."""

from dataclasses import replace

import evaluated
import numpy as np
import trained
from PIL import Image
from trained import data

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


def features(copies):
    rng = np.random.default_rng(0)
    real = {name: rng.normal(size=(40, 12)) for name in ("train", "test", "synthetic")}
    real["synthetic"][:copies] = real["train"][:copies] + 0.01
    patients = {name: np.array([f"{name} {i // 2}" for i in range(40)]) for name in real}
    sets = {
        n: Set(np.zeros((40, 1, 1, 1)), np.zeros(40, int), patients[n], np.arange(40)) for n in real
    }
    return Material(sets, [""], features=real)


def test_copies_are_not_authentic(tmp_path):
    honest, copied = (measure("authenticity", features(n), tmp_path) for n in (0, 30))
    assert copied["value"] <= 0.25 < honest["value"]
    assert abs(honest["value"] - honest["floor"]["value"]) < 0.25
    nearer, floor = (
        copied["details"][name] for name in ("nearer_to_train", "floor_nearer_to_train")
    )
    assert nearer["value"] > floor["interval"][1] and abs(floor["value"] - 0.5) < 0.1


def sampled(path, images):
    np.savez(
        path,
        images=images,
        labels=np.zeros(len(images), np.int64),
        label_names=np.array(["A"]),
        index=np.arange(len(images)),
        seeds=np.arange(len(images)),
    )
    return path


def test_no_second_sessions_no_figure(system, tmp_path):
    cohort = open_cohort(**data(system))
    given = material(system, samples=[sampled(tmp_path / "s.npz", np.asarray(cohort.images[:4]))])
    found = measure("reidentification", given, tmp_path)
    assert found["value"] is None and found["interval"] is None and "session" in found["note"]


def test_images_of_train_patients_link_to_them(system, tmp_path):
    cohort = open_cohort(**data(system))
    # Two images a patient: call them two sessions.
    rows = [row | {"session": f"ses-{i % 2}"} for i, row in enumerate(cohort.rows)]
    cohort = replace(cohort, rows=rows)
    latents = np.load(system / "latents/mean.npy")
    latents[1::2] = latents[::2] + 0.01 * latents[1::2]  # two scans of one person are alike
    np.save(tmp_path / "mean.npy", latents)
    first = cohort.of("train")[::2]
    copies = sampled(tmp_path / "s.npz", np.asarray(cohort.images[first]))
    given = material(system, samples=[copies], cohort=cohort)
    given = replace(given, models={**given.models, "latents": tmp_path})
    found = measure("reidentification", given, tmp_path)
    assert found["value"] > 0.9 and found["details"]["patients_with_several_sessions"] == 20
    assert found["floor"]["value"] < 0.5
