"""The built site in a real browser.

`scripts/docs.sh` builds it. Where the variable SKLEARN_AE_SITE names the folder of a
site, as in .ci/run, it is a failure if that or Chromium is missing; else both are a
reason to skip.
"""

import functools
import json
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SITE = Path(os.environ.get("SKLEARN_AE_SITE", ROOT / "docs/_build/html"))
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FRONT = "index.html"
API = "generated/sklearn_ae.SparseAutoencoder.html"
SERVING = "user_guide/serving.html"
GALLERY = "auto_examples/index.html"
EXAMPLE = (
    "auto_examples/01_dimensionality_reduction/plot_digits_pca_vs_autoencoder.html"
)
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESKTOP = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}


def require(there, what):
    if there:
        return
    if "SKLEARN_AE_SITE" in os.environ:
        pytest.fail(what)
    pytest.skip(what)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    require((SITE / FRONT).exists(), f"no site in {SITE}: scripts/docs.sh builds it")
    handler = functools.partial(QuietHandler, directory=SITE)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(address, tmp_path_factory):
    # The second name is that of the browser on GitHub's machines.
    browsers = map(shutil.which, ("chromium", "google-chrome"))
    chromium, driver = next(filter(None, browsers), None), shutil.which("chromedriver")
    require(chromium and driver, "chromium and chromedriver are not installed")
    if "SKLEARN_AE_SITE" not in os.environ:
        pytest.importorskip("selenium", reason="selenium comes with the extra docs")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    logs = {"browser": "ALL", "performance": "ALL"}
    options.set_capability("goog:loggingPrefs", logs)
    # Named, so that selenium does not look for one in the network.
    browser = webdriver.Chrome(options=options, service=Service(driver))
    browser.get("about:blank")
    yield browser
    browser.quit()


def visit(browser, url, screen=DESKTOP):
    """Load a page, and give what went wrong: on the console, and with its requests."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(url)
    browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "(window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => done())"
    )
    return [
        *(entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"),
        *failed_requests(browser.get_log("performance"), url),
    ]


def failed_requests(log, url):
    origin = "/".join(url.split("/")[:3])
    for entry in log:
        event = json.loads(entry["message"])["message"]
        params = event["params"]
        if event["method"] == "Network.loadingFailed":
            yield params
        elif event["method"] == "Network.responseReceived":
            if params["response"]["status"] >= 400:
                yield params["response"]
        elif event["method"] == "Network.requestWillBeSent":
            asked = params["request"]["url"]
            # The site must work without network access.
            if asked.startswith("http") and not asked.startswith(origin):
                yield asked


@pytest.mark.parametrize("page", [FRONT, API, GALLERY, EXAMPLE, "maths.html"])
def test_page_loads_without_errors(browser, address, page):
    assert visit(browser, address + page) == []
    assert browser.find_elements("css selector", "article h1")
    assert browser.find_elements("css selector", "[data-mjx-error]") == []
    pictures = "return [...document.images].filter(i => !i.naturalWidth).length"
    assert browser.execute_script(pictures) == 0


def test_test_finds_errors(browser, address):
    found = visit(browser, address + "no_such_page.html")
    assert "404" in found[0]["message"]  # on the console
    assert found[-1]["status"] == 404  # of its requests
    browser.execute_script("console.error('wrong')")
    assert [e["level"] for e in browser.get_log("browser")] == ["SEVERE"]


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("SparseAutoencoder", API),
        ("missing values", "user_guide/missing_values.html"),
        ("categories", "user_guide/mixed_tables.html"),
        ("install", "install.html"),
        ("onnx", SERVING),
        ("export", SERVING),
        ("validation", "user_guide/training.html"),
        ("EarlyStopping", "user_guide/training.html"),
    ],
)
def test_search_finds(browser, address, words, page):
    from selenium.webdriver.support.ui import WebDriverWait

    assert visit(browser, f"{address}search.html?q={words.replace(' ', '+')}") == []
    found = f"#search-results a[href*='{page}']"
    WebDriverWait(browser, 30).until(lambda b: b.find_elements("css selector", found))


def pages():
    """All pages except for source code."""
    site = [path.relative_to(SITE).as_posix() for path in sorted(SITE.rglob("*.html"))]
    return [page for page in site if not page.startswith(("_modules/", "_static/"))]


# Parts of the article beyond the right edge, unless they scroll in a box of their own.
CUT_OFF = """
const edge = document.documentElement.clientWidth + 1;
const scrolls = e => !e.matches("article") && (
  /auto|scroll/.test(getComputedStyle(e).overflowX) &&
  e.getBoundingClientRect().right <= edge || scrolls(e.parentElement)
);
return [...document.querySelectorAll("article *")].filter(e =>
  e.checkVisibility() && e.getBoundingClientRect().right > edge &&
  !e.closest("mjx-assistive-mml, .headerlink") && !scrolls(e)
).map(e => e.outerHTML.slice(0, 80));
"""


# Links in the sidebars that take several lines or leave the screen.
BROKEN_NAMES = """
return [...document.querySelectorAll(
  ".bd-sidebar-primary nav.bd-links li a, .bd-sidebar-secondary a:has(code)"
)].filter(a => {
  const text = document.createRange();
  text.selectNodeContents(a);
  const lines = new Set([...text.getClientRects()].map(r => Math.round(r.bottom / 9)));
  const right = text.getBoundingClientRect().right;
  return lines.size > 1 || right > document.documentElement.clientWidth;
}).map(a => a.textContent.trim())
"""


def test_sidebars_show_whole_names(browser, address):
    visit(browser, address + API)
    selector = ".bd-sidebar-primary .caption"
    groups = [e.text for e in browser.find_elements("css selector", selector)]
    assert {"Autoencoders", "Searches", "Displays"} <= set(groups)
    assert browser.execute_script(BROKEN_NAMES) == []


# How far tables with numbers are scrolled when asked for the end, and how far that is.
SCROLLED = """
return [...document.querySelectorAll("article table")].map(table => {
  const box = table.closest(".pst-scrollable-table-container");
  box.scrollLeft = 10000;
  return [box.scrollLeft, table.getBoundingClientRect().width - box.clientWidth];
})
"""


def test_wide_tables_scroll_on_a_phone(browser, address):
    visit(browser, address + "benchmarks.html", PHONE)
    scrolled = browser.execute_script(SCROLLED)
    assert max(beyond for _, beyond in scrolled) > 100
    assert all(abs(done - max(beyond, 0)) < 2 for done, beyond in scrolled)


def test_no_page_is_wider_than_a_phone(browser, address):
    wide, checked = {}, pages()
    assert len(checked) > 50
    for page in checked:
        visit(browser, address + page, PHONE)
        width = browser.execute_script("return document.documentElement.scrollWidth")
        cut_off = browser.execute_script(CUT_OFF)
        if width > PHONE["width"] or cut_off:
            wide[page] = (width, cut_off[:3])
    assert not wide, wide
