"""What has been measured as Markdown."""

from collections.abc import Mapping, Sequence

COLUMNS = (
    "contestant",
    "parameters",
    "images seen",
    "training, s",
    "sampling, ms an image",
    "FID",
    "own classifier",
    "precision",
    "recall",
    "label arrives",
)
DISTANCES = {"fid": "Inception's features", "classifier": "the own classifier's features"}
OURS = "ours"


def table(contestants: Mapping[str, dict], n: int) -> str:
    """A line a contestant, after one for the floor, and then what the distances come to.

    Each is {"told", "scores"}, as `contract` and `scoring.score` give them, or {"failed"}, a
    sentence; `n` is how many images each has drawn.
    """
    scored = {name: found for name, found in contestants.items() if "scores" in found}
    lines = [_line(COLUMNS), _line(["---", *["---:"] * (len(COLUMNS) - 1)])]
    if scored:
        lines.append(_line(_floor([found["scores"] for found in scored.values()])))
    for name, found in contestants.items():
        if "failed" in found:
            lines.append(_line([name, found["failed"], *[""] * (len(COLUMNS) - 2)]))
        else:
            lines.append(_line([name, *_figures(found["told"], found["scores"], n)]))
    verdicts = _verdicts(scored)
    return "\n".join([*lines, *([""] if verdicts else []), *verdicts, ""])


def _floor(scores: Sequence[dict]) -> list[str]:
    first = scores[0]
    label = next((of["label"]["floor"] for of in scores if "label" in of), None)
    return [
        "real images (floor)",
        *[""] * 4,
        *(f"{first[name]['floor']['value']:.1f}" for name in DISTANCES),
        *(f"{first[name]['floor']['value']:.2f}" for name in ("precision", "recall")),
        "" if label is None else f"{label['value']:.2f}",
    ]


def _figures(told: Mapping, scores: Mapping, n: int) -> list[str]:
    return [
        f"{told['parameters'] / 1e6:.1f} M",
        ", ".join(f"{name} {seen:,}" for name, seen in told["seen"].items()),
        f"{told['training']:.0f}",
        f"{1000 * told['sampling'] / n:.0f}",
        *(_with_interval(scores[name], 1) for name in DISTANCES),
        *(_with_interval(scores[name], 2) for name in ("precision", "recall")),
        _with_interval(scores["label"], 2) if "label" in scores else "not told labels",
    ]


def _with_interval(figure: Mapping, digits: int) -> str:
    low, high = figure["interval"]
    return f"{figure['value']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _verdicts(scored: Mapping[str, dict]) -> list[str]:
    """How far ours and the best peer lie above the floor, for each kind of distance."""
    if OURS not in scored or len(scored) < 2:
        return []
    lines = []
    for name, words in DISTANCES.items():
        above = {who: of["scores"][name]["difference_to_floor"] for who, of in scored.items()}
        ours = above.pop(OURS)
        best = min(above, key=lambda who: above[who]["value"])
        line = (
            f"- In {words} ours lies {_with_interval(ours, 1)} above the floor, the best peer "
            f"({best}) {_with_interval(above[best], 1)}"
        )
        # A peer at the floor leaves nothing to take a share of.
        if above[best]["value"] > 0:
            line += f": {ours['value'] / above[best]['value']:.2f} of it"
        lines.append(f"{line}.")
    return lines


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
