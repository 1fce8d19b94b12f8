"""Every setting, once: what a key means, its type, its range and its default.

The models give the check, the error text and the documentation; a section belongs to one stage.
Settings about hardware (threads, device, precision) live in the Snakemake profiles.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from synthcohort import sources
from synthcohort.config import reading
from synthcohort.config.audit import Audit, Gate
from synthcohort.config.autoencoder import Autoencoder
from synthcohort.config.diffusion import Diffusion
from synthcohort.config.evaluation import Evaluation
from synthcohort.config.export import Export
from synthcohort.config.observer import Observer
from synthcohort.config.prepare import Prepare
from synthcohort.config.sampling import Sampling
from synthcohort.config.split import Fractions, Split
from synthcohort.config.training import Training
from synthcohort.settings import Settings

__all__ = [
    "Audit",
    "Autoencoder",
    "Config",
    "Diffusion",
    "Evaluation",
    "Export",
    "Fractions",
    "Gate",
    "Observer",
    "Prepare",
    "Sampling",
    "Source",
    "Split",
    "Training",
    "check",
    "load",
    "require_unequivocal",
]

Source = Annotated[
    reduce(or_, (sources.module(kind).Source for kind in sources.names())),
    Field(discriminator="kind"),
]


class Config(Settings):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    """Name of the system: its results go to results/<name>/, its runs to the MLflow experiment."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Every random number is derived from it, by name of its use."""
    source: Source
    """Where the images come from."""
    prepare: Prepare = Prepare()
    """One size, one colour mode and one depth for all images."""
    split: Split = Split()
    """Train, val and test, by patient."""
    autoencoder: Autoencoder
    """From images to latents and back, and how that is trained."""
    diffusion: Diffusion
    """The diffusion model of the latents, and how it is trained."""
    sampling: Sampling = Sampling()
    """How many synthetic images are drawn, and how."""
    evaluation: Evaluation = Evaluation()
    """The comparison of synthetic with real images."""
    training_seeds: Annotated[int, Field(ge=1)] = 1
    """How many times the diffusion model is trained, each time with a seed of its own. The first
    gives the dataset; with more, the table shows how much the headline figures vary between
    trainings. Each further one costs a training and some minutes of drawing and measuring."""
    observer: Observer = Observer()
    """The page on which people tell real from synthetic images."""
    audit: Audit = Audit()
    """The search for memorised images, and when it stops the export."""
    export: Export = Export()
    """The dataset that is handed on."""

    @model_validator(mode="after")
    def _steps(self) -> "Config":
        if self.sampling.steps > self.diffusion.steps:
            limit = f"the model has diffusion.steps: {self.diffusion.steps}"
            raise ValueError(f"sampling.steps is {self.sampling.steps}, but {limit}; lower it")
        return self

    @model_validator(mode="after")
    def _guided(self) -> "Config":
        """Guidance that is asked for leads away from something learnt, somewhere."""
        sampling, diffusion = self.sampling, self.diffusion
        if sampling.guidance == 1:
            return self
        # Weights to start from may have learnt it.
        untold = diffusion.label_dropout == 0 and diffusion.start is None
        if sampling.guide == "withheld" and untold:
            raise ValueError(
                f"sampling.guide: withheld, with sampling.guidance: {sampling.guidance:g}, leads "
                "away from the denoiser told nothing, but with diffusion.label_dropout: 0 it never "
                "learns that; take a label_dropout above 0, guide: early, or guidance: 1"
            )
        if not sampling.guided_steps(diffusion.steps):
            low, high = sampling.guidance_interval
            levels = sampling.noise_levels(diffusion.steps)
            raise ValueError(
                f"sampling.guidance_interval: [{low:g}, {high:g}] has none of the "
                f"{sampling.steps} noise levels in it that sampling.steps: {sampling.steps} goes "
                f"through, nearest {_nearest_to(levels, low, high):.3g}, so no step would be "
                "guided; take more steps, a wider interval, or guidance: 1"
            )
        return self


def _nearest_to(levels: Sequence[float], low: float, high: float) -> float:
    return min(levels, key=lambda level: max(low - level, level - high))


def load(path: Path) -> Config:
    """The checked configuration in a YAML file.

    Raises:
        UserError: not YAML, or as `check`.
    """
    return check(reading.read(path), str(path))


def require_unequivocal(path: Path) -> None:
    """Refuse a file of which YAML's reader takes something else than it looks: what Snakemake has
    read does not show it any more.

    Raises:
        UserError: not YAML, a key stands twice, or a number is read as another one.
    """
    reading.read(path)


def check(values: Mapping[str, Any], where: str = "configuration") -> Config:
    """The checked configuration from plain values; `where` begins each line of the message.

    `$NAME` and `${NAME}` in text values are replaced by environment variables, `$$` by `$`.

    Raises:
        UserError: a line for every key at fault, or terms that `export.acknowledge` has to name.
    """
    system = reading.checked(Config, values, where)
    sources.require_acknowledged(system.source, system.export.acknowledge)
    return system
