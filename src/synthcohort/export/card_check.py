"""Whether the dataset card says what results.json says: the dataset, its counts, every figure."""

import math
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthcohort.audit.gate import headline
from synthcohort.audit.outcome import FAILED, PASSED, UNDECIDED
from synthcohort.export import front_matter
from synthcohort.export.card_loading import files
from synthcohort.export.statement import Statement, count_table

TABLES = ("Metric", "What was tried")
"""How the heads of the card's tables of figures begin: name, value, interval, floor, more."""
GATES = "Gate"


def faults(folder: Path, stated: Statement, results: Mapping[str, Any]) -> Iterator[str]:
    """What the card says otherwise than `results`, the content of results.json."""
    try:
        head, body = front_matter.read((folder / "README.md").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        yield f"README.md: {error}"
        return
    names = dict(enumerate(stated.label_names)) if stated.labelled else None
    told = {
        "license": (stated.licence, lambda: head["license"]),
        "version": (stated.version, lambda: head["version"]),
        "content_hash": (f"sha256:{stated.content}", lambda: head["content_hash"]),
        "data_files": (
            {part: files(stated.formats, part) for part in stated.splits},
            lambda: {of["split"]: of["path"] for of in head["configs"][0]["data_files"]},
        ),
        "counts": (
            stated.images,
            lambda: {of["name"]: of["num_examples"] for of in head["dataset_info"]["splits"]},
        ),
        "class names": (names, lambda: _class_names(head["configs"][0])),
        "class names of dataset_info": (names, lambda: _class_names(head["dataset_info"])),
    }
    for what, (wanted, read) in told.items():
        try:
            found = read()
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            found = None
        if found != wanted:
            # Short: a few lines of YAML can stand for more than a memory holds.
            shown = reprlib.repr(found)
            yield f"README.md: its head gives as {what} {shown}; results.json says {wanted!r}"
    if count_table(stated) not in body:
        yield "README.md: its table of images by label and split is not that of results.json"
    try:
        yield from _figures(body, results)
        yield from _gates(body, results["audit"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"results.json: its figures cannot be read ({error!r})"


def audit_in_words(results: Mapping[str, Any]) -> str:
    """How the audit ended, in one line."""
    try:
        return headline(results["audit"])
    except (KeyError, TypeError, AttributeError):
        return "results.json does not say how it ended"


def _class_names(section: Mapping[str, Any]) -> dict[int, str] | None:
    columns = {column["name"]: column["dtype"] for column in section["features"]}
    if "label" not in columns:
        return None
    names = columns["label"]["class_label"]["names"]
    return {int(place): name for place, name in names.items()}


def _figures(body: str, results: Mapping[str, Any]) -> Iterator[str]:
    """The card's figures beside those that results.json keeps as the card shows them ("table"),
    and these beside the numbers they were rounded from."""
    shown = {}
    for cells in _rows(body, TABLES):
        title = cells[0].removeprefix("**").split("**")[0]
        shown[title] = cells[1:4]
    values = {result["metric"]: result["value"] for result in results["results"]}
    values |= {measure["name"]: measure["value"] for measure in results["audit"]["measures"]}
    for row in results["table"]:
        wanted = [row["value"], row["interval"], row["floor"]]
        found = shown.pop(row["metric"], None)
        if found != wanted:
            yield (
                f"README.md: says of {row['metric']}: {' '.join(found or ['nothing'])}; "
                f"results.json: {' '.join(wanted)}"
            )
        value = values.get(row["name"])
        if value is not None and not _near(row["value"], value):
            yield f"results.json: its table says {row['value']} of {row['metric']}, not {value:.4g}"
    for title in shown:
        yield f"README.md: its figure of {title} is not in results.json"


def _gates(body: str, audit: Mapping[str, Any]) -> Iterator[str]:
    outcomes = (PASSED, FAILED, UNDECIDED)
    shown = [
        (cells[1], next((word for word in outcomes if word in cells[-1]), ""))
        for cells in _rows(body, [GATES])
    ]
    wanted = [(gate["value"], gate["outcome"]) for gate in audit["gates"]]
    for (told, outcome), (value, right) in zip(shown, wanted, strict=False):
        same = value is None or _near(told, value)
        if outcome != right or not same:
            yield (
                f"README.md: a gate {outcome or 'without outcome'} with {told}; results.json says "
                f"{right} with {value}"
            )
    passed = all(outcome == PASSED for _, outcome in wanted)
    if len(shown) != len(wanted) or passed != audit["passed"]:
        yield "README.md: its gates are not those of results.json"
    begin = "Passed" if passed else "Exported all the same"
    if f"**Audit**: {begin}" not in body:
        yield f"README.md: does not say of the audit: {begin}"


def _near(text: str, value: float) -> bool:
    """Whether a text with four digits, or six decimals, is of this number."""
    try:
        return math.isclose(float(text), value, rel_tol=1e-3, abs_tol=1e-6)
    except ValueError:
        return False


def _rows(body: str, heads: Sequence[str]) -> Iterator[list[str]]:
    """The cells of the rows of all tables whose first column is called as one of `heads`."""
    inside = False
    for line in body.splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
        if inside and not set("".join(cells)) <= set("-:| "):
            yield cells
        inside = inside or cells[0] in heads
