"""A gate's outcome: what passes, what fails, what the data cannot decide, and what an audit of all
gates then does. Nothing is easier with fewer patients."""

import json

import pytest

from synthcohort import config
from synthcohort.audit import audit
from synthcohort.audit.gate import headline
from synthcohort.audit.outcome import judged
from synthcohort.errors import UserError
from synthcohort.numerics.resampling import binomial_interval
from synthcohort.tracking.journal import Journal

AT_MOST = config.Gate(at_most=0.6)
MANY = {"train": 84, "test": 40}


def figure(value, low, high, **more):
    return {"value": value, "interval": [low, high], "n": {"synthetic": 600}} | more


@pytest.mark.parametrize(
    ("gate", "found", "outcome"),
    [
        ({"at_most": 0.6}, (0.5, 0.45, 0.6), "passed"),
        ({"at_most": 0.6}, (0.5, 0.45, 0.61), "undecided"),
        ({"at_most": 0.6}, (0.65, 0.6, 0.7), "undecided"),
        ({"at_most": 0.6}, (0.65, 0.601, 0.7), "failed"),
        ({"at_least": 0.6}, (0.65, 0.6, 0.7), "passed"),
        ({"at_least": 0.6}, (0.65, 0.59, 0.7), "undecided"),
        ({"at_least": 0.6}, (0.5, 0.45, 0.6), "undecided"),
        ({"at_least": 0.6}, (0.5, 0.45, 0.59), "failed"),
    ],
)
def test_the_bound_that_speaks_against_a_gate_has_to_hold(gate, found, outcome):
    assert judged(config.Gate(**gate), figure(*found, patients=MANY))["outcome"] == outcome


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"value": None, "note": "All labels are the same."}, "All labels are the same."),
        (figure(0.5, 0.45, 0.55, cannot_tell="The judge is at chance"), "The judge is at chance."),
        ({"value": 0.5, "interval": None}, "It has no interval"),
        (figure(0.5, 0.5, 0.5, patients=MANY), "An interval without width"),
        (figure(0.6, 0.5, 0.7, patients=MANY), "no number of patients decides"),
        (figure(0.5, 0.45, 0.55, patients={"train": 84, "test": 3}), "3 test patients are too few"),
        (figure(0.5, 0.45, 0.55, n={"test_patients": 9}), "9 test patients are too few"),
        (figure(0.5, 0.45, 0.55, floor={"value": 0, "patients": 2}), "2 unseen patients are too"),
    ],
)
def test_what_nothing_speaks_for_is_undecided_and_says_why(found, why):
    told = judged(AT_MOST, found)
    assert told["outcome"] == "undecided" and why in told["why"]


def test_a_count_is_exact_and_a_sure_fault_needs_no_more_patients():
    assert judged(AT_MOST, {"value": 0})["outcome"] == "passed"
    assert judged(AT_MOST, {"value": 1})["outcome"] == "failed"
    few = figure(0.9, 0.8, 1.0, patients={"train": 3, "test": 3})
    assert judged(AT_MOST, few)["outcome"] == "failed"


def test_it_says_how_many_would_decide():
    told = judged(AT_MOST, figure(0.5, 0.38, 0.62, patients={"train": 84, "test": 25}))
    # ±0.12 has to become ±0.1: (0.12 / 0.1)² as many.
    assert told["needs"] == {"of": "test patients", "now": 25, "about": 36}
    assert "25 test patients can't decide that; about 36 would, as passed" in told["why"]
    against = judged(AT_MOST, figure(0.65, 0.55, 0.75, patients={"train": 84, "test": 25}))
    assert against["needs"]["about"] == 100 and "as failed" in against["why"]


def test_a_perfect_dataset_passes_with_enough_images_and_ten_never_do():
    """As many as are said to be needed do decide."""

    def found(images):
        told = {"value": 0.0, "interval": binomial_interval(0, images, "exact"), "unit": "image"}
        told |= {"patients": MANY, "n": {"train": 500, "synthetic": images}}
        return judged(config.Audit().gates["copies"], told)

    told = found(10)
    assert told["outcome"] == "undecided" and told["needs"]["of"] == "synthetic images"
    needed = told["needs"]["about"]
    assert found(needed)["outcome"] == "passed" and found(needed - 1)["outcome"] == "undecided"


def run(folder, membership, **settings):
    """What audit.json holds for this membership, two images found and nothing else."""
    image = {"label": "a", "shard": "s", "train_image": "t", "distance": 0.1}
    n = {"train": 500, "synthetic": 1000}
    search = {
        "measures": [
            {"name": "copies", "n": n, **figure(0.0, 0, 0.004), "unit": "image"},
            {"name": "memorised_share", "n": n, **figure(0.001, 0, 0.02)},
        ],
        "copies": [image | {"index": 3}],
        "memorised": [image | {"index": 3}, image | {"index": 5}],
        "samples": {},
    }
    (folder / "search.json").write_text(json.dumps(search))
    details = {"exposed": {"value": 0.2, "interval": [0.1, 0.3]}}
    told = {"metric": "membership", "patients": MANY, "details": details} | membership
    (folder / "membership.json").write_text(json.dumps(told))
    audit(
        config.Audit(**settings),
        search=folder / "search.json",
        results=[folder / "membership.json"],
        out=folder / "audit.json",
        journal=Journal(None, "audit", {}),
    )
    return json.loads((folder / "audit.json").read_text())


GOOD, WIDE, BAD = figure(0.5, 0.45, 0.55), figure(0.5, 0.3, 0.7), figure(0.7, 0.65, 0.75)


@pytest.mark.parametrize(
    ("membership", "settings", "outcome", "stops", "line"),
    [
        (GOOD, {}, "passed", False, "Passed: all gates of the audit (copies, memorised_share, "),
        (WIDE, {}, "undecided", True, "Export stopped: undecided. membership: undecided, 0.5 ("),
        (BAD, {}, "failed", True, "Export stopped: failed. membership: failed, 0.7 ("),
        (WIDE, {"undecided": "go_on"}, "undecided", False, "Exported all the same: undecided. "),
        (BAD, {"undecided": "go_on"}, "failed", True, "Export stopped: failed. "),
        (BAD, {"override": {"membership": "so"}}, "failed", False, "Exported all the same: fail"),
        (WIDE, {"override": {"membership": "so"}}, "undecided", False, "Exported all the same: "),
    ],
)
def test_what_stops_an_export(tmp_path, capsys, membership, settings, outcome, stops, line):
    told = run(tmp_path, membership, **settings)
    assert told["outcome"] == outcome and told["passed"] == (outcome == "passed")
    assert any(gate["stops"] for gate in told["gates"]) == stops
    assert capsys.readouterr().out.startswith(line)
    # What was found is left out, and judged all the same.
    assert told["dropped"] == [{"label": "a", "index": 3}, {"label": "a", "index": 5}]


def test_the_first_line_says_how_much_would_have_been_found(tmp_path):
    told = run(tmp_path, GOOD)
    rows = [{"found": {"any": share}} for share in (1.0, 0.8, 0.79, 0.0)]
    lines = [headline(told | {"planted": {"rows": rows}}), headline(told)]
    assert lines[0] == lines[1] + (
        " It would have found 80 % of single train images in 2 of the 4 disguises that were "
        "planted."
    )


def test_a_failed_gate_is_told_before_an_undecided_one(tmp_path, capsys):
    run(tmp_path, BAD, gates={"membership.exposed": {"at_most": 0.25}})
    told = capsys.readouterr().out
    assert told.index("membership: failed") < told.index("membership.exposed: undecided")
    assert "40 test patients can't decide that" in told, "a detail is of its metric's patients"


def test_a_gate_on_what_nothing_has_measured(tmp_path):
    with pytest.raises(UserError, match="nothing has measured 'fid' in this run"):
        run(tmp_path, GOOD, gates={"fid": {"at_most": 9}})
