"""Copies planted among the samples, 1 % of each kind, are found; what would have been is told."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from drawn import shard
from scipy.ndimage import gaussian_filter
from test_audit import Blurring, decoded, measured, run, write_cohort

from synthcohort.audit import disguises, planted, ways

SIDE, PATIENTS = 32, 120
# In pixels, and what only a detector or an alignment finds.
TURNED = ("upside down", "a quarter to the left", "a quarter to the right, mirrored")
PLAIN = ("exact", "up", "left", "noised", "mirror image", *TURNED, "through the decoder")
DISGUISED = ("zoom +5 %", "shift 4 px", "inverted", "gamma 1.4", "turned 6°", "left half of it")
EACH = 3


def made(count, seed):
    """Pictures alike in their coarse form and nearly symmetric."""
    rng = np.random.default_rng(seed)
    own = gaussian_filter(rng.normal(size=(count, SIDE, SIDE)), (0, 3, 3))
    own = own + own[..., ::-1]
    fine = gaussian_filter(rng.normal(size=(count, SIDE, SIDE)), (0, 1.2, 1.2))
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    head = 120 * np.exp(-(((x**2 + y**2) / 120) ** 2))
    pixels = 60 + head + 25 * own / own.std() + 16 * fine / fine.std()
    return pixels.clip(0, 255).astype(np.uint8)[:, None]


def plain(image, how):
    rng = np.random.default_rng(5)
    if how == "noised":
        return (image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)
    if how == "through the decoder":
        return decoded(image[None])[0]
    steps = {
        "exact": image,
        "mirror image": image[..., ::-1],
        "upside down": image[:, ::-1],
        "a quarter to the left": np.rot90(image, 1, (1, 2)),
        "a quarter to the right, mirrored": np.rot90(image, -1, (1, 2))[..., ::-1],
    }
    return steps[how] if how in steps else np.roll(image, -2, axis=1 if how == "up" else 2)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A set of strangers with copies of each kind, searched once."""
    root = tmp_path_factory.mktemp("copies")
    images = made(240, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synthcohort.models.load_autoencoder", lambda path: Blurring())
        kept = {name: disguises.DISGUISES[name] for name in ("as it is", *DISGUISED, "blur 2 px")}
        patch.setattr(disguises, "DISGUISES", kept)
        study = SimpleNamespace(root=root, images=images, train=write_cohort(root, images))
        synthetic, hidden = made(300, 2), {}
        for kind, how in enumerate((*PLAIN, *DISGUISED)):
            originals = study.train[kind * EACH : (kind + 1) * EACH]
            places = np.arange(EACH) * 80 + 5 * kind
            if how in PLAIN:
                synthetic[places] = [plain(images[i], how) for i in originals]
            else:
                others = images[study.train[80 : 80 + EACH]]
                synthetic[places] = decoded(planted.disguised(images[originals], others, how, 3))
            hidden[how] = dict(zip(places.tolist(), originals, strict=True))
        samples = [shard(root / "shard-00000.npz", synthetic)]
        result = run(study, samples, detector_images=2048, planted=20)
    named = {2 * c["index"] + "ab".index(c["label"]): c for c in result["copies"]}
    return SimpleNamespace(result=result, hidden=hidden, named=named, root=root)


@pytest.mark.parametrize("how", PLAIN)
def test_one_percent_of_plain_copies_are_all_found(searched, how):
    for place, original in searched.hidden[how].items():
        assert searched.named[place]["train_image"] == f"i{original}"
        assert ("mirrored" in searched.named[place]["way"]) == (how == "mirror image")


@pytest.mark.parametrize("how", DISGUISED)
def test_disguised_copies_are_found_one_by_one(searched, how):
    found = [place in searched.named for place in searched.hidden[how]]
    assert sum(found) >= 2


def test_images_of_other_people_are_no_copies(searched):
    copies, hidden = measured(searched.result, "copies"), set().union(*searched.hidden.values())
    assert len(set(searched.named) - hidden) <= 3, "1 % of the strangers"
    assert copies["floor"]["value"] <= 0.01 and copies["floor"]["patients"] == 40
    assert copies["count"] == len(searched.named) and copies["value"] == copies["count"] / 300
    assert copies["interval"][0] < copies["value"] < copies["interval"][1]


def test_copies_are_dropped_and_judged_all_the_same(searched):
    dropped = {(image["label"], image["index"]) for image in searched.result["dropped"]}
    assert {(copy["label"], copy["index"]) for copy in searched.result["copies"]} <= dropped
    gate = next(gate for gate in searched.result["gates"] if gate["name"] == "copies")
    assert gate["value"] > 0 and gate["outcome"] == "failed"


def test_the_table_tells_what_would_have_been_found(searched):
    table = searched.result["planted"]
    shares = {row["disguise"]: row["found"]["any"] for row in table["rows"]}
    assert [*shares] == ["as it is", *DISGUISED, "blur 2 px", planted.IN_LATENT]
    assert shares["as it is"] == 1 and {row["n"] for row in table["rows"]} == {20}
    named = table["sentence_found"] + table["sentence_missed"]
    assert all(name in named for name in shares)
    for name, share in shares.items():
        assert (name in table["sentence_found"]) == (share >= 0.8)
    assert table["false_alarms"] == measured(searched.result, "copies")["floor"]
    assert (searched.root / "planted.png").stat().st_size > 10_000
    json.dumps(table, allow_nan=False)


def test_the_worst_off_patient_is_told(searched):
    hits, worst = measured(searched.result, "hits_per_patient"), searched.result["worst_off"]
    assert 0 < hits["value"] < 0.5 and sum(one["copies"] for one in worst) > 0
    assert worst[0]["copies"] == max(one["copies"] for one in worst)


@pytest.mark.parametrize("count", [3, 6, 40])
def test_every_image_is_aligned_with_those_of_as_many_patients(count):
    patients, random = np.repeat(np.arange(count), 5), np.random.default_rng(0)
    shape = 200, min(ways.PATIENTS, count)
    whole, part = (
        np.argsort(random.random((200, count)))[:, : shape[1]] * 5 + random.integers(5, size=shape)
        for _ in range(2)
    )
    plain = random.integers(5 * count, size=200)
    for i, chosen in enumerate(ways._candidates(whole, part, [plain], patients)):
        assert {whole[i, 0], part[i, 0], plain[i]} <= set(chosen)
        assert len(set(patients[chosen])) == shape[1]


def test_disguised_images_stay_in_the_type_of_the_cohort():
    images = torch.arange(2 * 64 * 64).reshape(2, 1, 64, 64).numpy().astype(np.uint16)
    for name in planted.names():
        out = planted.disguised(images, images[::-1].copy(), name, 1)
        assert out.dtype == np.uint16 and out.shape == images.shape
