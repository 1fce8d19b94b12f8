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
WHOLE = sorted(set(FOLDER.rglob("*.yaml")) - set(PRESETS))


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


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_goes_on_top_of_a_configuration(path):
    system = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    preset = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert preset.keys() == {"autoencoder", "diffusion", "sampling"}
    for section, keys in preset.items():  # as Snakemake does with a second --configfile
        system[section] = system.get(section, {}) | keys
    checked = config.check(system)
    for section, keys in preset.items():
        told = getattr(checked, section)
        assert {key: getattr(told, key) for key in keys} == {
            key: tuple(value) if isinstance(getattr(told, key), tuple) else value
            for key, value in keys.items()
        }
