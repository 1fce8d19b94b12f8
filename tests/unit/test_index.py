"""The index finds just the pairs that comparing all thumbnails with all finds."""

from unittest.mock import patch

import numpy as np
from cohorts import pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from synthcohort.cohort import index
from synthcohort.cohort.correlation import shifts_of, thumbnails
from synthcohort.cohort.index import Index

# What rounding may do to a correlation.
ROUNDING = 2e-6


def alike(count: int, seed: int, shape: tuple[int, int], spread: float) -> np.ndarray:
    """Images with much in common: `spread` is what is each image's own."""
    height, width = shape
    side = max(16, height, width)
    own = pictures(count, seed, side, 3).astype(float)[:, :height, :width]
    common = pictures(1, seed + 1, side, 4).astype(float)[:, :height, :width]
    return np.rint((1 - spread) * common + spread * own).astype(np.uint8)[:, None]


def everything(index: Index, images: np.ndarray) -> dict[tuple[int, int], int]:
    """The pairs of an index of `images` with themselves, first < second, and their shifts."""
    found = {}
    for pairs, at in index.search(images, len(images), lambda first, second: first < second):
        found |= zip(map(tuple, pairs.tolist()), at.tolist(), strict=True)
    return found


def reference(images: np.ndarray) -> np.ndarray:
    """S×N×N: the correlations of all thumbnails with all, at every shift of the second image."""
    reach = max(map(max, shifts_of(images.shape[2:])))
    still = thumbnails(images, 0)[0].astype(np.float64)
    return np.stack([still @ moved.T for moved in thumbnails(images, reach).astype(np.float64)])


@given(
    seed=st.integers(0, 2**32 - 2),
    shape=st.sampled_from([(48, 48), (32, 40), (28, 28), (16, 16), (12, 20), (5, 64)]),
    spread=st.sampled_from([0.05, 0.2, 0.5, 1.0]),
    least=st.sampled_from([0.999, 0.97, 0.9, 0.5, -0.5]),
    plan=st.fixed_dictionaries(
        # Short vectors of all sizes; whether shifts share a ball, or each is alone, or the quicker.
        {"_SIZES": st.sampled_from([(2,), (16,), (48,), index._SIZES])},
        optional={"_BESIDES": st.sampled_from([10**9, -(10**9)])},
    ),
)
@settings(max_examples=50, deadline=None)
def test_nothing_is_missed_and_nothing_added(seed, shape, spread, least, plan):
    images = alike(60, seed, shape, spread)
    images[7] = images[3]
    images[9] = 40  # of one grey value: it correlates with nothing
    with patch.multiple(index, **plan):
        found, every = everything(Index(images, least), images), reference(images)
    best = every.max(0)
    above = {tuple(pair) for pair in np.argwhere(np.triu(best >= least + ROUNDING, 1)).tolist()}
    near = {tuple(pair) for pair in np.argwhere(np.triu(best >= least - ROUNDING, 1)).tolist()}
    assert above <= found.keys() <= near
    assert (3, 7) in found
    for (first, second), at in found.items():
        assert every[at, first, second] >= best[first, second] - ROUNDING
