"""The observer page in a real browser, from the first click to the answers read back."""

import csv
import json

import pytest
from observer_material import write_system

from synthcohort.config import Observer
from synthcohort.observer.page import make_page
from synthcohort.observer.study import observer_study
from synthcohort.tracking.journal import Journal

QUIET = Journal(None, "test", {})
OTHER = {"real": "synthetic", "synthetic": "real"}
DESKTOP, PHONE = (1280, 800), (390, 844)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a page with ten images of each kind."""
    place = tmp_path_factory.mktemp("observer")
    given = write_system(place / "system", size=48)
    make_page(Observer(images=10), seed=0, out=place / "page", journal=QUIET, **given)
    return place / "page"


@pytest.fixture(scope="module")
def truths(folder):
    return [image["truth"] for image in json.loads((folder / "key.json").read_text())["images"]]


@pytest.fixture
def opened(browser, folder):
    """A function that opens the page in a window of a size; a request to anywhere but the file
    itself, an error or a warning fails the test."""
    faults, contexts = [], []
    url = (folder / "index.html").as_uri()

    def asked(request):
        # Images in the page itself are not asked of anybody.
        if request.url != url and not request.url.startswith(("data:", "blob:")):
            faults.append(request.url)

    def at(size):
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", asked)
        page.goto(url)
        return page

    yield at
    for context in contexts:
        context.close()
    assert faults == []


def begin(page, reader="A. B", mode="Blinded"):
    page.get_by_label("Reader").fill(reader)
    page.get_by_label(mode).check()
    page.get_by_role("button", name="Begin").click()


def shown(page, number):
    """Wait until image `number` takes an answer."""
    page.locator("#place", has_text=f"Image {number} of ").wait_for()
    page.locator("#stage[aria-busy=false]").wait_for()


def inside(page, selector):
    """Whether an element lies in the window as a whole, without scrolling."""
    box, window = page.locator(selector).bounding_box(), page.viewport_size
    return (
        min(box["x"], box["y"]) >= 0
        and box["x"] + box["width"] <= window["width"]
        and box["y"] + box["height"] <= window["height"]
    )


def test_a_blinded_reading_from_start_to_the_answers_read_back(opened, folder, truths, tmp_path):
    page = opened(DESKTOP)
    begin(page)
    wrong = {3, 4, 9, 16}
    keys = {"real": ["r", "ArrowLeft", "R"], "synthetic": ["s", "ArrowRight", "S"]}
    for number, truth in enumerate(truths, start=1):
        shown(page, number)
        answer = OTHER[truth] if number in wrong else truth
        if number % 4:
            page.keyboard.press(keys[answer][number % 3])
        else:
            page.get_by_role("button", name=answer).click()
        if number < len(truths):
            assert page.locator("#told").is_hidden() and page.locator("#score").inner_text() == ""
    assert page.get_by_role("heading").inner_text() == "Thank you, A. B"
    assert page.locator("#accuracy").inner_text() == "80.0 %"
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the answers").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name.startswith("observer-") and saved.name.endswith("-A._B.csv")

    out = tmp_path / "observer.json"
    figure = tmp_path / "observer.png"
    observer_study(page=folder, answers=[saved], out=out, figure=figure, journal=QUIET)
    result = json.loads(out.read_text())
    assert result["value"] == 0.8
    low, high = (100 * bound for bound in result["interval"])
    assert page.locator("#between").inner_text() == f"{low:.1f} to {high:.1f} %"
    for name in ("sensitivity", "specificity"):
        value = 100 * result["details"][name]["value"]
        assert page.locator(f"#{name}").inner_text().startswith(f"{value:.1f} % (")
    mean = result["details"]["readers"][0]["seconds_an_image"]
    assert page.locator("#time").inner_text() == f"{mean:.1f} s"
    with saved.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["number"]) for row in rows if row["truth"] != row["answer"]} == wrong


def test_training_tells_the_truth_after_each_image_and_keeps_score(opened, truths):
    page = opened(DESKTOP)
    begin(page, mode="Training")
    for number, truth in enumerate(truths, start=1):
        shown(page, number)
        page.keyboard.press("s")
        verdict = page.get_by_role("status").inner_text()
        assert verdict.startswith("✓ Right" if truth == "synthetic" else "✗ Wrong")
        assert verdict.endswith(f"this image is {truth}.")
        # Another answer to the same image counts for nothing; the button has the focus.
        page.keyboard.press("r")
        page.keyboard.press("Enter")
        if number < len(truths):
            right = truths[:number].count("synthetic")
            assert page.locator("#score").inner_text() == f"{right} of {number} right"
    assert page.locator("#accuracy").inner_text() == "50.0 %"
    assert page.locator("#sensitivity").inner_text().startswith("100.0 %")
    assert "do not show" in page.locator("#meaning").inner_text()
    assert "do not count" in page.locator("#note").inner_text()


def test_the_reading_can_be_begun_again(opened, truths):
    page = opened(DESKTOP)
    for reader in ("first", "second"):
        begin(page, reader)
        for number in range(1, len(truths) + 1):
            shown(page, number)
            page.keyboard.press("r")
        assert page.locator("#thanks").inner_text() == reader
        # The answers are not saved: it asks once.
        page.get_by_role("button", name="Start again").click()
        page.get_by_role("button", name="Not saved. Start again?").click()
        assert page.get_by_label("Reader").input_value() == ""


def test_a_name_is_needed_and_other_keys_are_no_answers(opened):
    page = opened(DESKTOP)
    page.get_by_role("button", name="Begin").click()
    assert page.locator("#question").is_hidden()
    begin(page, 'x",=1')
    assert page.locator("#question").is_hidden()
    begin(page)
    shown(page, 1)
    for key in ("Control+r", "Alt+s", "x", "ArrowUp"):
        held = {"ctrlKey": "Control" in key, "altKey": "Alt" in key}
        page.locator("#real").dispatch_event("keydown", {"key": key.split("+")[-1], **held})
    page.locator("#real").dispatch_event("keydown", {"key": "r", "repeat": True})
    shown(page, 1)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_fits_the_window_and_zooms(opened, size):
    page = opened(size)
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not page.evaluate(wide)
    begin(page)
    shown(page, 1)
    assert all(inside(page, part) for part in ("#stage", "#real", "#synthetic", "#zoom"))
    assert not page.evaluate(wide)
    image, stage = page.locator("#image"), page.locator("#stage")
    assert stage.bounding_box()["width"] >= min(350, size[0])
    assert image.evaluate("i => getComputedStyle(i).imageRendering") == "auto"
    page.get_by_role("button", name="Zoom").click()
    assert page.get_by_role("button", name="Zoom").get_attribute("aria-pressed") == "true"
    assert image.bounding_box()["width"] > 2 * stage.bounding_box()["width"]
    assert stage.evaluate("s => s.scrollLeft") > 0
    page.keyboard.press("z")
    assert image.bounding_box()["width"] <= stage.bounding_box()["width"]
    # Targets large enough for a thumb.
    assert page.locator("#real").bounding_box()["height"] >= 44
