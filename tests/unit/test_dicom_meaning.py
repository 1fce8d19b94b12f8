"""DICOM tags that change what stored values mean, where writers have put them wrongly."""

import numpy as np
import pytest
from dicoms import dataset, read, save

from synthcohort.errors import UserError

STORED = np.random.default_rng(0).integers(0, 4096, (16, 16)).astype(np.uint16)
TWELVE = {"BitsStored": 12, "HighBit": 11}


def pictures(root, *objects, **keys) -> list[np.ndarray]:
    for i, of in enumerate(objects):
        save(of, root / f"IM{i}")
    return [image.pixels for image in read(root, **keys)]


@pytest.mark.parametrize("high", [12, 15])
def test_values_that_are_not_the_lowest_bits_are_refused(tmp_path, high):
    shifted = (STORED << (high - 11)).astype(np.uint16)
    with pytest.raises(UserError, match=f"IM0: its values are 12 bits up to number {high}"):
        pictures(tmp_path / "root", dataset(shifted, BitsStored=12, HighBit=high))
    assert len(pictures(tmp_path / "other", dataset(STORED, **TWELVE))) == 1


def test_tags_that_contradict_each_other_on_black_are_refused(tmp_path):
    shape = {"PresentationLUTShape": "INVERSE"} | TWELVE
    with pytest.raises(UserError, match=r"IM0: it contradicts itself: .*MONOCHROME2.*INVERSE"):
        pictures(tmp_path / "root", dataset(STORED, **shape))
    (plain,) = pictures(tmp_path / "plain", dataset(STORED, **TWELVE))
    inverse = dataset(4095 - STORED, PhotometricInterpretation="MONOCHROME1", **shape)
    (turned,) = pictures(tmp_path / "inverse", inverse)
    np.testing.assert_allclose(turned.astype(int), plain.astype(int), atol=1)


def test_negative_padding_in_an_unsigned_element_is_padding(tmp_path):
    stored = STORED.astype(np.int16) - 1000
    stored[:4] = -2000
    right = dataset(stored, PixelPaddingValue=-2000)
    wrong = dataset(stored)
    wrong.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    (one,), (other,) = pictures(tmp_path / "a", right), pictures(tmp_path / "b", wrong)
    np.testing.assert_array_equal(one, other)
    assert not one[:4].any() and np.median(one[4:]) < 140


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("find", [bytes.index, bytes.rindex], ids=["file's", "object's"])
def test_an_object_that_is_cut_within_its_class_is_told(tmp_path, find, kept):
    whole = save(dataset(STORED), tmp_path / "root" / "cut").read_bytes()
    save(dataset(STORED, name="2"), tmp_path / "root" / "good")
    place = find(whole, b"1.2.840.10008.5.1.4.1.1.1")
    cut = whole[: place + int(kept * len("1.2.840.10008.5.1.4.1.1.1"))]
    (tmp_path / "root" / "cut").write_bytes(cut)
    with pytest.raises(UserError, match="1 file, cut: it is cut off within its header"):
        read(tmp_path / "root")
