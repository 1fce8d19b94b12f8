"""The model card: README.md with the Hugging Face hub's front matter, and the licence beside it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from synthcohort.config import Config
from synthcohort.export import given_weights
from synthcohort.export.card import SAMPLERS, guidance_of
from synthcohort.generator.diffusers_example import example
from synthcohort.generator.model_folder import Record
from synthcohort.results import summary
from synthcohort.results.protection import protection
from synthcohort.results.readings import readings

_GIVES_AWAY = """A model can give away more than its samples: its weights were fitted to the \
train patients' images, and who holds them can ask for any number of images, also those that the \
audit left out of the dataset, compute how well the model knows an image they have (which tells \
whether its patient was in the training), or train it further. The audit looked at one set of \
samples, and at the model as far as the figures above say. No differential privacy bounds the \
rest. **Whoever passes the model on decides that this can be borne by the people in the data; \
where only the images are needed, pass on only those.**"""
_GUIDED = """

In `early/` lies the denoiser as it was early in its training, which guides the samples. It knows \
what all images have in common and little of single ones: held against it, the model's loss tells \
more surely whether a patient was in the training (a calibrated membership attack; the membership \
figure above, where there is one, has tried that, too). Whoever wants to hand on less draws with \
`sampling.guide: withheld`, and `early/` is left out."""


@dataclass(frozen=True)
class Facts:
    """What the card tells beside the record."""

    system: Config
    config: Mapping[str, Mapping[str, Any]]
    """config.json of the parts "autoencoder", "unet" and "scheduler"."""
    entries: Sequence[Mapping[str, Any]]
    """The lines of `summary.entries`."""
    audit: Mapping[str, Any]


def card(record: Record, facts: Facts) -> str:
    """README.md of a model's folder."""
    guided = _GUIDED if record.sampling.guide == "early" else ""
    sections = (
        _front_matter(record),
        _what(record),
        _use(record),
        example(record, facts.config),
        _how_made(record, facts.system),
        _evidence(facts),
        f"## Privacy\n\n{_gates(facts)}\n{_GIVES_AWAY}{guided}\n",
        _limits(),
        f"## Licence and origin\n\n{_terms(record)}",
    )
    return "\n".join(sections)


def licence(record: Record) -> str:
    """LICENSE.md of a model's folder."""
    return f"# Licence of the model {record.name} and of the images drawn from it\n\n" + _terms(
        record
    )


def _front_matter(record: Record) -> str:
    values = {
        "license": record.terms.licence,
        "library_name": "diffusers",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["synthetic", "medical", "diffusion", "synthcohort"],
    }
    prompt = ""
    if record.terms.gated:
        prompt = (
            f"This model derives from {record.terms.source}, under the terms "
            f"“{record.terms.name}”. {record.terms.note} "
        )
    if names := given_weights.restricted(record.given_weights):
        prompt += (
            f"It began with weights of restricted images, under the terms “{'; '.join(names)}”."
        )
    if prompt:
        values["extra_gated_prompt"] = prompt.strip()
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n"


def _what(record: Record) -> str:
    warning = ""
    if record.warning:
        ended = "FAILED" if record.audit.outcome == "failed" else "could NOT DECIDE"
        warning = (
            f"> **The privacy audit of this model {ended}.** Its images may show real patients. "
            "Don't hand on the model or images drawn from it.\n\n"
        )
    channels, height, width = record.shape
    colour = "grey" if channels == 1 else "RGB"
    labels = ", ".join(
        f"{label.name} (class {label.number}, {label.train_images:,} train images)"
        for label in record.labels
        if label.name
    )
    asked = [f"- Labels: {labels}."] if labels else []
    if record.attributes:
        asked.append(f"- Attributes, a number for each image: {', '.join(record.attributes)}.")
    return f"""{warning}# {record.title}: the model

**Audit**: {record.audit.headline}

A diffusion model that draws {colour} images of {height}×{width} pixels ({record.dtype}), trained on
a cohort of real images (system `{record.name}`).

{chr(10).join(asked)}
"""


def _use(record: Record) -> str:
    label = next((one.name for one in record.labels if one.train_images), "")
    option = f" --label {shlex.quote(label)}" if label else ""
    argument = f", {label!r}" if label else ""
    given = "".join(f" {name}=…" for name in record.attributes)
    option += f" --attributes{given}" if given else ""
    if record.attributes:
        values = ", ".join(f'"{name}": …' for name in record.attributes)
        argument += f", attributes={{{values}}}"
    return f"""## How to draw from it

    synthcohort generate --model path/to/this/folder{option} --n 20 --seed 7 --out images

```python
import synthcohort
images = synthcohort.generate("path/to/this/folder"{argument}, n=20, seed=7)  # n×C×H×W
```

An image depends on model, seed, label, attributes, guidance and its running number alone.
`model.json` says all that is known of the model, and has the sha256 of every file. Files that could
run code when they are opened (pickles) are refused.
"""


def _how_made(record: Record, system: Config) -> str:
    sampling = record.sampling
    real = sum(label.train_images for label in record.labels)
    lines = {
        "Trained on": f"{real:,} train images (source: `{system.source.kind}`)",
        "Images seen in training": f"{record.images_seen:,}, counted each time",
        **given_weights.rows(record.given_weights),
        "Draws by": f"{SAMPLERS[sampling.sampler]}, {sampling.steps} steps, "
        f"{guidance_of(sampling)}",
        "Seed of the run": f"{record.seed}",
        "Software": record.made_by,
    }
    table = "".join(f"| {what} | {how} |\n" for what, how in lines.items())
    return f"## How it was made\n\n| What | How |\n|---|---|\n{table}"


def _evidence(facts: Facts) -> str:
    rows = [one.row for one in readings(facts.entries, facts.audit)]
    return f"""## What is known of its images

Measured on the dataset drawn in the run. The floor is the same figure for real images against
other real images.

{summary.markdown(rows)}"""


def _gates(facts: Facts) -> str:
    told = protection(readings(facts.entries, facts.audit), facts.audit)
    lines = ["| Gate | Value | 95 % interval | Threshold | Outcome |", "|---|---:|---:|---:|---|"]
    for gate in told.gates:
        outcome = gate.outcome if gate.outcome == "passed" else f"**{gate.outcome}**"
        outcome += f", overridden: {gate.override}" if gate.override else ""
        cells = gate.title, gate.value, gate.interval, gate.threshold, outcome
        lines.append(f"| {' | '.join(cells)} |")
    left = [f"{told.dropped} images of the run were left out of the dataset.\n"] * (
        told.dropped > 0
    )
    return "\n".join([*lines, "", *left])


def _limits() -> str:
    return """## Intended use and limits

For developing and teaching methods of image analysis, and for testing software. **Not for
diagnosis, nor for any decision about a patient.** The model has the biases of one cohort and errors
of its own; rare findings may be missing, wrong or invented, and a label says what was asked for,
not what an expert has seen. Do not use it to look for the patients it was trained on.
"""


def _terms(record: Record) -> str:
    terms = record.terms
    gate = (
        f"""
**This model derives from restricted data.** Its maker acknowledged these terms
(`export.acknowledge: {terms.acknowledged}`): that they, and those who gave access to the real
images, let it be passed on. Whoever passes on the model, or images drawn from it, has to see that
this holds for them, too.
"""
        if terms.gated
        else ""
    )
    unknown = " Nothing is granted." if terms.licence == "unknown" else ""
    return f"""- Licence of this model and of images drawn from it: {terms.licence}.{unknown}
- Real images that the model was trained on: {terms.source}.
- Terms of the real images: {" ".join(filter(None, (f"{terms.name}.", terms.note)))}
{given_weights.section(record.given_weights)}{gate}"""
