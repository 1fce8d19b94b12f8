"""The source `medmnist`: its sets, a user's own npz, and what it says of faulty ones."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from synthcohort import sources
from synthcohort.errors import UserError
from synthcohort.sources import medmnist

COUNTS = {"train": 4, "val": 2, "test": 3}


def arrays(shape=(8, 8), dtype=np.uint8, columns=1, classes=2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {}
    for split, count in COUNTS.items():
        values = rng.integers(0, np.iinfo(dtype).max, (count, *shape), endpoint=True)
        made[f"{split}_images"] = values.astype(dtype)
        made[f"{split}_labels"] = rng.integers(0, classes, (count, columns), np.uint8)
    return made


def write(path: Path, made: dict[str, np.ndarray], compressed: bool = True) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **made)
    return path


def read(path: Path, **settings) -> list:
    return list(medmnist.read(medmnist.Source(path=path, **settings), None))


def altered(path: Path) -> dict[str, str]:
    """What the settings say of a stand-in for a published file."""
    return {path.name: f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"}


def told(path: Path, made: dict[str, np.ndarray], **settings) -> str:
    write(path / "own.npz", made)
    with pytest.raises(UserError) as error:
        read(path / "own.npz", **settings)
    assert str(path / "own.npz") in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("shape", "dtype"), [((8, 8), np.uint8), ((6, 8, 3), np.uint8), ((8, 8), ">u2")]
)
def test_every_image_is_read_with_its_label_and_split(tmp_path, shape, dtype, compressed):
    made = arrays(shape, np.dtype(dtype).newbyteorder("="), classes=3)
    stored = {key: a.astype(dtype) if "images" in key else a for key, a in made.items()}
    images = read(write(tmp_path / "own.npz", stored, compressed))
    assert [image.split for image in images] == [s for s, n in COUNTS.items() for _ in range(n)]
    for split in COUNTS:
        part = [image for image in images if image.split == split]
        np.testing.assert_array_equal([i.pixels for i in part], made[f"{split}_images"])
        assert [i.label for i in part] == made[f"{split}_labels"][:, 0].astype(str).tolist()
    assert images[0].pixels.dtype == made["train_images"].dtype
    assert len({image.patient_id for image in images}) == len(images) == 9
    assert not any(image.attributes for image in images)


def test_names_and_patients_are_taken_from_the_settings_and_the_file(tmp_path):
    made = arrays() | {f"{s}_patients": np.arange(n) // 2 + 100 for s, n in COUNTS.items()}
    images = read(write(tmp_path / "own.npz", made), labels=("well", "ill"))
    assert [image.patient_id for image in images[:4]] == ["100", "100", "101", "101"]
    classes = made["train_labels"][:, 0]
    assert [image.label for image in images[:4]] == [("well", "ill")[c] for c in classes]


@pytest.mark.parametrize(
    "shaped",
    [
        lambda ids: ids[:, None],
        lambda ids: ids.astype(str)[:, None],
        lambda ids: ids.astype(">i4"),
        lambda ids: np.asfortranarray(ids[:, None]),
    ],
)
def test_patients_may_be_a_column_as_labels_are(tmp_path, shaped):
    made = arrays() | {f"{s}_patients": shaped(np.arange(n) // 2) for s, n in COUNTS.items()}
    images = read(write(tmp_path / "own.npz", made))
    assert [image.patient_id for image in images[:4]] == ["0", "0", "1", "1"]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (np.array(["a", "b", "c", "d"], object), "train_patients holds Python objects"),
        (np.arange(4).astype(object)[:, None], r".astype(str)"),
        (np.array([1.0, np.nan, 2, 3]), "train_patients is 4 of float64"),
        (np.array([b"a", b"b", b"c", b"d"]), "train_patients is 4 of |S1"),
        (np.arange(8).reshape(4, 2), "train_patients is 4×2 of int64; expected one"),
        (np.array(7), "train_patients is one value of int64"),
    ],
)
def test_patients_that_are_no_ids_are_told(tmp_path, ids, said):
    assert said in told(tmp_path, arrays() | {"train_patients": ids})


def test_uint16_images_of_12_bits_are_refused_or_spread(tmp_path):
    made = arrays(dtype=np.uint16)
    made |= {key: array >> 4 for key, array in made.items() if "images" in key}
    assert "source.bits: 12" in told(tmp_path, made)
    images = read(tmp_path / "own.npz", bits=12)
    expected = np.rint(made["train_images"][0] * (65535 / 4095))
    np.testing.assert_array_equal(images[0].pixels, expected)
    assert "train_images[0]: holds values up to" in told(tmp_path, made, bits=8)


def test_several_findings_become_attributes(tmp_path):
    made = arrays(columns=3)
    path = write(tmp_path / "own.npz", made)
    for names in (("mass", "nodule", "hernia"), ()):
        images = read(path, labels=names)
        assert {image.label for image in images} == {""}
        assert list(images[0].attributes) == list(names or "012")
        found = [list(image.attributes.values()) for image in images[:4]]
        np.testing.assert_array_equal(found, made["train_labels"])


def test_an_empty_val_is_no_fault(tmp_path):
    made = arrays()
    made |= {"val_images": made["val_images"][:0], "val_labels": made["val_labels"][:0]}
    images = read(write(tmp_path / "own.npz", made))
    assert {image.split for image in images} == {"train", "test"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"val_labels": None}, "has no array val_labels; expected MedMNIST's layout"),
        ({"train_images": np.zeros((4, 64), np.uint8)}, "train_images is 4×64 of uint8"),
        ({"train_images": np.zeros((4, 8, 8, 8), np.uint8)}, "train_images is 4×8×8×8 of uint8"),
        ({"train_images": np.zeros((4, 8, 8))}, "train_images is 4×8×8 of float64"),
        ({"train_images": np.zeros((8, 8, 4), np.uint8).T}, "lies in Fortran order"),
        ({"test_labels": np.zeros((2, 1), int)}, "has 3 images but test_labels 2 rows"),
        ({"test_labels": np.zeros(3, int)}, "test_labels is 3 of int64"),
        ({"test_labels": np.zeros((3, 1))}, "test_labels is 3×1 of float64"),
        ({"test_labels": np.zeros((3, 2), int)}, "'test': 2}; expected the same number"),
        ({"val_labels": np.full((2, 1), -1)}, "val_labels holds -1 in row 0"),
        ({"train_patients": np.arange(3)}, "has 4 images but train_patients 3 rows"),
        ({"train_patients": np.arange(4)}, "patients are given for some splits only"),
        ({"train_labels": np.array([[{}]] * 4)}, "train_labels holds Python objects"),
    ],
)
def test_a_file_of_another_layout_is_told(tmp_path, changes, said):
    made = {key: array for key, array in (arrays() | changes).items() if array is not None}
    assert said in told(tmp_path, made)


def test_labels_that_do_not_fit_their_names_are_told(tmp_path):
    made = arrays() | {"test_labels": np.array([[0], [1], [2]])}
    assert "test_labels holds 2 in row 2; expected whole numbers among [0, 1]" in told(
        tmp_path, made, labels=("well", "ill")
    )
    made = {key: a * 2 if "labels" in key else a for key, a in arrays(columns=3).items()}
    assert "among [0, 1]" in told(tmp_path, made)
    assert "one for each of well, ill" in told(tmp_path, arrays(columns=3), labels=("well", "ill"))


@pytest.mark.parametrize("kept", [0, 0.3, 0.95])
def test_a_truncated_file_is_told(tmp_path, kept):
    path = write(tmp_path / "own.npz", arrays())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(UserError, match="cannot be read as an npz"):
        read(path)


def test_damaged_pixels_are_told(tmp_path):
    path = write(tmp_path / "own.npz", arrays(), compressed=False)
    content = bytearray(path.read_bytes())
    content[200] ^= 255  # among the first image's pixels
    path.write_bytes(content)
    with pytest.raises(UserError, match="Bad CRC-32"):
        read(path)


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.path"):
        read(tmp_path / "own.npz")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "give either flag"),
        ({"flag": "chestmnist", "path": "own.npz"}, "give either flag"),
        ({"path": "own.npz", "root": "."}, "root is where the file of a flag lies"),
        ({"flag": "chestmnist", "labels": ["a"]}, "give labels with path only"),
        ({"path": "own.npz", "labels": ["a", "a"]}, "labels has a name twice"),
        ({"flag": "chestmnist", "licence": "CC0"}, "give licence and gated with path only"),
        ({"flag": "organmnist3d"}, "organmnist3d holds volumes"),
        ({"flag": "chestmnist", "bits": 12}, "give bits with path only"),
        ({"path": "own.npz", "altered": {"own.npz": f"md5:{'0' * 32}"}}, "with flag only"),
        ({"flag": "chestmnist", "altered": {"chestmnist.npz": "yes"}}, "should match pattern"),
        ({"flag": "chestmnist", "size": 32}, "Input should be 28, 64, 128 or 224"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, said):
    with pytest.raises(ValidationError, match=said):
        medmnist.Source(**settings)


def test_an_unknown_flag_is_told_with_the_nearest(tmp_path):
    with pytest.raises(UserError, match="'chestmist'; did you mean chestmnist"):
        medmnist.fetch(medmnist.Source(flag="chestmist"), tmp_path, 0)
    with pytest.raises(UserError, match="there are pathmnist, chestmnist"):
        medmnist.fetch(medmnist.Source(flag="faces"), tmp_path, 0)


def test_the_terms_are_those_of_the_chosen_set_or_declared_of_an_own_file():
    assert sources.terms(medmnist.Source(flag="dermamnist")).name == "CC BY-NC 4.0"
    chest = sources.terms(medmnist.Source(flag="chestmnist", size=64))
    assert chest.name == "CC BY 4.0" and "ChestMNIST" in chest.source
    own = {"path": "own.npz"}
    assert sources.terms(medmnist.Source(**own)).name == "unknown"
    bound = sources.terms(medmnist.Source(**own, licence="Our agreement", gated=True))
    assert bound.name == "Our agreement" and bound.gated


def test_a_set_is_fetched_at_its_size_unless_its_folder_is_given(tmp_path, monkeypatch):
    source = medmnist.Source(flag="chestmnist", size=64)
    assert sources.fetches(source)
    assert not sources.fetches(medmnist.Source(flag="chestmnist", root=tmp_path))
    assert not sources.fetches(medmnist.Source(path=tmp_path / "own.npz"))
    asked = []
    monkeypatch.setattr(
        medmnist, "download", lambda url, path, **rest: asked.append((url, path, rest["checksum"]))
    )
    medmnist.fetch(source, tmp_path, 0)
    ((url, path, checksum),) = asked
    assert "chestmnist_64.npz" in url and path == tmp_path / "chestmnist_64.npz"
    assert checksum == "md5:9de6cd0b934ebb5b7426cfba5efbae16"


def test_a_set_brings_the_names_of_its_labels(tmp_path):
    accepted = altered(write(tmp_path / "pneumoniamnist.npz", arrays()))
    source = medmnist.Source(flag="pneumoniamnist", root=tmp_path, altered=accepted)
    assert {image.label for image in medmnist.read(source, None)} == {"normal", "pneumonia"}
    accepted = altered(write(tmp_path / "chestmnist_64.npz", arrays(columns=14)))
    source = medmnist.Source(flag="chestmnist", size=64, altered=accepted)
    first = next(iter(medmnist.read(source, tmp_path)))
    assert list(first.attributes)[:2] == ["atelectasis", "cardiomegaly"]
    assert len(first.attributes) == 14


def test_arrays_that_are_not_read_are_told(tmp_path, capsys):
    made = arrays() | {"train_patient_ids": np.arange(4), "masks": np.zeros(3)}
    assert len(read(write(tmp_path / "own.npz", made))) == 9
    assert "own.npz: not read: masks, train_patient_ids" in capsys.readouterr().err


def test_images_without_pixels_are_refused(tmp_path):
    made = arrays() | {"val_images": np.zeros((2, 0, 8), np.uint8)}
    assert "val_images is 2×0×8 of uint8" in told(tmp_path, made)
