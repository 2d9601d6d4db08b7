"""Reports in a real browser: both widths, both colour schemes, and on paper."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bayescale.reporting.record import Report

selenium = pytest.importorskip("selenium", reason="needs selenium, of the group dev")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

CHROME = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROME and DRIVER), reason="needs chromium and chromedriver, such as the Debian packages"
)
A4_WIDTH = 794
"""CSS pixels."""
CONTRAST = 4.5
"""Of text against its background: WCAG 2.2, level AA."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROME
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module", params=["fit_report", "audit_report", "hostile_report"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    report: Report = request.getfixturevalue(request.param)
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.save(path)
    return path


def open_page(browser: Any, page: Path, width: int, *, dark: bool = False) -> None:
    browser.get_log("browser"), browser.get_log("performance")  # messages of the page before
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": scheme})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())


@pytest.mark.parametrize("width", [375, 1440])
def test_a_page_opens_without_complaint_and_within_its_width(
    browser: Any, page: Path, width: int
) -> None:
    open_page(browser, page, width)
    assert browser.get_log("browser") == []
    entries = browser.get_log("performance")
    events = [json.loads(entry["message"])["message"] for entry in entries]
    requests = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in requests if not url.startswith((page.as_uri(), "data:"))] == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    wide = browser.execute_script(
        "return [...document.querySelectorAll('main *')]"
        ".filter(e => !e.parentElement.closest('.wide, .drawing'))"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"
    )
    assert wide == []


@pytest.mark.parametrize("width", [375, 1440])
def test_figures_are_visible_and_anchors_work(browser: Any, page: Path, width: int) -> None:
    open_page(browser, page, width)
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect())"
        ".map(r => [r.width, r.height])"
    )
    assert len(sizes) >= 6
    assert all(w > 200 and h > 80 for w, h in sizes), sizes
    links = browser.execute_script(
        "return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))"
    )
    for link in links:
        browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
        browser.execute_script(f"document.querySelector('nav a[href=\"{link}\"]').click()")
        top, remaining = browser.execute_script(
            f"const r = document.querySelector('{link}').getBoundingClientRect();"
            "return [r.top, document.documentElement.scrollHeight - innerHeight - scrollY]"
        )
        assert abs(top) < 5 or remaining < 5, link  # at the top, or as far as the page goes


LUMINANCE = """
const parts = c => c.match(/[\\d.]+/g).map(Number);
const linear = v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const light = c => { const [r, g, b] = parts(c).map(linear); return .2126*r + .7152*g + .0722*b; };
const solid = e => { for (; e; e = e.parentElement) {
  const c = getComputedStyle(e).backgroundColor;
  if (!/rgba\\(.*, 0\\)|transparent/.test(c)) return c; } return 'rgb(255,255,255)'; };
return [...document.querySelectorAll('h1,h2,h3,p,li,th,td,a,caption,figcaption,code')].map(e => {
  const [a, b] = [light(getComputedStyle(e).color), light(solid(e))].sort((x, y) => y - x);
  return [(a + .05) / (b + .05), e.tagName, e.className]; });
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(browser: Any, page: Path, dark: bool) -> None:
    open_page(browser, page, 1440, dark=dark)
    ratios = browser.execute_script(LUMINANCE)
    assert len(ratios) > 100
    assert [entry for entry in ratios if entry[0] < CONTRAST] == []
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is not dark


def test_tables_are_whole_on_paper(browser: Any, page: Path) -> None:
    open_page(browser, page, A4_WIDTH)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    printable = 0.8 * A4_WIDTH
    cut = browser.execute_script(
        f"document.body.style.width = '{printable}px';"
        "return [...document.querySelectorAll('table')].filter("
        f"e => e.getBoundingClientRect().width > {printable} + 1).map(e => e.caption.innerText)"
    )
    assert cut == []
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")


def test_the_keyboard_reaches_what_scrolls(browser: Any, page: Path) -> None:
    open_page(browser, page, 375)
    stuck = browser.execute_script(
        "return [...document.querySelectorAll('.wide, .drawing, pre')]"
        ".filter(e => e.tabIndex < 0).length"
    )
    assert stuck == 0
