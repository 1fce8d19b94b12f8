"""The journal: what it records, and what a kill or a resume makes of it."""

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthcohort.errors import Refused, UserError
from synthcohort.tracking.attempts import attempts, flatten
from synthcohort.tracking.journal import Journal, read_journal


def kinds(path: Path) -> list[str]:
    return [event["event"] for event in read_journal(path)]


def test_records_a_run_in_order(tmp_path):
    path = tmp_path / "journal" / "autoencoder.jsonl"
    with Journal(path, "autoencoder", {"batch": 8}, {"cohort/split.csv": "ab"}) as journal:
        journal.metric(100, loss=np.float32(0.5), psnr=np.array(20))
        journal.figure(tmp_path / "a.png")
        journal.result(ssim=0.9, network="strided")
    start, metric, figure, result, end = read_journal(path)
    assert start["settings"] == {"batch": 8}
    assert start["inputs"] == {"cohort/split.csv": "ab"}
    assert start["environment"]["packages"]["synthcohort"]
    assert (metric["images"], metric["values"]) == (100, {"loss": 0.5, "psnr": 20.0})
    assert figure["path"] == str(tmp_path / "a.png")
    assert result["values"] == {"ssim": 0.9, "network": "strided"}
    assert (end["status"], end["error"]) == ("finished", "")
    times = [event["time"] for event in read_journal(path)]
    assert times == sorted(times)


def test_a_failure_is_recorded_and_passed_on(tmp_path):
    path = tmp_path / "stage.jsonl"
    with pytest.raises(ValueError, match="no light"), Journal(path, "stage", {}):
        raise ValueError("no light")
    end = read_journal(path)[-1]
    assert (end["status"], end["error"]) == ("failed", "ValueError: no light")
    assert [(a.status, a.error) for a in attempts(path)] == [("failed", "ValueError: no light")]


@pytest.mark.parametrize("written", [0, 7])
def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path, monkeypatch, written):
    path, real = tmp_path / "stage.jsonl", os.write

    def full(file, data):
        if free := full.free and min(written, len(data)):
            full.free = 0
            return real(file, data[:free])
        raise OSError(errno.ENOSPC, "No space left on device")

    full.free = 1
    journal = Journal(path, "stage", {})
    with pytest.raises(UserError, match=r"stage\.jsonl: the disk is full"), journal:
        journal.metric(10, loss=1.0)
        monkeypatch.setattr(os, "write", full)
        journal.metric(20, loss=0.5)
    monkeypatch.undo()
    assert kinds(path) == ["start", "metric"]
    with Journal(path, "stage", {}) as journal:
        journal.metric(20, loss=0.5)
    assert kinds(path) == ["start", "metric", "start", "metric", "end"]
    (attempt,) = attempts(path)
    assert [(value, images) for _, value, _, images in attempt.metrics] == [(1.0, 10), (0.5, 20)]


def test_an_error_is_told_even_where_the_disk_is_full_after_it(tmp_path, monkeypatch):
    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = Journal(tmp_path / "stage.jsonl", "stage", {})
    with pytest.raises(ValueError, match="no light"), journal, monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        try:
            raise ValueError("no light")
        except ValueError:
            journal.__exit__(*sys.exc_info())
            raise


def test_a_value_measured_again_after_a_resume_is_there_once(tmp_path):
    path = tmp_path / "stage.jsonl"
    for speed in (100.0, 90.0):
        with pytest.raises(ValueError, match="stop"), Journal(path, "stage", {}) as journal:
            journal.metric(10, loss=1.0, images_per_second=speed)
            raise ValueError("stop")
    (attempt,) = attempts(path)
    assert [(name, value) for name, value, *_ in attempt.metrics] == [
        ("loss", 1.0),
        ("images_per_second", 100.0),
    ]


def test_no_path_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Journal(None, "stage", {}) as journal:
        journal.metric(1, loss=1.0)
    assert list(tmp_path.iterdir()) == []


def test_lines_are_json_even_where_a_value_is_not_finite(tmp_path):
    path = tmp_path / "stage.jsonl"
    with Journal(path, "stage", {}) as journal:
        journal.metric(1, loss=math.nan, norm=math.inf)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    for line in path.read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=refuse)
    (attempt,) = attempts(path)
    values = {name: value for name, value, _, _ in attempt.metrics}
    assert math.isnan(values["loss"])
    assert values["norm"] == math.inf


def test_other_settings_or_inputs_begin_anew(tmp_path):
    path = tmp_path / "stage.jsonl"
    for asked, inputs in [({"a": 1}, {}), ({"a": 2}, {}), ({"a": 2}, {"x": "1"})]:
        with Journal(path, "stage", asked, inputs):
            pass
        assert kinds(path) == ["start", "end"]


KILLED = """
import os, signal, sys
from pathlib import Path
from synthcohort.tracking.journal import Journal
with Journal(Path(sys.argv[1]), "stage", {"a": 1}) as journal:
    journal.metric(10, loss=1.0)
    journal.metric(20, loss=0.5)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_resumed_in_the_same_attempt(tmp_path):
    path = tmp_path / "stage.jsonl"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    (killed,) = attempts(path)
    assert killed.status == "open"

    with path.open("a", encoding="utf-8") as file:  # what a kill in mid-write leaves
        file.write('{"time": 3, "event": "metr')
    assert kinds(path) == ["start", "metric", "metric"]

    with Journal(path, "stage", {"a": 1}) as journal:
        journal.metric(20, loss=0.5)  # measured again, from the checkpoint on
        journal.metric(30, loss=0.2)
    assert kinds(path) == ["start", "metric", "metric", "start", "metric", "metric", "end"]
    (resumed,) = attempts(path)
    assert resumed.id == killed.id
    assert resumed.status == "finished"
    points = [(name, value, images) for name, value, _, images in resumed.metrics]
    assert points == [("loss", 1.0, 10), ("loss", 0.5, 20), ("loss", 0.2, 30)]


def test_a_finished_stage_that_is_run_again_is_another_attempt(tmp_path):
    path = tmp_path / "stage.jsonl"
    for loss in (1.0, 2.0):
        with Journal(path, "stage", {"a": 1}) as journal:
            journal.metric(10, loss=loss)
    first, second = attempts(path)
    assert first.id != second.id
    assert [a.metrics[0][1] for a in (first, second)] == [1.0, 2.0]


@settings(deadline=None, max_examples=12, derandomize=True)
@given(kept=st.integers(min_value=0))
def test_a_journal_cut_anywhere_gives_its_whole_events(tmp_path_factory, kept):
    path = tmp_path_factory.mktemp("cut") / "stage.jsonl"
    with Journal(path, "stage", {"name": "Gehirn – größer"}) as journal:
        journal.metric(1, loss=1.0)
    whole, data = read_journal(path), path.read_bytes()
    path.write_bytes(data[: kept % (len(data) + 1)])
    events = read_journal(path)
    assert events == whole[: len(events)]
    with Journal(path, "stage", {"name": "Gehirn – größer"}):
        pass
    assert kinds(path) == [event["event"] for event in events] + ["start", "end"]


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "stage.jsonl"
    with Journal(path, "stage", {}) as journal:
        journal.metric(1, loss=1.0)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(lines[0] + "torn\n" + "".join(lines[1:]), encoding="utf-8")
    with pytest.raises(UserError, match=r"stage\.jsonl, line 2: expected a journal event"):
        read_journal(path)


def test_a_missing_journal_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.jsonl: there is no such journal"):
        read_journal(tmp_path / "nowhere.jsonl")


def test_settings_are_flattened():
    nested = {"a": {"b": [1, 2], "c": {"d": None}}, "e": "text", "f": {}, "g": 1e-06}
    expected = {"a.b": "[1, 2]", "a.c.d": "null", "e": "text", "f": "{}", "g": "1e-06"}
    assert flatten(nested) == expected


def test_a_refused_run_is_told_and_takes_nothing_from_the_one_it_would_replace(tmp_path):
    path = tmp_path / "stage.jsonl"

    def fails(rate: float, error: Exception, **values: float) -> None:
        with pytest.raises(type(error)), Journal(path, "stage", {"rate": rate}) as journal:
            journal.metric(10, **values)
            raise error

    fails(0.1, ValueError("killed"), loss=1.0)
    for _ in range(2):
        fails(0.2, Refused("change it back"))
    assert [attempt.error for attempt in attempts(path)] == [
        "ValueError: killed",
        "Refused: change it back",
    ]
    with Journal(path, "stage", {"rate": 0.1}) as journal:
        journal.metric(20, loss=0.5)
    refused, whole = attempts(path)
    assert (refused.status, refused.start["settings"]) == ("failed", {"rate": 0.2})
    assert whole.status == "finished"
    assert [(value, images) for _, value, _, images in whole.metrics] == [(1.0, 10), (0.5, 20)]
    fails(0.3, ValueError("killed"), loss=2.0)
    assert [attempt.start["settings"] for attempt in attempts(path)] == [{"rate": 0.3}]
    assert list(tmp_path.iterdir()) == [path]
