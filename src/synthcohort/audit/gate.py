"""The gate before the export: what has not passed its audit is not handed on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthcohort.errors import UserError
from synthcohort.files import read_json, sha256

SHOWN = 10
BOUNDS = {"low": "the lower bound of its interval", "high": "the upper bound of its interval"}
WAYS = {
    "copies": "drop the copies (audit.drop_memorised: true leaves out {found} of the images)",
    "memorised_share": "drop them (audit.drop_memorised: true leaves out {found} of the images)",
}
SHORTER = (
    "a shorter training (diffusion.images) or a smaller network (diffusion.channels); more train "
    "images (of more patients)"
)
PRIVACY = ("copies", "memorised_share", "nearer_to_train_than_test", "membership",
           "authenticity", "reidentification")  # fmt: skip


def require_passed(audit: Path, samples: Sequence[Path]) -> dict:
    """The audit's content, if no gate stops the export and it was made of these shards.

    Raises:
        UserError: a gate failed that is not overridden, or the audit was made of other samples.
    """
    result = read_json(audit)
    if result["samples"] != {path.name: sha256(path) for path in samples}:
        raise UserError(
            f"{audit}: this audit was made of other samples than those to be exported; "
            "run the audit again"
        )
    failed = [gate for gate in result["gates"] if not gate["passed"] and "override" not in gate]
    if not failed:
        return result
    lines = [f"{audit}: the audit has failed, so nothing is exported."]
    lines += [f"  {told(gate)}" for gate in failed]
    names = {gate["name"] for gate in failed}
    if "copies" in names:
        lines += _listed("Synthetic images that copy a train image", "copies", result, audit)
    if "memorised_share" in names:
        title = "Synthetic images as near to a train image as copies"
        lines += _listed(title, "memorised", result, audit)
    lines += ["Ways forward:", *(f"  - {way}" for way in _ways(names, result))]
    raise UserError("\n".join(lines))


def told(gate: Mapping[str, Any]) -> str:
    """A gate in words: its figure, what is allowed, and the floor."""
    if gate["judged"] is None:
        note = gate.get("note", "it has no such figure here")
        return f"{gate['name']} cannot be judged: {note.removesuffix('.')}."
    text = f"{gate['name']} is {gate['value']:.4g}"
    if gate["interval"]:
        low, high = gate["interval"]
        text += f" (95 % interval {low:.4g} to {high:.4g})"
    judged = f" for {BOUNDS[gate['of']]}" if gate["of"] in BOUNDS else ""
    allowed = "allowed are at most" if gate["rule"] == "at_most" else "needed are at least"
    text += f", {allowed} {gate['threshold']:.4g}{judged}"
    floor = (gate["floor"] or {}).get("value")
    return f"{text}; among real images it is {floor:.4g}." if floor is not None else f"{text}."


def _listed(title: str, key: str, result: Mapping[str, Any], audit: Path) -> list[str]:
    images = result[key]
    lines = [f"{title} ({len(images)}):"]
    for image in images[:SHOWN]:
        how = (
            f"{image['way']}, correlation {image['correlation']:.4f}"
            if key == "copies"
            else f"distance {image['distance']:.4g}"
        )
        lines.append(
            f"  {image['label'] or 'no label'} {image['index']} ({image['shard']}): train image "
            f"{image['train_image']}, {how}"
        )
    if len(images) > SHOWN:
        lines.append(f'  and {len(images) - SHOWN} more: all are under "{key}" in {audit}')
    return lines


def _ways(names: set[str], result: Mapping[str, Any]) -> list[str]:
    found = {
        (image["label"], image["index"]) for image in [*result["copies"], *result["memorised"]]
    }
    ways = [WAYS[name].format(found=len(found)) for name in WAYS if name in names][:1]
    if names & set(PRIVACY):
        ways.append(SHORTER)
    if names - set(PRIVACY):
        ways.append("a longer training or a larger network, for the figures of quality")
    first = sorted(names)[0]
    return [
        *ways,
        f"another threshold in audit.gates ({', '.join(sorted(names))}), which is then on record",
        "or, if the figures above are acceptable for the people in the data, a recorded decision: "
        f"audit.override: {{{first}: the reason}}, which goes on the dataset's card",
    ]
