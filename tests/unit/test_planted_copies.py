"""Copies planted in a cohort: the leakage check finds what comparing all pixels with all finds."""

import io

import numpy as np
from cohorts import pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from synthcohort.cohort import Cohort, leakage
from synthcohort.cohort.correlation import shifts_of, thumbnails

SIDE = 40


def cohort(images: np.ndarray) -> Cohort:
    """Every image of a patient of its own, none with the bytes of another."""
    rows = [{"patient_id": f"p{i}", "sha256": str(i)} for i in range(len(images))]
    return Cohort(images, rows)


def at_every_shift(images: np.ndarray) -> np.ndarray:
    """S×N×N float64: the Pearson correlations of every image (first) with every other one (second),
    moved by each of S shifts, of the pixels in which they overlap."""
    pixels = images[:, 0].astype(np.float64)
    number, height, width = pixels.shape
    found = []
    for y, x in shifts_of((height, width)):
        down, right = max(y, 0), max(x, 0)
        up, left = max(-y, 0), max(-x, 0)
        first = pixels[:, up : height - down, left : width - right].reshape(number, -1)
        second = pixels[:, down : height - up, right : width - left].reshape(number, -1)
        found.append(np.corrcoef(first, second)[:number, number:])
    return np.stack(found)


def exactly(images: np.ndarray, correlation: float) -> tuple[set, set]:
    """What comparing all pairs finds: those that must be found, and those that may be, where
    rounding decides of the limit or of the shift."""
    reach = max(map(max, shifts_of(images.shape[2:])))
    still, *moved = (thumbnails(images, r).astype(np.float64) for r in (0, reach))
    coarse, fine = still[0] @ moved[0].transpose(0, 2, 1), at_every_shift(images)
    best = coarse.max(axis=0)
    nearly = coarse >= best - 1e-6
    lowest, highest = np.where(nearly, fine, 1).min(0), np.where(nearly, fine, -1).max(0)
    loose = 1 - 3 * (1 - correlation)
    must = (best >= loose + 1e-6) & (lowest >= correlation + 1e-5)
    may = (best >= loose - 1e-6) & (highest >= correlation - 1e-5)
    must, may = (
        {tuple(pair) for pair in np.argwhere(np.triu(which, 1)).tolist()} for which in (must, may)
    )
    return must, may


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
@settings(max_examples=50, deadline=None)
def test_what_an_exact_search_finds_is_found(seed, ways, correlation, own, sigma):
    side = SIDE + 4
    large = pictures(20, seed, side, sigma)[:, :, :side]
    # What all have in common makes images of different patients alike, as in a real cohort.
    large = np.rint((1 - own) * large[:1] + own * large).astype(np.uint8)
    images = [*large[:, 2:-2, 2:-2]]
    images += [copied(large[i], way, seed) for i, way in enumerate(ways, 1)]
    images = np.stack(images)[:, None]
    must, may = exactly(images, correlation)
    findings = leakage.search(cohort(images), correlation)
    found = {(pair.first, pair.second) for pair in findings.near_identical}
    assert must <= found <= may and findings.found == len(found)
    every = at_every_shift(images)
    for first, second, value in findings.near_identical:
        assert np.abs(every[:, first, second] - value).min() < 1e-4
    # A copy is found by what it correlates with its original, not by what thumbnails say of it.
    for place, (shift, how, _) in enumerate(ways):
        original, copy = place + 1, len(large) + place
        at = shifts_of((SIDE, SIDE)).index((-shift[0], -shift[1]))
        assert how != "as it is" or every[at, original, copy] > 0.9999
        assert every[at, original, copy] < correlation + 1e-3 or (original, copy) in found


@given(seed=st.integers(0, 2**32 - 1), above=st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_limit_is_where_it_is_said_to_be(seed, above):
    images = pictures(6, seed, 48)[:, None]
    noise = np.random.default_rng(seed).normal(0, 4, images[2].shape)
    images[5] = np.clip(np.rint(images[2] + noise), 0, 255).astype(np.uint8)
    value = at_every_shift(images)[:, 2, 5].max()
    limit = value - 1e-5 if above else value + 1e-5
    findings = leakage.search(cohort(images), limit)
    assert [pair[:2] for pair in findings.near_identical] == ([(2, 5)] if above else [])


def test_equal_pixels_are_found_at_a_correlation_of_one():
    images = pictures(8, side=48)[:, None]
    images[5], images[6] = images[2], np.roll(images[3], 2, axis=2)
    findings = leakage.search(cohort(images), 1)
    assert [pair[:2] for pair in findings.near_identical] == [(2, 5), (3, 6)]
