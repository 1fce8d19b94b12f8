"""Simple statistics of images: what each answers to, and the distance in them."""

from dataclasses import replace

import numpy as np
import pytest
from evaluated import measure
from test_evaluation_distances import material

from synthcohort.evaluation.extractors.statistics import NAMES, statistics
from synthcohort.evaluation.material import Material


def of(images: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(NAMES, statistics(images).T, strict=True))


def waves(frequency: float, size: int = 64) -> np.ndarray:
    """One image: a cosine along the rows, at this frequency in cycles a pixel."""
    row = 128 + 100 * np.cos(2 * np.pi * frequency * np.arange(size))
    return np.tile(np.rint(row).astype(np.uint8), (1, 1, size, 1))


def scans(n: int, seed: int, noise: float = 0.0) -> np.ndarray:
    """Blurred blobs over black."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    blobs = gaussian_filter(random.normal(size=(n, 1, 24, 24)), (0, 0, 2, 2)) * 400
    return (blobs + 40 + random.normal(0, 1, blobs.shape) * noise).clip(0, 255).astype(np.uint8)


def given(images: dict[str, np.ndarray]) -> Material:
    made = material({name: statistics(part) for name, part in images.items()})
    sets = {name: replace(part, images=images[name]) for name, part in made.sets.items()}
    return replace(made, sets=sets)


def test_intensities_are_those_of_a_known_image():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    found = of(ramp)
    assert found["intensity mean"] == pytest.approx(0.5)
    assert found["intensity 50 %"] == pytest.approx(0.5)
    assert found["intensity skewness"] == pytest.approx(0, abs=1e-6)
    assert found["intensity entropy"] == pytest.approx(5)  # 32 bins, equally full
    # To the right a level a pixel, down sixteen.
    assert found["gradient mean"] == pytest.approx(np.hypot(1, 16) / 255)
    assert found["gradient deviation"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("band", range(8))
def test_a_wave_has_its_power_in_its_band(band):
    found = of(waves((band + 0.5) / 16))
    spectrum = [value[0] for name, value in found.items() if name.startswith("spectrum")]
    assert np.argmax(spectrum) == band
    assert sorted(spectrum)[-2] < spectrum[band] - 1


def test_the_spectrum_keeps_the_power_of_noise():
    noise = np.random.default_rng(0).integers(0, 256, (8, 1, 64, 64), dtype=np.uint8)
    found = of(noise)
    for name in NAMES:
        if name.startswith("spectrum"):
            assert found[name].mean() == pytest.approx(np.log10(1 / 12), abs=0.05)


def test_sixteen_bits_colours_and_flat_images_are_taken_alike():
    eight = scans(4, 0)
    assert statistics(eight.astype(np.uint16) * 257) == pytest.approx(statistics(eight), abs=1e-5)
    assert statistics(np.repeat(eight, 3, 1)) == pytest.approx(statistics(eight), abs=1e-5)
    for shape in ((2, 1, 8, 8), (2, 3, 2, 2), (2, 1, 9, 30)):
        assert np.isfinite(statistics(np.full(shape, 7, np.uint8))).all()


def test_an_image_has_the_same_statistics_in_every_batch():
    images = scans(9, 1)
    assert np.array_equal(statistics(images)[4:5], statistics(images[4:5]))


def test_images_of_the_same_kind_are_at_the_floor_and_noise_is_named(tmp_path):
    real = {"train": scans(90, 0), "test": scans(90, 1)}
    same = measure("frechet_statistics", given(real | {"synthetic": scans(90, 2)}), tmp_path)
    assert same["interval"][0] <= same["floor"]["value"] <= same["interval"][1]
    noisy = scans(90, 2, noise=25)
    other = measure("frechet_statistics", given(real | {"synthetic": noisy}), tmp_path)
    assert other["interval"][0] > other["floor"]["interval"][1]
    listed = other["details"]["differences"]
    assert {entry["statistic"] for entry in listed} == set(NAMES)
    assert abs(listed[0]["value"]) == max(abs(entry["value"]) for entry in listed)
    sharpness = next(entry for entry in listed if entry["statistic"].startswith("sharpness"))
    assert sharpness["interval"][0] > 1 > sharpness["floor"]["interval"][1]


def test_a_background_black_in_train_does_not_swamp_the_distance(tmp_path):
    real = {"train": scans(60, 0), "test": scans(60, 1)}
    for part in real.values():
        part[:, :, :8] = 0
    grey = scans(60, 2)
    grey[:, :, :8] = 1  # one level: nobody sees it
    found = measure("frechet_statistics", given(real | {"synthetic": grey}), tmp_path)
    differences = {entry["statistic"]: entry for entry in found["details"]["differences"]}
    assert 0 < differences["intensity 5 %"]["value"] <= 1
