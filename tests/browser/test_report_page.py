"""The report in a real browser: it stands alone, and fits a desktop, a phone and paper."""

import pytest
from report_material import gate, system, write_results

from synthcohort.report import report
from synthcohort.report.comparison import compare
from synthcohort.tracking.journal import Journal

DESKTOP, PHONE = (1280, 800), (390, 844)
LONG = "a label that is much longer than a phone is wide, by " + "x" * 60


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The report of a system with an undecided gate, and the comparison with itself."""
    folder = tmp_path_factory.mktemp("report")
    gates = (gate("copies", 0.2, "undecided"), gate("memorised_share", 0.02, "passed"))
    results = write_results(folder / "tiny", gates, labels=(LONG, "b"))
    quiet = Journal(None, "test", {})
    out = results / "report.html"
    report(system(title=LONG), results=results, captions=[], out=out, journal=quiet)
    compare(folder)
    return {"report": out.as_uri(), "comparison": (folder / "comparison.html").as_uri()}


@pytest.fixture
def opened(browser, pages):
    """A function that opens a page in a window of a size; a request to anywhere but the page
    itself, an error or a warning fails the test."""
    faults, contexts = [], []

    def at(which, size):
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)

        def asked(request):
            if request.url != pages[which] and not request.url.startswith("data:"):
                faults.append(request.url)

        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", asked)
        page.goto(pages[which])
        return page

    yield at
    for context in contexts:
        context.close()
    assert faults == []


@pytest.mark.parametrize("which", ["report", "comparison"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_fits_the_window_and_asks_for_nothing(opened, which, size):
    page = opened(which, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.get_by_role("heading", level=1).is_visible()


def test_every_figure_is_drawn_and_every_link_leads_somewhere(opened):
    page = opened("report", DESKTOP)
    drawn = page.locator("img").evaluate_all("all => all.map(i => i.complete && i.naturalWidth)")
    assert len(drawn) == 3 and all(drawn)
    targets = page.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert len(targets) > 5
    assert all(page.locator(target).count() == 1 for target in targets)


def test_the_notice_about_real_images_is_seen_at_once(opened):
    for size in (DESKTOP, PHONE):
        box = opened("report", size).locator(".notice").bounding_box()
        assert 0 < box["y"] < size[1]


def test_it_prints(opened):
    page = opened("report", DESKTOP)
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden() and page.locator(".notice").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
