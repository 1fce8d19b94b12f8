"""The gate before the export: what has not passed its audit is not handed on."""

from collections.abc import Sequence
from pathlib import Path

from synthcohort.errors import UserError
from synthcohort.files import read_json, sha256


def require_passed(audit: Path, samples: Sequence[Path]) -> dict:
    """The audit's content, if it passed and was made of these shards.

    Raises:
        UserError: a gate failed, or the audit was made of other samples.
    """
    result = read_json(audit)
    if result["samples"] != {path.name: sha256(path) for path in samples}:
        raise UserError(
            f"{audit}: this audit was made of other samples than those to be exported; "
            "run the audit again"
        )
    failed = [gate for gate in result["gates"] if not gate["passed"]]
    if not failed:
        return result
    lines = [f"{audit}: the audit has failed, so nothing is exported."]
    for gate in failed:
        low, high = gate["interval"]
        lines.append(
            f"  {gate['name']} is {gate['value']:.4g} (95 % interval {low:.4g} to {high:.4g}), "
            f"allowed are {gate['threshold']:.4g}; among real test images it is "
            f"{gate['floor']['value']:.4g}."
        )
    copies = result["memorised"]
    lines.append(f"Synthetic images as near to a train image as copies ({len(copies)}):")
    lines += [
        f"  {copy['label'] or 'no label'} {copy['index']} ({copy['shard']}): train image "
        f"{copy['train_image']}, distance {copy['distance']:.4g}"
        for copy in copies[:10]
    ]
    if len(copies) > 10:
        lines.append(f'  and {len(copies) - 10} more: all are under "memorised" in {audit}')
    lines.append(
        "Ways forward: more train images (of more patients); a shorter training "
        "(diffusion.images) or a smaller network (diffusion.channels); or, if the figures above "
        "are acceptable for the people in the data, a larger audit.memorised_share in the "
        "configuration, which is then on record."
    )
    raise UserError("\n".join(lines))
