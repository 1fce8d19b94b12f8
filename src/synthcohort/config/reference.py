"""config/README.md, written from the settings' own descriptions: `make docs`."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from synthcohort import config, sources

_INTRO = """\
# Every setting

This file is written from `src/synthcohort/` by `make docs`; edit the descriptions there.

A system is one YAML file in this folder, whole in itself: `config.yaml` is taken where no other is
named, and nothing of it leaks into another system.

    snakemake --cores 8 --configfile config/my-cohort.yaml

- A key that is not listed here is an error, and so is a value of another type or out of range;
  every fault is told before anything runs.
- `$NAME` and `${NAME}` in a text are replaced by the environment variable; one that is not set is
  an error. `$$` is a `$` itself. `~/` at its beginning is your home.
- YAML makes false of NO and null of ~: write such a name in quotes, `{"NO": healthy}`. A number as
  the name of a label or a part is taken as text. A key that stands twice is an error, and so is a
  number that YAML reads otherwise than it looks, such as 010 or 12:30.
- A target goes before `--configfile`, which takes every name behind it for another file:
  `snakemake --cores 8 results/my-cohort/cohort/split.csv --configfile config/my-cohort.yaml`.
- `--config` changes keys for one run, nested ones too, and leaves the others as they are in the
  file: `snakemake --config seed=1 'sampling={images: 200, guidance: 2}'`.
- A changed setting re-runs the stages that get its section, and then those that depend on what
  they made: the higher a section stands below, the more. `source` re-runs everything, `export` the
  export and what is made of it. A changed `name` starts anew in another folder.
- Hardware (cores, GPUs, memory, time) is no setting: it is told in `workflow/profiles/`.
- A workflow that imports this one hands it such a file as `config`, and says with `pathvars` where
  results and logs go: `docs/deployment.md`.

A default in the table of a key such as `fractions.train` holds where `fractions` is given without
`train`; where `fractions` is not given, its own default does.
"""
_TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number"}
_BOUNDS = {
    "exclusiveMinimum": "above {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "below {}",
    "maximum": "at most {}",
}


def reference() -> str:
    """The reference of all settings, as Markdown."""
    sections = {key: list(_models(field)) for key, field in config.Config.model_fields.items()}
    parts = [_INTRO, _table(config.Config, [key for key in sections if not sections[key]])]
    for key, field in config.Config.model_fields.items():
        if key == "source":
            kinds = ", ".join(f"`{kind}`" for kind in sources.names())
            parts.append(f"## source\n\n{_prose(field.description)} `kind` is one of {kinds}.\n")
            parts += [_source(kind) for kind in sources.names()]
        elif sections[key]:
            (model,) = sections[key]
            parts.append(f"## {key}\n\n{_prose(field.description)}\n")
            parts.append(_table(model))
    return "\n".join(parts)


def _source(kind: str) -> str:
    module = sources.module(kind)
    table = _table(module.Source) or "No keys.\n"
    return f"### kind: {kind}\n\n{(module.__doc__ or '').strip()}\n\n{table}"


def _table(model: type[BaseModel], keys: list[str] | None = None) -> str:
    """The table of a model's keys, "" without any; nested models are keys with a dot."""
    rows = [row for row in describe(model) if keys is None or row[0] in keys]
    if not rows:
        return ""
    cells = [(f"`{key}`", *map(_cell, others)) for key, *others in rows]
    lines = [("Key", "Value", "Default", "Meaning"), ("---",) * 4, *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Key, value in words, default and meaning of every setting in a model.

    A key that can have one value only, such as a source's `kind`, is left out.
    """
    properties = model.model_json_schema()["properties"]
    for key, field in model.model_fields.items():
        if "const" in properties[key]:
            continue
        default = "required"
        if not field.is_required():
            value = field.get_default(call_default_factory=True)
            text = json.dumps(to_jsonable_python(value), ensure_ascii=False)
            default = "none" if value is None else f"`{text}`"
        yield prefix + key, in_words(properties[key]), default, field.description or ""
        for nested in _models(field):
            yield from describe(nested, f"{prefix}{key}.")


def in_words(schema: Mapping[str, Any]) -> str:
    """What values a JSON schema allows, in plain words."""
    if "anyOf" in schema:
        return " or ".join(in_words(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        words = [f"`{value if isinstance(value, str) else json.dumps(value)}`" for value in values]
        return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    if "$ref" in schema or "allOf" in schema:
        return "the keys below"
    if schema.get("type") == "array":
        return _list_in_words(schema)
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"names, each with {in_words(inner)}" if isinstance(inner, Mapping) else "names"
    if schema.get("type") == "null":
        return "`null`"
    if schema.get("type") == "string":
        if "pattern" in schema:
            return f"text that matches `{schema['pattern']}`"
        return "path" if schema.get("format") == "path" else "text"
    if {"minimum", "maximum"} <= schema.keys():
        return f"{_TYPES[schema['type']]} from {schema['minimum']} to {schema['maximum']}"
    bounds = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema]
    return " ".join([_TYPES.get(schema.get("type", ""), "anything"), " and ".join(bounds)]).strip()


def _list_in_words(schema: Mapping[str, Any]) -> str:
    items = [in_words(item) for item in schema.get("prefixItems", [])]
    if not items:
        return f"list, each {in_words(schema.get('items', {}))}"
    if len(set(items)) == 1:
        return f"list of {len(items)}, each {items[0]}"
    return f"list of {len(items)}: {'; '.join(items)}"


def _models(field: Any) -> Iterator[type[BaseModel]]:
    """The models among the types that a field, or a part of its annotation, may have."""
    annotation = getattr(field, "annotation", field)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _cell(text: str) -> str:
    return _prose(" ".join(text.split())).replace("|", r"\|")


def _prose(text: str | None) -> str:
    """Text whose < and * outside code are not taken for markup."""
    halves = re.split(r"(`[^`]*`)", text or "")
    return "".join(t if t.startswith("`") else re.sub(r"[<*]", r"\\\g<0>", t) for t in halves)


if __name__ == "__main__":
    print(reference(), end="")
