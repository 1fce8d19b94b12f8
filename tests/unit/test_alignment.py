"""A train image in disguise is told from strangers, and what was done to it."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import transform

from synthcohort.audit.alignment import PAIRS, aligned, margins
from synthcohort.hardware import Hardware

CPU = Hardware(device="cpu")


def heads(count, size=(48, 48), seed=0):
    """`count` images of H×W float in 0 to 1 that share an outline and differ in their texture."""
    random = np.random.default_rng(seed)
    y, x = (np.linspace(-1, 1, n) for n in size)
    distance = np.hypot(y[:, None] / 0.85, x / 0.7)
    texture = ndimage.gaussian_filter(random.standard_normal((count, *size)), (0, 1.3, 1.3))
    inside = 0.5 + 0.13 * texture / texture.std()
    return np.where(distance < 1, inside, 0) + 0.4 * (np.abs(distance - 1) < 0.08)


def stored(images, dtype=np.uint8):
    """N×1×H×W, blurred a little as a decoder does."""
    top = np.iinfo(dtype).max
    images = ndimage.gaussian_filter(np.asarray(images), (0, 0.7, 0.7))
    return np.rint(top * images.clip(0, 1)).astype(dtype)[:, None]


def moved(size=1.0, angle=0.0, down=0.0, across=0.0, mirrored=False):
    """Counter-clockwise degrees and pixels; mirrored before anything else."""

    def do(image):
        middle = (np.array(image.shape[::-1]) - 1) / 2
        there = (
            transform.AffineTransform(translation=-middle)
            + transform.AffineTransform(scale=size, rotation=-np.deg2rad(angle))
            + transform.AffineTransform(translation=np.add(middle, (across, down)))
        )
        return transform.warp(image[:, ::-1] if mirrored else image, there.inverse, order=3)

    return do


def bent(image):
    random = np.random.default_rng(3)
    field = [ndimage.gaussian_filter(random.standard_normal(image.shape), 6) for _ in "yx"]
    at = [
        place + 1.5 * f / f.std() for place, f in zip(np.indices(image.shape), field, strict=True)
    ]
    return ndimage.map_coordinates(image, at, order=3, mode="nearest")


def shaded(image):
    return image * np.linspace(0.5, 1.3, image.shape[1])


DISGUISES = {
    "as it is": moved(),
    "turned": moved(angle=7),
    "larger": moved(size=1.1),
    "smaller": moved(size=0.9),
    "shifted": moved(down=4, across=-3),
    "mirrored": moved(mirrored=True),
    "inverted": lambda image: 1 - image,
    "gamma": lambda image: image**1.6,
    "shaded": shaded,
    "blurred": lambda image: ndimage.gaussian_filter(image, 1),
    "all": lambda image: 1 - moved(1.06, -4, 2, 1, True)(image) ** 0.7,
}


@pytest.fixture(scope="module")
def strangers():
    """The scores of 100 pairs of strangers."""
    pairs = np.stack(np.divmod(np.arange(100), 10), 1)
    return aligned(stored(heads(10)), stored(heads(10, seed=1)), pairs, CPU)


def compare(disguise, count=4):
    images = heads(count, seed=2)
    pairs = np.stack([np.arange(count)] * 2, 1)
    return aligned(stored([disguise(image) for image in images]), stored(images), pairs, CPU)


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguised_image_is_more_alike_than_any_stranger(strangers, name):
    assert compare(DISGUISES[name]).whole.min() > strangers.whole.max() + 0.1


def test_a_bent_image_is_more_alike_than_any_stranger_once_it_is_bent_back(strangers):
    found = compare(bent)
    assert found.elastic.min() > strangers.elastic.max()
    assert (found.elastic > found.whole + 0.05).all()


@pytest.mark.parametrize(
    "part", ["left half", "right half", "upper half", "lower half", "upper left quarter"]
)
def test_a_part_of_one_image_in_another_is_found_and_named(strangers, part):
    other = heads(1, seed=9)[0]
    half = {"upper": slice(24), "lower": slice(24, 48), "left": slice(24), "right": slice(24, 48)}
    rows = next((half[word] for word in part.split() if word in ("upper", "lower")), slice(48))
    columns = next((half[word] for word in part.split() if word in ("left", "right")), slice(48))

    def planted(image):
        made = other.copy()
        made[rows, columns] = moved(1.04, 2)(image)[rows, columns]
        return made

    found = compare(planted)
    assert found.part.min() > strangers.part.max()
    assert set(found.how["part"]) == {part}


def test_it_tells_what_was_done():
    how = compare(lambda image: 1 - moved(1.06, 5, 3, 2)(image)[:, ::-1]).how
    assert how["mirrored"].all() and how["inverted"].all()
    assert how["size"] == pytest.approx(1.06, abs=0.01)
    assert how["angle"] == pytest.approx(5, abs=0.7)
    assert how["down"] == pytest.approx(3, abs=0.3)
    assert how["across"] == pytest.approx(-2, abs=0.3)


def test_images_of_any_shape_depth_and_colour_are_compared():
    def check(images, dtype):
        queries = stored([moved(1.05, 3)(image) for image in images], dtype)
        references = stored(images, dtype)
        for repeat in (1, 3):
            queries, references = (np.repeat(a, repeat, 1) for a in (queries, references))
            found = aligned(queries, references, np.array([[0, 0], [1, 1], [0, 1]]), CPU)
            assert found.whole[:2].min() > 0.8 > found.whole[2]
            assert found.how["size"][:2] == pytest.approx(1.05, abs=0.01)
            assert found.how["angle"][:2] == pytest.approx(3, abs=0.7)

    check(heads(2, (40, 60)), np.uint16)
    check(heads(2, (112, 84)).repeat(2, 1).repeat(2, 2), np.uint8)


def test_pairs_come_back_in_their_order():
    images = stored(heads(6))
    pairs = np.random.default_rng(0).integers(0, 6, (PAIRS + 20, 2))
    found = aligned(images, images, pairs, CPU)
    same = pairs[:, 0] == pairs[:, 1]
    assert found.whole[same].min() > 0.99 > found.whole[~same].max()
    assert len(aligned(images, images, pairs[:0], CPU).whole) == 0


def test_images_without_content_are_like_nothing():
    images = np.concatenate([stored(heads(1)), np.full((1, 1, 48, 48), 7, np.uint8)])
    found = aligned(images, images, np.array([[0, 1], [1, 0], [1, 1]]), CPU)
    for score in (found.whole, found.elastic, found.part):
        assert score.dtype == np.float32 and np.abs(score).max() <= 1
    assert max(found.whole.max(), found.elastic.max(), found.part.max()) < 0.5


def test_a_score_is_held_against_the_best_of_another_patient():
    pairs = np.array([[0, 0], [1, 3], [0, 1], [0, 2], [1, 2], [2, 0], [2, 1]])
    patients = np.array(["a", "a", "b", "c"])
    scores = np.array([0.9, 0.2, 0.8, 0.5, 0.6, 0.7, 0.9])
    less = np.array([0.4, -0.4, 0.3, -0.4, 0.4, 0, 0])  # query 2 has met patient a only
    expected = less / np.sqrt(1 - scores)
    assert margins(scores, pairs, patients) == pytest.approx(expected, abs=1e-6)
    assert len(margins(scores[:0], pairs[:0], patients)) == 0


def test_a_noisy_copy_stands_out_from_the_others_where_its_score_alone_does_not(strangers):
    images, random = heads(8, seed=2), np.random.default_rng(1)
    noisy = images[:4] + 0.4 * random.standard_normal((4, 48, 48))
    pairs = np.stack(np.divmod(np.arange(32), 8), 1)
    found = aligned(stored(noisy), stored(images), pairs, CPU).whole
    own = pairs[:, 0] == pairs[:, 1]
    assert found[own].min() < strangers.whole.max()
    above = margins(found, pairs, np.arange(8))
    assert above[own].min() > above[~own].max() + 0.1
