"""npz files: what is read of them, and what is said of those that are damaged or something else."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcohort.errors import UserError
from synthcohort.intake import npz

ARRAY = np.arange(60, dtype=np.uint16).reshape(5, 4, 3)


def stored(path: Path, array: np.ndarray, version: tuple[int, int]) -> Path:
    content = io.BytesIO()
    np.lib.format.write_array(content, array, version)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", content.getvalue())
    return path


def told(path: Path) -> str:
    with pytest.raises(UserError) as error, npz.opened(path) as archive:
        for name in archive.names:
            archive.array(name)
            list(archive.rows(name))
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("array", [ARRAY, ARRAY.astype(">u2"), ARRAY[:0], ARRAY.T], ids=str)
def test_arrays_are_read_whatever_the_version(tmp_path, array, version):
    with npz.opened(stored(tmp_path / "a.npz", array, version)) as archive:
        assert archive.names == ["a"]
        assert archive.header("a")[0] == array.shape and archive.header("a")[2] == array.dtype
        np.testing.assert_array_equal(archive.array("a"), array)
        if not archive.header("a")[1]:
            np.testing.assert_array_equal(list(archive.rows("a")), list(array))


def test_python_objects_are_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", ids=np.array(["a", None], object))
    assert "ids holds Python objects" in told(tmp_path / "a.npz")
    assert ".astype(str)" in told(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"<!doctype html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"\x93NUMPY\1\0v\0{'descr'", "it is one array of numpy (npy)"),
        (b"\x1f\x8b\x08\0", "it is compressed by gzip"),
        (pickle.dumps({"train_images": [1]}), "it is a pickle of Python"),
        (b"PK\3\4" + bytes(80), "it is damaged or truncated"),
    ],
)
def test_a_file_that_is_no_npz_is_called_what_it_is(tmp_path, content, said):
    (tmp_path / "a.npz").write_bytes(content)
    assert f"cannot be read as an npz: {said}" in told(tmp_path / "a.npz") or said in told(
        tmp_path / "a.npz"
    )


def test_an_npz_that_needs_a_password_or_another_format_is_told(tmp_path):
    path = stored(tmp_path / "a.npz", ARRAY, (1, 0))
    content = path.read_bytes()
    place = content.index(b"PK\1\2")
    path.write_bytes(content[: place + 8] + b"\1" + content[place + 9 :])
    assert "encrypted" in told(path) and "damaged" not in told(path)
    data = bytearray(content)
    data[data.index(b"NUMPY") + 5] = 9
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", bytes(data[data.index(b"\x93NUMPY") : place]))
    assert "version 9.0 of numpy's format" in told(path)


def test_an_array_that_is_there_twice_is_refused(tmp_path):
    path = stored(tmp_path / "a.npz", ARRAY, (1, 0))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.npy", archive.read("a.npy"))
    assert "holds a twice" in told(path)


@pytest.mark.parametrize("name", ["b", "readme.txt", "b.npy.bak"])
def test_what_is_no_array_is_not_named_as_one(tmp_path, name):
    path = stored(tmp_path / "a.npz", ARRAY, (1, 0))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, archive.read("a.npy"))
    with npz.opened(path) as opened:
        assert opened.names == ["a"]


@given(data=st.data())
def test_damage_is_told_and_ends_nothing(tmp_path_factory, data):
    path = stored(tmp_path_factory.mktemp("damaged") / "a.npz", ARRAY, (1, 0))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        with npz.opened(path) as archive:
            for name in archive.names:
                archive.array(name)
    except UserError as error:
        assert str(path) in str(error)
