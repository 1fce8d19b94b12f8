"""Restricted data stays restricted: every source has terms, and gated ones need a word."""

import copy

import pytest
import yaml
from test_config import LEAST
from test_export import front_matter, make, run

from synthcohort import config, sources
from synthcohort.errors import UserError
from synthcohort.sources import Declared, Terms, adni, bone_age, digits

CONFIGS = ("adni", "oasis", "bone_age")
GATED = {"kind": "folder", "root": "images", "expression": "(?P<patient>.)", "gated": True}


def system(source: dict, **export) -> config.Config:
    return config.check(copy.deepcopy(LEAST) | {"source": source, "export": export}, "my.yaml")


@pytest.mark.parametrize("kind", sources.names())
def test_every_source_states_its_terms_or_asks_for_them(kind):
    module = sources.module(kind)
    if issubclass(module.Source, Declared) or hasattr(module, "terms"):
        return
    terms = module.TERMS
    assert isinstance(terms, Terms) and terms.name and terms.source
    assert terms.note or not terms.gated


def test_a_source_without_terms_has_unknown_ones(monkeypatch):
    monkeypatch.delattr(digits, "TERMS")
    assert sources.terms(digits.Source()).name == "unknown"
    sources.require_acknowledged(digits.Source(), "")


def test_the_hands_are_for_research_but_for_everybody():
    terms = sources.terms(bone_age.Source(root="hands"))
    assert "non-commercial research" in terms.note and not terms.gated


def test_a_gated_source_is_refused_at_once_until_its_terms_are_acknowledged():
    source = {"kind": "adni", "root": "images"}
    with pytest.raises(UserError) as told:
        system(source)
    said = str(told.value)
    for part in ("export.acknowledge", "Alzheimer's Disease", "forbid passing on"):
        assert part in said
    # What the message shows can be copied into the configuration.
    shown = yaml.safe_load("\n".join(said.splitlines()[1:3]))
    assert system(source, **shown["export"]).export.acknowledge == adni.TERMS.name
    with pytest.raises(UserError, match="now holds 'yes'"):
        system(source, acknowledge="yes")


def test_users_declare_the_terms_of_their_own_images():
    with pytest.raises(UserError, match="gated images need the name of their terms"):
        system(GATED)
    with pytest.raises(UserError, match=r'(?s)access.*acknowledge: "Our agreement"'):
        system(GATED | {"licence": "Our agreement"})
    checked = system(GATED | {"licence": "Our agreement"}, acknowledge="Our agreement")
    assert sources.terms(checked.source).gated
    nifti = system({"kind": "nifti", "root": "bids", "licence": "CC0"})
    assert sources.terms(nifti.source).name == "CC0"
    assert sources.terms(system({"kind": "nifti", "root": "bids"}).source).name == "unknown"


def test_the_card_tells_the_terms(tmp_path):
    made = make(tmp_path / "made")
    _, card = front_matter(run(made))
    assert "Optical Recognition of Handwritten Digits" in card and "CC BY 4.0" in card
    assert "restricted data" not in card


def test_the_export_itself_refuses_and_its_card_tells_the_acknowledgement(tmp_path, monkeypatch):
    made = make(tmp_path / "made")
    monkeypatch.setattr(digits, "TERMS", adni.TERMS)
    with pytest.raises(UserError, match=r"export\.acknowledge: .*ADNI Data Use Agreement"):
        run(made)
    assert not (made.root / "export").exists()
    _, card = front_matter(run(made, acknowledge=adni.TERMS.name))
    assert "**This dataset is derived from restricted data.**" in card
    assert "(`export.acknowledge: ADNI Data Use Agreement`)" in card and "forbid passing on" in card


@pytest.mark.parametrize("name", CONFIGS)
def test_the_systems_that_come_along_are_valid(name, monkeypatch, request):
    monkeypatch.setenv(name.upper(), "somewhere")
    path = request.config.rootpath / f"config/{name}.yaml"
    if name == "adni":
        with pytest.raises(UserError, match=r"export\.acknowledge"):
            config.load(path)
        return
    assert config.load(path).source.root.as_posix() == "somewhere"
