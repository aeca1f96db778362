"""The pages as a browser shows them: nothing loaded, nothing run by a sample, narrow, dark, printed, by keys alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.evaluation import text_runs
from textdistill.reports.text_report import write_text_page

pytestmark = pytest.mark.interop

# Playwright brings no browser with it here: the one of the machine is used.
CHROMIUM = os.environ.get("CHROMIUM") or next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
HOSTILE = '</script><script>document.title = "owned"</script><img src=x onerror="document.title=\'owned\'"> שלום 🙂'
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; install Debian's package chromium, or set CHROMIUM to its path")
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of a text-level run with hostile samples, and that of a run at embedding level."""
    texts = [HOSTILE, "a moving , funny film", "dull and far too long", "warm , witty and wise"]
    written = text_runs.finished(tmp_path_factory.mktemp("text") / "run", texts=texts)
    return {"texts": write_text_page(written), "embeddings": tiny.finished() / "report.html"}


@pytest.fixture
def opened(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A function that opens a page as a certain reader would, and fails at the end if anything was amiss on it."""
    amiss: list[str] = []
    contexts = []

    def open_page(path: Path, **reader: Any) -> Any:
        context = browser.new_context(**reader)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda sent: None if sent.url.startswith(("file:", "data:")) else amiss.append(sent.url))
        page.on("pageerror", lambda error: amiss.append(str(error)))
        page.on("dialog", lambda dialog: (amiss.append(dialog.message), dialog.dismiss()))
        page.on("console", lambda told: amiss.append(told.text) if told.type == "error" else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert amiss == []


KINDS = pytest.mark.parametrize("kind", ["texts", "embeddings"])


@KINDS
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_and_text_stands_out_from_its_paper(
    kind: str, size: dict[str, int], scheme: str, opened: Any, pages: dict[str, Path]
) -> None:
    page = opened(pages[kind], viewport=size, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate("document.querySelectorAll('main section').length") >= 4
    style = "(name) => getComputedStyle(document.body)[name]"
    ink, paper = (light(page.evaluate(style, name)) for name in ("color", "backgroundColor"))
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 7  # WCAG 2.2, AAA
    assert (paper > ink) == (scheme == "light")


@KINDS
def test_every_link_within_the_page_leads_to_something_that_is_seen(
    kind: str, opened: Any, pages: dict[str, Path]
) -> None:
    page = opened(pages[kind], viewport=DESK)
    links = page.eval_on_selector_all("a[href^='#']", "all => all.map(one => one.getAttribute('href'))")
    assert links
    for link in dict.fromkeys(links):
        assert page.eval_on_selector(link, "one => one.getClientRects().length") > 0, link


@KINDS
def test_the_tab_key_reaches_the_page_part_by_part(kind: str, opened: Any, pages: dict[str, Path]) -> None:
    page = opened(pages[kind], viewport=DESK)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    box = page.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('section, nav')?.id ?? ''"))
        shown = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert shown != "none" or page.evaluate("document.activeElement === document.body")
    assert len(reached) >= 3


def test_samples_can_be_searched_sorted_and_narrowed_by_keys_alone(opened: Any, pages: dict[str, Path]) -> None:
    page = opened(pages["texts"], viewport=PHONE)
    seen = "all => all.filter(one => !one.hidden).map(one => one.querySelector('.words').textContent)"
    page.focus("#sample-search")
    page.keyboard.type("Moving funny")
    assert page.eval_on_selector_all("#sample-list > li", seen) == ["a moving , funny film"]
    assert page.text_content("#sample-count") == "1 of 4"
    page.fill("#sample-search", "")
    page.select_option("#sample-class", "negative")
    assert page.eval_on_selector_all("#sample-list > li", seen) == ["a moving , funny film", "dull and far too long"]
    page.select_option("#sample-class", "")
    page.select_option("#sample-order", "longest")
    found = page.eval_on_selector_all("#sample-list > li", seen)
    assert found == sorted(found, key=lambda text: -len(text.split()))
    assert len(found) == 4


def test_a_hostile_sample_is_shown_letter_by_letter(opened: Any, pages: dict[str, Path]) -> None:
    page = opened(pages["texts"], viewport=DESK)
    page.wait_for_timeout(200)  # an image that fails to load would have told by now
    assert page.title() == "DiLM in miniature"
    assert page.text_content("#sample-1 .words") == HOSTILE
    assert page.locator("main img").count() == 0


@KINDS
def test_it_prints(kind: str, opened: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    page = opened(pages[kind], viewport=DESK, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.eval_on_selector_all(".tools", "all => all.every(one => !one.getClientRects().length)")
    printed = tmp_path / "page.pdf"
    page.pdf(path=printed, format="A4")
    assert printed.read_bytes().startswith(b"%PDF-")
    assert 1 <= printed.read_bytes().count(b"/Type /Page\n") <= 40


@KINDS
def test_it_reads_without_scripts(kind: str, opened: Any, pages: dict[str, Path]) -> None:
    page = opened(pages[kind], viewport=PHONE, java_script_enabled=False)
    assert page.locator("main section").count() >= 4
    assert page.locator("#sample-tools:visible").count() == 0


def light(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)` (WCAG 2.2)."""
    values = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
