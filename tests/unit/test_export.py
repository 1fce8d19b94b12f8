"""The exported folder is read back the way its receivers read it."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from exports import SPLITS, front_matter, make, metadata, run, write_audit
from PIL import Image
from report_material import PLANTED

from synthcohort import config
from synthcohort.errors import UserError
from synthcohort.export.assignment import assign
from synthcohort.export.imagefolder import label_folders
from synthcohort.samples import shards


@pytest.mark.parametrize(
    ("channels", "dtype", "mode"), [(1, "u1", "L"), (1, "u2", "I;16"), (3, "u1", "RGB")]
)
def test_png_files_hold_the_samples(tmp_path, channels, dtype, mode):
    made = make(tmp_path / "run", channels=channels, dtype=dtype)
    folder = run(made) / "imagefolder"
    place = {
        ("ab"[label], int(index)): i
        for i, (label, index) in enumerate(zip(made.labels, made.index, strict=True))
    }
    seen = []
    for split in SPLITS.values():
        entries = metadata(folder / split)
        files = {
            path.relative_to(folder / split).as_posix() for path in folder.glob(f"{split}/*/*")
        }
        assert {entry["file_name"] for entry in entries} == files
        for entry in entries:
            i = place[entry["label"], int(entry["index"])]
            seen.append(i)
            assert entry["file_name"] == f"{entry['label']}/{int(entry['index']):06d}.png"
            assert int(entry["class"]) == made.labels[i]
            assert int(entry["seed"]) == made.labels[i] * 1000 + made.index[i] + 2**60
            with Image.open(folder / split / entry["file_name"]) as image:
                assert image.mode == mode
                pixels = np.asarray(image)
            expected = made.images[i, 0] if channels == 1 else made.images[i].transpose(1, 2, 0)
            np.testing.assert_array_equal(pixels, expected)
    assert sorted(seen) == list(range(50)), "every sample is in exactly one split"


@pytest.mark.parametrize(("channels", "dtype"), [(1, "u1"), (1, "u2"), (3, "u1")])
def test_npz_has_medmnists_six_keys_and_the_names(tmp_path, channels, dtype):
    made = make(tmp_path / "run", channels=channels, dtype=dtype)
    folder = run(made)
    with np.load(folder / "tiny.npz", allow_pickle=False) as arrays:
        six = {f"{s}_{what}" for s in SPLITS for what in ("images", "labels")}
        assert set(arrays) == {*six, "label_names", "label_numbers"}
        assert dict(zip(arrays["label_names"], arrays["label_numbers"], strict=True)) == {
            "a": 0,
            "b": 1,
        }
        for split, name in SPLITS.items():
            images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
            entries = metadata(folder / "imagefolder" / name)
            assert images.shape == (len(entries), 12, 10, *([3] if channels == 3 else []))
            assert images.dtype == np.dtype(dtype)
            assert labels.shape == (len(entries), 1)
            assert labels.dtype == np.uint8
            by_file = []
            for entry in entries:
                with Image.open(folder / "imagefolder" / name / entry["file_name"]) as image:
                    by_file.append((int(entry["class"]), np.asarray(image).tobytes()))
            by_row = [
                (int(n), image.tobytes()) for n, image in zip(labels[:, 0], images, strict=True)
            ]
            assert sorted(by_row) == sorted(by_file), "PNG and npz have the same splits"


def test_without_labels_the_layout_is_flat(tmp_path):
    folder = run(make(tmp_path / "run", names=("",), counts=(20,)))
    entries = metadata(folder / "imagefolder" / "train")
    assert list(entries[0]) == ["file_name", "index", "seed"]
    assert entries[0]["file_name"].count("/") == 0
    assert (folder / "imagefolder" / "train" / entries[0]["file_name"]).exists()
    head, _ = front_matter(folder)
    assert head["task_categories"] == ["unconditional-image-generation"]


def test_a_split_without_images_is_left_out(tmp_path):
    folder = run(make(tmp_path / "run"), fractions={"train": 0.5, "val": 0.0, "test": 0.5})
    assert not (folder / "imagefolder" / "validation").exists()
    head, _ = front_matter(folder)
    assert [entry["split"] for entry in head["configs"][0]["data_files"]] == ["train", "test"]
    with np.load(folder / "tiny.npz", allow_pickle=False) as arrays:
        assert arrays["val_images"].shape == (0, 12, 10)
        assert arrays["val_labels"].shape == (0, 1)


def test_checksums_are_accepted_and_the_same_again(tmp_path):
    made = make(tmp_path / "run")
    folder = run(made)
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=folder, check=True)
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    names = [line.split("  ", 1)[1] for line in lines]
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert names == sorted(set(files) - {"SHA256SUMS"})
    again = run(made, "again")
    assert (again / "SHA256SUMS").read_bytes() == (folder / "SHA256SUMS").read_bytes()
    other = run(make(tmp_path / "other", shard=7))
    # The audit's digests of the shards are not exported, so the size of a shard leaves no trace.
    assert (other / "SHA256SUMS").read_bytes() == (folder / "SHA256SUMS").read_bytes()
    with (folder / "tiny.npz").open("ab") as file:
        file.write(b"x")
    assert subprocess.run(check, cwd=folder, capture_output=True).returncode != 0


def test_the_card_says_what_it_is(tmp_path):
    folder = run(make(tmp_path / "run"), licence="cc0-1.0")
    head, body = front_matter(folder)
    assert head["license"] == "cc0-1.0"
    assert head["pretty_name"] == "Tiny synthetic digits"
    assert head["size_categories"] == ["n<1K"]
    assert "synthetic" in head["tags"]
    for entry in head["configs"][0]["data_files"]:
        assert list((folder).glob(entry["path"].replace("/**", "/metadata.csv")))
    assert "Every image in this dataset is synthetic" in body
    assert "15 parameters" in body and "2,000 images seen" in body
    assert (
        "| FID | 42.5 | [40, 45.25] | 18.25 [17, 19.5] | train 50, test 50, synthetic 50 |" in body
    )
    assert "Not for diagnosis" in body
    assert body.index("**Audit**: Passed: all gates") < body.index("Every image in this dataset")
    asked = ["What was tried", "What had to hold", "What could not be decided", "What remains"]
    assert [body.index(words) for words in asked] == sorted(body.index(words) for words in asked)
    fidelity, privacy = body.index("How like the real"), body.index("**Memorised share**: ")
    assert privacy < fidelity and "Memorised share" not in body[fidelity:]
    assert "●" in body[privacy:fidelity] and "no differential privacy" in body
    assert "planted" not in body.lower().replace("not planted", "")
    assert "| 0 | a | 24 | 3 | 3 |" in body
    for line in body.splitlines():
        if line.startswith("!["):
            assert (folder / line.split("](")[1].rstrip(")")).exists()


def test_nothing_about_real_images_leaves(tmp_path):
    folder = run(make(tmp_path / "run"))
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "README.md", "SHA256SUMS", "croissant.json", "figures", "imagefolder", "results.json",
        "tiny.npz",
    }  # fmt: skip
    for name in ("README.md", "croissant.json", "results.json"):
        text = (folder / name).read_text()
        assert "secret" not in text and "p1" not in text and str(tmp_path) not in text
    results = json.loads((folder / "results.json").read_text())
    assert "seconds" not in results["results"][0]


@pytest.mark.parametrize("outcome", ["failed", "undecided"])
def test_an_audit_that_has_not_passed_stops_the_export(tmp_path, outcome):
    made = make(tmp_path / "run")
    write_audit(made.root, made.shards, copies=2, outcome=outcome)
    with pytest.raises(UserError, match="nothing is exported") as refused:
        run(made)
    assert f"copies: {outcome}, 2 where" in str(refused.value)
    assert str(refused.value).count("\n  - ") == 3, "three ways on"
    assert "mirrored, correlation 0.9990" in str(refused.value)
    assert not (made.root / "export").exists()


def test_an_overridden_gate_is_on_the_card(tmp_path):
    made = make(tmp_path / "run")
    write_audit(made.root, made.shards, copies=2, override="phantoms, nobody's images")
    folder = run(made)
    _, body = front_matter(folder)
    assert "failed, and overridden** by" in body and "phantoms, nobody's images" in body
    assert "**Audit**: Exported all the same: failed. " in body
    results = json.loads((folder / "results.json").read_text())
    assert results["audit"]["gates"][0]["override"] and not results["audit"]["passed"]


def test_what_the_search_would_have_found_is_on_the_card(tmp_path):
    made = make(tmp_path / "run")
    audit = json.loads((made.root / "audit.json").read_text()) | {"planted": PLANTED}
    (made.root / "audit.json").write_text(json.dumps(audit))
    folder = run(made)
    _, body = front_matter(folder)
    assert "| mirrored | 40 | 97.5 % | – | 100 % | yes |" in body
    assert "Found were mirrored ones." in body and body.count("Missed were zoomed ones.") == 2
    said = "0.25 % of 800 real images of 36 patients that no training has seen"
    assert f"{said} were taken for copies (95 % interval 0.03 % to 0.9 %)." in body
    assert json.loads((folder / "results.json").read_text())["audit"]["planted"] == PLANTED


def test_an_audit_of_a_version_without_outcomes_is_refused(tmp_path):
    made = make(tmp_path / "run")
    audit = json.loads((made.root / "audit.json").read_text())
    del audit["outcome"]
    (made.root / "audit.json").write_text(json.dumps(audit))
    with pytest.raises(UserError, match="knew no undecided gates"):
        run(made)


def test_dropped_images_are_gone_and_counted(tmp_path):
    made = make(tmp_path / "run")
    dropped = [("a", 0), ("a", 7), ("b", 3)]
    write_audit(made.root, made.shards, copies=3, dropped=dropped, outcome="passed")
    folder = run(made)
    entries = [
        entry for name in SPLITS.values() for entry in metadata(folder / "imagefolder" / name)
    ]
    images = {(entry["label"], int(entry["index"])) for entry in entries}
    assert len(entries) == len(images) == 47 and not images & set(dropped)
    assert len(list(folder.glob("imagefolder/*/*/*.png"))) == 47
    with np.load(folder / "tiny.npz", allow_pickle=False) as arrays:
        assert sum(len(arrays[f"{split}_images"]) for split in SPLITS) == 47
    _, body = front_matter(folder)
    assert "3 of the 50 images drawn were left out" in body and "There are\n47 grey images" in body


def test_an_export_of_nothing_is_refused(tmp_path):
    made = make(tmp_path / "run", counts=(2, 1))
    dropped = [("a", 0), ("a", 1), ("b", 0)]
    write_audit(made.root, made.shards, copies=3, dropped=dropped, outcome="passed")
    with pytest.raises(UserError, match="every synthetic image is memorised"):
        run(made)


def test_colour_images_of_sixteen_bits_are_refused(tmp_path):
    made = make(tmp_path / "run", channels=3, dtype="u2")
    with pytest.raises(UserError, match=r"prepare\.depth"):
        run(made)
    assert not (made.root / "export").exists()


def test_an_older_export_is_replaced_as_a_whole(tmp_path):
    made = make(tmp_path / "run")
    folder = run(made)
    (folder / "left over").write_text("")
    run(made)
    assert not (folder / "left over").exists()


def test_splits_are_by_label_and_by_seed(tmp_path):
    made = make(tmp_path / "run", counts=(101, 10))
    sampled = shards.describe(made.shards)
    fractions = config.Fractions(train=0.7, val=0.1, test=0.2)
    split = assign(sampled, fractions, seed=1)
    for label, expected in ((0, (71, 10, 20)), (1, (7, 1, 2))):
        mine = split[made.labels == label]
        assert tuple(int((mine == part).sum()) for part in SPLITS) == expected
    assert (split == assign(sampled, fractions, seed=1)).all()
    assert (split != assign(sampled, fractions, seed=2)).any()


def test_label_folders_are_safe_and_unique():
    assert label_folders(["AD", "no finding", "../up"], range(3)) == ["AD", "no_finding", "_up"]
    assert len(set(map(str.casefold, label_folders(["a/b", "a_b", "A_B", "0-a_b"], range(4))))) == 4
    assert label_folders(["CON", "nul.x"], range(2)) == ["0-CON", "1-nul.x"], "no file of Windows"
    assert label_folders(["metadata.CSV", "b."], [3, 5]) == ["3-metadata.CSV", "5-b"]
    assert label_folders(["\U0001f600", "\U0001f601"], range(2)) == ["0-_", "1-_"]


@pytest.mark.parametrize(
    "names",
    [("a" * 300, "b"), ("a" * 300, "a" * 301), ("\u6f22" * 100, "b"), ("metadata.csv", "b")],
    ids=["long", "long alike", "long in bytes", "metadata.csv"],
)
def test_labels_of_any_length_and_name_are_exported(tmp_path, names):
    folder = run(make(tmp_path / "run", names)) / "imagefolder"
    rows = [row for part in SPLITS.values() for row in metadata(folder / part)]
    assert {row["label"] for row in rows} == set(names) and len(rows) == 50


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    made = make(tmp_path / "run")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(UserError, match="disk is full"):
        run(made)
    assert not [path for path in Path(made.root).iterdir() if "export" in path.name]
