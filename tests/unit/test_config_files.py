"""The configurations that come with the project are whole and valid."""

import re
from pathlib import Path

import pytest

from synthcohort import config
from synthcohort.errors import UserError
from synthcohort.results.registry import check_gates

FOLDER = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=str(p.relative_to(FOLDER))) for p in sorted(FOLDER.rglob("*.yaml"))]
)
def test_every_configuration_is_accepted(path, monkeypatch, tmp_path):
    for name in re.findall(r"\$\{?([A-Z_]+)", path.read_text(encoding="utf-8")):
        monkeypatch.setenv(name, str(tmp_path))
    if "adni" in path.name:  # nobody but the user can acknowledge its terms
        with pytest.raises(UserError, match=r"export\.acknowledge: .*ADNI Data Use Agreement"):
            config.load(path)
    else:
        system = config.load(path)
        assert system.export.title
        check_gates(system.audit)
