"""Value against floor, in words."""

from collections.abc import Mapping
from math import hypot
from typing import Any, NamedTuple

from synthcohort.measures import Measure


class Mark(NamedTuple):
    """A verdict on a value: a sign that reads without colours, words, and a CSS class."""

    sign: str
    words: str
    kind: str


AT = Mark("●", "at the floor", "at")
SHORT = Mark("○", "short of the floor", "short")
BEYOND = Mark("◆", "beyond the floor", "beyond")
EXPECTED, UNEXPECTED = Mark("●", "as expected", "at"), Mark("○", "not as expected", "short")
# Of a privacy figure more is worse or less is; to be "beyond" real images means nothing there.
NO_SIGN, SIGN = Mark("●", "no sign of a leak", "at"), Mark("○", "sign of a leak", "short")
CANNOT_TELL = Mark("?", "cannot tell", "unclear")
OPEN = Mark("", "", "open")
PART = 4
"""A difference matters from one part in so many of `Measure.span` on."""


def mark(entry: Mapping[str, Any], of: Measure, better: str | None = None) -> Mark:
    """Where a result lies to its floor: at it while 0 is within the interval of their difference,
    and nothing is that would matter; where both are, it cannot be told.

    A difference matters from a quarter of `Measure.span` on. Where there is no such bound, as of a
    distance, from the size of the floor on, all of its interval taken as possible: twice as far
    from real images as these are from each other; of KID, which is 0 there, from the width of it.

    That interval is the result's own ("difference_to_floor", or "above_floor" in its details) where
    it has one; otherwise it is made of the two intervals as if they were independent (Zou and
    Donner 2008, "MOVER", eq. 7). There is no verdict where the result says "cannot_tell", nor where
    its floor is so uncertain that it leaves hardly any room (`Measure.span`). A privacy figure that
    is worse than it would be by chance ("expected") is a sign of a leak whatever its floor, which
    is of fewer patients, allows.

    Args:
        entry: a line of the results (`summary.entries`).
        of: how it is read.
        better: the direction, where the result itself gives another than `of`.
    """
    if entry.get("cannot_tell"):
        return CANNOT_TELL
    if entry["value"] is None or not entry.get("interval"):
        return OPEN
    # What lies between chance and the best is that of the direction which the measure names.
    span = of.span if better in (None, of.better) else None
    better = better or of.better
    privacy = of.question == "privacy"
    low, high = entry["interval"]
    floor = entry.get("floor") or {}
    if floor.get("value") is None:
        expected = entry.get("expected")
        if expected is None:
            return OPEN
        if privacy:
            return _sign(low - expected, high - expected, better)
        return EXPECTED if low <= expected <= high else UNEXPECTED
    if privacy and "expected" in entry:
        chance = entry["expected"]
        if _sign(low - chance, high - chance, better) == SIGN:
            return SIGN
    bottom, top = floor.get("interval") or (floor["value"], floor["value"])
    if span is not None and top - bottom > span / 2:
        return CANNOT_TELL
    size = max(*map(abs, (floor["value"], bottom, top)), top - bottom)
    matters = size if span is None else span / PART
    paired = entry.get("difference_to_floor") or entry.get("details", {}).get("above_floor") or {}
    least, most = paired.get("interval") or _difference(
        entry["value"], low, high, floor["value"], bottom, top
    )
    bad = {"lower": most, "higher": -least}.get(better, max(most, -least))
    if privacy:
        bad = -least if better == "higher" else most
    if least <= 0 <= most and bad >= matters > 0:
        return CANNOT_TELL
    if privacy:
        return _sign(least, most, better)
    if least <= 0 <= most:
        return AT
    if better in ("lower", "higher"):
        return BEYOND if (most < 0) == (better == "lower") else SHORT
    return Mark("○", "off the floor", "short")


def _sign(least: float, most: float, better: str) -> Mark:
    """Whether a privacy figure lies on the bad side of real images; more is worse unless it is
    said that higher is better."""
    return SIGN if (most < 0 if better == "higher" else least > 0) else NO_SIGN


def _difference(
    value: float, low: float, high: float, floor: float, bottom: float, top: float
) -> tuple[float, float]:
    return (
        value - floor - hypot(value - low, top - floor),
        value - floor + hypot(high - value, floor - bottom),
    )
