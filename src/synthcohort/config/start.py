"""Weights that a training starts from, in place of random ones."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints, field_validator

from synthcohort.settings import Settings


class Start(Settings):
    folder: Path
    """A model as diffusers saves it: config.json and diffusion_pytorch_model.safetensors; or a
    folder that holds one: of a diffusers pipeline, an earlier run (results/<name>) or its `model/`.
    The cards name it as it stands here; of an absolute path its last two parts. Where it lies in
    the folder of a run that has trained on validation or test images of this one, it is refused."""
    licence: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """The licence or terms of these weights, and of what they were trained on as far as you know;
    the cards tell it. Weights that a run has trained on restricted images, and copies of their
    folder, are refused unless the terms of these are named here; of others, you have to see to it
    yourself."""

    @field_validator("folder")
    @classmethod
    def _no_braces(cls, folder: Path) -> Path:
        if {"{", "}"} & {*str(folder)}:
            raise ValueError(
                "a path with { or }, which Snakemake takes for a wildcard; rename the folder, or "
                "name a link to it"
            )
        return folder


class AutoencoderStart(Start):
    frozen: bool = False
    """Use the weights as they are: nothing is trained, and no other key of this section is given.
    What they lose of this cohort's images is measured all the same, and the latents' scale and
    shift are fitted on train, as the noise schedule expects latents of unit variance."""


def require_left_out(section: Settings, keys: Iterable[str]) -> None:
    """Refuse settings of a network whose folder says what it is.

    Raises:
        ValueError: one of `keys` is not at its default.
    """
    if given := sorted(set(keys) & set(section.model_dump(exclude_defaults=True))):
        raise ValueError(
            f"start.folder says what the network is, but {', '.join(given)} is given, too; remove "
            "it, or start"
        )
