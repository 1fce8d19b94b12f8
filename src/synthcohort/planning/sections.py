"""A plan as the YAML to paste, or to give to Snakemake behind a system's own file."""

import textwrap
from collections.abc import Collection, Mapping, Sequence

import yaml

from synthcohort.settings import Settings

_WIDTH = 98


def text(
    comments: Sequence[str],
    sections: Mapping[str, Settings],
    asked: Mapping[str, Collection[str]],
) -> str:
    """`comments`, a paragraph each (one that begins with a space as it is), then the `sections`.

    Snakemake lays one file over the other key by key. So a key that the user has `asked` for is
    written as well, even where the plan wants its default.
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
            if key in kept or key == "images":
                written += f"  {key}: {_value(value)}\n"
    return written


def _value(value: object) -> str:
    """A value as YAML, on one line."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    return yaml.safe_dump([value], default_flow_style=True, width=10_000).strip()[1:-1]
