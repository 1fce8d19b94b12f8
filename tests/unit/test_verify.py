"""`synthcohort verify`: an exported folder is held against itself, by who has nothing else."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from exports import make, run
from PIL import Image

from synthcohort.cli import main
from synthcohort.errors import UserError
from synthcohort.export import checksums
from synthcohort.export.verify import verify

CARD = "README.md"
CROISSANT = "croissant.json"
TABLE = "imagefolder/train/metadata.csv"
PNG = "imagefolder/train/a/000001.png"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    made = make(tmp_path_factory.mktemp("verify"))
    return run(made, creator="Some Institute", contact="data@example.org", licence="cc0-1.0")


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def edit(folder, name, old, new):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))


def arrays(folder, **changed):
    with np.load(folder / "tiny.npz") as read:
        whole = {name: read[name] for name in read} | changed
    np.savez_compressed(folder / "tiny.npz", **whole)
    return whole


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def png(folder, name=PNG):
    pixels = np.asarray(Image.open(folder / name)).copy()
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(folder / name)


def test_a_whole_folder_says_who_made_it_from_what(folder):
    told, faults = verify(folder)
    assert faults == []
    told = "\n".join(told)
    for words in (
        "Tiny synthetic digits, version 0.0.0+",
        "50 synthetic ones (40 train, 5 validation, 5 test)",
        "by synthcohort ",
        "by Some Institute",
        "scikit-learn",
        "cc0-1.0",
        "Passed: all gates",
        "data@example.org",
        checksums.sha256(folder / "SHA256SUMS"),
    ):
        assert words in told, words


@pytest.mark.parametrize(
    "made",
    [
        {"dtype": "u2"},
        {"channels": 3},
        {"names": ("",), "counts": (20,)},
        {"names": ("CON", "é|b"), "formats": ["parquet"]},
    ],
    ids=["16 bits", "colour", "no labels", "difficult labels"],
)
def test_every_kind_of_dataset_agrees_with_itself(tmp_path, made):
    formats = made.pop("formats", ["imagefolder", "medmnist", "parquet"])
    folder = run(make(tmp_path / "run", **made), formats=formats)
    assert verify(folder)[1] == []
    if formats[0] == "parquet":
        (part,) = folder.glob("parquet/test-*")
        part.write_bytes((folder / "parquet/validation-00000-of-00001.parquet").read_bytes())
        checksums.write(folder)
        assert "parquet: the images with their labels and splits" in "".join(verify(folder)[1])


def test_attributes_and_several_labels_at_once(tmp_path):
    made = make(tmp_path / "run", names=("",), counts=(30,), shard=30)
    with np.load(made.shards[0]) as read:
        shard = {name: read[name] for name in read}
    values = np.random.default_rng(3).integers(0, 2, (30, 2)).astype("f4")
    shard |= {"attributes": values, "attribute_names": np.array(["oedema", "mass"])}
    np.savez(made.shards[0], **shard)
    audit = json.loads((made.root / "audit.json").read_text())
    audit["samples"] = {made.shards[0].name: checksums.sha256(made.shards[0])}
    (made.root / "audit.json").write_text(json.dumps(audit))
    folder = run(made)
    assert verify(folder)[1] == []
    arrays(folder, train_labels=1 - arrays(folder)["train_labels"])
    checksums.write(folder)
    assert "images or their labels" in "".join(verify(folder)[1])


PLAIN = {
    "changed": (lambda f: (f / "figures/samples.png").write_bytes(b"x"), "does not have its"),
    "missing": (lambda f: (f / PNG).unlink(), f"{PNG}: is missing"),
    "more": (lambda f: (f / ".snakemake_timestamp").touch(), "timestamp: is not part"),
    "more below": (lambda f: write(f / "figures/x/y.txt", b""), "figures/x/y.txt: is not part"),
    "other case": (lambda f: (f / "README.md").rename(f / "readme.md"), "is called readme.md here"),
    "a link": (lambda f: (f / PNG).unlink() or (f / PNG).symlink_to("/dev/null"), "is a link"),
    "a pipe": (lambda f: (f / PNG).unlink() or os.mkfifo(f / PNG), "is no file"),
    "an empty folder": (lambda f: (f / "patients").mkdir(), "patients: is not part"),
    "a linked folder": (lambda f: (f / "more").symlink_to("/"), "more: is not part"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAIN)
def test_what_was_damaged_on_the_way_is_found(folder, case):
    change, words = PLAIN[case]
    change(folder)
    assert words in "\n".join(verify(folder)[1])


def relabel(folder):
    edit(folder, TABLE, "a/000001.png,a,0", "a/000001.png,b,1")


def shuffle(folder):
    rows = list(csv.reader(io.StringIO((folder / TABLE).read_text())))
    names = [row[0] for row in rows[1:]]
    for row, name in zip(rows[1:], names[1:] + names[:1], strict=True):
        row[0] = name
    (folder / TABLE).write_text("".join(",".join(row) + "\n" for row in rows))


def both(folder):
    """The same pixel changed in the PNG file and in the npz."""
    before = np.asarray(Image.open(folder / PNG)).copy()
    png(folder)
    images = arrays(folder)["train_images"]
    (place,) = np.flatnonzero((images == before).all((1, 2)))
    images[place, 0, 0] ^= 1
    arrays(folder, train_images=images)


def backwards(folder):
    arrays(folder, train_labels=arrays(folder)["train_labels"][::-1])


def both_figures(folder):
    edit(folder, CARD, "42.5", "12.5")
    edit(folder, "results.json", '"value": "42.5"', '"value": "12.5"')


def bomb(folder):
    """A licence of 10**30 words, of which YAML keeps each once."""
    layers = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 30)]
    lines = ["l0: &l0 [mit]", *layers, "license: *l29"]
    edit(folder, CARD, "license: cc0-1.0", "\n".join(lines))


def swap(folder):
    whole = arrays(folder)
    test, val = whole["test_images"], whole["val_images"]
    arrays(folder, test_images=val, val_images=test)


SEALED = {
    "an image": (png, "tiny.npz: 1 train images"),
    "an image in both": (both, "the hash"),
    "a label": (relabel, "has 23 images of class 0; results.json says 24"),
    "the table's order": (shuffle, "train images or their labels"),
    "the npz's labels": (backwards, "train images or their labels"),
    "the npz's names": (lambda f: arrays(f, label_names=np.array(["b", "a"])), "label_names"),
    "the npz's splits": (swap, "5 test images"),
    "a broken image": (lambda f: write(f / PNG, (f / PNG).read_bytes()[:60]), "as a PNG file"),
    "another image": (lambda f: Image.new("RGBA", (10, 12)).save(f / PNG), "neither grey"),
    "another size": (lambda f: Image.new("L", (3, 3)).save(f / PNG), "3×3 with 8 bits"),
    "a broken npz": (lambda f: write(f / "tiny.npz", b"PK"), "tiny.npz: cannot be read"),
    "no table": (lambda f: write(f / TABLE, b"\xff\x00"), "as a table"),
    "no results": (lambda f: write(f / "results.json", b"[]"), "which dataset this is"),
    "deep results": (lambda f: write(f / "results.json", b"[" * 10**5), "which dataset this is"),
    "deep croissant": (lambda f: write(f / CROISSANT, b"[" * 10**5), "cannot be read as"),
    "a bomb": (bomb, "as license"),
    "no statement": (lambda f: write(f / "results.json", b"{}"), "which dataset this is"),
    "all figures": (both_figures, "not 42.5"),
    "a file more": (lambda f: write(f / "extra/patient.txt", b""), "extra: belongs to none"),
}
# What stands in a file, what in its place, and what is said then.
EDITED = {
    "a row less": (TABLE, "a/000001.png", "a/999999.png", "has no row"),
    "a row twice": (TABLE, "a/000001.png", "a/000000.png", "or twice there"),
    "a path out": (TABLE, "a/000001.png", "../../x.png", "not in the folder"),
    "a row too long": (TABLE, "a,0,", "a,0,7,", "does not have the columns"),
    "a figure": (CARD, "| FID | 42.5 |", "| FID | 12.5 |", "of FID: 12.5"),
    "an interval": (CARD, "[40, 45.25]", "[4, 5]", "of FID: 42.5 [4, 5]"),
    "a figure more": (CARD, "| FID |", "| KID | 0 | | | | |\n| FID |", "figure of KID"),
    "a figure less": (CARD, "| FID |", "| FAD |", "of FID: nothing"),
    "a gate": (CARD, "at most 0 | passed", "at most 0 | failed", "a gate failed"),
    "the audit": (CARD, "**Audit**: Passed", "**Audit**: Certified", "say of the audit"),
    "the licence": (CARD, "license: cc0-1.0", "license: mit", "as license 'mit'"),
    "the version": (CARD, "version: 0.0.0", "version: 1.0.0", "as version"),
    "the class names": (CARD, "'1': b\n  - name: class\n", "'1': c\n  - name: class\n", "as class"),
    "the counts": (CARD, "num_examples: 40", "num_examples: 41", "as counts"),
    "the table of counts": (CARD, "| 0 | a | 24 |", "| 0 | a | 25 |", "table of images"),
    "croissant's version": (CROISSANT, '"version": "0.0.0', '"version": "1.0.0', "says version"),
    "croissant's licence": (CROISSANT, '"license": "cc0-1.0"', '"license": "mit"', "says license"),
    "croissant's labels": (CROISSANT, '"labels/name": "a"', '"labels/name": "c"', "says labels"),
    "croissant's files": (CROISSANT, 'Url": "tiny.npz"', 'Url": "x"', "give tiny.npz"),
    "croissant's form": (CROISSANT, '"recordSet": [', '"recordSet": [[], ', "cannot be read as"),
    "no head": (CARD, "---\n", "", "does not begin with YAML"),
    "a broken head": (CARD, "license:", "- :\n\t", "no YAML"),
}


@pytest.mark.parametrize("case", EDITED)
def test_what_was_edited_with_its_checksum_is_found(folder, case):
    name, old, new, words = EDITED[case]
    edit(folder, name, old, new)
    checksums.write(folder)
    assert words in "\n".join(verify(folder)[1])


@pytest.mark.parametrize("case", SEALED)
def test_what_was_changed_with_its_checksum_is_found(folder, case):
    change, words = SEALED[case]
    change(folder)
    checksums.write(folder)
    assert words in "\n".join(verify(folder)[1])


def test_whatever_stands_in_results_there_is_a_fault_and_no_traceback(folder):
    whole = json.loads((folder / "results.json").read_text())

    def places(value, path=()):
        if path:
            yield path
        if isinstance(value, dict) and len(path) < 2:
            for key in value:
                yield from places(value[key], (*path, key))

    shutil.rmtree(folder / "imagefolder/train")  # what takes time is not what is tried here
    (folder / "tiny.npz").unlink()
    for path in places(whole):
        for other in (None, "x", [{}], {"a": 1}):
            changed = json.loads(json.dumps(whole))
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = other
            (folder / "results.json").write_text(json.dumps(changed))
            assert verify(folder)[1]


@pytest.mark.parametrize("sums", [None, b"x\n", b"0" * 64 + b"  ../README.md\n", b"\xff\n"])
def test_a_folder_that_is_no_export_is_told(tmp_path, sums):
    if sums is not None:
        (tmp_path / "SHA256SUMS").write_bytes(sums)
    with pytest.raises(UserError, match="SHA256SUMS"):
        verify(tmp_path)


def test_the_command_needs_no_torch_and_ends_with_one_where_there_is_a_fault(folder, capsys):
    without = "import sys; sys.modules['torch'] = None; from synthcohort.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "verify", folder], capture_output=True, text=True,
        cwd="/", env=os.environ | {"HOME": "/nowhere"},
    )  # fmt: skip
    assert done.returncode == 0 and "card and figures agree" in done.stdout, done.stderr
    (folder / PNG).unlink()
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(folder)])
    assert ended.value.code == 1
    assert f"- {PNG}: is missing" in capsys.readouterr().err
