"""The observer study: what its page shows, and the answers read back against the key."""

import base64
import csv
import io
import json
import re

import numpy as np
import pytest
from observer_material import write_system
from PIL import Image

from synthcohort.cli import main
from synthcohort.config import Observer
from synthcohort.errors import UserError
from synthcohort.observer.page import make_page
from synthcohort.observer.study import observer_study
from synthcohort.results.summary import summary
from synthcohort.tracking.attempts import attempts
from synthcohort.tracking.journal import Journal

QUIET = Journal(None, "test", {})
HEADER = ["study", "reader", "number", "key", "truth", "answer", "seconds", "mode"]


def made_page(given, out, images=10, seed=0):
    make_page(Observer(images=images), seed=seed, out=out, journal=QUIET, **given)
    return json.loads((out / "key.json").read_text())


def shown_images(page):
    """The page's own data: the study and, in order, key, veil and PNG of every image."""
    html = (page / "index.html").read_text()
    return json.loads(re.search(r'id="study">(.*?)</script>', html, re.S).group(1))


def pixels(image):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image["png"]))))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("observer")
    made_page(write_system(folder / "system"), folder / "page")
    return folder / "page"


@pytest.fixture
def key(page):
    return json.loads((page / "key.json").read_text())


def rows_of(key, wrong=(), reader="AB"):
    """A reader's answers: right but for the image numbers in `wrong`."""
    other, rows = {"real": "synthetic", "synthetic": "real"}, []
    for i, image in enumerate(key["images"], start=1):
        truth = image["truth"]
        answer = other[truth] if i in wrong else truth
        rows.append([key["study"], reader, i, image["key"], truth, answer, "1.500", "blinded"])
    return rows


def write(path, rows, header=HEADER):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def study(page, answers, folder, journal=QUIET):
    out, figure = folder / "observer.json", folder / "observer.png"
    observer_study(page=page, answers=answers, out=out, figure=figure, journal=journal)
    return json.loads(out.read_text())


def test_the_page_shows_real_test_and_synthetic_images_alike_in_label(tmp_path):
    given = write_system(tmp_path / "system")
    key = made_page(given, tmp_path / "page")
    shown = shown_images(tmp_path / "page")["images"]
    assert [image["key"] for image in shown] == [image["key"] for image in key["images"]]
    kinds = {
        kind: [image for image in key["images"] if image["truth"] == kind]
        for kind in ("real", "synthetic")
    }
    assert [len(of) for of in kinds.values()] == [10, 10]
    labels = [sorted(image["label"] for image in of) for of in kinds.values()]
    assert labels[0] == labels[1]
    assert {image["patient"] for image in kinds["real"]} == {f"p{i}" for i in range(6)}
    # The pixels are those of the images that the key names.
    data = np.load(given["cohort"] / "images.npy")
    for image, about in zip(shown, key["images"], strict=True):
        if about["truth"] == "real":
            expected = data[int(about["image"].removeprefix("i")), 0]
        else:
            shard, label, index = re.fullmatch(r"(\S+), (\S+) (\d+)", about["image"]).groups()
            content = np.load(given["cohort"] / shard)
            row = content["index"].tolist().index(int(index))
            assert content["label_names"][content["labels"][row]] == label
            expected = content["images"][row, 0]
        assert np.array_equal(pixels(image), expected)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_study(tmp_path):
    given = write_system(tmp_path / "system")
    studies = [
        made_page(given, tmp_path / name, seed=seed)["study"]
        for name, seed in (("first", 3), ("again", 3), ("other", 4))
    ]
    assert studies[0] == studies[1] != studies[2]
    for name in ("index.html", "key.json"):
        first, again = ((tmp_path / folder / name).read_bytes() for folder in ("first", "again"))
        assert first == again


def test_the_page_says_nothing_of_the_truth_in_plain_words(page, key):
    shown = shown_images(page)
    assert set(shown["images"][0]) == {"key", "veil", "png"}
    text = json.dumps([[image["key"], image["veil"]] for image in shown["images"]])
    assert "real" not in text and "synthetic" not in text
    html = (page / "index.html").read_text()
    assert "not to be passed on" in html and "http://" not in html and "https://" not in html
    assert not any(image["image"] in html for image in key["images"] if "," in image["image"])


def test_all_images_are_shown_where_there_are_few_and_a_label_without_samples_is_not(tmp_path):
    given = write_system(tmp_path / "system", made=(0,))
    key = made_page(given, tmp_path / "page", images=500)
    assert len(key["images"]) == 2 * 12  # of label a: three test patients with four images each
    assert {image["label"] for image in key["images"]} == {"a"}


def test_colour_and_sixteen_bits_are_shown(tmp_path):
    given = write_system(tmp_path / "rgb", channels=3)
    made_page(given, tmp_path / "rgb page")
    assert pixels(shown_images(tmp_path / "rgb page")["images"][0]).shape == (24, 24, 3)
    given = write_system(tmp_path / "deep", dtype=np.uint16)
    key = made_page(given, tmp_path / "deep page")
    shown = shown_images(tmp_path / "deep page")["images"]
    data = np.load(given["cohort"] / "images.npy")
    place = next(i for i, image in enumerate(key["images"]) if image["truth"] == "real")
    row = int(key["images"][place]["image"].removeprefix("i"))
    assert np.array_equal(pixels(shown[place]), np.round(data[row, 0] / 257))


def test_nothing_to_tell_apart_is_told(tmp_path):
    given = write_system(tmp_path / "system", labels=("a", "b", "c"), made=(2,))
    split = given["split"].read_text().replace("p2,test", "p2,train").replace("p5,test", "p5,train")
    given["split"].write_text(split)
    with pytest.raises(UserError, match="nothing to tell apart"):
        made_page(given, tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_one_reader(page, key, tmp_path):
    from scipy.stats import binomtest

    synthetic = [i for i, image in enumerate(key["images"], 1) if image["truth"] == "synthetic"]
    answers = write(tmp_path / "AB.csv", rows_of(key, wrong=synthetic[:3]))
    result = study(page, [answers], tmp_path)
    interval = binomtest(17, 20).proportion_ci(0.95, method="wilson")
    assert result["value"] == 0.85 and result["interval"] == [interval.low, interval.high]
    assert result["floor"] == {"value": 0.5, "interval": None}
    assert (result["n"], result["patients"]) == (
        {"test": 10, "synthetic": 10, "readers": 1},
        {"test": 6},
    )
    details = result["details"]
    assert details["sensitivity"]["value"] == 0.7 and details["specificity"]["value"] == 1
    assert details["d_prime"] > 1 and details["kappa"] is None
    assert details["readers"][0]["seconds_an_image"] == 1.5
    again = tmp_path / "again"
    assert study(page, [answers], again) == result
    first, second = ((folder / "observer.png").read_bytes() for folder in (tmp_path, again))
    assert first == second


def test_several_readers_are_pooled_over_readers_and_images(page, key, tmp_path):
    wrong = {"AB": range(1, 11), "CD": range(6, 15), "EF $x_1$": ()}
    answers = [
        write(tmp_path / f"{i}.csv", rows_of(key, of, reader))
        for i, (reader, of) in enumerate(wrong.items())
    ]
    result = study(page, answers, tmp_path)
    assert result["value"] == pytest.approx((10 + 11 + 20) / 60)
    low, high = result["interval"]
    assert low < result["value"] < high and "readers" in result["interval_method"]
    readers = result["details"]["readers"]
    assert [reader["accuracy"]["value"] for reader in readers] == [0.5, 0.55, 1]
    assert [reader["reader"] for reader in readers] == list(wrong)
    # Readers who differ this much leave more doubt than the images alone.
    single = readers[1]["accuracy"]["interval"]
    assert high - low > 0.9 * (single[1] - single[0])
    same = [write(tmp_path / f"{r}.csv", rows_of(key, {1, 2}, r)) for r in ("G", "H")]
    assert study(page, same, tmp_path)["details"]["kappa"] == pytest.approx(1)


def test_a_reader_who_gives_one_answer_only_has_a_finite_index_and_no_kappa(page, key, tmp_path):
    reals = [i for i, image in enumerate(key["images"], 1) if image["truth"] == "real"]
    answers = [write(tmp_path / f"{r}.csv", rows_of(key, reals, r)) for r in ("A", "B")]
    result = study(page, answers, tmp_path)
    assert (result["value"], result["details"]["d_prime"]) == (0.5, 0)
    assert result["details"]["kappa"] is None


def column(name, value, line=0):
    def change(rows):
        rows[line][HEADER.index(name)] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (column("study", "0123"), r"answers of study 0123, .*, but the page is study"),
        (column("key", "0" * 12), r"line 2: the page has no image with the key '000000000000'"),
        (lambda rows: rows.append(rows[0]), r"line 22: a second answer to the image"),
        (lambda rows: rows.pop(), r"19 of 20 images have an answer"),
        (column("truth", "neither"), r"line 2: image .* but the file says number 1 and 'neither'"),
        (column("number", 9, line=3), r"line 5: image .* is number 4"),
        (column("answer", "maybe"), r"expected the answer real or synthetic, got 'maybe'"),
        (column("seconds", "nan"), r"expected a number of seconds, got 'nan'"),
        (column("seconds", "soon"), r"expected a number of seconds, got 'soon'"),
        (column("reader", "XY"), r"answers of one reader, found 'AB', 'XY'"),
        (column("mode", "training"), r"the mode is 'blinded', 'training', expected 'blinded'"),
        (lambda rows: rows[4].pop(), r"line 6: expected 8 values, got 7"),
        (lambda rows: rows.clear(), r"there are no answers in it"),
    ],
)
def test_faulty_answers_are_told_and_nothing_is_written(page, key, tmp_path, change, told):
    rows = rows_of(key)
    change(rows)
    answers = write(tmp_path / "AB.csv", rows)
    with pytest.raises(UserError, match=rf"AB\.csv.*{told}"):
        study(page, [answers], tmp_path)
    assert list(tmp_path.iterdir()) == [answers]


def test_faulty_files_are_told(page, key, tmp_path):
    short = write(tmp_path / "short.csv", [r[:4] + r[5:] for r in rows_of(key)], HEADER[:4])
    whole = write(tmp_path / "whole.csv", rows_of(key))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "key.json").write_text("{}")
    for given, answers, told in (
        (page, [short], r"short\.csv: expected the columns .* missing: truth, answer"),
        (page, [tmp_path / "none.csv"], r"none\.csv: cannot be read: No such file"),
        (page, [tmp_path / "binary.csv"], r"binary\.csv: not a CSV file in UTF-8"),
        (page, [tmp_path / "empty.csv"], r"empty\.csv: expected the columns"),
        (page, [whole, whole], r"whole\.csv: a second reading by 'AB'"),
        (tmp_path / "nowhere", [whole], r"key\.json: there is no such file; --page is the folder"),
        (tmp_path, [whole], r"key\.json: not the key of an observer study"),
    ):
        with pytest.raises(UserError, match=told):
            study(given, answers, tmp_path)


def test_the_command_journals_the_study_and_the_summary_shows_it(page, key, tmp_path, capsys):
    results = tmp_path / "results" / "tiny"
    answers = write(tmp_path / "AB.csv", rows_of(key, wrong={1, 2, 3, 4, 5}))
    out, figure = results / "evaluation/observer.json", results / "figures/observer.png"
    journal = results / "journal/observer-study.jsonl"
    given = ["--page", page, "--answers", answers, "--out", out, "--figure", figure]
    main(["observer-study", *map(str, given), "--journal", str(journal)])
    (attempt,) = attempts(journal)
    assert attempt.status == "finished" and attempt.figures == [figure]
    assert ("observer", 0.75) in [point[:2] for point in attempt.results]
    assert attempt.texts["study"] == key["study"]
    lines = [line for line in summary(results).splitlines() if "Observer study" in line]
    assert len(lines) == 3 and "0.75" in lines[0] and "readers 1" in lines[0]
    answers.write_text("nothing\n")
    with pytest.raises(SystemExit):
        main(["observer-study", *map(str, given)])
    assert "expected the columns" in capsys.readouterr().err
