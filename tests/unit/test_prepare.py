"""Preparing a cohort: what is written, what is done to images, what is refused."""

import hashlib
import json
import tracemalloc
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from synthcohort.cohort import MANIFEST_COLUMNS, open_cohort
from synthcohort.cohort.prepare import prepare
from synthcohort.config import Prepare
from synthcohort.errors import UserError
from synthcohort.sources import Image, digits, folder
from synthcohort.tracking.journal import Journal

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


def run(tmp_path: Path, pictures: list[np.ndarray], **settings):
    """Prepare pictures from a folder; the cohort and the journal's final figures."""
    root = tmp_path / "raw"
    root.mkdir()
    for i, pixels in enumerate(pictures):
        PIL.Image.fromarray(pixels).save(root / f"p{i}_label{i % 2}.png")
    source = folder.Source(root=root, expression=r"(?P<patient>p\d+)_(?P<label>\w+)")
    out = tmp_path / "cohort"
    with Journal(tmp_path / "journal.jsonl", "prepare", {}) as journal:
        prepare(source, Prepare(**settings), root=None, out=out, journal=journal)
    return open_cohort(out), results(tmp_path)


def results(tmp_path: Path) -> dict[str, float]:
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    (found,) = (event for event in map(json.loads, lines) if event["event"] == "result")
    return found["values"]


def given(monkeypatch, images: list[Image]) -> digits.Source:
    """A source that gives these images."""
    monkeypatch.setattr(digits, "read", lambda settings, root: iter(images))
    return digits.Source()


def test_images_of_the_asked_size_are_written_as_they_are(tmp_path):
    pictures = [GREY, GREY[::-1], GREY + 9]
    cohort, told = run(tmp_path, pictures, size=(6, 8))
    np.testing.assert_array_equal(cohort.images[:, 0], pictures)
    assert cohort.images.dtype == np.uint8
    assert tuple(cohort.rows[0]) == MANIFEST_COLUMNS
    assert [row["patient_id"] for row in cohort.rows] == ["p0", "p1", "p2"]
    assert cohort.label_names == ["label0", "label1"]
    for row, image in zip(cohort.rows, cohort.images, strict=True):
        assert row["sha256"] == hashlib.sha256(image.tobytes()).hexdigest()
    assert told == {"images": 3, "patients": 3, "images/label0": 2, "images/label1": 1}


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run(tmp_path / name, [GREY, GREY + 1], size=(3, 4))
    for file in ("images.npy", "manifest.csv"):
        one, two = ((tmp_path / name / "cohort" / file).read_bytes() for name in ("one", "two"))
        assert one == two


def test_16_bits_keep_their_range_when_resampled(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    cohort, told = run(tmp_path, [ramp], size=(16, 16), depth=16)
    assert cohort.images.dtype == np.uint16
    # The mean of every 4×4 block: antialiased, and far finer than 256 grey levels.
    blocks = ramp.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(cohort.images[0, 0][inner], blocks[inner], atol=2)
    assert told["reduced"] == 1


def test_resampling_is_antialiased(tmp_path):
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    cohort, _ = run(tmp_path, [board], size=(16, 16))
    assert abs(cohort.images.astype(int) - 127.5).max() < 10


def test_pad_crop_and_stretch(tmp_path):
    # White in the left half, 8 high and 16 wide.
    wide = np.repeat(np.repeat([[255, 0]], 8, axis=1), 8, axis=0).astype(np.uint8)
    done = {}
    for fit in ("pad", "crop", "stretch"):
        (tmp_path / fit).mkdir()
        cohort, told = run(tmp_path / fit, [wide], size=(8, 8), fit=fit)
        done[fit] = cohort.images[0, 0]
        assert told[{"pad": "padded", "crop": "cropped", "stretch": "stretched"}[fit]] == 1
    assert (done["pad"][:2] == 0).all() and (done["pad"][6:] == 0).all()
    assert (done["pad"][2:6, :3] > 200).all()
    np.testing.assert_array_equal(done["crop"], wide[:, 4:12])
    assert (done["stretch"][:, :3] > 200).all() and (done["stretch"][:, 5:] < 50).all()


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_pad_and_crop_leave_images_of_the_right_aspect_whole(tmp_path, fit):
    cohort, told = run(tmp_path, [np.full((12, 16), 90, np.uint8)], size=(6, 8), fit=fit)
    assert (cohort.images == 90).all()
    assert told["reduced"] == 1 and not {"padded", "cropped"} & set(told)


def test_colour_is_converted_when_asked(tmp_path):
    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 0] = 200
    same = np.repeat(GREY[..., None], 3, axis=2)
    cohort, told = run(tmp_path, [red, same, GREY], size=(6, 8), convert_colour=True)
    assert cohort.images.shape == (3, 1, 6, 8)
    assert (cohort.images[0] == 60).all()  # 0.299 · 200
    np.testing.assert_array_equal(cohort.images[1:, 0], [GREY, GREY])
    assert told["converted to grey"] == 2


def test_grey_becomes_colour_when_asked(tmp_path):
    cohort, told = run(tmp_path, [GREY], size=(6, 8), colour="rgb", convert_colour=True)
    np.testing.assert_array_equal(cohort.images[0], [GREY, GREY, GREY])
    assert told["converted to rgb"] == 1


def test_8_bits_are_spread_over_16(tmp_path):
    cohort, told = run(tmp_path, [np.full((6, 8), 255, np.uint8)], size=(6, 8), depth=16)
    assert (cohort.images == 65535).all()
    assert told["widened to 16 bits"] == 1


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((6, 9), np.uint8), r"is 9 wide and 6 high.*another aspect ratio"),
        (np.zeros((6, 8, 3), np.uint8), "is rgb, but prepare.colour is grey"),
        (np.zeros((6, 8), np.uint16), "16 bits a pixel, but prepare.depth is 8"),
    ],
)
def test_images_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path, picture, said):
    with pytest.raises(UserError, match=rf"p1_label1\.png: .*{said}") as told:
        run(tmp_path, [GREY, picture, GREY], size=(6, 8))
    assert "prepare." in str(told.value).splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.jsonl", "raw"]


def test_the_first_five_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(UserError) as told:
        run(tmp_path, [np.zeros((6, 9), np.uint8)] * 7, size=(6, 8))
    lines = str(told.value).splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [
        f"p{i}_label{i % 2}.png" for i in range(5)
    ]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([], "digits gave no images"),
        (
            [Image(GREY, "a", "p1", "f1"), Image(GREY, "a", "p2", "f2")],
            "f2: .*'a' was given before",
        ),
        ([Image(GREY, "a", "", "f1")], "f1: no patient_id"),
        (
            [Image(GREY, "a", "p1", "f1", label="x"), Image(GREY, "b", "p1", "f2")],
            "1 of 2 images have no label",
        ),
    ],
)
def test_a_source_that_breaks_its_promise_is_told(tmp_path, monkeypatch, images, said):
    source = given(monkeypatch, images)
    with pytest.raises(UserError, match=said):
        prepare(
            source,
            Prepare(size=(6, 8)),
            root=None,
            out=tmp_path / "cohort",
            journal=Journal(None, "prepare", {}),
        )
    assert list(tmp_path.iterdir()) == []


def test_memory_stays_flat(tmp_path, monkeypatch):
    def many():
        for i in range(200):
            yield Image(np.full((256, 256), i, np.uint8), f"i{i}", f"p{i}", f"f{i}")

    source = given(monkeypatch, many())
    tracemalloc.start()
    prepare(
        source,
        Prepare(size=(256, 256)),
        root=None,
        out=tmp_path / "cohort",
        journal=Journal(None, "prepare", {}),
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(open_cohort(tmp_path / "cohort").images) == 200
    assert peak < 4 * 2**20  # the cohort has 12.5 MiB
