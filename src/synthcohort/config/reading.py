"""From what a user wrote to checked settings: every mistake is told with its key."""

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from synthcohort import sources
from synthcohort.config import written
from synthcohort.errors import UserError
from synthcohort.settings import Settings

Model = TypeVar("Model", bound=Settings)
_VARIABLE = r"\$\$|\$([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}"


def read(path: Path) -> Mapping[str, Any]:
    """The keys and values in a YAML file.

    Raises:
        UserError: no such file, or not YAML with keys and values; a key stands twice, or a number
            is read as another one than it looks.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        values, faults = yaml.safe_load(text), written.faults(text)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such configuration file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is no text in UTF-8; save it again as that") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not a YAML file: {error}") from None
    if faults:
        raise UserError("\n".join(f"{path}: {fault}" for fault in faults))
    if not isinstance(values, Mapping):
        raise UserError(f"{path}: expected keys and values, such as `name: my-cohort`")
    return values


def checked(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """`values` as a checked `model`, environment variables put in; `where` begins each line of the
    message.

    Raises:
        UserError: one line for every key that is unknown, missing, mistyped or out of range.
    """
    try:
        return model.model_validate(_expand(values, where))
    except ValidationError as error:
        raise UserError("\n".join(_told(model, item, where) for item in error.errors())) from None


def _expand(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        keys = [_key(key, where) for key in value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise UserError(f"{where}: {twice[0]}: is there twice, as a number and as a text")
        return {
            key: _expand(item, f"{where}: {key}")
            for key, item in zip(keys, value.values(), strict=True)
        }
    if isinstance(value, list):
        return [_expand(item, where) for item in value]
    if isinstance(value, str):
        value = re.sub(_VARIABLE, lambda found: _variable(found, where), value)
        return str(Path(value).expanduser()) if value.startswith("~/") else value
    return value


def _variable(found: re.Match[str], where: str) -> str:
    """What $NAME or ${NAME} stands for; $$ is a $ itself."""
    name = found[1] or found[2]
    if name and name not in os.environ:
        raise UserError(
            f"{where}: the environment variable {name} is not set; set it (export {name}=…), or, "
            f"where {found[0]} is meant as it stands, write ${found[0]}"
        )
    return os.environ[name] if name else "$"


def _key(key: Any, where: str) -> str:
    """A key as text; a number or a date is what the user wrote, `NO`, `on` or `~` is lost."""
    if key is None or isinstance(key, bool):
        raise UserError(
            f"{where}: the key {'null' if key is None else str(key).lower()} is no text: YAML "
            "reads yes, no, on, off, true, false, null and ~ so, whatever their case; write it in "
            'quotes, such as "NO"'
        )
    return str(key)


def _told(model: type[Settings], item: Mapping[str, Any], where: str) -> str:
    # A key inside the source is located under its kind; the user never wrote that level.
    path = [str(part) for part in item["loc"]]
    if path[:1] == ["source"] and path[1:2] and path[1] in sources.names():
        del path[1]
    # So are the alternatives of a value that may be of several types.
    path = [part for part in path if not part.startswith(("constrained-", "dict["))]
    key = ".".join(path)
    if item["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return f"{where}: {key}.kind: expected one of {', '.join(sources.names())}"
    if item["type"] == "extra_forbidden":
        known = _known(model, path[:-1], item)
        return f"{where}: {key}: unknown key{_nearest(path[-1], known)}"
    if item["type"] == "missing" and isinstance(item["input"], (list, tuple)):
        inside, place = ".".join(path[:-1]), int(path[-1]) + 1
        return f"{where}: {inside}: the value number {place} is missing, got {item['input']!r}"
    if item["type"] == "missing":
        return f"{where}: {key}: missing; this key has no default"
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] in ("tuple_type", "list_type"):
        message = "expected several values in brackets, such as [1, 2]"
    if not path:  # a rule that holds between sections; its text names the keys
        return f"{where}: {message}"
    got = "" if isinstance(item["input"], Mapping) else f", got {item['input']!r}"
    text = item["type"] in ("string_type", "path_type")
    if text and isinstance(item["input"], (bool, int, float, date)):
        got += "; write it in quotes"
    return f"{where}: {key}: {message}{got}"


def _known(model: Any, path: list[str], item: Mapping[str, Any]) -> list[str]:
    if path[:1] == ["source"]:
        model, path = sources.module(str(item["loc"][1])).Source, path[1:]
    for part in path:
        if hasattr(model, "model_fields"):
            model = model.model_fields[part].annotation
        else:  # a mapping of names to models; the part is a name
            model = get_args(model)[1]
        if isinstance(model, UnionType):  # a section that may be left out
            model = get_args(model)[0]
    return sorted(model.model_fields)


def _nearest(key: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; the keys here are {', '.join(known)}"
