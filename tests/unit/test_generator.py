"""A model's folder: it draws what the run drew, says what it is, and runs nobody's code."""

import csv
import json
import re
import shutil
import subprocess
import sys

import generators
import numpy as np
import pytest
import yaml
from generators import HARDWARE, SEED, card_of, make_run, record_of, sampled, write
from PIL import Image

import synthcohort
from synthcohort import config
from synthcohort.cli import main
from synthcohort.errors import UserError

KINDS = {
    "strided": ({}, ()),
    "guided by an early moment": (
        {"sampling": {"guide": "early", "guidance": 2, "guidance_interval": [0.2, 0.9]}},
        (),
    ),
    "kl, told of attributes": ({"autoencoder": {"network": "kl", "channels": [8, 8]}}, ("age",)),
    "pixels, cross-attention": (
        {
            "autoencoder": {"network": "none", "patch": 2},
            "diffusion": {"cross_attention": True, "attention": [False, True]},
            "sampling": {"sampler": "dpm-solver++", "guidance": 1.5},
        },
        ("age", "sex"),
    ),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A finished run, results/tiny, with its model."""
    folder = make_run(tmp_path_factory.mktemp("results") / "tiny", generators.system())
    write(folder, generators.system())
    return folder


@pytest.fixture
def model(tiny, tmp_path):
    """A copy of the model's folder, to be spoilt."""
    return shutil.copytree(tiny / "model", tmp_path / "model")


@pytest.mark.parametrize("kind", KINDS)
def test_it_draws_what_the_run_drew_and_opens_in_diffusers(kind, tmp_path):
    changes, attributes = KINDS[kind]
    of = generators.system(**changes)
    folder = make_run(tmp_path / "tiny", of, attributes=attributes)
    model = write(folder, of)
    drawn = sampled(folder, of)
    for place, label in enumerate("AB"):
        mine = drawn["labels"] == place
        told = {name: drawn["attributes"][mine, i] for i, name in enumerate(attributes)}
        made = synthcohort.generate(model, label, 3, seed=SEED, attributes=told, hardware=HARDWARE)
        assert drawn["index"][mine].tolist() == [0, 1, 2]
        assert made.dtype == np.uint8 and np.array_equal(made, drawn["images"][mine])

    code = re.findall(r"```python\n(.*?)```", card_of(model), re.DOTALL)[1]
    names = {}
    exec(code.replace("path/to/this/folder", str(model)), names)
    assert names["images"].shape == (4, 1, 16, 16)
    assert 0 <= names["images"].min() < names["images"].max() <= 1


def test_the_folder_is_whole_and_the_same_each_time(tiny, tmp_path):
    copied = shutil.copytree(tiny, tmp_path / "tiny")
    again = write(copied, generators.system())
    files = {path.relative_to(again): path for path in again.rglob("*") if path.is_file()}
    assert {path.suffix for path in files} == {".md", ".json", ".safetensors"}
    for name, path in files.items():
        assert path.read_bytes() == (tiny / "model" / name).read_bytes(), name
        if path.suffix != ".safetensors":
            text = path.read_text()
            assert "secret" not in text and str(tmp_path) not in text, name
    record = record_of(again)
    assert record["labels"][1] == {"name": "B", "number": 1, "train_images": 4}
    assert record["images_seen"] == 2048 and record["sampling"]["steps"] == 3
    head = yaml.safe_load(card_of(again).split("---\n")[1])
    assert head["license"] == "cc0-1.0" and head["library_name"] == "diffusers"
    assert "can give away more than its samples" in " ".join(card_of(again).split())


def test_the_command_writes_images_with_what_they_are(tiny, tmp_path, capsys):
    out = tmp_path / "images"
    words = ["generate", "--model", str(tiny), "--label", "B", "--seed", "7", "--threads", "1"]
    main([*words, "--n", "5", "--out", str(out)])
    assert capsys.readouterr().err == ""
    with (out / "metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["index"] for row in rows] == list("01234")
    assert {(row["label"], row["seed"], row["guidance"]) for row in rows} == {("B", "7", "2")}
    made = np.stack([np.asarray(Image.open(out / row["file_name"])) for row in rows])
    few = synthcohort.generate(tiny, "B", 2, 7)
    assert np.array_equal(made[:2], few[:, 0])
    assert len({image.tobytes() for image in made}) == 5
    assert "no audit has looked at these very images" in (out / "README.md").read_text()
    assert "cc0-1.0" in (out / "LICENSE.md").read_text()
    with pytest.raises(SystemExit):
        main([*words, "--n", "5", "--out", str(out)])
    assert "is there already and not empty" in capsys.readouterr().err
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for bad in ("link", "images/metadata.csv/below", "n" * 300):
        with pytest.raises(SystemExit):
            main([*words, "--n", "5", "--out", str(tmp_path / bad)])
        assert "--out" in capsys.readouterr().err


def test_a_torch_dataset_of_all_labels(tiny):
    made = synthcohort.dataset(tiny, {"B": 2, "A": 1}, seed=7)
    assert len(made) == 3 and made.classes == ["A", "B"]
    image, label = made[0]
    assert image.shape == (1, 16, 16) and image.dtype.is_floating_point and int(label) == 1
    asked = np.rint(image.numpy() * 255).astype(np.uint8)
    assert np.array_equal(asked, synthcohort.generate(tiny, "B", 1, 7)[0])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"label": "C"}, "no label 'C'; there are 'A', 'B'"),
        ({}, "a label is needed; there are 'A', 'B'"),
        ({"label": "A", "n": 0}, "n: expected a whole number from 1 on, got 0"),
        ({"label": "A", "n": 2.5}, "n: expected a whole number"),
        ({"label": "A", "n": 10**30}, "n: at most 1,000,000 at a time"),
        ({"label": "A", "guidance": 1e300}, "guidance: expected a number"),
        ({"label": "A", "seed": -1}, "seed: expected a whole number from 0 on"),
        ({"label": "A", "guidance": -1}, "guidance: expected a number from 0 to 100"),
        ({"label": "A", "guidance": float("nan")}, "guidance: expected a number"),
        ({"label": "A", "attributes": {"age": 1}}, "trained without any; leave them out; got age"),
    ],
)
def test_what_cannot_be_drawn_is_told(tiny, arguments, told):
    with pytest.raises(UserError, match=re.escape(told)):
        synthcohort.generate(tiny, **arguments)


def test_attributes_are_asked_for_by_name(tmp_path):
    of = generators.system()
    folder = make_run(tmp_path / "tiny", of, labels=("",), attributes=("age",))
    model = write(folder, of)
    images = synthcohort.generate(model, n=2, attributes={"age": [40, 70]}, hardware=HARDWARE)
    assert not np.array_equal(images[0], images[1])
    for wrong in (None, {"age": [1, 2, 3]}, {"age": "old"}, {"age": float("inf")}, {"sex": 1}):
        with pytest.raises(UserError, match="attributes"):
            synthcohort.generate(model, n=2, attributes=wrong)
    with pytest.raises(UserError, match="trained without labels"):
        synthcohort.generate(model, "A", attributes={"age": 40})
    with pytest.raises(UserError, match=r"age \(train: mean 50, standard deviation 10\)"):
        synthcohort.generate(model)


def test_a_label_that_was_not_learnt_is_refused(tiny, model):
    record = record_of(model)
    record["labels"][0]["train_images"] = 0
    (model / "model.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="no train image had the label 'A'"):
        synthcohort.generate(model, "A")


@pytest.mark.parametrize("name", ["unet/pytorch_model.bin", "x.pt", "a/b.pkl", "run.py", ".x.ckpt"])
def test_files_that_could_run_code_are_refused(model, name):
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(UserError, match="can run code when they are opened"):
        synthcohort.generate(model, "A")


WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def cut(model):
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-8])


def another(model):
    (model / "unet/other.safetensors.index.json").write_text("{}")


def gone(model):
    (model / "scheduler/scheduler_config.json").unlink()


def newer(model):
    (model / "model.json").write_text(json.dumps(record_of(model) | {"format": 2}))


def nonsense(model):
    (model / "model.json").write_text(json.dumps(record_of(model) | {"labels": 3}))


def nothing(model):
    (model / "model.json").unlink()


def no_folder(model):
    shutil.rmtree(model)


def no_model_yet(model):
    nothing(model)
    (model / "diffusion").mkdir()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut, "does not have the checksum"),
        (another, "knows no such file"),
        (gone, "scheduler_config.json is missing"),
        (newer, "format 2 is of a newer version"),
        (nonsense, r"not a model's record \(labels: "),
        (nothing, "not a model: there is no model.json"),
        (no_folder, "there is no such folder"),
        (no_model_yet, "run the workflow again"),
    ],
)
def test_a_damaged_folder_is_told(model, spoil, told):
    spoil(model)
    with pytest.raises(UserError, match=told):
        synthcohort.generate(model, "A")


@pytest.mark.parametrize("outcome", ["failed", "undecided"])
def test_an_audit_that_has_not_passed_is_told_first_and_aloud(tmp_path, capsys, outcome):
    of = generators.system()
    model = write(make_run(tmp_path / "tiny", of, copies=3, outcome=outcome), of)
    first = card_of(model).split("---\n")[2].lstrip().splitlines()[0]
    assert first.startswith("> **The privacy audit of this model ")
    assert {"failed": "FAILED", "undecided": "NOT DECIDE"}[outcome] in first
    synthcohort.generate(model, "A", hardware=HARDWARE)
    told = capsys.readouterr().err
    assert told.startswith("WARNING: the privacy audit of the model 'tiny'")
    assert "3 where at most 0 is allowed" in told


def test_images_that_the_audit_left_out_are_told(tmp_path, capsys):
    of = generators.system()
    model = write(make_run(tmp_path / "tiny", of, dropped=[("A", 1)]), of)
    synthcohort.generate(model, "A", 2, seed=SEED, hardware=HARDWARE)
    assert "1 of these images are ones that its audit has left out" in capsys.readouterr().err
    synthcohort.generate(model, "A", 1, seed=SEED, hardware=HARDWARE)
    synthcohort.generate(model, "B", 2, seed=SEED, hardware=HARDWARE)
    synthcohort.generate(model, "A", 2, seed=SEED + 1, hardware=HARDWARE)
    assert capsys.readouterr().err == ""


def test_a_restricted_source_binds_the_model_too(tmp_path, capsys):
    source = {"kind": "folder", "root": "images", "expression": "(?P<patient>.)"}
    source |= {"gated": True, "licence": "Our agreement"}
    values = generators.system().model_dump(mode="json")
    of = config.Config.model_validate(values | {"source": source})
    folder = make_run(tmp_path / "tiny", of)
    with pytest.raises(UserError, match=r"export\.acknowledge"):
        write(folder, of)
    assert not (folder / "model").exists()
    values["export"]["acknowledge"] = "Our agreement"
    model = write(folder, config.check(values | {"source": source}))
    card = card_of(model)
    assert "derives from restricted data" in card
    assert "Our agreement" in yaml.safe_load(card.split("---\n")[1])["extra_gated_prompt"]
    synthcohort.generate(model, "A", hardware=HARDWARE)
    assert "under the terms 'Our agreement'" in capsys.readouterr().err


def test_importing_the_package_is_light():
    code = "import sys, synthcohort; print([m for m in ('torch', 'numpy', 'pydantic') "
    code += "if m in sys.modules], hasattr(synthcohort, 'nothing'), callable(synthcohort.generate))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[] False True\n"
