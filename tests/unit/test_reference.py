"""The documentation that is made from something else is up to date with it."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, Field

from synthcohort import config, sources
from synthcohort.config.reference import describe, reference
from synthcohort.settings import Settings

REPOSITORY = Path(__file__).parents[2]


def test_the_reference_of_the_settings_is_up_to_date():
    committed = (REPOSITORY / "config/README.md").read_text(encoding="utf-8")
    assert committed == reference(), "write it anew with: make docs"


def test_every_setting_says_what_it_means():
    models = [sources.module(kind).Source for kind in sources.names()]
    sections = [field.annotation for field in config.Config.model_fields.values()]
    models += [s for s in sections if isinstance(s, type) and issubclass(s, BaseModel)]
    silent = [
        f"{model.__module__}.{model.__name__}: {key}"
        for model in models
        for key, _, _, meaning in describe(model)
        if not meaning
    ]
    silent += [key for key, field in config.Config.model_fields.items() if not field.description]
    assert not silent, "give each a docstring below its line in the class"


class Inner(Settings):
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Between <a> and *b*."""


class Outer(Settings):
    kind: Literal["outer"] = "outer"
    must: str
    """Needed."""
    plan: Literal["a", "b", 3] | None = None
    """One of three."""
    counts: Annotated[int, Field(gt=0)] | dict[str, int] = 7
    """All, or each."""
    pair: tuple[int, Annotated[float, Field(lt=1)]] = (1, 0.5)
    """Two."""
    many: tuple[bool, ...] = ()
    """Any number."""
    names: Annotated[dict[str, str], Field(default_factory=dict)]
    """By name."""
    inner: Inner | None = None
    """A section of its own."""


def test_every_kind_of_setting_is_put_in_words():
    assert list(describe(Outer)) == [
        ("must", "text", "required", "Needed."),
        ("plan", "`a`, `b` or `3` or `null`", "none", "One of three."),
        ("counts", "whole number above 0 or names, each with whole number", "`7`", "All, or each."),
        ("pair", "list of 2: whole number; number below 1", "`[1, 0.5]`", "Two."),
        ("many", "list, each true or false", "`[]`", "Any number."),
        ("names", "names, each with text", "`{}`", "By name."),
        ("inner", "the keys below or `null`", "none", "A section of its own."),
        ("inner.share", "number from 0 to 1", "`0.5`", "Between <a> and *b*."),
    ]


def test_the_conda_environment_has_the_versions_of_the_locks():
    script = [sys.executable, REPOSITORY / "envs/environment.py"]
    written = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    committed = (REPOSITORY / "envs/environment.yaml").read_text(encoding="utf-8")
    assert committed == written, "write it anew with: make lock"
    *_, pip = yaml.safe_load(committed)["dependencies"]
    *pinned, package = pip["pip"]
    assert package == "--editable .." and any(line.startswith("torch==") for line in pinned)
    locks = [
        (REPOSITORY / f"envs/{name}.lock").read_text().replace(" \\\n", "\n").splitlines()
        for name in ("requirements", "inception-weights")
    ]
    assert set(pinned) <= {line for lock in locks for line in lock}
