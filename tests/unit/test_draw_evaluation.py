"""The figures of the evaluation: drawn from the files of the measurements, again and alone."""

import json

import numpy as np
import pytest
from evaluated import QUIET
from PIL import Image

from synthcohort.errors import UserError
from synthcohort.evaluation.draw import draw_evaluation
from synthcohort.evaluation.metrics import embedding, not_applicable
from synthcohort.evaluation.records import read_record, write_record
from synthcohort.tracking.journal import Journal, read_journal

KID = {
    "metric": "kid",
    "value": 0.2,
    "interval": [0.1, 0.3],
    "floor": {"value": 0.0, "interval": [-0.1, 0.1]},
    "n": {"test": 40},
    "details": {},
}


def written(folder, *results, **arrays):
    for result in results:
        write_record(folder / f"{result['metric']}.json", result, arrays)
    return [folder / f"{result['metric']}.json" for result in results]


def test_each_result_has_its_figure_and_what_was_there_before_is_gone(tmp_path):
    none = not_applicable("Utility does not apply.") | {"metric": "utility"}
    results, out = written(tmp_path, KID, none), tmp_path / "figures/evaluation"
    out.mkdir(parents=True)
    (out / "older.png").touch()
    with Journal(tmp_path / "journal.jsonl", "draw-evaluation", {}) as journal:
        draw_evaluation(results=results, out=out, journal=journal)
    assert sorted(path.name for path in out.iterdir()) == ["kid.png", "utility.png"]
    sizes = {path.stem: Image.open(path).size for path in out.iterdir()}
    assert sizes == {"kid": (960, 307), "utility": (960, 240)}
    told = [event["path"] for event in read_journal(tmp_path / "journal.jsonl")[1:-1]]
    assert told == [str(out / "kid.png"), str(out / "utility.png")]


def test_a_figure_depends_on_the_files_alone(tmp_path):
    results = written(tmp_path, KID)
    drawn = []
    for name in ("one", "two"):
        draw_evaluation(results=results, out=tmp_path / name, journal=QUIET)
        drawn.append((tmp_path / name / "kid.png").read_bytes())
    assert drawn[0] == drawn[1]


def test_a_record_comes_back_as_it_was_and_has_the_same_bytes_again(tmp_path):
    given = {"places": np.arange(6.0).reshape(3, 2), "names": np.array(["", "ä", "b c"])}
    for name in ("one", "two"):
        (path,) = written(tmp_path / name, KID, **given)
        result, arrays = read_record(path)
        assert result == KID and arrays.keys() == given.keys()
        assert all(np.array_equal(arrays[key], given[key]) for key in given)
    for suffix in ("json", "npz"):
        first, second = (tmp_path / name / f"kid.{suffix}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


def test_what_cannot_be_drawn_is_told_and_leaves_nothing(tmp_path):
    (path,) = written(tmp_path, KID)
    path.with_suffix(".npz").unlink()
    (unknown,) = written(tmp_path, KID | {"metric": "autoencoder"})
    for results, told in (
        ([path], r"kid\.npz: there is no such file, so the figure of .*kid\.json"),
        ([unknown], r"autoencoder\.json: nothing draws a result of 'autoencoder'; there are auth"),
    ):
        with pytest.raises(UserError, match=told):
            draw_evaluation(results=results, out=tmp_path / "figures", journal=QUIET)
    assert not (tmp_path / "figures").exists()
    assert json.loads(path.read_text()) == KID


def test_every_label_is_in_the_legend_of_the_embedding(tmp_path, monkeypatch):
    names = ["_other", "a", "$x$"]
    rng = np.random.default_rng(0)
    spaces = [f"{space}_{name}" for space in embedding.SPACES for name in embedding.ORIGINS]
    arrays = {name: rng.normal(size=(9, 2)) for name in spaces}
    arrays |= {f"{name}_classes": np.arange(9) % 3 for name in embedding.ORIGINS}
    details = {"neighbours": 3, "label_separation": {"value": 0.5, "majority": 0.3}}
    mixed = {"value": 0.9, "interval": (0.8, 1), "floor": {"value": 1}, "decoded": {"value": 1}}
    result = mixed | {"details": details | {"classifier_mixing": mixed}}
    figures = []
    monkeypatch.setattr(embedding, "save", lambda figure, path: figures.append(figure))
    embedding.draw(tmp_path / "x.png", result, arrays | {"label_names": np.array(names)})
    assert len(figures[0].axes) == 4
    for axes in figures[0].axes[::2]:
        assert [text.get_text().strip() for text in axes.get_legend().get_texts()] == names
