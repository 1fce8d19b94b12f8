"""Ids and labels: which are one, which mean nothing, and in which order they stand."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcohort.intake import ids


@pytest.mark.parametrize(
    "ways",
    [
        ("7", "007", "7.0", "7.", " 7 ", "7\u00a0", "'7'", "７"),
        ("P1", "p1", "P01", "P1\u200b", "\ufeffP1", "“P1”", "P\u00ad1"),
        ("M\u00fcller", "Mu\u0308ller", "MÜLLER", "müller "),
        ("sub-001_ses-2", "SUB-1_ses-02"),
        ("P-1", "P\u20101", "P\u20111", "P\u20131", "P\u22121"),
        ("12", "\u0661\u0662", "\u0967\u0968", "\uff11\uff12"),
        ("1234567", "1,234,567", "1 234 567", "1\u202f234\u202f567", "1’234’567"),
        ("ab", "a\x08b", "\x1bab"),
        ("mass  left", "mass left", "Mass\tleft"),
        ("0.5", "0.50", "00.5"),
        ("0", "000", "0.0"),
    ],
)
def test_names_that_differ_in_nothing_that_matters_have_one_key(ways):
    assert len({ids.key(name) for name in ways}) == 1
    spellings = ids.Spellings()
    assert {spellings.joined(name) for name in ways} == {ids.normal(ways[0])}
    assert len(spellings) == 1 and spellings.several == {ids.normal(ways[0]): sorted(ways)}


@pytest.mark.parametrize(
    "names",
    [
        ("7", "70", "-7", "0.7", "7.5", "a7"),
        ("0.5", "0.05", "5"),
        ("1,23", "123", "1,2345", "P1,234", "1234"),
        ("dose 0.5", "dose 0.05"),
        ("a0b", "ab", "a00c"),
        ("10", "1", "100"),
        ("P1_12", "P11_2"),
        (f"{10**40}", f"{10**40 + 1}"),
        ("x²", "x", "x³"),
        ("left", "left right"),
    ],
)
def test_names_that_differ_have_keys_of_their_own(names):
    assert len({ids.key(name) for name in names}) == len(names)


@given(st.text())
def test_normal_forms_stay_as_they_are(text):
    normal = ids.normal(text)
    assert ids.normal(normal) == normal and ids.key(normal) == ids.key(text)
    assert ids.key(unicodedata.normalize("NFD", text)) == ids.key(text)
    assert ids.is_unknown(normal) == ids.is_unknown(text)


@given(st.integers(0, 10**30), st.integers(0, 3))
def test_zeros_in_front_and_behind_the_point_make_no_other_number(number, zeros):
    ways = (f"{number}", f"{'0' * zeros}{number}", f"{number}.{'0' * zeros}")
    assert {ids.key(way) for way in ways} == {str(number)}
    assert ids.key(f"P{'0' * zeros}{number}x") == f"p{number}x"


def test_what_means_not_known():
    for text in ("", " ", "NA", "n/a", "NaN", "None", "NULL", "<NA>", "-", "--", "–", "?", ".",
                 "#N/A", "########", "-2147483648", "\u200b", "N/A ", "unknown"):  # fmt: skip
        assert ids.is_unknown(text), text
    for text in ("0", "no finding", "NAD", "nana", "+", "-1", "n", "Normal"):
        assert not ids.is_unknown(text), text


def test_a_long_number_that_a_spreadsheet_has_shortened():
    for text in ("1E+11", "1.23457E+11", "1,23E+11", "1.2e11", "-1.5E+08", "1.0E+011"):
        assert ids.is_shortened(text), text
    for text in ("1e5", "12e11", "7E3", "1.5", "E+11", "a1E+11", "1,5"):
        assert not ids.is_shortened(text), text


def test_what_cannot_be_seen_is_told_by_its_number():
    spellings = ids.Spellings()
    for name in ("M\u00fcller", "Mu\u0308ller", "a", "a\u200b"):
        spellings.joined(name)
    assert spellings.told() == r"'Mu\u0308ller' = 'Müller', 'a' = 'a\u200b'"


@pytest.mark.parametrize(
    ("names", "order", "numbers"),
    [
        ({"10", "2", "0"}, ["0", "2", "10"], [0, 2, 10]),
        ({"1.0", "3.0", "02"}, ["1.0", "02", "3.0"], [1, 2, 3]),
        ({"NC", "AD"}, ["AD", "NC"], [0, 1]),
        ({"T10", "T2", "N1"}, ["N1", "T2", "T10"], [0, 1, 2]),
        ({"-1", "0.5", "10"}, ["-1", "0.5", "10"], [0, 1, 2]),
        ({"9999999999", "1"}, ["1", "9999999999"], [0, 1]),
        ({"10", "a", "9"}, ["9", "10", "a"], [0, 1, 2]),
        ({""}, [""], [0]),
    ],
)
def test_labels_have_an_order_and_numbers(names, order, numbers):
    assert ids.ordered(names) == order
    assert ids.class_numbers(order) == numbers
