"""A plan as the YAML to paste, or to give to Snakemake behind a system's own file."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from synthcohort.settings import Settings

_WIDTH = 98


def text(
    comments: Sequence[str],
    sections: Mapping[str, Settings],
    asked: Mapping[str, Mapping[str, Any]],
) -> str:
    """`comments`, a paragraph each (one that begins with a space as it is), then the `sections`.

    Snakemake lays one file over the other key by key. So a key that the user has `asked` for, by
    section as read, is written as well, even where the plan wants its default.
    """
    lines = []
    for comment in comments:
        lines += [comment] if comment.startswith(" ") else textwrap.wrap(comment, _WIDTH) or [""]
    written = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    for name, section in sections.items():
        told = section.model_dump(mode="json")
        kept = section.model_dump(mode="json", exclude_defaults=True).keys() | asked.get(name, ())
        written += f"\n{name}:\n"
        for key, value in told.items():
            if isinstance(value, Mapping) and key in asked.get(name, ()):
                # Nobody plans it, and a label that is a number stays one: laid over as a text, it
                # would be there twice.
                value = asked[name][key]
            if key in kept or key == "images":
                written += f"  {key}: {_value(value)}\n"
    return written


def replaced(sections: Mapping[str, Settings], asked: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which keys that the user has `asked` for have another value in `sections`."""
    return [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, value in asked.get(name, {}).items()
        if key in type(section).model_fields and not _same(section, key, value)
    ]


def _same(section: Settings, key: str, value: object) -> bool:
    # Compared as settings: YAML reads 1e-3 as a text.
    kind = TypeAdapter(type(section).model_fields[key].annotation)
    try:
        return kind.validate_python(_texts(value)) == getattr(section, key)
    except ValidationError:
        return False


def _texts(value: object) -> object:
    """Keys as settings have them."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    return value


def _value(value: object) -> str:
    """A value as YAML, on one line."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    return yaml.safe_dump([value], default_flow_style=True, width=10_000).strip()[1:-1]
