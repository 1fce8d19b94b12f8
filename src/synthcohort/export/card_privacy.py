"""The privacy section of the dataset card: what was searched, the gates, and the limits."""

from collections.abc import Mapping
from typing import Any


def section(audit: Mapping[str, Any], drawn: int) -> str:
    """The section "Privacy audit" from the content of audit.json; `drawn` images were sampled."""
    measured = {entry["name"]: entry for entry in audit["measures"]}
    near, copies = measured["memorised_share"], measured["copies"]
    low, high = near["interval"]
    percent = {
        "value": near["value"],
        "low": low,
        "high": high,
        "floor": near["floor"]["value"],
        "quantile": near["quantile"],
    }
    percent = {name: f"{100 * value:.3g} %" for name, value in percent.items()}
    return f"""## Privacy audit

**Copies in pixels**: {copies["value"]} of {copies["n"]["synthetic"]} synthetic images are more like
a train image, as it is or shifted by up to two pixels, noised or mirrored, than any real image of
another person comes near to (among {copies["n"]["test"]} real test images it would be
{copies["floor"]["value"]}).

**Memorised**: a synthetic image counts as memorised when it lies as near to a train image as the
nearest {percent["quantile"]} of the real test images do. That holds for **{percent["value"]}** of
the synthetic images (95 % interval {percent["low"]} to {percent["high"]}). Among real test images,
with the limit set by other patients, it is {percent["floor"]}. Distance: {audit["distance"]}.

The export depended on these gates:

{_gates(audit)}
{_dropped(audit, drawn)}**What this audit cannot show**: that no image repeats a patient in
another way (a part of an image, a turned, scaled or recoloured one); that nobody who holds the
model or a patient's image can find out that it was used for training, where the plain attack
measured here fails; and that no patient can be recognised by somebody who knows them. It is no
proof of anonymity in the sense of any law.
"""


def _gates(audit: Mapping[str, Any]) -> str:
    lines = ["| Gate | Compared | Allowed | Outcome |", "|---|---:|---:|---|"]
    for gate in audit["gates"]:
        compared = "not measured" if gate["judged"] is None else f"{gate['judged']:.4g}"
        bound = {"low": ", lower bound", "high": ", upper bound"}.get(gate["of"], "")
        allowed = f"{gate['rule'].replace('_', ' ')} {gate['threshold']:.4g}"
        outcome = "passed" if gate["passed"] else "**failed, overridden**"
        lines.append(f"| `{gate['name']}`{bound} | {compared} | {allowed} | {outcome} |")
    overridden = [
        f"- **`{gate['name']}` failed and was overridden** by the dataset's maker, who gave this "
        f"reason: {' '.join(gate['override'].split())}"
        for gate in audit["gates"]
        if "override" in gate
    ]
    return "\n".join([*lines, *(["", *overridden] if overridden else []), ""])


def _dropped(audit: Mapping[str, Any], drawn: int) -> str:
    count = len(audit["dropped"])
    if not count:
        return ""
    return (
        f"**{count} of the {drawn} images drawn were left out** because they were found "
        "as copies\nor as memorised; the figures above and the other metrics are of all images "
        "drawn.\n\n"
    )
