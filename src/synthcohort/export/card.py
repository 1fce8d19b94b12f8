"""The dataset card: README.md with the Hugging Face hub's YAML front matter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthcohort.audit.gate import headline
from synthcohort.config import Config, Sampling
from synthcohort.export import card_loading, card_privacy, card_use, given_weights
from synthcohort.export.front_matter import front_matter
from synthcohort.export.statement import Statement, count_table
from synthcohort.results import registry, summary
from synthcohort.results.readings import Reading, readings
from synthcohort.samples import shards

SAMPLERS = {"ddpm": "DDPM", "ddim": "DDIM", "dpm-solver++": "DPM-Solver++"}
PREDICTIONS = {"epsilon": "the noise (epsilon)", "v_prediction": "v"}
FROM_TRAIN = (
    "each image was asked for with those of a real train image of its label, drawn at random, so "
    "that combinations are as frequent as in train; **a rare combination can point to a patient**"
)


@dataclass(frozen=True)
class Facts:
    """What the card tells beside the settings."""

    system: Config
    stated: Statement
    sizes: Mapping[str, int]
    """The bytes of each split's files that `datasets` loads."""
    samples: shards.Samples
    split: np.ndarray
    """N texts, "train", "val" or "test", "" for a dropped image."""
    parameters: Mapping[str, int]
    """Of the networks "autoencoder" and "diffusion"."""
    results: Sequence[Mapping[str, Any]]
    """The lines of `summary.entries`."""
    audit: Mapping[str, Any]
    figures: Mapping[str, str]
    """File (relative to the card) → caption."""


def write(path: Path, facts: Facts) -> None:
    """Write the card."""
    read = readings(facts.results, facts.audit)
    sections = (
        front_matter(facts.stated, _tag(facts), facts.sizes),
        _what(facts),
        card_loading.section(facts.system, facts.samples),
        _how_made(facts),
        card_privacy.section(read, facts.audit, len(facts.split), _figure(facts, "distances.png")),
        _evidence(facts, read),
        card_use.sections(facts.stated, facts.system),
    )
    path.write_text("\n".join(sections), encoding="utf-8")


def guidance_of(sampling: Sampling) -> str:
    """How samples were guided, in words."""
    if sampling.guidance == 1:
        return "no guidance"
    kind = "autoguidance" if sampling.guide == "early" else "classifier-free guidance"
    low, high = sampling.guidance_interval
    where = f" at noise levels from {low:g} to {high:g} of T" if (low, high) != (0, 1) else ""
    return f"{kind} of scale {sampling.guidance:g}{where}"


def _what(facts: Facts) -> str:
    stated = facts.stated
    channels, height, width = stated.shape
    colour = "grey" if channels == 1 else "RGB"
    kind = "diffusion model" if _on_pixels(facts) else "latent diffusion model"
    return f"""# {facts.system.export.title}

**Audit**: {headline(facts.audit, registry.title)}

**Every image in this dataset is synthetic**, and no real image is part of it. There are
{stated.count} {colour} images of {height}×{width} pixels with {stated.bits} bits, drawn from a
{kind} that was trained on a cohort of real images (system `{facts.system.name}`). The splits are
random within each label.

{count_table(stated)}

{_figure(facts, "samples.png")}"""


def _how_made(facts: Facts) -> str:
    system, sampling = facts.system, facts.system.sampling
    diffusion, autoencoder = system.diffusion, system.autoencoder
    attributes = ", ".join(facts.samples.attribute_names)
    given = facts.stated.given_weights
    # What they start from says how many there are.
    latent = "" if autoencoder.start else f"{autoencoder.latent_channels} latent channels, "
    parameters = {name: f"{count:,} parameters" for name, count in facts.parameters.items()}
    lines = {
        "Real images": f"{facts.audit['measures'][0]['n']['train']} train images (source: "
        f"`{system.source.kind}`); the patients of the other splits took no part in any training"
        + (" of this run" if given else ""),
        "Autoencoder": "no autoencoder: the model works on pixels"
        if _on_pixels(facts)
        else f"{parameters['autoencoder']}, {latent}{autoencoder.images:,} images seen in training",
        "Denoiser": f"U-Net of {parameters['diffusion']}, {diffusion.images:,} images seen in "
        "training",
        **given_weights.rows(given),
        **({"Attributes": f"{attributes}: {FROM_TRAIN}"} if attributes else {}),
        "Diffusion": f"{diffusion.schedule.replace('_', '-')} noise schedule, {diffusion.steps} "
        f"steps, the network predicts {PREDICTIONS[diffusion.prediction]}",
        "Sampling": f"{SAMPLERS[sampling.sampler]}, {sampling.steps} steps, "
        f"{guidance_of(sampling)}, seed {system.seed}",
        "Software": f"{facts.stated.software.name} {facts.stated.software.version}",
    }
    table = "".join(f"| {what} | {how} |\n" for what, how in lines.items())
    return f"""## How it was made

| What | How |
|---|---|
{table}
Images seen count every image each time.
"""


def _evidence(facts: Facts, read: Sequence[Reading]) -> str:
    rows = [one.row for one in read if one.of.question != "privacy"]
    through = (
        """
"Through the autoencoder" are real train images that have been encoded and decoded once, in the
place of the synthetic ones: what is lost before the diffusion model draws anything.
"""
        if any(row.decoded for row in rows)
        else ""
    )
    return f"""## How like the real images it is

The floor is the same figure for real images against other real images (train patients against
test patients). Distances are not to be expected below it. Recall, coverage and utility can pass it,
since synthetic images vary more freely than the images of a few patients: that is no proof of
quality.
{through}
{summary.markdown(rows)}
`results.json` has the same with the details needed to compare it.

{_figure(facts, "embedding.png")}"""


def _figure(facts: Facts, name: str) -> str:
    caption = facts.figures[f"figures/{name}"]
    return f"![{caption}](figures/{name})\n\n*{caption}*\n"


def _tag(facts: Facts) -> str:
    return "diffusion" if _on_pixels(facts) else "latent-diffusion"


def _on_pixels(facts: Facts) -> bool:
    return facts.system.autoencoder.network == "none"
