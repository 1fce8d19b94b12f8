"""Value against floor: in words, and as a small drawing on one scale."""

from collections.abc import Mapping
from math import hypot
from typing import Any, NamedTuple

from markupsafe import Markup

WIDTH, HEIGHT, EDGE = 150, 22, 6


class Mark(NamedTuple):
    """A verdict on a value: a sign that reads without colours, words, and a CSS class."""

    sign: str
    words: str
    kind: str


AT = Mark("●", "at the floor", "at")
SHORT = Mark("○", "short of the floor", "short")
BEYOND = Mark("◆", "beyond the floor", "beyond")
EXPECTED, UNEXPECTED = Mark("●", "as expected", "at"), Mark("○", "not as expected", "short")
OPEN = Mark("", "", "open")


def mark(entry: Mapping[str, Any], better: str) -> Mark:
    """Where a result lies to its floor: at it while 0 is within the interval of their difference.

    That interval is the result's own ("above_floor") where it has one; otherwise it is made of the
    two intervals as if they were independent (Zou and Donner 2008, "MOVER", eq. 7).
    """
    if entry["value"] is None or not entry.get("interval"):
        return OPEN
    low, high = entry["interval"]
    floor = entry.get("floor") or {}
    if floor.get("value") is None:
        expected = entry.get("expected")
        if expected is None:
            return OPEN
        return EXPECTED if low <= expected <= high else UNEXPECTED
    bottom, top = floor.get("interval") or (floor["value"], floor["value"])
    paired = entry.get("details", {}).get("above_floor", {}).get("interval")
    least, most = paired or _difference(entry["value"], low, high, floor["value"], bottom, top)
    if least <= 0 <= most:
        return AT
    if better in ("lower", "higher"):
        return BEYOND if (most < 0) == (better == "lower") else SHORT
    return Mark("○", "off the floor", "short")


def _difference(
    value: float, low: float, high: float, floor: float, bottom: float, top: float
) -> tuple[float, float]:
    return (
        value - floor - hypot(value - low, top - floor),
        value - floor + hypot(high - value, floor - bottom),
    )


def scale(entry: Mapping[str, Any]) -> Markup:
    """The value with its interval above its floor, as an SVG; nothing without an interval."""
    if entry["value"] is None or not entry.get("interval"):
        return Markup("")
    floor = entry.get("floor") or {}
    if floor.get("value") is None:
        floor = {"value": entry.get("expected")}
    if floor["value"] is None:
        return Markup("")
    band = floor.get("interval") or [floor["value"]] * 2
    ends = [*entry["interval"], *band, entry["value"], floor["value"]]
    least, span = min(ends), (max(ends) - min(ends)) or 1

    def x(value: float) -> str:
        return f"{EDGE + (WIDTH - 2 * EDGE) * (value - least) / span:.1f}"

    low, high = entry["interval"]
    wide = float(x(band[1])) - float(x(band[0]))
    return Markup(
        f'<svg class="scale" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'aria-hidden="true">'
        f'<rect class="band" x="{x(band[0])}" y="2" width="{wide:.1f}" height="{HEIGHT - 4}"/>'
        f'<line class="floor" x1="{x(floor["value"])}" x2="{x(floor["value"])}" y1="1" '
        f'y2="{HEIGHT - 1}"/>'
        f'<line class="range" x1="{x(low)}" x2="{x(high)}" y1="11" y2="11"/>'
        f'<circle class="value" cx="{x(entry["value"])}" cy="11" r="4"/></svg>'
    )
