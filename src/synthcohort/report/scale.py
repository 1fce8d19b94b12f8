"""Value against floor as a small drawing on one scale."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT, EDGE = 150, 22, 6


def scale(entry: Mapping[str, Any]) -> Markup:
    """The value with its interval above its floor, and beside what the autoencoder alone makes of
    real images where that is known, as an SVG; nothing without an interval."""
    if entry["value"] is None or not entry.get("interval"):
        return Markup("")
    floor = entry.get("floor") or {}
    if floor.get("value") is None:
        floor = {"value": entry.get("expected")}
    if floor["value"] is None:
        return Markup("")
    band = floor.get("interval") or [floor["value"]] * 2
    decoded = [entry["decoded"]["value"]] if entry.get("decoded") else []
    ends = [*entry["interval"], *band, entry["value"], floor["value"], *decoded]
    least, span = min(ends), (max(ends) - min(ends)) or 1

    def x(value: float) -> str:
        return f"{EDGE + (WIDTH - 2 * EDGE) * (value - least) / span:.1f}"

    low, high = entry["interval"]
    wide = float(x(band[1])) - float(x(band[0]))
    lost = "".join(
        f'<line class="lost" x1="{x(one)}" x2="{x(one)}" y1="4" y2="{HEIGHT - 4}"/>'
        for one in decoded
    )
    return Markup(
        f'<svg class="scale" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'aria-hidden="true">'
        f'<rect class="band" x="{x(band[0])}" y="2" width="{wide:.1f}" height="{HEIGHT - 4}"/>'
        f'<line class="floor" x1="{x(floor["value"])}" x2="{x(floor["value"])}" y1="1" '
        f'y2="{HEIGHT - 1}"/>{lost}'
        f'<line class="range" x1="{x(low)}" x2="{x(high)}" y1="11" y2="11"/>'
        f'<circle class="value" cx="{x(entry["value"])}" cy="11" r="4"/></svg>'
    )
