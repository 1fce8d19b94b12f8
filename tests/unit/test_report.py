"""The report of a system and the comparison of systems, from made-up results."""

import html
import json
import re

import pytest
from report_material import (
    NASTY,
    PLANTED,
    RESULTS,
    floored,
    gate,
    result,
    system,
    write_results,
)

from synthcohort.errors import UserError
from synthcohort.evaluation import metrics
from synthcohort.report import report
from synthcohort.report.comparison import compare
from synthcohort.report.history import journals
from synthcohort.report.inlined import caption
from synthcohort.tracking.attempts import duration
from synthcohort.tracking.journal import Journal

QUIET = Journal(None, "test", {})


def made(folder, captions) -> str:
    """The page of the results in `folder`."""
    out = folder / "report.html"
    report(system(), results=folder, captions=captions, out=out, journal=QUIET)
    return out.read_text(encoding="utf-8")


def words(page: str) -> str:
    """What a reader of the page sees, without what is between tags."""
    body = page[page.index("</style>") :]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def section(page: str, key: str) -> str:
    """The words of a section of the page."""
    return words("</style>" + re.search(rf'<section id="{key}">.*?</section>', page, re.S)[0])


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    told = 'Of **{{ snakemake.config["name"] }}**, *by*\n`x < y`.\n\nSecond & last.\n'
    (folder / "real-and-synthetic.rst").write_text(told)
    return list(folder.iterdir())


@pytest.fixture(scope="module")
def page(tmp_path_factory, captions):
    gates = (gate("memorised_share", 0.02, "passed"), gate("copies", 0.2, "failed"))
    return made(write_results(tmp_path_factory.mktemp("results") / "tiny", gates), captions)


def test_results_stand_under_their_question_with_a_verdict(page):
    fidelity = section(page, "fidelity")
    assert re.search(
        r"FID Distance .*? 95 \[86, 105\] 45 \[42, 49\] ○ short of the floor", fidelity
    )
    assert re.search(r"KID .*? 0.001 \[-0.002, 0.003\] .*?● at the floor", fidelity)
    assert re.search(r"Precision .*? 0.9 .*?◆ beyond the floor", fidelity)
    assert re.search(r"Recall .*? 0.2 \[0.15, 0.25\]", section(page, "diversity"))
    assert "○ short of the floor" in section(page, "utility")
    assert re.search(r"Membership .*? ● no sign of a leak", section(page, "privacy"))
    assert "0.97" in section(page, "real_or_synthetic")
    assert "N: train 40, test 40, synthetic 40" in fidelity


def test_a_metric_that_nobody_knows_has_its_line_in_the_last_group(page):
    assert "never_heard_of" in section(page, "other") and "12.5" in section(page, "other")


def test_a_metric_that_does_not_apply_says_why(page):
    told = section(page, "conditioning")
    assert "All &lt;i&gt;labels&lt;/i&gt; are the same." in told and "not applicable" in told


def test_figures_are_inside_with_their_captions(page):
    sources = re.findall(r'<img src="([^"]+)"', page)
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    fidelity = re.search(r'<section id="fidelity">.*?</section>', page, re.S)[0]
    told = metrics.module("fid").CAPTION.split("\n\n")
    assert all(f"<p>{html.escape(' '.join(part.split()))}</p>" in fidelity for part in told)
    assert "<strong>tiny</strong>, <em>by</em> <code>x &lt; y</code>." in page
    assert 'id="figure-utility-curve"' in page and 'id="figure-real-and-synthetic"' in page


def test_nothing_is_loaded_and_what_users_write_is_no_markup(page):
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "url(" not in page and "<script" not in page and "<i>labels" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in page
    assert "i&lt;7&gt;" in page


def test_it_says_first_that_it_shows_real_images(page):
    top = words(page)
    assert top.index("This page shows real images") < top.index("FID")
    assert "never part of export/" in top


def test_a_failed_gate_is_told_first_and_with_the_ways_forward(page):
    told = "Audit: Export stopped: failed. Copies of train images: failed, it is failed."
    assert told in words(page)
    assert words(page).index("Export stopped") < words(page).index("This page shows real images")
    audit = section(page, "privacy")
    found = r"Copies of train images 0\.2 \[0\.2, 0\.21\] at most 0\.05 .*?○ failed"
    assert (
        re.search(found, audit) and "train image i&lt;7&gt;, mirrored, correlation 0.9900" in audit
    )
    assert "● passed" in audit and "Ways forward" in audit
    assert "train image i&lt;7&gt;, distance 0.125" in audit
    assert "Left out of the export as copies or memorised: 1 images" in audit
    order = ["What was tried", "would have found", "has to hold", "not be decided", "What remains"]
    places = [audit.index(title) for title in order]
    assert places == sorted(places)


def test_what_the_search_would_have_found_is_told(page):
    audit = section(page, "privacy")
    assert f"{PLANTED['sentence_found']} {PLANTED['sentence_missed']} 0.25 % of 800" in audit
    header = "Disguise Planted pixels detector by any way gates stop a set of it alone"
    assert f"{header} mirrored 40 97.5 % – 100 % yes &lt;zoomed&gt; 40 – 0.5 % 0.5 % no" in audit


def test_an_override_is_told_with_its_reason(tmp_path, captions):
    overridden = gate("copies", 0.2, "failed", override="agreed by <b>the board</b>")
    page = made(write_results(tmp_path / "tiny", (overridden,)), captions)
    told = "Audit: Exported all the same: failed. "
    assert told in words(page) and "Overridden: agreed by &lt;b&gt;the board" in words(page)
    assert "Ways forward" not in section(page, "privacy")


def test_a_gate_that_failed_beside_an_overridden_one_stops_the_export(tmp_path, captions):
    overridden = gate("copies", 0.2, "failed", override="agreed")
    gates = (overridden, gate("fid", 9, "failed", rule="at_least"))
    page = made(write_results(tmp_path / "tiny", gates), captions)
    assert "Audit: Export stopped: failed. FID: failed" in words(page)
    assert "at least 0.05" in section(page, "privacy")


def test_what_could_not_be_decided_is_told_and_gets_no_mark(tmp_path, captions):
    gates = (gate("membership", 0.52, "undecided"), gate("copies", 0.0, "passed"))
    folder = write_results(tmp_path / "tiny", gates)
    blind = result("authenticity", 1.0, (0.9, 1.0), **floored(0.7, 0.6, 0.8))
    blind |= {"cannot_tell": "Copies <score> as strangers do.", "patients": {"train": 7}}
    (folder / "evaluation/authenticity.json").write_text(json.dumps(blind))
    page = made(folder, captions)
    audit = section(page, "privacy")
    assert re.search(r"Membership inference, AUC .*? \? undecided .*? has to hold", audit)
    assert re.search(r"Authentic share .*?patients: train 7 Copies .*? \? cannot tell", audit)
    undecided = audit[audit.index("What could not be decided") : audit.index("What remains")]
    assert (
        "The gate on Membership inference, AUC over patients: undecided, it is undecided."
        in undecided
    )
    assert "Authentic share: Copies &lt;score&gt; as strangers do." in undecided
    assert "undecided, stopped" in compare(tmp_path, as_markdown=True)


def test_what_the_autoencoder_alone_costs_stands_beside_the_floor(tmp_path, captions):
    folder = write_results(tmp_path / "tiny")
    told = RESULTS[0] | {
        "decoded": {"value": 61.5, "interval": [58, 65]},
        "floor_one_per_patient": {"value": 30.5, "interval": [28, 33], "n": 40},
    }
    (folder / "evaluation/fid.json").write_text(json.dumps(told))
    page = made(folder, captions)
    fidelity = section(page, "fidelity")
    assert re.search(r"95 \[86, 105\] 45 \[42, 49\] 61.5 \[58, 65\] ○ short", fidelity)
    assert "Floor with one image a patient (40 of them): 30.5 [28, 33]." in fidelity
    assert "(95 / 45, autoencoder alone 61.5)" in compare(tmp_path, as_markdown=True)
    assert 'class="lost"' in page and "Through the autoencoder" not in section(page, "utility")


def test_without_an_audit_and_without_captions(tmp_path):
    page = made(write_results(tmp_path / "tiny"), [])
    assert words(page).count("Audit: has not run.") == 2


def test_an_audit_of_a_version_without_outcomes_is_told(tmp_path, captions):
    folder = write_results(tmp_path / "tiny", (gate("copies", 0.2, "passed"),))
    audit = json.loads((folder / "audit.json").read_text())
    del audit["outcome"], audit["gates"][0]["outcome"], audit["gates"][0]["stops"]
    (folder / "audit.json").write_text(json.dumps(audit))
    assert words(made(folder, captions)).count("knew no undecided gates") == 2
    assert "of an older version" in compare(tmp_path, as_markdown=True)


def test_images_are_counted_by_label_and_split(page):
    told = section(page, "made")
    # Patients 0 to 5 are test, 6 and 7 train, of four images each; labels alternate.
    assert re.search(r"&#34; 4 \(1\) 0 \(0\) 12 \(3\) 20 b 4 \(1\) 0 \(0\) 12 \(3\) 20 All", told)
    assert "All 8 (2) 0 (0) 24 (6) 40" in told
    assert "2 nearly identical pairs" in told


def test_how_it_was_made_comes_from_the_journals(page):
    told = section(page, "how")
    assert "Parameters, autoencoder 123,456" in told
    assert re.search(r"sample 2 jobs \d{4}-\d\d-\d\d", told)
    assert "Python 3." in told and "numpy" in told and "autoencoder.latent_channels 2" in told


def test_the_time_between_a_kill_and_the_resume_does_not_count(tmp_path):
    environment = {"python": "3.12.1", "packages": {}, "git": "abc"}
    start = {"event": "start", "stage": "diffusion", "settings": {}, "inputs": {}, "digest": "d"}
    events = [
        start | {"time": 0.0, "environment": environment},
        {"event": "metric", "time": 60.0, "images": 1, "values": {}},
        start | {"time": 1000.0, "environment": environment},
        {"event": "end", "time": 1030.0, "status": "finished", "error": ""},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (tmp_path / "diffusion.jsonl").write_text(lines)
    told = journals(tmp_path)
    assert told.work == "1 min 30 s" and told.wall == "17 min 10 s"
    assert told.stages[0].note == "resumed 1×" and told.about == {"git": "abc", "python": "3.12.1"}


@pytest.mark.parametrize(
    ("seconds", "told"), [(4.24, "4.2 s"), (59.97, "1 min 00 s"), (7500, "2 h 05 min")]
)
def test_times_are_for_people(seconds, told):
    assert duration(seconds) == told


def test_a_caption_that_is_not_there():
    assert caption("", "tiny") == ""


def test_nothing_evaluated_is_told(tmp_path, captions):
    with pytest.raises(UserError, match="nothing has been evaluated"):
        made(tmp_path, captions)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    write_results(folder / "good", (gate("memorised_share", 0.02, "passed"),))
    write_results(folder / "bad<", (gate("memorised_share", 0.2, "failed"),))
    (folder / "mlruns").mkdir()
    return folder


def test_systems_are_compared_in_markdown(several):
    lines = compare(several, as_markdown=True).splitlines()
    assert len(lines) == 2 + 2 and len({line.count(" | ") for line in lines}) == 1
    good = next(line for line in lines if line.startswith("| good"))
    # FID 95 over 45, no classifier distance, KID, recall, utility 0.6 over 0.8.
    assert "| 2.11 (95 / 45) | – (not measured) | 0.001 (floor 0) | 0.2 |" in good
    assert "| 0.75 (0.6 / 0.8) | 0.97 (floor 0.5) | 0.02 (floor 0.01) | 0.52 (floor 0.5) |" in good
    assert good.endswith("| passed |") and "| FAILED, stopped |" in "".join(lines)


def test_systems_are_compared_in_a_page(several):
    page = (several / "comparison.html").read_text() if compare(several) else ""
    assert 'href="good/report.html"' in page and 'href="bad%3C/report.html"' in page
    assert "bad&lt;" in page and "2.11 95 / 45 ○ short of the floor" in words(page)


def test_no_system_to_compare_is_told(tmp_path):
    with pytest.raises(UserError, match="no system has been evaluated"):
        compare(tmp_path)


def test_every_made_up_metric_is_in_the_page(page):
    told = words(page)
    assert all(f"{entry['value']:.4g}" in told for entry in RESULTS if entry["value"] is not None)
    assert NASTY not in page
