"""The gate before the export: what has not passed its audit is not handed on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthcohort.audit.outcome import FAILED, PASSED, UNDECIDED
from synthcohort.audit.power import power
from synthcohort.errors import UserError
from synthcohort.files import read_json, sha256

SHOWN = 10
BETTER = {
    True: "train for a shorter time (diffusion.images), with a smaller network "
    "(diffusion.channels) or on more images of more patients",
    False: "train for a longer time or with a larger network, for the figures of quality",
}
MORE = (
    "more real patients or synthetic images (source, split.fractions, sampling.images), as told "
    "above"
)
PRIVACY = ("copies", "memorised_share", "nearer_to_train_than_test", "membership",
           "authenticity", "reidentification")  # fmt: skip
OLDER = (
    "was made by a version that knew no undecided gates and let pass what nobody could know; run "
    "the audit again (the rule audit of the workflow, a matter of seconds)"
)


def opened(audit: Path) -> dict[str, Any]:
    """What audit.json holds.

    Raises:
        UserError: it is of a version that knew no outcomes.
    """
    result = read_json(audit)
    if "outcome" not in result:
        raise UserError(f"{audit}: this audit {OLDER}")
    return result


def require_passed(audit: Path, samples: Sequence[Path]) -> dict:
    """The audit's content, if no gate stops the export and it was made of these shards.

    Raises:
        UserError: a gate failed that is not overridden, or the audit was made of other samples.
    """
    result = opened(audit)
    if result["samples"] != {path.name: sha256(path) for path in samples}:
        raise UserError(
            f"{audit}: this audit was made of other samples than those to be exported; "
            "run the audit again"
        )
    stopping = [gate for gate in result["gates"] if gate["stops"]]
    if not stopping:
        return result
    lines = [f"{audit}: the audit has not passed, so nothing is exported."]
    lines += [f"  {told(gate)}" for gate in stopping]
    names = {gate["name"] for gate in stopping}
    if "copies" in names:
        lines += _listed("Synthetic images that copy a train image", "copies", result, audit)
    if "memorised_share" in names:
        title = "Synthetic images as near to a train image as copies"
        lines += _listed(title, "memorised", result, audit)
    lines += ["Ways forward:", *(f"  - {way}" for way in ways(stopping))]
    raise UserError("\n".join(lines))


def told(gate: Mapping[str, Any], title: Callable[[str], str] = str) -> str:
    """A gate in words: its outcome, its figure, what is allowed, and what would decide it."""
    return f"{title(gate['name'])}: {gate['outcome']}, {gate['why']}"


def headline(audit: Mapping[str, Any], title: Callable[[str], str] = str) -> str:
    """The audit in one line: whether there is an export, and each gate that did not pass, those
    where any stop it only those; and how much it would have found. `title` gives a figure's name
    as its readers know it."""
    gates = sorted(audit["gates"], key=lambda gate: gate["outcome"] != FAILED)
    shown = [gate for gate in gates if gate["stops"]]
    begin = "Export stopped"
    if not shown:
        shown = [gate for gate in gates if gate["outcome"] != PASSED]
        begin = "Exported all the same"
    if not shown:
        names = ", ".join(title(gate["name"]) for gate in gates)
        return " ".join([f"Passed: all gates of the audit ({names}).", *_power(audit)])
    parts = [*(told(gate, title) + _let_go_on(gate) for gate in shown), *_power(audit)]
    return f"{begin}: {shown[0]['outcome']}. {' '.join(parts)}"


def ways(stopping: Sequence[Mapping[str, Any]]) -> list[str]:
    """The three ways on, for the gates that stop an export: another run, another rule, a decision
    on record."""
    names = [gate["name"] for gate in stopping]
    failed = {gate["name"].split(".")[0] in PRIVACY for gate in stopping
              if gate["outcome"] == FAILED}  # fmt: skip
    undecided = any(gate["outcome"] == UNDECIDED for gate in stopping)
    again = [*(BETTER[privacy] for privacy in sorted(failed, reverse=True)), *[MORE] * undecided]
    rule = f"another threshold in audit.gates ({', '.join(names)})"
    if undecided:
        rule += ", or audit.undecided: go_on for all that can't be decided"
    return [
        "; ".join(again),
        f"{rule}, which is then on record",
        "or, if the figures above are acceptable for the people in the data, a recorded decision: "
        f"audit.override: {{{names[0]}: the reason}}, which goes on the dataset's card",
    ]


def _power(audit: Mapping[str, Any]) -> list[str]:
    rows = audit.get("planted", {}).get("rows")
    return [power(rows)] if rows else []


def _let_go_on(gate: Mapping[str, Any]) -> str:
    if "override" in gate:
        return f" Overridden: {' '.join(gate['override'].split()).removesuffix('.')}."
    return "" if gate["stops"] else " Allowed by audit.undecided: go_on."


def _listed(title: str, key: str, result: Mapping[str, Any], audit: Path) -> list[str]:
    images = result[key]
    lines = [f"{title} ({len(images)}):"]
    for image in images[:SHOWN]:
        how = [image["way"]] if "way" in image else []
        if "correlation" in image:
            how.append(f"correlation {image['correlation']:.4f}")
        how = how or [f"distance {image['distance']:.4g}"]
        lines.append(
            f"  {image['label'] or 'no label'} {image['index']} ({image['shard']}): train image "
            f"{image['train_image']}, {', '.join(how)}"
        )
    if len(images) > SHOWN:
        lines.append(f'  and {len(images) - SHOWN} more: all are under "{key}" in {audit}')
    return lines
