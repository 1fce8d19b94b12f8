"""Pictures in files: what their values mean, and what is said of those that are none."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from synthcohort.errors import UserError
from synthcohort.intake import lookalikes
from synthcohort.intake.pictures import Reader

EIGHT = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
SIXTEEN = EIGHT.astype(np.uint16) * 257
COLOUR = np.stack([EIGHT, EIGHT + 1, EIGHT + 2], axis=2)
PLANES = np.ascontiguousarray(np.moveaxis(COLOUR, 2, 0))


def read(path: Path, bits: int | None = None) -> np.ndarray:
    reader = Reader(path.parent, bits, "source.bits")
    pixels = reader.pixels(path)
    reader.judge()
    return pixels


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"compression": "zlib"}], ids=str)
@pytest.mark.parametrize("picture", [EIGHT, SIXTEEN], ids=["8 bits", "16 bits"])
def test_white_is_zero_is_read_as_black_is_zero(tmp_path, capsys, picture, options):
    path = tmp_path / "a.tif"
    whole = np.iinfo(picture.dtype).max
    tifffile.imwrite(path, whole - picture, photometric="miniswhite", **options)
    pixels = read(path)
    assert pixels.dtype == picture.dtype
    np.testing.assert_array_equal(pixels, picture)
    assert "1 files have white at 0 (WhiteIsZero)" in capsys.readouterr().err


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("picture", [EIGHT, SIXTEEN], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(3, lambda a: a[::-1, ::-1]), (6, lambda a: np.rot90(a, -1)), (8, np.rot90)],
)
def test_the_orientation_is_applied_once(
    tmp_path, picture, photometric, byteorder, orientation, turned
):
    path = tmp_path / "a.tif"
    stored = picture if photometric == "minisblack" else ~picture
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(path, stored, photometric=photometric, byteorder=byteorder, extratags=tags)
    np.testing.assert_array_equal(read(path), turned(picture))


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=str)
def test_planes_of_colour_are_put_together(tmp_path, options):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PLANES, photometric="rgb", planarconfig="separate", **options)
    np.testing.assert_array_equal(read(path), COLOUR)


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (EIGHT.view(np.int8), {}, "holds signed 8-bit numbers (SampleFormat 2)"),
        (EIGHT.astype(np.int16) - 9, {}, "holds values from -9 to 226"),
        (EIGHT.astype(np.int16), {"photometric": "miniswhite"}, "signed 16-bit numbers"),
        (EIGHT.astype(np.uint32), {"photometric": "miniswhite"}, "32-bit numbers with white at 0"),
        (EIGHT.astype(np.uint32) * 17_000_000, {}, "holds values from 0 to 3995000000"),
        (EIGHT.astype(np.uint64), {}, "of a kind that is not read here (1×64 bits a pixel)"),
        (EIGHT.astype(np.float16), {}, "holds 16-bit floating-point numbers"),
        (EIGHT.astype(np.float64), {}, "holds 64-bit floating-point numbers"),
        (COLOUR.astype(np.uint16), {"photometric": "rgb"}, "has 3 channels of 16 bits"),
        (
            PLANES.astype(np.uint16),
            {"photometric": "rgb", "planarconfig": "separate"},
            "has 3 channels of 16 bits",
        ),
        (PLANES, {"photometric": "minisblack", "planarconfig": "separate"}, "has 3 channels, of 2"),
        (
            np.concatenate([COLOUR, COLOUR[..., :1]], 2),
            {"photometric": "rgb", "extrasamples": ["unspecified"]},
            "has 4 channels, of 1 of which",
        ),
        (EIGHT, {"photometric": "cfa"}, "has the photometric interpretation CFA"),
        (np.stack([EIGHT] * 4), {"photometric": "minisblack"}, "holds 4 pictures"),
        (np.stack([EIGHT] * 5), {"imagej": True}, "holds 5 pictures"),
    ],
)
def test_values_that_nobody_can_call_bright_or_dark_are_refused(tmp_path, values, options, said):
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    assert said in refused(tmp_path / "a.tif")


def test_more_bits_than_are_read_are_refused_in_every_format(tmp_path):
    deep = (COLOUR * np.uint16(16)).astype(">u2").tobytes()
    for largest in (4095, 65535):
        (tmp_path / "a.ppm").write_bytes(b"P6 8 6 %d\n" % largest + deep)
        assert "RGB with 16 bits a channel" in refused(tmp_path / "a.ppm")
    (tmp_path / "a.ppm").write_bytes(b"P6 8 6 255\n" + COLOUR.tobytes())
    np.testing.assert_array_equal(read(tmp_path / "a.ppm"), COLOUR)
    (tmp_path / "a.pgm").write_bytes(
        b"P5 8 6 4095\n" + (EIGHT * np.uint16(16)).astype(">u2").tobytes()
    )
    expected = np.rint(EIGHT * 16.0 * 65535 / 4095)
    assert np.abs(read(tmp_path / "a.pgm") - expected).max() <= 1


def test_a_phones_jpeg_is_its_first_picture_and_told(tmp_path, capsys):
    path = tmp_path / "a.jpg"
    others = [PIL.Image.fromarray(255 - EIGHT)]
    first = PIL.Image.fromarray(EIGHT)
    first.save(path, format="MPO", save_all=True, append_images=others, quality=100)
    assert np.abs(read(path).astype(int) - EIGHT).max() < 5
    assert "1 files are phones' JPEGs of several pictures (MPO)" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_several_pictures_in_one_file_are_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    others = [PIL.Image.fromarray(255 - EIGHT)]
    PIL.Image.fromarray(EIGHT).save(path, save_all=True, append_images=others)
    assert "holds 2 pictures" in refused(path) and "of its own" in refused(path)


def test_a_picture_that_is_too_large_is_told_so(tmp_path, monkeypatch):
    PIL.Image.fromarray(EIGHT).save(tmp_path / "a.tif")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 23)
    assert "has more than 46 pixels" in refused(tmp_path / "a.tif")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 24)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), EIGHT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "it is a Git LFS"),
        (b"/annex/objects/MD5E-s1--abc.png\n", "it is a git-annex pointer"),
        (b"\n <!DOCTYPE html><html>", "it is a web page (HTML)"),
        (b"<HTML><body>404", "it is a web page (HTML)"),
        (b"<?xml version='1.0'?><svg/>", "it is XML or SVG"),
        (b"PK\3\4\x14\0\0\0", "it is a zip archive"),
        (b"\x1f\x8b\x08\0\0", "it is compressed by gzip"),
        (b"%PDF-1.7\n\xff", "it is a PDF"),
        (bytes(128) + b"DICM\2\0", "it is a DICOM file"),
        (b"8BPS\0\1" + bytes(9), "it is a Photoshop file"),
        (b"\0\0\0\x1cftypheic", "it is a HEIC or AVIF"),
        (b'{"error": "not found"}', "it is text"),
        (bytes(600), "it holds nothing but zeros"),
        (b"\xc8\xc9\xca\xcb", "it begins with c8 c9 ca cb"),
    ],
)
def test_a_file_that_is_no_picture_is_called_what_it_is(tmp_path, content, said):
    (tmp_path / "a.png").write_bytes(content)
    message = refused(tmp_path / "a.png")
    assert f"a.png: cannot be read as an image: {said}" in message
    assert "truncated" not in message


@pytest.mark.parametrize("suffix", ["bmp", "gif", "jp2", "jpg", "png", "tif", "webp"])
@given(data=st.data())
def test_damage_is_told_and_ends_nothing(tmp_path_factory, suffix, data):
    path = tmp_path_factory.mktemp("damaged") / f"a.{suffix}"
    PIL.Image.fromarray(COLOUR).save(path)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        pixels = Reader(path.parent).pixels(path)
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert pixels.size and pixels.dtype in (np.uint8, np.uint16)


def test_a_link_to_nothing_is_called_so(tmp_path):
    (tmp_path / "a").symlink_to("b")
    said = lookalikes.why(tmp_path / "a", FileNotFoundError(2, "No such file"), b"PK")
    assert said.startswith("it is a link that leads to nothing (b)")


@pytest.mark.parametrize("picture", [EIGHT, SIXTEEN], ids=["8 bits", "16 bits"])
def test_a_grey_value_called_transparent_is_refused_where_it_occurs(tmp_path, picture):
    PIL.Image.fromarray(picture).save(tmp_path / "a.png", transparency=int(picture[2, 3]))
    assert "pixels that are transparent" in refused(tmp_path / "a.png")
    PIL.Image.fromarray(picture).save(tmp_path / "b.png", transparency=1)
    np.testing.assert_array_equal(read(tmp_path / "b.png"), picture)
