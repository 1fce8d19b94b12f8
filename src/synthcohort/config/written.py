"""What a YAML file says otherwise than it looks: a key given twice, 010 that is read as 8.

YAML's reader takes the last of two keys and the base 8, 16 or 60 of a number without a word.
"""

from collections.abc import Iterator

import yaml


def faults(text: str) -> list[str]:
    """A line for every key that stands twice in its section and every number that is read as
    another one than it looks; `text` is YAML."""
    return list(_faults(yaml.compose(text, Loader=yaml.SafeLoader), set()))


def _faults(node: yaml.Node | None, seen: set[int]) -> Iterator[str]:
    if node is None or id(node) in seen:  # an alias stands for what has been looked at
        return
    seen.add(id(node))
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        if told := _other_number(node):
            yield f"line {line}: {told}"
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _faults(item, seen)
    else:
        first: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            line, name = key.start_mark.line + 1, (key.tag, str(key.value))
            if name in first:
                yield (
                    f"line {line}: {key.value}: stands in line {first[name]} already, and YAML "
                    "takes the last alone; put the two together"
                )
            first.setdefault(name, line)
            yield from _faults(key, seen)
            yield from _faults(value, seen)


def _other_number(node: yaml.ScalarNode) -> str:
    """How a number is read that does not stand there in decimal digits."""
    if node.tag not in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
        return ""
    read = yaml.safe_load(node.value)
    try:
        same = float(node.value) == read
    except ValueError:
        same = False
    written = f"YAML reads {node.value} as {read}"
    return "" if same else f'{written}; write the number meant, or, for a text, "{node.value}"'
