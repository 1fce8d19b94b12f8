"""The plan of the house: imports go down only, every file is short and has a name of its own.

All imports are read, those inside functions and those for type checkers too.
"""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from tiny import REPOSITORY

SOURCE = REPOSITORY / "src"
# The lowest first. A package imports from lower rows only, and so do the files of one row from each
# other not at all.
#
# One place is not where a newcomer would look for it: `sources` stands below `config`, because a
# source brings its own settings and config joins them into one type. Hence sources take the base of
# all settings from the root and nothing from config.
ROWS = (
    ("errors", "seeds", "settings", "measures", "progress"),
    ("files", "hardware"),
    ("drawing", "intake"),
    ("sources",),
    ("config",),
    ("tracking",),
    ("cohort",),
    ("numerics",),
    ("models",),
    ("diffusion",),
    ("latents", "samples"),
    ("training", "evaluation"),
    ("audit", "observer"),
    ("results",),
    ("export", "report", "doctor", "planning"),
    ("generator",),
    ("stages", "arguments"),
    ("cli",),
    ("__main__",),
)
ROW = {package: number for number, row in enumerate(ROWS) for package in row}
LONGEST = 300


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((SOURCE / "synthcohort").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path) -> set[str]:
    """The modules of this package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import, which this test does not read"
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else node.module for name in named}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "synthcohort"}


def package(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def test_every_package_has_its_row():
    assert {package(module) for module in MODULES} == {*ROW, "__init__"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down_only(module):
    own = package(module)
    for other in imports(MODULES[module]):
        other = package(other)
        if other not in (own, "__init__"):  # of the root: the version
            assert ROW[other] < ROW[own], f"{module} imports {other}"


def test_no_modules_import_each_other_in_a_ring():
    graph = {module: imports(path) - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_a_name_stands_for_one_thing():
    rooms = defaultdict(set)
    for module in MODULES:
        name, room = module.split(".")[-1], package(module)
        # A file of settings is called as what it sets.
        if room != "config" and module.count(".") > 1:
            rooms[name].add(module)
    # The same layouts, read here and written there.
    for layout in ("bids", "dicom", "medmnist"):
        rooms.pop(layout)
    assert {name: found for name, found in rooms.items() if len(found) > 1} == {}


@pytest.mark.parametrize("folder", ["src", "tests", "workflow", "benchmarks", "envs"])
def test_no_file_is_long(folder):
    files = [
        path
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".smk") or path.name == "Snakefile"
    ]
    long = {str(path): n for path in files if (n := path.read_text().count("\n")) > LONGEST}
    assert not long
