"""The source `folder`: which files it takes, and how many bits of them it uses."""

import os
from pathlib import Path

import numpy as np
import pytest
from folders import BY_FOLDER, GREY, read, write, write_three

from synthcohort.errors import UserError


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return write_three(tmp_path)


def test_a_pattern_means_what_it_means_to_a_shell(tmp_path):
    for name in ("a/p1.png", "a/b/p2.png", "a/b/c/p3.png", "p4.png", "a/b/[x].png"):
        write(tmp_path / name)

    def taken(pattern: str) -> list[str]:
        return [i.image_id for i in read(tmp_path, pattern=pattern, expression="(?P<patient>.+)")]

    assert taken("*") == ["p4.png"] and taken("./*/*.png") == ["a/p1.png"]
    assert taken("a/**/p*") == ["a/b/c/p3.png", "a/b/p2.png", "a/p1.png"]
    assert taken("**/b/**") == ["a/b/[x].png", "a/b/c/p3.png", "a/b/p2.png"]
    assert taken("**/[[]x].png") == ["a/b/[x].png"]
    with pytest.raises(UserError, match=r"no images match 'c/\*'.*there are 5 \*\.png"):
        taken("c/*")


def test_a_folder_that_links_to_itself_gives_each_image_once(cohort, capsys):
    (cohort / "a" / "all").symlink_to("..")
    (cohort / "c").symlink_to("a")
    images = read(cohort, expression=BY_FOLDER)
    assert [i.image_id for i in images] == ["a/p1_1.jpg", "a/p1_2.PNG", "b/p2_1.png"]
    told = capsys.readouterr().err
    assert "1 links to a folder around them (a/all)" in told
    assert "2 links to files that are taken (the first is c/p1_1.jpg)" in told


def test_links_that_call_one_image_two_things_are_refused(tmp_path):
    picture = write(tmp_path / "pool" / "1.png")
    for name in ("ill/p1.png", "well/p1.png"):
        (tmp_path / "root" / name).parent.mkdir(parents=True)
        (tmp_path / "root" / name).symlink_to(picture)
    assert len(read(tmp_path / "root", expression=r"(?P<patient>p\d)")) == 1
    with pytest.raises(UserError, match=r"ill/p1\.png and .*well/p1\.png are links to one file"):
        read(tmp_path / "root", expression=BY_FOLDER)


def test_the_bits_that_are_used_are_a_setting(tmp_path):
    write(tmp_path / "p1.png", GREY.astype(np.uint16) * 87)
    with pytest.raises(UserError, match=r"no image .* above 4089 of 65535.*source\.bits: 12"):
        read(tmp_path, expression="(?P<patient>p1)")
    (image,) = read(tmp_path, expression="(?P<patient>p1)", bits=12)
    assert image.pixels.dtype == np.uint16 and image.pixels.max() == round(4089 * 65535 / 4095)
    (image,) = read(tmp_path, expression="(?P<patient>p1)", bits=16)
    np.testing.assert_array_equal(image.pixels, GREY.astype(np.uint16) * 87)


@pytest.mark.parametrize(
    "name", [b"M\xfcller.png", b"two\nlines.png", b"back\rward.png", b"\x1b.png"]
)
def test_names_that_no_table_can_hold_are_told(cohort, name):
    (cohort / "b/p2_1.png").rename(cohort / "b" / os.fsdecode(name))
    with pytest.raises(UserError, match="1 file names hold control characters") as error:
        read(cohort, expression="(?P<patient>.+)")
    str(error.value).encode()
    assert str(error.value).isprintable()


def test_names_that_differ_in_case_alone_are_two_images(cohort):
    write(cohort / "b" / "P2_1.png")
    images = read(cohort, expression="(?P<patient>.+)", pattern="b/*")
    assert [image.image_id for image in images] == ["b/P2_1.png", "b/p2_1.png"]


def test_other_files_and_hidden_ones_are_counted(cohort, capsys):
    for name in ("a/p1.dcm", "b/p2.DCM", "a/._p1_1.jpg", "__MACOSX/p9.png", "Thumbs.db", "LICENCE"):
        (cohort / name).parent.mkdir(exist_ok=True)
        (cohort / name).write_bytes(b"?")
    assert len(read(cohort, expression=BY_FOLDER)) == 3
    assert capsys.readouterr().err.splitlines()[0] == (
        f"Note: {cohort}: not taken: 2 *.dcm (the first is a/p1.dcm), 3 hidden (the first is "
        "Thumbs.db), 1 without a suffix (LICENCE)"
    )


def test_a_table_may_name_a_file_by_any_way_to_it(cohort, capsys):
    (cohort / "c").symlink_to("a")
    for names in (["c/p1_1.jpg", "b/p2_1"], ["p1_1.jpg", "p2_1.png"]):
        lines = [f"{name},{i}" for i, name in enumerate(names)]
        (cohort / "list.csv").write_text("\n".join(["file,who", *lines]))
        images = read(cohort, table="list.csv", columns={"patient": "who"})
        assert [image.image_id for image in images] == ["a/p1_1.jpg", "b/p2_1.png"]
    assert "names images without their folders" in capsys.readouterr().err
    (cohort / "list.csv").write_text("file,who\nc/p1_1.jpg,1\na/p1_1.jpg,2\n")
    with pytest.raises(UserError, match=r"line 3: 'a/p1_1\.jpg': the image is listed twice"):
        read(cohort, table="list.csv", columns={"patient": "who"})
