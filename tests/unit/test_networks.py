"""The small networks: they learn what there is on any budget, and stop by themselves."""

import numpy as np
import pytest
import torch
from evaluated import CPU, pictures

from synthcohort.evaluation.networks.small_cnn import fresh, train
from synthcohort.models.pixels import to_model
from synthcohort.numerics.resampling import interval_of_share
from synthcohort.numerics.scores import reliability


def trained(images, targets, patients, most, labels=2):
    network = fresh(1, images.shape[2:], labels, seed=0)
    how = train(
        network,
        lambda numbers, _: (images[numbers], targets[numbers]),
        groups=targets,
        patients=patients,
        images=most,
        seed=0,
        hardware=CPU,
    )
    return network, how


def balanced(network, images, targets):
    with torch.inference_mode():
        told = network(to_model(images)).argmax(1).numpy()
    return np.mean([np.mean(told[targets == label] == label) for label in np.unique(targets)])


def test_a_short_training_tells_its_own_images_as_well_as_it_learnt_them():
    # BatchNorm's running statistics stay behind the weights: AUC 1 with an accuracy of a half.
    random = np.random.default_rng(0)
    targets = np.arange(120) % 2
    images = random.normal(128, 20 + 20 * targets[:, None, None, None], (120, 1, 24, 24))
    images = images.clip(0, 255).astype(np.uint8)
    network, how = trained(images, targets, np.arange(120), 640)
    assert balanced(network, images, targets) > 0.95
    assert how.images_seen <= 640


def test_rare_labels_are_learnt_as_well():
    random = np.random.default_rng(0)
    shares = np.array([0.6, 0.15, 0.1, 0.06, 0.04, 0.03, 0.02])
    targets = np.repeat(np.arange(7), (shares * 600).round().astype(int))
    y = np.mgrid[:16, :16][0]

    def stripes(of):
        light = 160 * (y % (2 + of)[:, None, None] == 0)
        return (light + random.uniform(0, 90, (len(of), 16, 16))).astype(np.uint8)[:, None]

    network, _ = trained(stripes(targets), targets, np.arange(len(targets)), 1500, 7)
    unseen = np.repeat(np.arange(7), 20)
    assert balanced(network, stripes(unseen), unseen) > 0.9


def test_it_stops_where_there_is_nothing_to_learn_and_keeps_what_misleads_least():
    targets = np.arange(60) % 2
    images = pictures(targets * 0, seed=1)
    network, how = trained(images, targets, np.arange(60) // 4, 20_000)
    assert how.held_still and how.images_seen < 5_000
    with torch.inference_mode():
        told = network(to_model(pictures(targets * 0, seed=2))).softmax(1)
    assert told.max() < 0.9


def test_two_patients_of_a_label_are_enough_and_one_is_not_held_out():
    targets = np.array([0] * 6 + [1] * 2)
    images = pictures(targets, seed=1)
    _, how = trained(images, targets, np.array(list("aabbccdd")), 64)
    assert how.loss is not None
    _, how = trained(images[[0, 1, 6, 7]], targets[[0, 1, 6, 7]], np.array(list("aadd")), 64)
    assert how.loss is None and how.images_seen == 64


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_units_that_all_agree_do_not_make_a_share_certain(value):
    low, high = interval_of_share(value, np.full(2000, value), 13)
    # Clopper and Pearson by hand: 0.025 to the power of one over 13.
    expected = [0.025 ** (1 / 13), 1] if value else [0, 1 - 0.025 ** (1 / 13)]
    assert [low, high] == pytest.approx(expected)
    # As where every image is judged alike: a balanced accuracy of a half in every draw.
    low, high = interval_of_share(0.5, np.full(2000, 0.5), 12)
    assert low < 0.25 and high > 0.75
    inside = interval_of_share(0.5, np.linspace(0.3, 0.7, 2000), 13)
    assert inside == pytest.approx([0.31, 0.69])


def test_the_reliability_is_what_was_told_and_what_was_so():
    told, so = np.repeat([0.95, 0.15], 10), np.r_[np.ones(7), np.zeros(13)]
    np.testing.assert_allclose(reliability(told, so), [[0.15, 0.95], [0, 0.7], [10, 10]])
