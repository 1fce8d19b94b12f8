"""The source `folder`: what it reads, and what it says when it can't."""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from folders import BY_FOLDER, read, table, write, write_three
from pydantic import ValidationError

from synthcohort.errors import UserError
from synthcohort.sources import folder


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    return write_three(tmp_path)


def test_expression_gives_the_attributes_in_sorted_order(cohort):
    images = read(cohort, expression=BY_FOLDER + r"_(?P<session>\d)")
    assert [i.image_id for i in images] == ["a/p1_1.jpg", "a/p1_2.PNG", "b/p2_1.png"]
    assert [i.source_file for i in images] == [i.image_id for i in images]
    assert [(i.label, i.patient_id, i.session, i.split) for i in images] == [
        ("a", "p1", "1", ""),
        ("a", "p1", "2", ""),
        ("b", "p2", "1", ""),
    ]


def test_table_gives_the_attributes_with_or_without_suffix(cohort):
    table(
        cohort / "list.csv",
        "image,who,what,part",
        "b/p2_1,x,sick,test",
        "a/p1_1.jpg,y,well,train",
        "a/p1_2.PNG,y,well,train",
    )
    columns = {"file": "image", "patient": "who", "label": "what", "split": "part"}
    images = read(cohort, table="list.csv", columns=columns)
    assert [(i.image_id, i.patient_id, i.label, i.split) for i in images] == [
        ("a/p1_1.jpg", "y", "well", "train"),
        ("a/p1_2.PNG", "y", "well", "train"),
        ("b/p2_1.png", "x", "sick", "test"),
    ]


def test_table_and_expression_complete_each_other_and_what_is_left_out_is_told(cohort, capsys):
    table(cohort / "list.csv", "file,label", "a/p1_1.jpg,sick", "b/p2_1.png,well")
    (cohort / "read.me").write_text("words")
    images = read(
        cohort, table="list.csv", columns={"label": "label"}, expression=r"(?P<patient>p\d)"
    )
    assert [(i.patient_id, i.label) for i in images] == [("p1", "sick"), ("p2", "well")]
    told = capsys.readouterr().err
    assert "1 images are not listed and left out, a/p1_2.PNG" in told
    assert "not taken: 1 *.me (read.me)" in told


def test_labels_are_merged_and_splits_renamed(tmp_path):
    for name in ("training/bacteria/p1.png", "training/virus/p2.png", "testing/normal/p3.png"):
        write(tmp_path / name)
    images = read(
        tmp_path,
        expression=r"(?P<split>\w+)/(?P<label>\w+)/(?P<patient>\w+)",
        labels={"bacteria": "pneumonia", "virus": "pneumonia"},
        splits={"training": "train", "testing": "test"},
    )
    assert [(i.label, i.split) for i in images] == [
        ("normal", "test"),
        ("pneumonia", "train"),
        ("pneumonia", "train"),
    ]


def test_pattern_chooses_files_and_links_to_folders_are_followed(tmp_path):
    write(tmp_path / "elsewhere" / "p1.png")
    write(tmp_path / "root" / "a" / "p2.png")
    write(tmp_path / "root" / "masks" / "p2.png")
    (tmp_path / "root" / "b").symlink_to(tmp_path / "elsewhere")
    images = read(tmp_path / "root", pattern="[ab]/*", expression=BY_FOLDER)
    assert [i.image_id for i in images] == ["a/p2.png", "b/p1.png"]


GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR = np.stack([GREY, GREY + 50, GREY + 100], axis=2)
OPAQUE = np.full((6, 8, 1), 255, np.uint8)


def bilevel():
    return PIL.Image.fromarray(GREY).point(lambda value: 255 * (value > 20), "1")


@pytest.mark.parametrize(
    ("picture", "suffix", "expected"),
    [
        (PIL.Image.fromarray(GREY), "png", GREY),
        (PIL.Image.fromarray(COLOUR), "png", COLOUR),
        (PIL.Image.fromarray(GREY.astype(np.uint16) * 1000), "png", GREY.astype(np.uint16) * 1000),
        (PIL.Image.fromarray(GREY.astype(np.uint16) * 1000), "tif", GREY.astype(np.uint16) * 1000),
        (PIL.Image.fromarray(GREY.astype(np.int32) * 1000), "tif", GREY.astype(np.uint16) * 1000),
        (bilevel(), "png", np.where(GREY > 20, 255, 0).astype(np.uint8)),
        (PIL.Image.fromarray(GREY).convert("P"), "png", GREY),
        (PIL.Image.fromarray(COLOUR).quantize(64), "png", COLOUR),
        (PIL.Image.fromarray(np.concatenate([COLOUR, OPAQUE], 2)), "png", COLOUR),
        (PIL.Image.fromarray(np.concatenate([GREY[..., None], OPAQUE], 2)), "png", GREY),
    ],
    ids=["L", "RGB", "I;16 png", "I;16 tif", "I", "1", "P grey", "P colour", "RGBA", "LA"],
)
def test_modes_that_lose_nothing_are_read(tmp_path, picture, suffix, expected):
    picture.save(tmp_path / f"p1.{suffix}")
    (image,) = read(tmp_path, expression="(?P<patient>p1)")
    assert image.pixels.dtype == expected.dtype
    np.testing.assert_array_equal(image.pixels, expected)


def png_of_16_bit_colour() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(range(12)) for _ in range(2)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alpha.png", "mode RGBA"),
        ("cmyk.jpg", "mode CMYK"),
        ("float.tif", "32-bit floating-point numbers"),
        ("large.tif", "mode I"),
        ("deep.png", "RGB with 16 bits a channel"),
        ("film.gif", "holds 2 pictures"),
    ],
)
def test_modes_that_are_neither_grey_nor_rgb_are_refused(tmp_path, name, said):
    path = tmp_path / name
    grey = PIL.Image.fromarray(GREY)
    match name:
        case "alpha.png":
            PIL.Image.fromarray(np.concatenate([COLOUR, OPAQUE // 2], 2)).save(path)
        case "cmyk.jpg":
            grey.convert("CMYK").save(path)
        case "float.tif":
            grey.convert("F").save(path)
        case "large.tif":
            PIL.Image.fromarray(GREY.astype(np.int32) * 100_000).save(path)
        case "deep.png":
            path.write_bytes(png_of_16_bit_colour())
        case "film.gif":
            grey.save(path, save_all=True, append_images=[PIL.Image.fromarray(GREY[::-1])])
    with pytest.raises(UserError, match=f"{name}: .*{said}"):
        read(tmp_path, expression="(?P<patient>.+)")


def test_the_orientation_a_file_carries_is_applied(tmp_path):
    picture = PIL.Image.fromarray(GREY)
    exif = PIL.Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "p1.png", exif=exif)
    (image,) = read(tmp_path, expression="(?P<patient>p1)")
    np.testing.assert_array_equal(image.pixels, GREY[::-1, ::-1])


def test_a_truncated_jpeg_is_named(cohort):
    path = write(cohort / "a" / "p9.jpg", np.random.default_rng(0).integers(0, 255, (64, 64), "u1"))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(UserError, match=r"p9\.jpg: cannot be read as an image.*truncated"):
        read(cohort, expression=BY_FOLDER)


def test_a_file_that_is_no_image_is_named(cohort):
    (cohort / "a" / "p9.png").write_text("not an image")
    with pytest.raises(UserError, match=r"p9\.png: cannot be read as an image"):
        read(cohort, expression=BY_FOLDER)


def test_an_absent_root_and_an_empty_folder_are_told(tmp_path):
    with pytest.raises(UserError, match=r"source\.root: .*nowhere is not a folder"):
        read(tmp_path / "nowhere", expression=BY_FOLDER)
    with pytest.raises(UserError, match=r"no images match '\*\*/\*'.*\.png"):
        read(tmp_path, expression=BY_FOLDER)


def test_an_expression_that_does_not_match_everything_is_told(cohort):
    with pytest.raises(UserError, match=r"does not match 3 of 3 paths.*a/p1_1\.jpg"):
        read(cohort, expression="(?P<patient>patient)")
    with pytest.raises(UserError, match=r"does not match 1 of 3 paths.*b/p2_1\.png"):
        read(cohort, expression="(?P<patient>p1)")


def test_an_empty_group_is_told(cohort):
    with pytest.raises(UserError, match=r"3 images have an empty label, a/p1_1\.jpg"):
        read(cohort, expression=r"(?P<patient>p\d)(?P<label>x?)")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"expression": "(?P<patient>"}, "not a valid regular expression"),
        ({"expression": "p1"}, "expected named groups .* got none"),
        ({"expression": "(?P<patiant>p1)"}, "got patiant"),
        ({"expression": "(?P<label>a)"}, "which patient an image is of"),
        ({}, "which patient an image is of"),
        ({"columns": {"patient": "who"}}, "no table"),
        (
            {"expression": "(?P<patient>a)", "table": "a.csv", "columns": {"patient": "who"}},
            "patient: both in expression and in columns",
        ),
        ({"expression": "(?P<patient>a)", "splits": {"a": "training"}}, "'train', 'val' or 'test'"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, settings, said):
    with pytest.raises(ValidationError, match=said):
        folder.Source(root=tmp_path, **settings)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["file,label", "a/p1_1.jpg,x"], r"no column 'who' .*'file', 'label'"),
        ([], r"no column 'file' .*are none"),
        (["file,who"], "no rows"),
        (["file,who", "a/p1_1.jpg,x", "a/p9.jpg,y"], r"1 rows, line 3: 'a/p9\.jpg': there is no"),
        (["file,who", "a/p1_1.jpg,x", "a/p1_1,x"], "line 3: 'a/p1_1': the image is listed twice"),
        (["file,who", "a/p1_1.jpg,"], r"1 images have an empty patient, line 2: a/p1_1\.jpg;"),
        (["file,who", "a/p1_1.jpg"], r"the header has 2 fields, but 1 rows .* line 2 has 1"),
    ],
)
def test_a_table_that_does_not_fit_is_told(cohort, lines, said):
    table(cohort / "list.csv", *lines)
    with pytest.raises(UserError, match=said):
        read(cohort, table="list.csv", columns={"patient": "who"})


def test_a_name_without_suffix_that_two_images_have_is_told(cohort):
    write(cohort / "a" / "p1_1.png")
    table(cohort / "list.csv", "file,who", "a/p1_1,x")
    with pytest.raises(
        UserError,
        match=r"line 2: 'a/p1_1' \('a/p1_1.jpg' or 'a/p1_1.png'\): several .* add the suffix",
    ):
        read(cohort, table="list.csv", columns={"patient": "who"})


def test_an_absent_or_unreadable_table_is_told(cohort):
    with pytest.raises(UserError, match=r"none\.csv: there is no such file"):
        read(cohort, table="none.csv", columns={"patient": "who"})
    (cohort / "bad.csv").write_bytes(b"file,who\n\xff\xfe,1\n")
    with pytest.raises(UserError, match=r"bad\.csv: is no text in UTF-8: line 2"):
        read(cohort, table="bad.csv", columns={"patient": "who"})


def test_names_that_occur_nowhere_are_told(cohort):
    with pytest.raises(UserError, match=r"source\.labels: no image has the label 'c'.*'a', 'b'"):
        read(cohort, expression=BY_FOLDER, labels={"c": "d"})
    odd = re.escape("calls its parts 'a', 'b'")
    with pytest.raises(UserError, match=odd):
        read(cohort, expression=r"(?P<split>\w)/(?P<patient>p\d)")
