"""The detector of copies learns from the train images alone, and the same every time."""

import numpy as np
import pytest
import torch
from cohorts import pictures

from synthcohort.audit import detector, disguises
from synthcohort.hardware import Hardware

CPU = Hardware("cpu", "fp32")
SIDE = 32


def trained(images, seed=1, seen=1536):
    rows, patients = np.arange(len(images)), np.arange(len(images)) // 2
    return detector.train(
        images, rows, images, patients, lambda x: x, seen=seen, seed=seed, hardware=CPU
    )


def found(network, queries, images):
    every = np.arange(len(images))
    references = {
        name: [detector.descriptors(network, images, every, part, CPU)]
        for part, name in enumerate(detector.PARTS)
    }
    return detector.most_alike(network, queries, references, every // 2, CPU)


@pytest.fixture(scope="module")
def learnt():
    images = pictures(128, 0, SIDE, 2.0)[:, None, :, :SIDE]
    return images, trained(images)


@pytest.mark.parametrize(
    "name", ["inverted", "mirrored", "shift 3 px", "zoom +10 %", "elastic 1 px"]
)
def test_a_disguised_train_image_is_known_again(learnt, name):
    images, network = learnt
    x = torch.from_numpy(images[:40].astype("f4") / 255)
    made = disguises.DISGUISES[name](x, x.flip(0), np.random.default_rng(0))
    alike = found(network, (255 * made).round().numpy().astype("u1"), images)["whole"]
    strange = pictures(200, 9, SIDE, 2.0)[:, None, :, :SIDE]
    limit = np.quantile(found(network, strange, images)["whole"].score, 0.99)
    assert (alike.places[:, 0] == np.arange(40)).mean() > 0.7
    assert (alike.score > limit).mean() > 0.7


def test_each_candidate_is_of_another_patient(learnt):
    images, network = learnt
    for way in found(network, images[:40], images).values():
        patients = np.sort(way.places // 2, axis=1)
        assert patients.shape == (40, detector.CANDIDATES) and np.diff(patients).min() > 0
    few = found(network, images[:3], images[:6])["whole"].places
    assert few.shape == (3, 3), "there are three patients"


def test_half_an_image_is_known_again(learnt):
    images, network = learnt
    halves = images[:40].copy()
    halves[..., SIDE // 2 :] = images[40:80, ..., SIDE // 2 :]
    places = found(network, halves, images)["part"].places
    own = (places == np.arange(40)[:, None]) | (places == np.arange(40, 80)[:, None])
    assert own[:, :2].any(1).mean() > 0.7


def test_the_same_seed_gives_the_same_network(learnt):
    images = learnt[0][:24]
    first, again, other = (trained(images, seed, 48).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)
