"""Image files as a table of the source `folder` names them."""

import unicodedata

import pytest
from folders import read, table, write

from synthcohort.errors import UserError

COLUMNS = {"patient": "who"}


def named(root, *names: str) -> list[str]:
    table(root / "list.csv", "file,who", *(f"{name},p{i}" for i, name in enumerate(names)))
    found = {i.patient_id: i.image_id for i in read(root, table="list.csv", columns=COLUMNS)}
    return [found[f"p{i}"] for i in range(len(names))]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "images"
    for name in ("a/0.png", "a/1.PNG", "b/x.y.png", "b/M\u00fcller.png"):
        write(root / name)
    write(root / "b" / unicodedata.normalize("NFD", "Größe.png"))
    return root


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("./a/0.png", "a/0.png"),
        ("a//0.png", "a/0.png"),
        ("b/../a/0.png", "a/0.png"),
        ("a\\0.png", "a/0.png"),
        (".\\a\\0", "a/0.png"),
        ("../images/a/0.png", "a/0.png"),
        ("{root}/a/0.png", "a/0.png"),
        ("a/0.PNG", "a/0.png"),
        ("a/1.png", "a/1.PNG"),
        ("A/1", "a/1.PNG"),
        ("b/x.y", "b/x.y.png"),
        (unicodedata.normalize("NFD", "b/Müller.png"), "b/Müller.png"),
        (unicodedata.normalize("NFC", "b/GRÖSSE"), unicodedata.normalize("NFD", "b/Größe.png")),
    ],
)
def test_another_notation_of_a_path_is_found(root, name, file):
    assert named(root, "a/0.png" if file != "a/0.png" else "b/x.y.png", name.format(root=root))[
        1
    ] == (file)


def test_an_exact_path_comes_first(root):
    write(root / "a/1.png")
    write(root / "a/0.jpg")
    assert named(root, "a/1.png", "a/1.PNG", "a/0.jpg") == ["a/1.png", "a/1.PNG", "a/0.jpg"]


def test_names_without_folders_are_found_and_told(root, capsys):
    names = ["0.png", "1.png", "x.y"]
    assert named(root, *names) == ["a/0.png", "a/1.PNG", "b/x.y.png"]
    assert "names images without their folders: '0.png' is 'a/0.png'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a/0.png", "x.y.png"), "line 3: 'x.y.png' (there is 'b/x.y.png'): there is no such"),
        (("a/0.png", "images/a/1.PNG"), "line 3: 'images/a/1.PNG' (there is 'a/1.PNG')"),
        (("a/0.png", "C:\\data\\1.PNG"), "(there is 'a/1.PNG'): there is no such image in"),
        (("a/0.png", "a/1.dcm"), "line 3: 'a/1.dcm' (there is 'a/1.PNG')"),
        (("a/0.png", "b/Muller.png"), "(there is 'b/Müller.png')"),
        (("a/0.png", "a/001"), "line 3: 'a/001' (there is 'a/1.PNG')"),
        (("a/0.png", "b/M%C3%BCller"), "(there is 'b/Müller.png')"),
        (("a/0.png", "c/unlike.png"), "line 3: 'c/unlike.png': there is no such image"),
        (("a/0.png", ""), "line 3: '': there is no such image"),
        (("a/0.png", "./a/0.png"), "line 3: './a/0.png': the image is listed twice"),
    ],
)
def test_what_nearly_matches_is_told(root, names, said):
    with pytest.raises(UserError) as error:
        named(root, *names)
    assert said in str(error.value)


def test_a_name_that_several_images_may_have_is_told(root):
    write(root / "b/0.png")
    with pytest.raises(UserError, match=r"line 2: '0' \('a/0.png' or 'b/0.png'\): several images"):
        named(root, "0", "1")
    write(root / "a/0.jpg")
    with pytest.raises(UserError, match=r"line 2: 'A/0' \('a/0.jpg' or 'a/0.png'\): several"):
        named(root, "A/0", "a/1.PNG")
