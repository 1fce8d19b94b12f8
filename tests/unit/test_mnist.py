"""The source `mnist`: what it reads from IDX files, and what it says of faulty ones."""

import gzip
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from synthcohort import sources
from synthcohort.errors import UserError
from synthcohort.sources import mnist

LABELS = {"train": [3, 6, 6, 1], "t10k": [6, 0]}
TRAIN = "train-images-idx3-ubyte"


def idx(array: np.ndarray, kind: int = 0x08) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, kind, array.ndim)) + sizes + array.tobytes()


def pixels(count: int, side: int = 28) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, side, side), np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Stand-ins for the four files, two of them compressed."""
    for part, labels in LABELS.items():
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(pixels(len(labels))))
        compressed = gzip.compress(idx(np.array(labels, np.uint8)), compresslevel=1)
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(compressed)
    return tmp_path


def accepted(root: Path) -> dict[str, str]:
    """The checksums of what is in the stand-ins, as far as it can be read."""
    found = {}
    for path in root.glob("*ubyte*"):
        try:
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
        except (OSError, EOFError, zlib.error):
            continue
        found[path.name.removesuffix(".gz")] = f"md5:{hashlib.md5(content).hexdigest()}"
    return found


def read(root: Path, **settings) -> list:
    settings = {"altered": accepted(root)} | settings
    return list(mnist.read(mnist.Source(root=root, **settings), None))


def told(root: Path, **settings) -> str:
    with pytest.raises(UserError) as error:
        read(root, **settings)
    return str(error.value)


def test_every_image_has_its_label_its_split_and_a_patient_of_its_own(root):
    images = read(root)
    assert [(image.label, image.split) for image in images] == [
        *((str(label), "train") for label in LABELS["train"]),
        *((str(label), "test") for label in LABELS["t10k"]),
    ]
    assert len({image.patient_id for image in images}) == len({i.image_id for i in images}) == 6
    np.testing.assert_array_equal([image.pixels for image in images[:4]], pixels(4))
    assert images[4].source_file == "t10k-images-idx3-ubyte"


def test_some_digits_alone_are_kept(root):
    kept = read(root, digits=(6,))
    assert [image.image_id for image in kept] == ["train-00001", "train-00002", "test-00000"]
    assert {image.label for image in kept} == {"6"}


def test_a_digit_that_no_image_shows_is_told(root):
    assert told(root, digits=(6, 7, 8)).endswith("shows 7, 8")


@pytest.mark.parametrize("digits", [(), (10,), (-1,), "six"])
def test_digits_out_of_range_are_refused(digits):
    with pytest.raises(ValidationError):
        mnist.Source(digits=digits)


def test_it_is_fetched_only_where_no_place_is_given(root, monkeypatch):
    assert sources.fetches(mnist.Source())
    assert not sources.fetches(mnist.Source(root=root))
    asked = []
    monkeypatch.setattr(
        mnist, "download", lambda url, path, **rest: asked.append((url, path.name, rest))
    )
    mnist.fetch(mnist.Source(), root, 0)
    assert [name for _, name, _ in asked] == list(mnist._MD5)
    url, _, rest = asked[0]
    assert url.endswith("/mnist/train-images-idx3-ubyte.gz")
    assert rest["checksum"] == "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"
    assert "t10k-labels-idx1-ubyte.gz" in rest["otherwise"] and "source.root" in rest["otherwise"]


def test_what_was_fetched_is_read(root):
    assert len(list(mnist.read(mnist.Source(altered=accepted(root)), root))) == 6


def test_files_that_are_not_mnists_are_refused_whoever_compressed_them(root, monkeypatch):
    message = told(root, altered={})
    for name, checksum in accepted(root).items():
        assert f"{name} ({mnist._UNPACKED[name]}, here {checksum})" in message
        assert f"\n      {name}: {checksum}" in message
    monkeypatch.setattr(mnist, "_UNPACKED", accepted(root))
    assert len(read(root, altered={})) == 6
    assert "take the name out" in told(root)
    (root / TRAIN).write_bytes(idx(pixels(5)[1:]))
    changed = {TRAIN: accepted(root)[TRAIN]}
    assert TRAIN in told(root, altered={}) and len(read(root, altered=changed)) == 6


def test_files_in_mnists_place_have_unknown_terms(root):
    assert sources.terms(mnist.Source(root=root)).name == "CC BY-SA 3.0"
    other = sources.terms(mnist.Source(root=root, altered={TRAIN: f"md5:{'1' * 32}"}))
    assert other.name == "unknown" and f"{TRAIN} (md5:111" in other.source


def test_an_absent_folder_or_file_is_told(root):
    assert "source.root" in told(root / "nowhere")
    (root / TRAIN).unlink()
    assert f"neither {TRAIN} nor {TRAIN}.gz" in told(root)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (idx(pixels(4))[:-1], "ends before what its header announces"),
        (idx(pixels(4)) + b"\0", "goes on after what its header announces"),
        (b"<!doctype html><title>404</title>", "begins with 3c 21 64 6f"),
        (idx(np.array([3, 6, 6, 1], np.uint8)), "begins with 00 00 08 01; expected 00 00 08 03"),
        (idx(pixels(4).astype(">f4"), 0x0D), "begins with 00 00 0d 03"),
        (idx(pixels(4, side=32)), "images of 32×32 pixels; expected 28×28"),
        (idx(pixels(5)), "has 5 images, but"),
    ],
)
def test_a_file_of_another_content_is_told(root, content, said):
    (root / TRAIN).write_bytes(content)
    message = told(root)
    assert str(root / TRAIN) in message and said in message


@pytest.mark.parametrize("kept", [5, 0.5, 0.999])
def test_a_truncated_gz_is_told(root, kept):
    content = gzip.compress(idx(pixels(4)))
    (root / TRAIN).unlink()
    path = root / f"{TRAIN}.gz"
    path.write_bytes(content[: kept if kept > 1 else int(len(content) * kept)])
    assert told(root).startswith(f"{path}: cannot be read")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (idx(pixels(4)), "it is called .gz but not compressed; take .gz off its name"),
        (b"please log in", "it is text"),
        (b"<html>please log in</html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "it is a Git LFS pointer"),
        (b"PK\3\4aaaa", "it is a zip archive"),
    ],
)
def test_a_gz_that_is_none_is_told(root, content, said):
    (root / TRAIN).unlink()
    (root / f"{TRAIN}.gz").write_bytes(content)
    assert f"{TRAIN}.gz: cannot be read: {said}" in told(root)


def test_a_link_to_nothing_is_told(root):
    (root / TRAIN).unlink()
    (root / TRAIN).symlink_to("gone")
    assert "it is a link that leads to nothing (gone)" in told(root)
