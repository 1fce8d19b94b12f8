"""The part of 16 bits that a cohort uses: spread where it is stated, refused where it is dark."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcohort.errors import UserError
from synthcohort.intake.used_range import UsedRange


def ramp(high: int, dtype=np.uint16) -> np.ndarray:
    return np.linspace(0, high, 64).round().astype(dtype).reshape(8, 8)


def cohort(*pictures: np.ndarray, bits: int | None = None, key: str = "source.bits") -> list:
    used = UsedRange(Path("images"), bits, key)
    scaled = [used.scaled(picture, f"{i}.png") for i, picture in enumerate(pictures)]
    used.judge()
    return scaled


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        ([ramp(4095)] * 3, "no image of 16 bits or more has a value above 4095 of 65535"),
        ([ramp(4095)] * 3, "source.bits: 12 (the least that holds them) or 16"),
        ([ramp(255, np.int32)] * 3, "source.bits: 8 (the least"),
        ([ramp(32767, np.int16)], "source.bits: 15 (the least"),
        ([ramp(4095), ramp(255, np.int32)], "1 images stay below 1/16 of that, 1.png (up to 255)"),
        ([ramp(65535), ramp(4095)], "values up to 65535, but 1 images stay below 1/16 of that"),
        ([ramp(60000), ramp(255, np.int32)], "source.bits: 16 (all are taken as they are)"),
        ([ramp(255, np.uint8), ramp(4095)], "no image of 16 bits or more has a value above 4095"),
        ([np.zeros((8, 8), np.uint16), ramp(4095)], "has a value above 4095"),
    ],
)
def test_a_cohort_that_would_come_out_dark_is_refused(pictures, said):
    with pytest.raises(UserError) as error:
        cohort(*pictures)
    assert said in str(error.value)


@pytest.mark.parametrize("high", [1023, 4095, 16383])
@pytest.mark.parametrize("hot", [[0], [0, 1, 2]], ids=str)
def test_single_hot_pixels_make_no_cohort_bright(high, hot):
    pictures = [ramp(high) for _ in range(3)]
    for i in hot:
        pictures[i][2, 3] = 65535
    with pytest.raises(UserError) as error:
        cohort(*pictures)
    told = f"above {high} of 65535, but for single pixels up to 65535"
    assert told in str(error.value) and "source.bits: 16 (taken" in str(error.value)
    assert len(cohort(*pictures, bits=16)) == 3


def test_a_source_without_the_setting_names_none():
    with pytest.raises(UserError) as error:
        cohort(ramp(4095), key="")
    assert "bits are used" not in str(error.value) and "convert" in str(error.value)


@pytest.mark.parametrize(
    "pictures",
    [
        [ramp(65535), ramp(40000)],
        [ramp(32768)],
        [ramp(65535), np.zeros((8, 8), np.uint16), np.full((8, 8), 9, np.uint16)],
        [ramp(200, np.uint8), ramp(9, np.uint8)],
        [np.zeros((8, 8), np.uint16)],
    ],
)
def test_a_cohort_that_uses_its_range_passes_as_it_is(pictures, capsys):
    for before, after in zip(pictures, cohort(*pictures), strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    assert capsys.readouterr().err == ""


def test_what_is_said_to_be_so_is_taken_and_the_dark_told(capsys):
    after = cohort(ramp(65535), ramp(4095), bits=16)
    np.testing.assert_array_equal(after[1], ramp(4095))
    assert "1 images stay below 1/16 of that, 1.png (up to 4095)" in capsys.readouterr().err
    cohort(ramp(1, np.uint8), ramp(15, np.uint8))
    assert "no 8-bit image has a value above 15 of 255" in capsys.readouterr().err


def test_more_than_the_stated_bits_is_refused():
    with pytest.raises(UserError, match=r"1\.png: holds values up to 5000, .*raise it to 13"):
        cohort(ramp(4095), ramp(5000), bits=12)


@given(st.integers(1, 16), st.data())
def test_the_stated_bits_are_spread_over_the_whole_range_in_order(bits, data):
    full = 2**bits - 1
    values = np.array([0, full, *data.draw(st.lists(st.integers(0, full)))], np.uint16)
    (after,) = cohort(values[None], bits=bits)
    top = 255 if bits <= 8 else 65535
    assert after.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert after[0, 0] == 0 and after[0, 1] == top
    np.testing.assert_allclose(after[0], values * (top / full), atol=0.5)
