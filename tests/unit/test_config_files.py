"""The configurations that come with the project are whole and valid."""

import re
from pathlib import Path

import pytest
import yaml

from synthcohort import config
from synthcohort.errors import UserError
from synthcohort.results.registry import check_gates

FOLDER = Path(__file__).parents[2] / "config"


PRESETS = sorted((FOLDER / "presets").glob("*.yaml"))
LONGER = sorted(FOLDER.glob("gpu/*.yaml")) + sorted(FOLDER.glob("evening/*.yaml"))
WHOLE = sorted(set(FOLDER.rglob("*.yaml")) - {*PRESETS, *LONGER})


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=str(path.relative_to(FOLDER))) for path in WHOLE]
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


def _on_top(base, path):
    """The configuration that Snakemake makes of two files, and the second one's sections."""
    system, upper = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in (base, path))
    sections = {key: keys for key, keys in upper.items() if isinstance(keys, dict)}
    name = {key: value for key, value in upper.items() if key not in sections}
    merged = {section: system.get(section, {}) | keys for section, keys in sections.items()}
    return config.check(system | name | merged), sections


@pytest.mark.parametrize(
    ("path", "base"),
    [
        *(pytest.param(path, FOLDER / "config.yaml", id=path.stem) for path in PRESETS),
        *(
            pytest.param(path, FOLDER / path.name, id=f"{path.parent.name}-{path.stem}")
            for path in LONGER
        ),
    ],
)
def test_what_is_not_whole_goes_on_top_of_a_configuration(path, base, monkeypatch, tmp_path):
    for name in re.findall(r"\$\{?([A-Z_]+)", base.read_text(encoding="utf-8")):
        monkeypatch.setenv(name, str(tmp_path))
    checked, sections = _on_top(base, path)
    assert sections.keys() <= {"autoencoder", "diffusion", "sampling"}
    if path in LONGER:
        assert checked.name == f"{path.stem}_{path.parent.name}"
    for section, keys in sections.items():
        told = getattr(checked, section)
        assert {key: getattr(told, key) for key in keys} == {
            key: tuple(value) if isinstance(getattr(told, key), tuple) else value
            for key, value in keys.items()
        }
