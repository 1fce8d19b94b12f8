"""The configuration: what is accepted, and what a mistake is answered with."""

import copy

import pytest
import yaml

from synthcohort import config
from synthcohort.errors import UserError

LEAST = {
    "name": "my-cohort",
    "source": {"kind": "digits"},
    "autoencoder": {"images": 1000},
    "diffusion": {"images": 1000},
}


def with_keys(**keys) -> dict:
    """LEAST with keys set; `__` goes one level down."""
    values = copy.deepcopy(LEAST)
    for path, value in keys.items():
        *sections, key = path.split("__")
        inside = values
        for section in sections:
            inside = inside.setdefault(section, {})
        inside[key] = value
    return values


def told(**keys) -> str:
    with pytest.raises(UserError) as error:
        config.check(with_keys(**keys), "my.yaml")
    return str(error.value)


def test_what_is_not_given_has_its_default():
    checked = config.check(LEAST)
    assert checked.seed == 0
    assert checked.split.fractions.model_dump() == {"train": 0.7, "val": 0.1, "test": 0.2}
    assert checked.prepare.size == (64, 64)


def test_a_yaml_file_is_loaded(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(with_keys(prepare__size=[32, 48], sampling__images={"0": 3})))
    loaded = config.load(path)
    assert loaded.prepare.size == (32, 48)
    assert loaded.sampling.images == {"0": 3}
    assert loaded == config.check(loaded.model_dump(mode="json"))


def test_a_checked_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        config.check(LEAST).seed = 1


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sed": 1}, "my.yaml: sed: unknown key; did you mean 'seed'?"),
        (
            {"split__frations": {}},
            "my.yaml: split.frations: unknown key; did you mean 'fractions'?",
        ),
        (
            {"split__fractions__tests": 1},
            "split.fractions.tests: unknown key; did you mean 'test'?",
        ),
        ({"source__kid": 1}, "my.yaml: source.kid: unknown key; did you mean 'kind'?"),
        ({"audit__zzz": 1}, "my.yaml: audit.zzz: unknown key; the keys here are"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(keys, said):
    assert said in told(**keys)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"seed": "one"}, "my.yaml: seed: "),
        ({"seed": -1}, "my.yaml: seed: Input should be greater than or equal to 0, got -1"),
        ({"prepare__depth": 12}, "my.yaml: prepare.depth: Input should be 8 or 16, got 12"),
        ({"prepare__size": [64, 0]}, "my.yaml: prepare.size.1: "),
        ({"prepare__size": 64}, "my.yaml: prepare.size: "),
        ({"prepare__fit": "squeeze"}, "'refuse', 'pad', 'crop' or 'stretch', got 'squeeze'"),
        ({"split__correlation": 1.5}, "my.yaml: split.correlation: "),
        ({"audit": {"gates": {"fid": {"at_mst": 1}}}}, "audit.gates.fid.at_mst: unknown key"),
        ({"audit": {"gates": {"fid": {}}}}, "audit.gates.fid: a gate has either"),
        (
            {"audit": {"gates": {"fid": {"at_most": 1, "of": "low"}}}},
            "audit.gates.fid: a gate has no `of` any more; take it out",
        ),
        ({"audit": {"undecided": "pass"}}, "my.yaml: audit.undecided: "),
        ({"audit": {"override": {"copies": " "}}}, "my.yaml: audit.override.copies: "),
        ({"audit": {"override": {"fid": "so"}}}, "override: no gate 'fid'; the gates are copies"),
        ({"diffusion__schedule": "sigmoid"}, "my.yaml: diffusion.schedule: "),
        ({"diffusion__attention": [True]}, "attention has 1 entries but channels 2"),
        ({"sampling__guidance": -1}, "my.yaml: sampling.guidance: "),
        (
            {"sampling__guidance_interval": [0.5, 0.5]},
            "my.yaml: sampling.guidance_interval: expected two noise levels, the lower one first, "
            "got [0.5, 0.5]",
        ),
        (
            {"sampling__guidance_interval": [0.2]},
            "sampling.guidance_interval: the value number 2 is missing, got [0.2]",
        ),
        (
            {"sampling__guidance_interval": 0.5},
            "guidance_interval: expected several values in brackets, such as [1, 2], got 0.5",
        ),
        ({"sampling__images": {"a": 0}}, "my.yaml: sampling.images: asks for no image"),
        ({"sampling__images": {}}, "my.yaml: sampling.images: asks for no image"),
        ({"audit__quantile": 0}, "my.yaml: audit.quantile: "),
        (
            {"split__fractions": {"train": 0.8}},
            "must add up to 1 with train and test above 0, got 1.1",
        ),
        ({"split__fractions": {"train": 0, "val": 0.5, "test": 0.5}}, "train and test above 0"),
        ({"source__kind": "digit"}, "my.yaml: source.kind: expected one of"),
        ({"autoencoder": None}, "my.yaml: autoencoder: "),
        ({"autoencoder": {}}, "my.yaml: autoencoder: images: missing"),
        ({"autoencoder__network": "none"}, "network: none leaves nothing to train, but images is"),
        ({"diffusion__steps": 10}, "my.yaml: sampling.steps is 20, but the model has"),
    ],
)
def test_a_wrong_type_or_range_is_told_with_its_key(keys, said):
    assert said in told(**keys)


def test_pixel_space_needs_no_more_than_its_name():
    checked = config.check(with_keys() | {"autoencoder": {"network": "none"}})
    assert checked == config.check(checked.model_dump(mode="json"))


def test_every_mistake_is_told_at_once():
    lines = told(sed=1, prepare__depth=12, audit__quantile=7).splitlines()
    assert len(lines) == 3 and all(line.startswith("my.yaml: ") for line in lines)


def test_a_missing_key_is_told():
    values = with_keys()
    del values["diffusion"]["images"], values["name"]
    with pytest.raises(UserError) as error:
        config.check(values)
    assert "diffusion.images: missing; this key has no default" in str(error.value)
    assert "name: missing" in str(error.value)


def test_the_settings_of_one_source_are_unknown_to_another():
    """What is left over from another system's configuration is told, not kept."""
    assert "source.root: unknown key" in told(source__root="images")
    said = told(
        source={"kind": "folder", "root": "images", "expression": "(?P<patient>.)", "plane": 1}
    )
    assert "source.plane: unknown key" in said


def test_nothing_of_one_configuration_stays_for_the_next():
    config.check(with_keys(seed=7, split__fractions={"train": 0.5, "val": 0, "test": 0.5}))
    assert config.check(LEAST) == config.check(with_keys())
    assert config.check(LEAST).seed == 0 and config.check(LEAST).split == config.Split()


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "../a", "a.b", "ä"])
def test_a_name_that_is_no_folder_name_is_refused(name):
    assert told(name=name).startswith("my.yaml: name: ")


FOLDER = {"kind": "folder", "root": "images", "expression": "(?P<patient>.+)"}


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("{1: train, 2: val, 3: test}", "1"),
        ("{2019-05-01: train, 2020-05-01: test}", "2019-05-01"),
        ("{0.5: train}", "0.5"),
    ],
)
def test_numbers_and_dates_as_keys_are_text(written, key):
    source = FOLDER | {"splits": yaml.safe_load(written)}
    assert config.check(with_keys(source=source)).source.splits[key] == "train"
    assert config.check(with_keys(sampling__images={0: 3})).sampling.images == {"0": 3}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("labels: {NO: healthy}", "my.yaml: source: labels: the key false is no text"),
        ("labels: {on: x}", "true is no text: YAML reads yes, no, on, off"),
        ("labels: {~: x}", "the key null is no text"),
        (
            "labels: {a: NO}",
            "source.labels.a: Input should be a valid string, got False; write it in q",
        ),
        ("labels: {a: 1}", "got 1; write it in quotes"),
        ("columns: {patient: 2020-05-01}", "write it in quotes"),
        ("labels: {1: a, '1': b}", "my.yaml: source: labels: 1: is there twice"),
    ],
)
def test_what_yaml_makes_of_a_word_is_told(section, said):
    assert said in told(source=FOLDER | yaml.safe_load(section))


def test_the_home_folder_is_put_in(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    source = FOLDER | {"root": "~/images", "expression": "/(?P<patient>a~/b)"}
    checked = config.check(with_keys(source=source)).source
    assert checked.root.as_posix() == "/home/somebody/images"
    assert checked.expression == "/(?P<patient>a~/b)"


def test_environment_variables_are_put_in(monkeypatch):
    monkeypatch.setenv("MY_IMAGES", "somewhere")
    source = {"kind": "folder", "root": "${MY_IMAGES}/a", "expression": r"(?P<patient>p\d+)\.png$"}
    checked = config.check(with_keys(source=source))
    assert checked.source.root.as_posix() == "somewhere/a"
    assert checked.source.expression == r"(?P<patient>p\d+)\.png$"


def test_an_environment_variable_that_is_not_set_is_told(monkeypatch):
    monkeypatch.delenv("MY_IMAGES", raising=False)
    said = told(source={"kind": "folder", "root": "$MY_IMAGES"})
    assert "source" in said and "root: the environment variable MY_IMAGES is not set" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "not a YAML file"),
        ("- name", "expected keys and values"),
        ("", "expected keys and values"),
    ],
)
def test_a_file_that_is_no_configuration_is_told(tmp_path, text, said):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"my\.yaml: {said}"):
        config.load(path)


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"my\.yaml: there is no such configuration file"):
        config.load(tmp_path / "my.yaml")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seed: 1\nseed: 2", "line 3: seed: stands in line 2 already"),
        ("source: {labels: {a: x, a: y}}", "line 2: a: stands in line 2 already"),
        ("sampling:\n  images:\n    010: 5", "line 4: YAML reads 010 as 8"),
        ("seed: 0x1F", "line 2: YAML reads 0x1F as 31"),
        ("source: {splits: {12:30: train}}", "line 2: YAML reads 12:30 as 750"),
        ("prepare: {size: [64, 064]}", "line 2: YAML reads 064 as 52; write the number meant, or"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_looks_is_refused(tmp_path, line, said):
    path = tmp_path / "my.yaml"
    path.write_text(f"name: x\n{line}\n")
    with pytest.raises(UserError) as error:
        config.load(path)
    assert f"my.yaml: {said}" in str(error.value)


def test_what_looks_as_it_is_read_is_accepted(tmp_path):
    path = tmp_path / "my.yaml"
    shared = "observer: &few {images: 12}\nevaluation: {<<: *few, guidance_images: 1_000}\n"
    path.write_text(shared + yaml.safe_dump(LEAST) + "audit: {gates: {fid: {at_most: 1.0e+3}}}\n")
    system = config.load(path)
    assert system.evaluation.images == 12 and system.evaluation.guidance_images == 1000


@pytest.mark.parametrize("content", ["name: é".encode("latin-1"), "name: x".encode("utf-16")])
def test_a_configuration_in_another_encoding_is_told(tmp_path, content):
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"my\.yaml: is no text in UTF-8"):
        config.load(path)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        config.load(tmp_path)


def test_a_dollar_may_be_meant_as_it_stands(monkeypatch):
    monkeypatch.setenv("PRICE", "7")
    title = config.check(with_keys(export__title="$$PRICE is ${PRICE}$, $$")).export.title
    assert title == "$PRICE is 7$, $"
    assert "is not set; set it (export ABC=…), or, where $ABC is meant" in told(
        export={"title": "$ABC"}
    )


@pytest.mark.parametrize("threshold", [float("inf"), float("nan")])
def test_a_gate_that_cannot_fail_is_refused(threshold):
    with pytest.raises(UserError, match=r"audit\.gates\.copies\.at_most"):
        config.check(with_keys(audit={"gates": {"copies": {"at_most": threshold}}}))
