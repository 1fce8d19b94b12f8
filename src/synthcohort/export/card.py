"""The dataset card: README.md with the Hugging Face hub's YAML front matter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from synthcohort import __version__, sources
from synthcohort.audit.gate import headline
from synthcohort.config import Config
from synthcohort.export import card_loading, card_privacy
from synthcohort.export.imagefolder import FOLDERS
from synthcohort.results import registry, summary
from synthcohort.results.readings import Reading, readings
from synthcohort.samples import shards

SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
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
        _front_matter(facts),
        _what(facts),
        card_loading.section(facts.system, facts.samples),
        _how_made(facts),
        card_privacy.section(read, facts.audit, len(facts.split), _figure(facts, "distances.png")),
        _evidence(facts, read),
        _use(),
        _terms(facts),
        _citation(facts),
    )
    path.write_text("\n".join(sections), encoding="utf-8")


def _front_matter(facts: Facts) -> str:
    settings = facts.system.export
    count = np.count_nonzero(facts.split)
    values = {
        "license": settings.licence,
        "pretty_name": settings.title,
        "task_categories": [
            "image-classification"
            if _labelled(facts) or facts.samples.multi_label
            else "unconditional-image-generation"
        ],
        "size_categories": [next((name for top, name in SIZES if count < top), "n>1M")],
        "tags": [
            "synthetic",
            "medical",
            "diffusion" if _on_pixels(facts) else "latent-diffusion",
            "synthcohort",
        ],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": folder, "path": card_loading.files(settings.formats, folder)}
                    for part, folder in FOLDERS.items()
                    if part in facts.split
                ],
            }
        ],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n"


def _what(facts: Facts) -> str:
    count = np.count_nonzero(facts.split)
    channels, height, width = facts.samples.shape
    bits = 8 * facts.samples.dtype.itemsize
    colour = "grey" if channels == 1 else "RGB"
    kind = "diffusion model" if _on_pixels(facts) else "latent diffusion model"
    return f"""# {facts.system.export.title}

**Audit**: {headline(facts.audit, registry.title)}

**Every image in this dataset is synthetic**, and no real image is part of it. There are
{count} {colour} images of {height}×{width} pixels with {bits} bits, drawn from a {kind}
that was trained on a cohort of real images (system `{facts.system.name}`). The splits are random
within each label.

{_counts(facts)}

{_figure(facts, "samples.png")}"""


def _counts(facts: Facts) -> str:
    parts = [part for part in FOLDERS if part in facts.split]
    lines = [
        "| Class | Label | " + " | ".join(FOLDERS[part] for part in parts) + " |",
        "|---:|---" + "|---:" * len(parts) + "|",
    ]
    numbers = facts.samples.label_numbers
    for place, name in enumerate(facts.samples.label_names):
        of_label = facts.split[facts.samples.labels == place]
        counts = [str(np.sum(of_label == part)) for part in parts]
        label = (name or "(none)").replace("|", "\\|")
        lines.append(f"| {numbers[place]} | {label} | {' | '.join(counts)} |")
    return "\n".join(lines)


def _how_made(facts: Facts) -> str:
    system, sampling = facts.system, facts.system.sampling
    diffusion, autoencoder = system.diffusion, system.autoencoder
    guidance = (
        f"classifier-free guidance of scale {sampling.guidance:g}"
        if sampling.guidance != 1
        else "no guidance"
    )
    attributes = ", ".join(facts.samples.attribute_names)
    parameters = {name: f"{count:,} parameters" for name, count in facts.parameters.items()}
    lines = {
        "Real images": f"{facts.audit['measures'][0]['n']['train']} train images (source: "
        f"`{system.source.kind}`); the patients of the other splits took no part in any training",
        "Autoencoder": "no autoencoder: the model works on pixels"
        if _on_pixels(facts)
        else f"{parameters['autoencoder']}, {autoencoder.latent_channels} latent channels, "
        f"{autoencoder.images:,} images seen in training",
        "Denoiser": f"U-Net of {parameters['diffusion']}, {diffusion.images:,} images seen in "
        "training",
        **({"Attributes": f"{attributes}: {FROM_TRAIN}"} if attributes else {}),
        "Diffusion": f"{diffusion.schedule.replace('_', '-')} noise schedule, {diffusion.steps} "
        f"steps, the network predicts {PREDICTIONS[diffusion.prediction]}",
        "Sampling": f"{SAMPLERS[sampling.sampler]}, {sampling.steps} steps, {guidance}, seed "
        f"{system.seed}",
        "Software": f"synthcohort {__version__}",
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


def _use() -> str:
    return """## Intended use and limits

For developing and teaching methods of image analysis, for testing software, and for planning
studies. **Not for diagnosis, nor for any decision about a patient; not for conclusions about the
frequency or appearance of disease.** The images show what the model has learnt from one cohort,
with that cohort's biases and with errors of its own; rare findings may be missing, wrong or
invented, and a label says what the model was asked for, not what an expert has seen. Results that
matter have to be confirmed on real images.
"""


def _terms(facts: Facts) -> str:
    export, terms = facts.system.export, sources.terms(facts.system.source)
    gate = (
        f"""
**This dataset is derived from restricted data.** Its maker acknowledged these terms
(`export.acknowledge: {export.acknowledge}`): that they, and those who gave access to the real
images, let it be passed on. Whoever passes it on has to see that this holds for them, too.
"""
        if terms.gated
        else ""
    )
    return f"""## Licence and origin

- Licence of this dataset: {export.licence}.
- Real images that the model was trained on: {terms.source}.
- Terms of the real images: {" ".join(filter(None, (f"{terms.name}.", terms.note)))}
{gate}"""


def _citation(facts: Facts) -> str:
    return f"""## Citation

```bibtex
@misc{{{facts.system.name},
  title = {{{facts.system.export.title}}},
  note  = {{Synthetic dataset, made with synthcohort {__version__}, seed {facts.system.seed}}}
}}
```
"""


def _figure(facts: Facts, name: str) -> str:
    caption = facts.figures[f"figures/{name}"]
    return f"![{caption}](figures/{name})\n\n*{caption}*\n"


def _labelled(facts: Facts) -> bool:
    return facts.samples.label_names != [""]


def _on_pixels(facts: Facts) -> bool:
    return facts.system.autoencoder.network == "none"
