"""Named numbers of images: read from a table, kept in the manifest, handed on in the export."""

import csv
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from exports import system, write_audit
from pydantic import ValidationError

from synthcohort import config
from synthcohort.cohort import MANIFEST_COLUMNS, number_text, open_cohort
from synthcohort.cohort.prepare import prepare
from synthcohort.errors import UserError
from synthcohort.export import imagefolder, medmnist
from synthcohort.export.card import Facts, write
from synthcohort.export.statement import state
from synthcohort.samples import shards
from synthcohort.sources import Image, digits, folder
from synthcohort.tracking.journal import Journal

GREY = np.zeros((6, 8), np.uint8)


def image(number: int, **attributes: float) -> Image:
    name = f"i{number}"
    return Image(GREY, name, name, f"{name}.png", attributes=attributes)


def prepared(monkeypatch, tmp_path: Path, *images: Image):
    monkeypatch.setattr(digits, "read", lambda settings, root: iter(images))
    settings, journal = config.Prepare(size=(6, 8)), Journal(None, "prepare", {})
    prepare(digits.Source(), settings, root=None, out=tmp_path / "cohort", journal=journal)
    return open_cohort(tmp_path / "cohort")


def test_attributes_are_further_columns_of_the_manifest(monkeypatch, tmp_path):
    images = image(0, age=63, dose=0.1), image(1, dose=-2.5e-7, age=True)
    cohort = prepared(monkeypatch, tmp_path, *images)
    assert tuple(cohort.rows[0]) == (*MANIFEST_COLUMNS, "age", "dose")
    assert [row["age"] for row in cohort.rows] == ["63", "1"]
    assert cohort.attribute_names == ["age", "dose"]
    np.testing.assert_array_equal(cohort.attributes, np.float32([[63, 0.1], [1, -2.5e-7]]))
    assert cohort.attributes.dtype == np.float32


def test_a_cohort_without_attributes_has_none(monkeypatch, tmp_path):
    cohort = prepared(monkeypatch, tmp_path, image(0), image(1))
    assert tuple(cohort.rows[0]) == MANIFEST_COLUMNS
    assert cohort.attribute_names == [] and cohort.attributes.shape == (2, 0)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"weight": 1}, r"i1\.png: its attributes are weight, but .* before it age"),
        ({}, r"i1\.png: its attributes are none, but .* before it age"),
        ({"age": float("nan")}, r"i1\.png: the attribute 'age' is nan; expected a finite number"),
        ({"age": -float("inf")}, r"i1\.png: the attribute 'age' is -inf"),
        ({"age": 1e300}, r"i1\.png: the attribute 'age' is 1e\+300"),
    ],
)
def test_attributes_that_are_not_like_the_first_images_are_refused(
    monkeypatch, tmp_path, attributes, said
):
    with pytest.raises(UserError, match=said):
        prepared(monkeypatch, tmp_path, image(0, age=3), image(1, **attributes))
    assert not (tmp_path / "cohort").exists()


@pytest.mark.parametrize("name", ["label", "split", "seed", "file_name", ""])
def test_an_attribute_may_not_be_called_like_another_column(monkeypatch, tmp_path, name):
    with pytest.raises(UserError, match="an attribute is called"):
        prepared(monkeypatch, tmp_path, image(0, **{name: 1}))


@pytest.mark.parametrize("value", [0.1, 63, 1e-9, 2.0**60, np.float32(0.3), True])
def test_the_text_of_a_number_gives_it_back(value):
    assert type(value + 0.0)(number_text(value)) == value


def table(root: Path, *lines: str) -> folder.Source:
    for name in "ab":
        PIL.Image.fromarray(GREY).save(root / f"{name}.png")
    (root / "list.csv").write_text("\n".join(("file,id,age,cough", *lines)) + "\n")
    columns = {"patient": "id", "attributes": ["age", "cough"]}
    return folder.Source(root=root, table="list.csv", columns=columns)


@pytest.mark.parametrize("other", ["Age", "age\u200b", " age"])
def test_attributes_have_names_that_can_be_told_apart(monkeypatch, tmp_path, other):
    with pytest.raises(UserError, match=r"i0\.png: two attributes are called 'age' and"):
        prepared(monkeypatch, tmp_path, image(0, **{"age": 1, other: 2}))
    with pytest.raises(UserError, match=r"an attribute is called ' ', which is no name"):
        prepared(monkeypatch, tmp_path, image(0, **{" ": 2}))


def test_a_folders_table_gives_attributes(tmp_path):
    images = list(folder.read(table(tmp_path, "a,1,63.5,0", "b,2, 7 ,1")))
    assert [dict(of.attributes) for of in images] == [
        {"age": 63.5, "cough": 0},
        {"age": 7, "cough": 1},
    ]


@pytest.mark.parametrize("cell", ["old", "", "nan", "1,5"])
def test_a_cell_that_is_no_number_is_told_with_file_and_row(tmp_path, cell):
    settings = table(tmp_path, "a,1,63,0", f'b,2,"{cell}",1')
    with pytest.raises(UserError, match=rf"list\.csv: 1 rows, line 3: 'b' has '{cell}' as 'age'"):
        list(folder.read(settings))


def test_a_column_of_attributes_that_is_not_there_is_told(tmp_path):
    settings = table(tmp_path, "a,1,63,0", "b,2,7,1")
    columns = settings.columns.model_copy(update={"attributes": ("weight",)})
    with pytest.raises(UserError, match=r"no column 'weight' \(source\.columns\.attributes"):
        list(folder.read(settings.model_copy(update={"columns": columns})))


def test_attributes_need_a_table(tmp_path):
    with pytest.raises(ValidationError, match="no table"):
        folder.Source(root=tmp_path, expression="(?P<patient>.+)", columns={"attributes": ["age"]})


def shard(path: Path, values: np.ndarray, names: list[str], labels=("",)) -> list[Path]:
    count = len(values)
    np.savez(
        path,
        images=np.zeros((count, 1, 4, 4), np.uint8),
        labels=np.arange(count) % len(labels),
        index=np.arange(count) // len(labels),
        seeds=np.arange(count),
        label_names=np.array(list(labels)),
        attributes=values.astype(np.float32),
        attribute_names=np.array(names),
    )
    return [path]


def test_png_metadata_has_the_attributes(tmp_path):
    values = np.array([[63, 0.1], [7.5, 0.2]])
    paths = shard(tmp_path / "a.npz", values, ["age", "dose"], "AB")
    sampled = shards.describe(paths)
    imagefolder.write(tmp_path, paths, sampled, np.array(["train", "train"]), system())
    with (tmp_path / "imagefolder/train/metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["age"], row["dose"]) for row in rows] == [
        ("A", "63", "0.1"),
        ("B", "7.5", "0.2"),
    ]


@pytest.mark.parametrize(
    ("values", "labels", "expected"),
    [
        ([[1, 0], [1, 1], [0, 0]], ("",), [[1, 0], [1, 1], [0, 0]]),  # multi-label
        ([[1, 0], [1, 0.5], [0, 0]], ("",), [[0], [0], [0]]),  # not all 0 or 1
        ([[1, 0], [1, 1], [0, 0]], "AB", [[0], [1], [0]]),  # labels as well
    ],
)
def test_the_npz_has_findings_as_labels_where_they_are_all_there_is(
    tmp_path, values, labels, expected
):
    paths = shard(tmp_path / "a.npz", np.array(values), ["x", "y"], labels)
    sampled = shards.describe(paths)
    medmnist.write(tmp_path, paths, sampled, np.array(["train", "train", "test"]), system())
    made = np.load(tmp_path / "tiny.npz")
    found = np.concatenate([made["train_labels"], made["test_labels"]])
    assert found.tolist() == expected and found.dtype == np.uint8
    assert made["val_labels"].shape == (0, len(expected[0]))


def test_shards_of_other_attributes_are_refused(tmp_path):
    paths = shard(tmp_path / "a.npz", np.zeros((2, 1)), ["age"])
    paths += shard(tmp_path / "b.npz", np.zeros((2, 1)), ["dose"])
    with pytest.raises(UserError, match=r"b\.npz: its label names, attribute names"):
        shards.describe(paths)


def test_the_card_tells_of_attributes_and_of_pixels(tmp_path):
    system = config.check(
        {
            "name": "tiny",
            "source": {"kind": "digits"},
            "autoencoder": {"network": "none"},
            "diffusion": {"images": 10},
        }
    )
    paths = shard(tmp_path / "a.npz", np.eye(2), ["effusion", "nodule"])
    write_audit(tmp_path, paths)
    sampled, split = shards.describe(paths), np.array(["train", "train"])
    facts = Facts(
        system=system,
        stated=state(system, paths, sampled, split, "abc"),
        sizes={"train": 1},
        samples=sampled,
        split=split,
        parameters={"autoencoder": 0, "diffusion": 5},
        results=[],
        audit=json.loads((tmp_path / "audit.json").read_text()),
        figures={f"figures/{name}.png": "" for name in ("samples", "embedding", "distances")},
    )
    write(tmp_path / "README.md", facts)
    card = " ".join((tmp_path / "README.md").read_text().split())
    for words in (
        "no autoencoder: the model works on pixels",
        "drawn from a diffusion model",
        "0 or 1 for each of `effusion`, `nodule`",
        "effusion, nodule: each image was asked for with those of a real train image",
        "image-classification",
    ):
        assert words in card, words
    assert "latent" not in card
