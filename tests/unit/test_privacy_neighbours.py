"""Authenticity and re-identification on planted truth, through an autoencoder that blurs."""

import evaluated
import numpy as np
import pytest
import torch
from drawn import shard
from PIL import Image
from torch.nn.functional import avg_pool2d

from synthcohort.cohort import Cohort
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set
from synthcohort.models.identity import IdentityAutoencoder
from synthcohort.models.pixels import from_model, to_model

TRAIN, UNSEEN = 60, 24
"""Patients, of two images each."""


class Blurring(IdentityAutoencoder):
    """Gives every image back as blurred as a strong autoencoder does."""

    reach = 5

    def decode(self, z):
        made = super().decode(z)
        made.sample = avg_pool2d(made.sample, self.reach, 1, self.reach // 2)
        return made


class Blinding(Blurring):
    """Gives back the mean grey of an image and nothing else."""

    def decode(self, z):
        made = super().decode(z)
        made.sample = made.sample.mean((2, 3), keepdim=True).expand_as(made.sample)
        return made


@pytest.fixture(autouse=True)
def autoencoder(monkeypatch):
    monkeypatch.setattr("synthcohort.models.load_autoencoder", lambda _: Blurring())


def cohort(unseen=UNSEEN, sessions=("", "")) -> Cohort:
    """Each patient has an anatomy of its own, a smooth picture that two scans share in part."""
    random = np.random.default_rng(3)
    count = TRAIN + unseen
    images, rows = [], []
    for patient in range(count):
        anatomy = smooth(random)
        for session in sessions:
            images.append(0.7 * anatomy + 0.3 * smooth(random) + random.normal(0, 0.5, (16, 16)))
            split = "train" if patient < TRAIN else ("val", "test")[patient % 2]
            row = {"image_id": f"i{len(rows)}", "patient_id": f"p{patient}", "label": "A"}
            rows.append(row | {"session": session, "split": split})
    return Cohort(np.clip(128 + 30 * np.stack(images), 0, 255).astype(np.uint8)[:, None], rows)


def smooth(random) -> np.ndarray:
    coarse = np.kron(random.normal(size=(4, 4)), np.ones((4, 4)))
    return coarse * 1.5


def decoded(images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return from_model(Blurring().decode(to_model(images)).sample, np.uint8)


def strangers(count: int) -> np.ndarray:
    """What a generator draws that has learnt what patients look like, and nobody by heart."""
    random = np.random.default_rng(7)
    pixels = [smooth(random) * 0.76 + random.normal(0, 0.5, (16, 16)) for _ in range(count)]
    return decoded(np.clip(128 + 30 * np.stack(pixels), 0, 255).astype(np.uint8)[:, None])


def measure(name: str, data: Cohort, images: np.ndarray, folder) -> dict:
    np.save(folder / "mean.npy", to_model(data.images).numpy())
    shard(folder / "samples.npz", images, ("A",))
    sets = {
        split: Set(data.images[rows], data.classes[rows], data.patients[rows], rows)
        for split in ("train", "test")
        for rows in [data.of(split)]
    }
    own = np.array([f"synthetic {i}" for i in range(len(images))])
    sets["synthetic"] = Set(images, np.zeros(len(images), int), own, np.arange(len(images)))
    models = {"autoencoder": folder, "latents": folder}
    given = Material(
        sets, ["A"], cohort=data, samples=[folder / "samples.npz"], models=models, work=folder
    )
    found = evaluated.measure(name, given, folder)
    with Image.open(folder / f"{name}.png") as figure:
        assert figure.width > 500
    return found


def copies(data: Cohort) -> np.ndarray:
    """Train images as a latent model that knows them by heart draws them."""
    return decoded(data.images[data.of("train")[::2]])


def test_copies_are_not_authentic_though_they_are_blurred(tmp_path):
    data = cohort()
    found = measure("authenticity", data, copies(data), tmp_path)
    assert found["value"] < 0.2 and found["interval"][1] < found["floor"]["interval"][0]
    assert found["details"]["planted"]["value"] > 0.8 and "cannot_tell" not in found
    assert found["n"] == {"train": 120, "val": 24, "test": 24, "synthetic": 60}


def test_a_generator_that_knows_nobody_is_as_authentic_as_strangers_are(tmp_path):
    found = measure("authenticity", cohort(), strangers(80), tmp_path)
    low, high = found["floor"]["interval"]
    assert found["interval"][0] < high and low < found["interval"][1]
    assert low > 0 and "cannot_tell" not in found
    assert measure("authenticity", cohort(), strangers(80), tmp_path) == found


def test_too_few_patients_tell_nothing(tmp_path):
    data = cohort(unseen=3)
    for images in (copies(data), strangers(80)):
        assert "10 patients" in measure("authenticity", data, images, tmp_path)["cannot_tell"]


def test_an_autoencoder_that_hides_copies_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("synthcohort.models.load_autoencoder", lambda _: Blinding())
    data = cohort()
    assert measure("authenticity", data, strangers(80), tmp_path)["cannot_tell"]
    data = cohort(sessions=("a", "b"))
    assert measure("reidentification", data, strangers(80), tmp_path)["cannot_tell"]


def test_no_second_sessions_no_figure(tmp_path):
    found = measure("reidentification", cohort(), strangers(4), tmp_path)
    assert found["value"] is None and found["interval"] is None and "session" in found["note"]


@pytest.mark.parametrize("scanned_twice", [TRAIN, TRAIN // 3])
def test_copies_link_to_their_patients_and_strangers_do_not(tmp_path, scanned_twice):
    data = cohort(sessions=("a", "b"))
    for i, row in enumerate(data.rows):
        if i >= 2 * scanned_twice:
            row["session"] = "a"
    copied, made = (
        measure("reidentification", data, images, tmp_path)
        for images in (copies(data), strangers(80))
    )
    assert copied["value"] > 0.9 > 0.3 > made["value"] and "cannot_tell" not in copied
    assert copied["details"]["patients_with_several_sessions"] == scanned_twice
    assert copied["details"]["rank_one"]["value"] > 0.5
    low, high = made["floor"]["interval"]
    assert low <= made["interval"][1] and made["interval"][0] <= high


def test_sessions_of_patients_who_cannot_be_told_tell_nothing(tmp_path):
    data = cohort(sessions=("a", "b"))
    random = np.random.default_rng(0)
    patients = random.permutation(data.patients[data.of("train")])
    for row, patient in zip(data.rows, patients, strict=False):
        row["patient_id"] = patient  # scans under wrong names
    for i, row in enumerate(data.rows):
        row["session"] = f"s{i}"
    found = measure("reidentification", data, strangers(80), tmp_path)
    assert "cannot be told" in found["cannot_tell"]
