"""Where a value lies to its floor, in words and as a drawing; of privacy, and where it cannot be
told."""

import pytest
from report_material import floored, result

from synthcohort.measures import Measure
from synthcohort.report.scale import scale
from synthcohort.results import marks


def mark(entry: dict, better: str, question: str = "fidelity", span: float | None = None):
    return marks.mark(entry, Measure("fid", "FID", 1, question, better, "So.", span))


@pytest.mark.parametrize("paired", ["difference_to_floor", "above_floor"])
def test_a_difference_measured_as_such_decides_the_verdict(paired):
    entry = result("fid", 4.6, (3.6, 5.6), floor={"value": 3.5, "interval": [3, 4.5]})
    assert mark(entry, "lower").words == "at the floor"
    told = {paired: {"value": 1.5, "interval": [0.5, 2.5]}}
    entry |= told if paired == "difference_to_floor" else {"details": told}
    assert mark(entry, "lower").words == "short of the floor"
    assert mark(entry, "higher").words == "beyond the floor"
    assert mark(entry, "near").words == "off the floor"


@pytest.mark.parametrize(
    ("value", "words"),
    [(4.9, "at the floor"), (4.91, "at the floor"), (4.92, "short of the floor")],
)
def test_intervals_that_only_touch_are_apart(value, words):
    """Two errors of ±1 make one of ±√2 in the difference."""
    entry = result(
        "fid", value, (value - 1, value + 1), floor={"value": 3.5, "interval": [2.5, 4.5]}
    )
    assert mark(entry, "lower").words == words


def test_an_expected_value_takes_the_place_of_a_floor():
    entry = result("nearer", 0.47, (0.43, 0.51), expected=0.5)
    assert mark(entry, "near").words == "as expected"
    assert mark(entry | {"interval": (0.4, 0.45)}, "near").words == "not as expected"


@pytest.mark.parametrize(
    ("interval", "better", "words"),
    [
        ((0.8, 0.9), "lower", "sign of a leak"),
        ((0.8, 0.9), "near", "sign of a leak"),
        ((0.8, 0.9), "higher", "no sign of a leak"),
        ((0.1, 0.2), "lower", "no sign of a leak"),
        ((0.1, 0.2), "higher", "sign of a leak"),
        ((0.4, 0.6), "lower", "no sign of a leak"),
    ],
)
def test_privacy_has_words_of_its_own(interval, better, words):
    against = result("m", sum(interval) / 2, interval, **floored(0.5, 0.45, 0.55))
    assert mark(against, better, "privacy").words == words
    assert mark(against | {"floor": None, "expected": 0.5}, better, "privacy").words == words


@pytest.mark.parametrize(
    ("low", "words"), [(0.505, "sign of a leak"), (0.495, "no sign of a leak")]
)
def test_worse_than_chance_is_a_sign_of_a_leak_whatever_a_wide_floor_allows(low, words):
    """Digits: membership 0.566 [0.532, 0.600], where few unseen patients gave [0.46, 0.56]."""
    floor = {"value": 0.51, "interval": [0.46, 0.56]}
    entry = result("membership", 0.56, (low, 0.6), floor=floor, expected=0.5)
    assert mark(entry, "lower", "privacy", span=0.5).words == words


def test_a_figure_that_cannot_tell_gets_no_mark():
    """By its own word, or because its floor, here an AUC's, leaves hardly any room."""
    entry = result("m", 0.65, (0.48, 0.81), **floored(0.5, 0.3, 0.74))
    assert mark(entry, "lower", "privacy").words == "no sign of a leak"
    assert mark(entry, "lower", "privacy", span=0.5).words == "cannot tell"
    sure = result("m", 0.65, (0.48, 0.81), **floored(0.5, 0.42, 0.58))
    # An AUC of up to 0.8 would matter; one of up to 0.6 would not.
    assert mark(sure, "lower", "privacy", span=0.5).words == "cannot tell"
    near = result("m", 0.53, (0.49, 0.57), **floored(0.5, 0.42, 0.58))
    assert mark(near, "lower", "privacy", span=0.5).words == "no sign of a leak"
    assert mark(sure | {"cannot_tell": "why"}, "lower").words == "cannot tell"


@pytest.mark.parametrize(
    ("value", "interval", "better", "span", "words"),
    [
        (0.94, (0.05, 1.83), "lower", None, "cannot tell"),  # ten floors away, or none
        (0.94, (0.7, 1.2), "lower", None, "short of the floor"),
        (0.12, (0.02, 0.25), "lower", None, "at the floor"),
        (0.12, (0.0, 0.6), "higher", None, "at the floor"),  # too much can't be short
        (0.08, (0.0, 0.6), "higher", 1.0, "at the floor"),
        (0.02, (0.0, 0.6), "lower", 1.0, "cannot tell"),
        (0.02, (0.0, 0.6), "near", 1.0, "cannot tell"),
    ],
)
def test_a_wide_interval_is_not_at_the_floor(value, interval, better, span, words):
    """It reaches nothing and what would matter, on the side that is bad."""
    entry = result("fid", value, interval, **floored(0.09, 0.0, 0.29))
    assert mark(entry, better, span=span).words == words


def test_no_verdict_and_no_drawing_without_an_interval():
    entry = result("fid", 5.0, None, floor={"value": 3.5})
    assert mark(entry, "lower").words == "" and scale(entry) == ""
