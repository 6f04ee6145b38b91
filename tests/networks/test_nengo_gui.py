"""Every script of networks/ in Nengo GUI, in a real browser."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("nengo_gui", reason="Nengo GUI is not installed (extra gui)")
webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed")

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Chromium or its chromedriver is not installed"
)
SECONDS = 120  # maximum time to wait, on a busy machine
ALWAYS_THERE = {"NetGraph", "Progress", "SimControl"}
# rectangles of what is on the page, and points along the lines between the boxes
LOOK = """
const rect = (e, what) => {
  const r = e.getBoundingClientRect();
  return {what, left: r.left, top: r.top, right: r.right, bottom: r.bottom};
};
const all = (s) => [...document.querySelectorAll(s)].filter(e => !e.closest('.minimap'));
const text = e => e.textContent;
const labels = all('#netgraph g text').map(e => rect(e, text(e)));
const graphs = all('.graph').map(e => rect(e, 'plot ' + e.innerText.split('\\n')[0]));
const legends = all('.graph .legend text').map(e => rect(e, 'legend ' + text(e)));
const lines = all('#netgraph path.conn').map(e => {
  const m = e.getScreenCTM(), n = 60, points = [];
  for (let i = 0; i <= n; i++) {
    const p = e.getPointAtLength(e.getTotalLength() * i / n);
    points.push([m.a * p.x + m.c * p.y + m.e, m.b * p.x + m.d * p.y + m.f]);
  }
  return points;
});
return {labels, graphs, legends, lines, page: rect(document.querySelector('#main'), '')};
"""


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1400,900")
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(SECONDS)
    yield driver
    driver.quit()


@pytest.fixture
def open_script(browser, tmp_path):
    """Open a script in Nengo GUI; a copy, because Nengo GUI writes layouts."""
    processes = []

    def open_script(name):
        folder = shutil.copytree(ROOT / "networks", tmp_path / "networks")
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-c", "from nengo_gui.main import main; main()"]
        command += ["--port", str(port), "--no-browser", "--auto-shutdown", "0"]
        process = subprocess.Popen(
            [*command, str(folder / f"{name}.py")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )
        processes.append(process)
        said = ""
        for line in process.stdout:
            said += line
            if url := re.search(r"http://localhost\S+", line):
                browser.get(url[0])  # its token is needed
                return
        pytest.fail(f"Nengo GUI ended: {said}")

    yield open_script
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(condition, what):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    pytest.fail(f"waited {SECONDS} s for {what}")


def overlaps(page):
    """Names of what overlaps something else, or leaves the page."""

    def apart(a, b):
        horizontally = a["right"] <= b["left"] or b["right"] <= a["left"]
        return horizontally or a["bottom"] <= b["top"] or b["bottom"] <= a["top"]

    def inside(x, y, box):
        return box["left"] < x < box["right"] and box["top"] < y < box["bottom"]

    boxes, border = page["labels"] + page["graphs"] + page["legends"], page["page"]
    for i, box in enumerate(boxes):
        if not (border["left"] <= box["left"] and box["right"] <= border["right"]) or not (
            border["top"] <= box["top"] and box["bottom"] <= border["bottom"]
        ):
            yield f"{box['what']} leaves the page"
        for other in boxes[:i]:
            if not apart(box, other):
                yield f"{box['what']} on {other['what']}"
    for line in page["lines"]:
        for box in page["labels"] + page["graphs"]:
            if any(inside(x, y, box) for x, y in line):
                yield f"a line on {box['what']}"


SCRIPTS = sorted(path.stem for path in (ROOT / "networks").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs_in_nengo_gui(name, browser, open_script, tmp_path):
    layout = (ROOT / "networks" / f"{name}.py.cfg").read_text(encoding="utf-8")
    kinds = re.findall(r"= nengo_gui\.components\.(\w+)\(", layout)
    kinds = [kind for kind in kinds if kind not in ALWAYS_THERE]
    folder = Path(os.environ.get("LMU_NENGO_SCREENSHOTS", tmp_path))

    def script(code):
        return browser.execute_script(f"return {code}")

    def now():
        return float(script("document.querySelector('#ticks_tr td')?.innerText") or 0)

    def curves():
        return script(
            "[...document.querySelectorAll('.graph polyline, .graph path.line')]"
            ".map(e => e.getAttribute('points') || e.getAttribute('d'))"
        )

    open_script(name)
    button = wait_for(lambda: script("document.querySelector('#pause_button')"), "Play")
    n_graphs = "document.querySelectorAll('.graph').length"
    wait_for(lambda: script(n_graphs) == len(kinds), f"{len(kinds)} plots")
    button.click()
    try:
        wait_for(lambda: now() > 1.0, "simulated time to move")
        before = curves()
        wait_for(lambda: now() > 1.5 and curves() != before, "plots to move")
        error = script("document.querySelector('#console_error').textContent")
        assert not error.strip(), error
        n_views = kinds.count("HTMLView")
        assert script("document.querySelectorAll('.htmlview svg').length") == n_views
        if "window_view(" in (ROOT / "networks" / f"{name}.py").read_text("utf-8"):
            assert script("document.querySelectorAll('.htmlview polyline').length") >= 2
        found = list(overlaps(browser.execute_script(LOOK)))
        assert not found
    finally:
        folder.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(folder / f"{name}.png"))
