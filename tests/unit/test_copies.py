"""Copies planted among the samples, 1 % of them, are all found, whatever was done to them."""

import numpy as np
import pytest
from test_audit import measured, run, shard

SIDE, PER_PATIENT, PATIENTS = 32, 2, 120


@pytest.fixture
def brains(tmp_path, monkeypatch):
    """120 patients with two pictures each, alike in their coarse form and nearly symmetric."""
    from types import SimpleNamespace

    from scipy.ndimage import gaussian_filter
    from test_audit import Blurring, write_cohort

    monkeypatch.setattr("synthcohort.models.load_autoencoder", lambda path: Blurring())

    def made(count, seed):
        rng = np.random.default_rng(seed)
        own = gaussian_filter(rng.normal(size=(count, SIDE, SIDE)), (0, 3, 3))
        own = own + own[..., ::-1]
        fine = gaussian_filter(rng.normal(size=(count, SIDE, SIDE)), (0, 1, 1))
        y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
        head = 120 * np.exp(-(((x**2 + y**2) / 120) ** 2))
        pixels = 60 + head + 25 * own / own.std() + 12 * fine / fine.std()
        return pixels.clip(0, 255).astype(np.uint8)[:, None]

    images = made(PATIENTS * PER_PATIENT, 1)
    train = write_cohort(tmp_path, images)
    return SimpleNamespace(root=tmp_path, images=images, train=train, made=made)


def planted(image, how):
    """The image copied: "exact", "up", "left", "noised", "mirrored" or "through the decoder"."""
    from test_audit import decoded

    rng = np.random.default_rng(5)
    if how == "noised":
        return (image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)
    if how == "through the decoder":
        return decoded(image[None])[0]
    steps = {"exact": image, "mirrored": image[..., ::-1]}
    if how in steps:
        return steps[how]
    return np.roll(image, 2 if how == "down" else -2, axis=1 if how in ("up", "down") else 2)


HOWS = ("exact", "up", "down", "left", "noised", "mirrored", "through the decoder")


@pytest.mark.parametrize("how", HOWS)
def test_one_percent_of_copies_are_all_found(brains, how):
    images = brains.made(300, seed=2)
    places = [20, 110, 290]
    originals = brains.train[:60:20]
    for place, original in zip(places, originals, strict=True):
        images[place] = planted(brains.images[original], how)
    samples = [shard(brains.root / "shard-00000.npz", images)]
    result = run(brains, samples)
    assert measured(result, "copies")["value"] == 3
    found = {(entry["label"], entry["index"]): entry["train_image"] for entry in result["copies"]}
    expected = {("ab"[p % 2], p // 2): f"i{o}" for p, o in zip(places, originals, strict=True)}
    assert found == expected
    assert ("mirrored" in result["copies"][0]["way"]) == (how == "mirrored")
    assert not result["passed"]


def test_images_of_other_people_are_no_copies(brains):
    result = run(brains, [shard(brains.root / "shard-00000.npz", brains.made(300, seed=3))])
    copies = measured(result, "copies")
    assert copies["value"] == 0 and copies["floor"]["value"] == 0
    assert result["outcome"] != "failed"


def test_copies_are_dropped_and_judged_all_the_same(brains):
    images = brains.made(100, seed=2)
    images[8] = brains.images[brains.train[0]]
    samples = [shard(brains.root / "shard-00000.npz", images)]
    result = run(brains, samples)
    assert {"label": "a", "index": 4} in result["dropped"]
    assert result["gates"][0]["value"] == 1 and result["gates"][0]["outcome"] == "failed"
    assert run(brains, samples, drop_memorised=False)["dropped"] == []


def test_an_override_is_recorded_with_its_reason(brains):
    from synthcohort.audit.gate import require_passed

    images = brains.made(100, seed=2)
    images[8] = brains.images[brains.train[0]]
    samples = [shard(brains.root / "shard-00000.npz", images)]
    result = run(brains, samples, override={"copies": "a phantom"})
    assert not result["passed"] and result["gates"][0]["override"] == "a phantom"
    assert require_passed(brains.root / "audit.json", samples) == result
