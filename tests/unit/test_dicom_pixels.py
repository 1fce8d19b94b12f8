"""Pixels of DICOM files: as pydicom decodes and windows them, or refused by name."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from dicoms import dataset, read, save, series, shipped
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian

from synthcohort.errors import UserError
from synthcohort.sources.dicom.decoding import Decoder

# One of each transfer syntax that pydicom ships.
SYNTAXES = [
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "693_J2KI.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "examples_ybr_color.dcm",
    "image_dfl.dcm",
    "ExplVR_LitEndNoMeta.dcm",
]


@pytest.fixture(autouse=True)
def _quiet():
    """pydicom's warnings repeat values, and must not come up."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("name", [name for name in SYNTAXES if "NoMeta" not in name])
def test_stored_values_are_pydicoms(name):
    path = shipped(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = dcmread(path)
        right = whole.pixel_array
    right = right if int(whole.get("NumberOfFrames", 1)) > 1 else right[None]
    decoder = Decoder(path)
    for frame in range(len(right)):
        np.testing.assert_array_equal(decoder.stored(frame), right[frame])


def test_all_encodings_of_an_image_are_read_alike(tmp_path):
    for name in SYNTAXES[1:6]:
        root = tmp_path / name
        root.mkdir()
        shutil.copy(shipped(name), root / "file")
    keys = {"slices": 1, "slice_range": (0.5, 0.5), "derived": True}
    plain = read(tmp_path / SYNTAXES[1], **keys)[0].pixels
    assert plain.std() > 20
    for name in SYNTAXES[2:6]:
        np.testing.assert_array_equal(read(tmp_path / name, **keys)[0].pixels, plain)


def picture(tmp_path: Path, of: Dataset, **keys) -> np.ndarray:
    root = tmp_path / "root"
    shutil.rmtree(root, ignore_errors=True)
    save(of, root / "IM1")
    return read(root, **keys)[0].pixels


STORED = np.arange(-2000, 2096, dtype=np.int16).reshape(64, 64)


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 40, "WindowWidth": 400},
        {"WindowCenter": [40, 500], "WindowWidth": [400, 2000]},
        {"WindowCenter": 40, "WindowWidth": 1},
        {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"},
    ],
)
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("rescale", [(1, 0), (2, -1024), (0.5, 100)])
def test_windows_are_pydicoms(tmp_path, tags, kind, rescale):
    slope, intercept = rescale
    of = dataset(STORED, PhotometricInterpretation=kind, **tags)
    of.RescaleSlope, of.RescaleIntercept = slope, intercept
    shown = apply_voi_lut(STORED * slope + intercept, of)
    lowest, highest = (value * slope + intercept for value in (-32768, 32767))
    right = (shown - lowest) / (highest - lowest)
    right = 1 - right if kind == "MONOCHROME1" else right
    got = picture(tmp_path, of, depth=16)
    np.testing.assert_allclose(got / 65535, right, atol=1e-4)


def lookup(first: int, data: list[int], bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(data), first, bits]
    item.LUTData = data
    item["LUTDescriptor"].VR = "US"
    item["LUTData"].VR = "US"
    return Sequence([item])


@pytest.mark.parametrize("bits", [12, 16])  # of which 12 are in use
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_voi_lut_is_applied(tmp_path, bits, kind):
    stored = np.arange(256, dtype=np.uint16).reshape(16, 16)
    data = [round(4095 * (i / 99) ** 2) for i in range(100)]
    of = dataset(stored, PhotometricInterpretation=kind)
    of.VOILUTSequence = lookup(50, data, bits)
    right = np.array(data)[np.clip(stored.astype(int) - 50, 0, 99)] / 4095
    right = 1 - right if kind == "MONOCHROME1" else right
    np.testing.assert_array_equal(picture(tmp_path, of), np.rint(right * 255))


def test_a_modality_lut_is_applied(tmp_path):
    stored = np.arange(256, dtype=np.uint16).reshape(16, 16)
    data = list(range(255, -1, -1))
    of = dataset(stored)
    of.ModalityLUTSequence = lookup(0, data, 8)
    of.ModalityLUTSequence[0].ModalityLUTType = "US"
    np.testing.assert_array_equal(
        picture(tmp_path, of, window=(128, 256)), 255 - stored.astype(np.uint8)
    )


def test_the_window_of_the_settings_comes_before_that_of_the_file(tmp_path):
    of = dataset(STORED, WindowCenter=40, WindowWidth=400)
    of.RescaleSlope, of.RescaleIntercept = 1, -1000
    got = picture(tmp_path, of, window=(-1000, 3))
    values = STORED.astype(int) - 1000
    np.testing.assert_array_equal(got[values < -1001], 0)
    np.testing.assert_array_equal(got[values > -1000], 255)
    assert got[values == -1001] == 64 and got[values == -1000] == 191


def test_percentiles_decide_where_the_file_has_no_window(tmp_path, capsys):
    got = picture(tmp_path, dataset(STORED), percentiles=(0, 100), depth=16)
    np.testing.assert_allclose(got, (STORED + 2000.0) / 4095 * 65535, atol=1)
    dark = picture(tmp_path, dataset(STORED, PhotometricInterpretation="MONOCHROME1"))
    assert dark[0, 0] == 255 and dark[-1, -1] == 0
    with pytest.raises(UserError, match="are both 7: it is constant"):
        picture(tmp_path, dataset(np.full((8, 8), 7, np.int16)))


def test_padding_is_black_and_does_not_count(tmp_path):
    for kind in ("MONOCHROME2", "MONOCHROME1"):
        stored = STORED.copy()
        stored[:8] = -5000
        of = dataset(stored, PhotometricInterpretation=kind)
        of.add_new("PixelPaddingValue", "SS", -5000)
        got = picture(tmp_path, of, percentiles=(0, 100))
        assert not got[:8].any() and got[8:].max() == 255
        inner = got[8:].astype(int)
        assert np.ptp(inner) == 255 and (inner[0] > 250).all() == (kind == "MONOCHROME1")


def test_bits_above_those_stored_do_not_count(tmp_path):
    clean = (np.arange(4096, dtype=np.uint16)).reshape(64, 64)
    tags = {"BitsStored": 12, "HighBit": 11}
    right = picture(tmp_path, dataset(clean, **tags), percentiles=(0, 100))
    marked = clean | np.where(np.eye(64, dtype=bool), 0xF000, 0).astype(np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = picture(tmp_path, dataset(marked, **tags), percentiles=(0, 100))
    np.testing.assert_array_equal(got, right)


def test_a_series_has_one_window_or_percentiles_of_the_whole(tmp_path, capsys):
    array = np.random.default_rng(0).integers(0, 1000, (8, 8, 6)).astype(np.int16)
    tags = {"RescaleSlope": 1, "RescaleIntercept": -500, "Modality": "CT"}
    window = {"WindowCenter": 0, "WindowWidth": 101}
    series(tmp_path / "a" / "one", array, np.eye(4), PatientID="A", **tags, **window)
    got = np.stack([image.pixels for image in read(tmp_path / "a", slices=6)])
    values = array.transpose(2, 1, 0)[:, ::-1, ::-1] - 500.0
    np.testing.assert_array_equal(got, np.rint(255 * np.clip((values + 0.5) / 100 + 0.5, 0, 1)))
    # Another window in a single slice, and none is right for the volume.
    paths = series(tmp_path / "a" / "two", array, np.eye(4), PatientID="B", **tags, **window)
    of = dcmread(paths[2])
    of.WindowCenter = 30
    of.save_as(paths[2])
    images = read(tmp_path / "a", slices=6, percentiles=(0, 100))
    assert "scaled to grey: 1 by a window, 1 by percentiles" in capsys.readouterr().err
    stretched = (array - array.min()) / np.ptp(array) * 255
    right = np.rint(stretched).transpose(2, 1, 0)[:, ::-1, ::-1]
    found = [np.stack([i.pixels for i in images][n : n + 6]).astype(float) for n in (0, 6)]
    assert sum(np.abs(volume - right).max() <= 1 for volume in found) == 1


def test_colours_come_as_they_are(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(picture(tmp_path, dataset(colours, Modality="US")), colours)
    frames = np.stack([colours, 255 - colours, colours // 2])
    save(dataset(frames, Modality="US"), tmp_path / "cine" / "IM1")
    images = read(tmp_path / "cine")
    assert [image.slice for image in images] == ["0", "1", "2"]
    assert len({image.image_id for image in images}) == 3
    for image, frame in zip(images, frames, strict=True):
        np.testing.assert_array_equal(image.pixels, frame)
    palette = shipped("examples_palette.dcm")
    (tmp_path / "palette").mkdir()
    shutil.copy(palette, tmp_path / "palette")
    (image,) = read(tmp_path / "palette")
    whole = dcmread(palette)
    tables = [whole[f"{c}PaletteColorLookupTableData"].value for c in ("Red", "Green", "Blue")]
    stored = whole.pixel_array
    for channel, table in enumerate(tables):
        entries = np.frombuffer(table, "<u2")
        np.testing.assert_array_equal(image.pixels[..., channel], entries[stored] >> 8)


def test_colours_of_16_bits_are_refused(tmp_path):
    colours = np.zeros((4, 4, 3), np.uint16)
    with pytest.raises(UserError, match="16 bits a channel"):
        picture(tmp_path, dataset(colours, Modality="US"))


def test_pixels_that_are_not_square_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"not square \(ImagerPixelSpacing 0.1\\0.2\)"):
        picture(tmp_path, dataset(STORED, ImagerPixelSpacing=[0.1, 0.2]))


@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
@pytest.mark.parametrize("name", ["CT_small.dcm", "examples_jpeg2k.dcm", "SC_rgb_jpeg_gdcm.dcm"])
def test_files_that_are_cut_off_are_told(tmp_path, name, share):
    whole = shipped(name).read_bytes()
    save(dataset(STORED), tmp_path / "root" / "good")
    (tmp_path / "root" / "cut").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"1 file, cut: it .*cut off"):
        read(tmp_path / "root", derived=True)


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"])
def test_frames_that_are_cut_off_are_told(tmp_path, name):
    of = dcmread(shipped(name))
    of.PixelData = encapsulate([frame[:-200] for frame in generate_frames(of.PixelData)])
    with pytest.raises(UserError, match=r"IM1: its pixels \(.*\) cannot be decoded"):
        picture(tmp_path, of, derived=True, slices=1, slice_range=(0.5, 0.5))


def test_a_jpeg_that_nothing_here_decodes_is_told_with_the_package_that_does(tmp_path):
    (tmp_path / "root").mkdir()
    shutil.copy(shipped("JPEG-lossy.dcm"), tmp_path / "root")
    with pytest.raises(UserError, match=r"JPEG-lossy.dcm: .*JPEG Extended.*install pylibjpeg-lib"):
        read(tmp_path / "root", derived=True)


@pytest.mark.parametrize(
    ("syntax", "told"),
    [
        ("1.2.3.4.5", "the transfer syntax 1.2.3.4.5, which nobody knows; convert it"),
        ("1.2.840.10008.1.2.4.102", "“MPEG-4 AVC/H.264 High Profile.*which is not read here"),
    ],
)
def test_an_unknown_syntax_is_told(tmp_path, syntax, told):
    of = dataset(STORED)
    of.file_meta.TransferSyntaxUID = syntax
    of.PixelData = encapsulate([b"\0" * 64])
    of["PixelData"].is_undefined_length = True
    (tmp_path / "root").mkdir()
    of.save_as(tmp_path / "root" / "IM1", implicit_vr=False, little_endian=True)
    with pytest.raises(UserError, match=told):
        read(tmp_path / "root")


def test_a_file_without_preamble_is_read(tmp_path):
    (tmp_path / "root").mkdir()
    of = dataset(STORED)
    del of.file_meta
    of.save_as(tmp_path / "root" / "bare", implicit_vr=True, little_endian=True)
    assert (tmp_path / "root" / "bare").read_bytes()[128:132] != b"DICM"
    right = picture(tmp_path / "other", dataset(STORED))
    np.testing.assert_array_equal(read(tmp_path / "root")[0].pixels, right)
    big = dataset(STORED.astype(">i2"))
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(picture(tmp_path / "big", big), right)
