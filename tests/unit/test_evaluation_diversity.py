"""Diversity within a set: similarity of pairs and near duplicates."""

import json
from dataclasses import replace

import numpy as np
import pytest
from evaluated import measure
from scipy import ndimage
from test_evaluation_distances import material
from test_evaluation_statistics import scans

from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics.ms_ssim import ms_ssim, scales


def of(synthetic: np.ndarray, n: int = 60, images_each: int = 2) -> Material:
    """Real sets of two labels that take turns, and these synthetic images."""
    images = {"train": scans(n, 0), "test": scans(n, 1), "synthetic": synthetic}
    made = material({name: np.zeros((len(part), 1)) for name, part in images.items()}, images_each)
    sets = {
        name: replace(part, images=images[name], classes=np.arange(n) // images_each % 2)
        for name, part in made.sets.items()
    }
    return replace(made, sets=sets, label_names=["a", "b"])


def blurred(images: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(images, (0, 0, 1.5, 1.5))


def test_at_one_scale_it_is_the_ssim_of_scikit_image():
    from skimage.metrics import structural_similarity

    first, second = scans(3, 0)[:, :, :20, :20], scans(3, 0, noise=15)[:, :, :20, :20]
    assert scales(20, 20) == 1
    expected = []
    for a, b in zip(first[:, 0], second[:, 0], strict=True):
        _, everywhere = structural_similarity(
            *(x / 255 for x in (a, b)),
            data_range=1,
            gaussian_weights=True,
            use_sample_covariance=False,
            full=True,
        )
        expected.append(everywhere[5:-5, 5:-5].mean())
    assert ms_ssim(first, second) == pytest.approx(np.array(expected), abs=1e-5)


def test_more_scales_where_there_is_room():
    assert [scales(side, 400) for side in (8, 21, 22, 48, 176, 300)] == [1, 1, 2, 3, 5, 5]
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 48, 48), dtype=np.uint8)
    assert ms_ssim(images, images) == pytest.approx(np.ones(4))
    # A checkerboard and its negative: structure turned round counts as none.
    board = (np.indices((1, 1, 24, 24)).sum(0) % 2 * 255).astype(np.uint8)
    assert ms_ssim(board, 255 - board) == 0
    wide = images.astype(np.uint16) * 257
    assert ms_ssim(wide[:2], wide[2:]) == pytest.approx(ms_ssim(images[:2], images[2:]), abs=1e-5)


@pytest.mark.parametrize("metric", ["ms_ssim", "duplicates"])
def test_as_diverse_as_real(metric, tmp_path):
    found = measure(metric, of(scans(60, 2)), tmp_path)
    assert found["interval"][0] <= found["floor"]["value"] <= found["interval"][1]
    assert (tmp_path / f"{metric}.png").stat().st_size > 1000
    again = measure(metric, of(scans(60, 2)), tmp_path / "again")
    assert json.dumps(found) == json.dumps(again)
    figures = (tmp_path / f"{metric}.png", tmp_path / f"again/{metric}.png")
    assert figures[0].read_bytes() == figures[1].read_bytes()


def test_blurred_images_are_judged_by_images_as_blurred(tmp_path):
    """Near duplicates by the limit of sharp images, none by that of images decoded as they are."""
    given = of(blurred(scans(60, 2, noise=30)))
    for name, seed in (("train", 0), ("test", 1)):
        given.sets[name] = replace(given.sets[name], images=scans(60, seed, noise=30))
    alone = measure("duplicates", given, tmp_path)
    assert alone["value"] > 0.9 and "decoded" not in alone
    decoded = replace(given.sets["train"], images=blurred(given.sets["train"].images))
    given.sets["decoded"] = decoded
    found = measure("duplicates", given, tmp_path)
    assert found["value"] < 0.1 and 0 < found["interval"][1] < 0.3
    assert found["details"]["share_by_limit_of_real"] == alone["value"]
    assert found["decoded"]["value"] < 0.1 and found["floor"] == alone["floor"]
    # Repetition shows for all that.
    repeated = np.repeat(decoded.images[::6], 6, axis=0)
    given.sets["synthetic"] = replace(given.sets["synthetic"], images=repeated)
    assert measure("duplicates", given, tmp_path)["interval"][0] > 0.9
    ms_ssim_of = measure("ms_ssim", given, tmp_path)
    assert ms_ssim_of["decoded"]["value"] > ms_ssim_of["floor"]["value"]
    assert ms_ssim_of["difference_to_decoded"]["value"] > 0


@pytest.mark.parametrize("metric", ["ms_ssim", "duplicates"])
def test_one_repeated_image_fails(metric, tmp_path):
    found = measure(metric, of(np.tile(scans(1, 2), (60, 1, 1, 1))), tmp_path)
    assert found["value"] == pytest.approx(1)
    assert found["interval"][0] > 0.9 > found["floor"]["interval"][1]


def test_noise_has_no_duplicates_and_is_unlike_itself(tmp_path):
    noise = np.random.default_rng(3).integers(0, 256, (60, 1, 24, 24), dtype=np.uint8)
    assert measure("duplicates", of(noise), tmp_path)["value"] == 0
    found = measure("ms_ssim", of(noise), tmp_path)
    assert found["interval"][1] < found["floor"]["interval"][0]


def test_duplicates_that_were_planted_are_named(tmp_path):
    images = scans(60, 2)
    images[50] = images[4]
    images[51] = np.clip(images[9].astype(int) + 2, 0, 255)  # a little brighter
    found = measure("duplicates", of(images), tmp_path)
    assert found["value"] >= 4 / 60
    closest = [pair["rows"] for pair in found["details"]["closest_pairs"]]
    assert closest[:2] == [[4, 50], [9, 51]]
    assert found["details"]["closest_pairs"][0]["distance"] == 0


def test_images_of_one_patient_are_no_duplicates(tmp_path):
    given = of(scans(60, 2))
    twice = given.sets["test"].images.copy()
    twice[1::2] = twice[::2]
    sets = given.sets | {"test": replace(given.sets["test"], images=twice)}
    floor = measure("duplicates", replace(given, sets=sets), tmp_path)["floor"]
    assert floor["value"] < 0.1


def test_pairs_are_of_one_label_where_a_label_has_two_patients(tmp_path):
    # The labels' images differ in brightness alone, by much.
    given = of(scans(60, 2))
    for part in given.sets.values():
        part.images[part.classes == 1] = 255 - part.images[part.classes == 1]
    same_label = measure("ms_ssim", given, tmp_path)
    assert same_label["details"]["pairs_of_one_label"] is True
    mixed = {k: replace(part, classes=np.zeros(60, int)) for k, part in given.sets.items()}
    assert measure("ms_ssim", replace(given, sets=mixed), tmp_path)["value"] < same_label["value"]
    alone = {
        k: replace(part, classes=np.unique(part.patients, return_inverse=True)[1])
        for k, part in given.sets.items()
    }
    names = [f"label {i}" for i in range(60)]
    found = measure("ms_ssim", replace(given, sets=alone, label_names=names), tmp_path)
    assert found["details"]["pairs_of_one_label"] is False and np.isfinite(found["value"])
