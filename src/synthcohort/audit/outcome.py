"""A gate's outcome: passed, failed, or undecided, and what would decide it.

The bound of the 95 % interval that speaks against a gate has to hold for it to pass; it has failed
where the other bound breaks it. Between the two the data cannot say, and too few patients never
make a gate easier.
"""

from collections.abc import Mapping
from math import ceil, floor, log, log10
from typing import Any

from synthcohort import config
from synthcohort.numerics.resampling import LEAST_PATIENTS

PASSED, FAILED, UNDECIDED = "passed", "failed", "undecided"
# A value so near its threshold that more than this many times the data would be needed lies on it.
HOPELESS = 1000


def judged(gate: config.Gate, figure: Mapping[str, Any]) -> dict[str, Any]:
    """Hold a figure against a gate.

    Args:
        figure: "value", and of "interval", "n", "patients" (of whom there are how many, where the
            interval comes from patients), "unit" ("image" where it comes from synthetic images),
            "cannot_tell" and "note" those that there are.

    Returns:
        "outcome"; "why", one or two sentences with value, interval and threshold in them; and
        "needs", for what only more data would decide: {"of": "test patients", "now": 12,
        "about": 47}, otherwise None.
    """
    outcome, why, needs = _judged(gate, figure)
    return {"outcome": outcome, "why": f"{_told(gate, figure)}{why}", "needs": needs}


def _judged(gate: config.Gate, figure: Mapping[str, Any]) -> tuple[str, str, dict | None]:
    value, interval = figure["value"], figure.get("interval")
    if figure.get("cannot_tell"):
        return UNDECIDED, f". This figure can't tell here: {_sentence(figure['cannot_tell'])}", None
    if value is None:
        return UNDECIDED, f": {_sentence(figure.get('note') or 'there is no such figure')}", None
    if not interval:
        # A count of what was found in this very dataset is exact; a share or a distance is not.
        if not isinstance(value, int):
            return UNDECIDED, ". It has no interval, so nothing says how sure it is.", None
        interval = [value, value]
    low, high = interval
    at_most = gate.at_most is not None
    threshold = gate.at_most if at_most else gate.at_least
    if (low > threshold) if at_most else (high < threshold):
        return FAILED, ".", None
    number, of = _counted(figure)
    patients = _patients(figure) or _of_the_floor(figure)
    if patients and _smallest(patients)[0] < LEAST_PATIENTS:
        now, who = _smallest(patients)
        few = f". {now} {who} are too few for any interval; {LEAST_PATIENTS} are the least."
        return UNDECIDED, few, {"of": who, "now": now, "about": LEAST_PATIENTS}
    if (high <= threshold) if at_most else (low >= threshold):
        if low == high and not isinstance(value, int):
            return UNDECIDED, ". An interval without width is of too few cases.", None
        return PASSED, ".", None
    times = _times(value, low, high, threshold)
    if times > HOPELESS:
        what = of.split()[-1] if of else "images or patients"
        return UNDECIDED, f". The value lies on the threshold: no number of {what} decides.", None
    if not number:
        return UNDECIDED, f". About {times:.1f} times as many cases would decide.", None
    about = _rounded_up(number * times)
    towards = PASSED if (value <= threshold) == at_most else FAILED
    why = (
        f". {number:,} {of} can't decide that; about {about:,} would, as {towards}, if the value "
        "stayed."
    )
    return UNDECIDED, why, {"of": of, "now": number, "about": about}


def _told(gate: config.Gate, figure: Mapping[str, Any]) -> str:
    """Value, interval, threshold and floor, without a full stop."""
    rule = "at most" if gate.at_most is not None else "at least"
    threshold = gate.at_most if gate.at_most is not None else gate.at_least
    allowed = f"{rule} {threshold:.3g} is {'allowed' if gate.at_most is not None else 'needed'}"
    if figure["value"] is None:
        return f"not measured ({allowed})"
    told = f"{figure['value']:.3g}"
    if figure.get("interval"):
        low, high = figure["interval"]
        told += f" (95 % interval {low:.3g} to {high:.3g})"
    told += f" where {allowed}"
    real = (figure.get("floor") or {}).get("value")
    return told if real is None else f"{told}; among real images it is {real:.3g}"


def _counted(figure: Mapping[str, Any]) -> tuple[int, str]:
    """How many cases the interval comes from, and what they are; 0 where that is not told."""
    n = figure.get("n") or {}
    if figure.get("unit") != "image" and (patients := _patients(figure)):
        return _smallest(patients)
    if "synthetic" in n:
        return n["synthetic"], "synthetic images"
    name = min(n, key=n.__getitem__, default=None)
    return (n[name], f"{name} images".replace("images images", "images")) if name else (0, "")


def _patients(figure: Mapping[str, Any]) -> dict[str, int]:
    """By whose name there are how many; empty where that is not told."""
    n = figure.get("n") or {}
    of_n = {name: count for name, count in n.items() if name.endswith("patients")}
    return dict(figure.get("patients") or of_n)


def _of_the_floor(figure: Mapping[str, Any]) -> dict[str, int]:
    """The real patients by whom the limits of a search are set."""
    patients = (figure.get("floor") or {}).get("patients")
    return {"unseen": patients} if isinstance(patients, int) else {}


def _smallest(patients: Mapping[str, int]) -> tuple[int, str]:
    name = min(patients, key=patients.__getitem__)
    who = name.removesuffix("patients").rstrip("_")
    return patients[name], f"{who} patients".strip()


def _times(value: float, low: float, high: float, threshold: float) -> float:
    """How many times as many cases would put the interval on one side of the threshold, were the
    value the same: its width goes with 1/√n, and that of a share of 0 or 1 (Clopper and Pearson)
    with the exponent 1/n."""
    if value == threshold:
        return HOPELESS + 1
    if value == 0 and 0 < threshold < high < 1:
        return log(1 - high) / log(1 - threshold)
    if value == 1 and 0 < low < threshold < 1:
        return log(low) / log(threshold)
    side = high - value if value < threshold else value - low
    return (side / abs(threshold - value)) ** 2


def _rounded_up(number: float) -> int:
    """To two digits, so that it doesn't look surer than it is; exact up to 1,000."""
    whole = ceil(round(number, 6))
    step = 10 ** max(floor(log10(whole)) - 1, 0) if whole > 1000 else 1
    return ceil(whole / step) * step


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
