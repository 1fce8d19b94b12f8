"""Print envs/environment.yaml: what pyproject.toml asks for, in the versions of the locks.

python envs/environment.py > envs/environment.yaml
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """\
# For users of conda; `make lock` writes this file from the locks.
#     conda env create --file envs/environment.yaml
#     conda activate synthcohort
"""


def locked(lock: str) -> dict[str, list[str]]:
    """The requirements in a lock by package; one with a marker for each Python it differs for."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "envs" / lock).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==[^\\]+", line):
            found.setdefault(match[1], []).append(match[0].strip())
    return found


def environment() -> str:
    """The conda environment as YAML."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = locked("requirements.lock")
    direct = [re.match(r"[\w.-]+", dependency)[0] for dependency in project["dependencies"]]
    pinned = [line for name in direct for line in versions[name]]
    pinned += [line for lines in locked("inception-weights.lock").values() for line in lines]
    return "\n".join(
        [
            f"{HEAD}name: {project['name']}",
            "channels:",
            "  - conda-forge",
            "  - nodefaults",
            "dependencies:",
            f"  - python {project['requires-python']}",
            "  - pip",
            "  - pip:",
            *(f'      - "{line}"' for line in pinned),
            '      - "--editable .." # relative to this file: the repository',
            "",
        ]
    )


if __name__ == "__main__":
    print(environment(), end="")
