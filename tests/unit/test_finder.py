"""Finding files: each real one once, and a word about the others."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcohort.errors import UserError
from synthcohort.intake.finder import find, hidden, nameable, shown


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def link(path: Path, target: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def names(root: Path, **settings) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find(root, (".png",), **settings).files]


def test_files_are_found_at_any_depth_in_sorted_order(tmp_path, capsys):
    touch(tmp_path, "b/1.png", "a/b/c/2.PNG", "a-b.png", "a/1.png")
    assert names(tmp_path) == ["a-b.png", "a/1.png", "a/b/c/2.PNG", "b/1.png"]
    assert capsys.readouterr().err == ""


def test_what_is_wanted_may_depend_on_the_path(tmp_path, capsys):
    touch(tmp_path, "a/1.png", "b/2.png", "b/3.nii.gz", "list.csv")
    found = find(tmp_path, lambda path: path.parts[0] == "a", besides=[Path("list.csv")])
    assert [path.name for path in found.files] == ["1.png"]
    assert found.passed_over == {"*.png": ["b/2.png"], "*.nii.gz": ["b/3.nii.gz"]}
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"Note: {tmp_path}: not taken: 1 *.nii.gz (b/3.nii.gz), 1 *.png (b/2.png)"


@pytest.mark.parametrize(
    ("where", "target"),
    [("a/all", ".."), ("a/b/again", "../../a"), ("self", "."), ("outer", "..")],
)
def test_a_link_to_a_folder_around_it_is_not_followed(tmp_path, where, target):
    root = tmp_path / "root"
    touch(root, "a/1.png", "a/b/2.png")
    link(root / where, target)
    found = find(root, (".png",))
    assert len(found.files) == 2 and not found.ways
    assert found.passed_over == {"links to a folder around them": [where]}


def test_folders_that_link_to_each_other_end(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png")
    link(tmp_path / "a/b", "../b")
    link(tmp_path / "b/a", "../a")
    assert names(tmp_path) == ["a/1.png", "b/2.png"]


def test_a_file_that_links_reach_again_is_taken_by_the_way_of_fewest_links(tmp_path):
    touch(tmp_path, "z/1.png")
    link(tmp_path / "a.png", "z/1.png")
    link(tmp_path / "b", "z")
    found = find(tmp_path, (".png",))
    assert found.files == [tmp_path / "z/1.png"]
    assert {*found.ways} == {"a.png", "b/1.png"}


def test_links_out_of_the_root_are_followed_and_twice_to_one_file_once(tmp_path):
    touch(tmp_path, "pool/1.png", "pool/2.png", "pool/hidden/.x.png")
    link(tmp_path / "root/b", "../pool")
    link(tmp_path / "root/a/1.png", "../../pool/1.png")
    assert names(tmp_path / "root") == ["a/1.png", "b/2.png"]


def test_a_wanted_file_is_found_by_the_path_that_is_wanted(tmp_path):
    touch(tmp_path, "pool/1.png")
    link(tmp_path / "ill", "pool")
    found = find(tmp_path, lambda path: path.parts[0] == "ill")
    assert found.files == [tmp_path / "ill/1.png"]


@pytest.mark.parametrize("target", ["../.git/annex/objects/1.png", "1.png", "/nowhere/1.png"])
def test_a_wanted_link_to_nothing_is_refused(tmp_path, target):
    touch(tmp_path, "a/2.png")
    link(tmp_path / "a/1.png", target)
    with pytest.raises(UserError, match=r"1 files are links .* a/1\.png → .*datalad get"):
        find(tmp_path, (".png",))


def test_another_link_to_nothing_is_told(tmp_path, capsys):
    touch(tmp_path, "2.png")
    link(tmp_path / "README", ".git/annex/objects/README")
    link(tmp_path / "sub-03", "/mnt/gone/sub-03")
    assert names(tmp_path) == ["2.png"]
    assert "2 links to nothing (the first is README)" in capsys.readouterr().err


def test_hidden_files_and_pipes_are_not_taken(tmp_path):
    touch(tmp_path, ".a.png", "._b.png", ".git/c.png", "__MACOSX/d.png", "e.png")
    os.mkfifo(tmp_path / "f.png")
    found = find(tmp_path, (".png",))
    assert [path.name for path in found.files] == ["e.png"]
    assert found.passed_over["devices or pipes"] == ["f.png"]
    assert found.passed_over["hidden"] == ["._b.png", ".a.png", ".git", "__MACOSX"]
    assert hidden(Path("a/__macosx/b.png")) and not hidden(Path("a.b/c.png"))


@given(st.binary(min_size=1, max_size=12))
def test_what_is_shown_of_a_name_can_be_printed_and_tells_what_a_table_holds(raw):
    name = os.fsdecode(raw.replace(b"\0", b"").replace(b"/", b"") or b"a")
    assert shown(name).isprintable()
    shown(name).encode()
    if nameable(name):
        assert name.encode().decode() == name and len(name.splitlines()) == 1
