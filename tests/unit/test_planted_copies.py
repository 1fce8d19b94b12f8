"""Copies planted in a cohort: the leakage check finds what comparing all pixels with all finds."""

import io

import numpy as np
from cohorts import pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthcohort.cohort import Cohort, leakage
from synthcohort.cohort.correlation import shifts_of

SIDE = 40


def cohort(images: np.ndarray) -> Cohort:
    """Every image of a patient of its own, none with the bytes of another."""
    rows = [{"patient_id": f"p{i}", "sha256": str(i)} for i in range(len(images))]
    return Cohort(images, rows)


def exactly(images: np.ndarray) -> np.ndarray:
    """N×N float64: the largest Pearson correlation of every image (first) with every other one
    (second, shifted) over all shifts, of the pixels in which they overlap."""
    pixels = images[:, 0].astype(np.float64)
    height, width = pixels.shape[1:]
    best = np.full((len(pixels), len(pixels)), -1.0)
    for y, x in shifts_of((height, width)):
        down, right = max(y, 0), max(x, 0)
        up, left = max(-y, 0), max(-x, 0)
        first = pixels[:, up : height - down, left : width - right].reshape(len(pixels), -1)
        second = pixels[:, down : height - up, right : width - left].reshape(len(pixels), -1)
        every = np.corrcoef(first, second)[: len(pixels), len(pixels) :]
        best = np.maximum(best, every)
    return best


def pairs_from(best: np.ndarray, correlation: float) -> set[tuple[int, int]]:
    return {tuple(pair) for pair in np.argwhere(np.triu(best >= correlation, 1)).tolist()}


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@st.composite
def copies(draw) -> tuple:
    """A way to copy an image: its shift, and what is done to what the shift leaves."""
    shift = draw(st.tuples(st.integers(-2, 2), st.integers(-2, 2)))
    how = draw(st.sampled_from(["as it is", "noise", "JPEG", "brighter", "contrast"]))
    return shift, how, draw(st.floats(0, 1))


def copied(large: np.ndarray, way: tuple, seed: int) -> np.ndarray:
    (y, x), how, amount = way
    image = large[2 + y : 2 + y + SIDE, 2 + x : 2 + x + SIDE]
    if how == "JPEG":
        return compressed(image, round(95 - 60 * amount))
    changed = {
        "as it is": image,
        # From none to what makes a correlation of about 0.97.
        "noise": image + np.random.default_rng(seed).normal(0, 12 * amount, image.shape),
        "brighter": image + 30 * amount,
        "contrast": 128 + (image - 128.0) * (1 - 0.7 * amount),
    }[how]
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


@given(
    seed=st.integers(0, 2**32 - 1),
    ways=st.lists(copies(), min_size=1, max_size=5),
    correlation=st.sampled_from([0.95, 0.98, 0.99]),
    own=st.sampled_from([0.3, 1.0]),
    sigma=st.sampled_from([1.5, 3.0]),
)
@settings(max_examples=80, deadline=None)
def test_what_an_exact_search_finds_is_found(seed, ways, correlation, own, sigma):
    side = SIDE + 4
    large = pictures(20, seed, side, sigma)[:, :, :side]
    # What all have in common makes images of different patients alike, as in a real cohort.
    large = np.rint((1 - own) * large[:1] + own * large).astype(np.uint8)
    images = [*large[:, 2:-2, 2:-2]]
    images += [copied(large[i], way, seed) for i, way in enumerate(ways, 1)]
    images = np.stack(images)[:, None]
    best = exactly(images)
    findings = leakage.search(cohort(images), correlation)
    found = {(pair.first, pair.second): pair.correlation for pair in findings.near_identical}
    # At the limit itself rounding decides.
    assert pairs_from(best, correlation + 1e-5) <= found.keys()
    assert found.keys() <= pairs_from(best, correlation - 1e-5)
    assert all(abs(value - best[pair]) < 1e-4 for pair, value in found.items())
    assert findings.found == len(found)


@given(seed=st.integers(0, 2**32 - 1), above=st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_limit_is_where_it_is_said_to_be(seed, above):
    images = pictures(6, seed, 48)[:, None]
    noise = np.random.default_rng(seed).normal(0, 4, images[2].shape)
    images[5] = np.clip(np.rint(images[2] + noise), 0, 255).astype(np.uint8)
    value = exactly(images)[2, 5]
    limit = value - 1e-5 if above else value + 1e-5
    findings = leakage.search(cohort(images), limit)
    assert [pair[:2] for pair in findings.near_identical] == ([(2, 5)] if above else [])
