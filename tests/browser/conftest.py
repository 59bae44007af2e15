"""Tests in a real browser: a bare page for one widget, a real JupyterLab, and node for the JavaScript.

Without Chromium (or playwright) every test that asks for a page is skipped, with one sentence that says how
to get it.
"""

import base64
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from ipywidgets.widgets.widget import _remove_buffers

from vaecourse.widgets.base import JS

from .lab import ARGUMENTS, Lab, chromium, running_lab

WITHOUT_CHROMIUM = (
    "The browser tests need Chromium: `playwright install chromium`, or your system's package, "
    "or set VAECOURSE_CHROMIUM to its path."
)
HOST = (Path(__file__).parent / "host.html").read_text(encoding="utf-8")


@pytest.fixture(scope="package")
def browser():
    """A headless Chromium. Package scope: playwright's event loop ends with the browser tests."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="The browser tests need playwright: pip install playwright."
    )
    with playwright.sync_playwright() as running:
        path = chromium() or running.chromium.executable_path
        if not Path(path).exists():
            pytest.skip(WITHOUT_CHROMIUM)
        instance = running.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield instance
        instance.close()


class WidgetPage:
    """A bare page on which widgets run against a stub of the widget model.

    `page` is playwright's page; `errors` collects what the console reported as an error and what was thrown.
    """

    def __init__(self, page, url: str):
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.goto(url)
        page.wait_for_function("window.host && (host.ready || host.error)")
        assert page.evaluate("host.error") is None, page.evaluate("host.error")

    def view(self, index: int = 0):
        """Return the locator of the element that widget number `index` draws into."""
        return self.page.locator(f"#view{index}")

    def saved(self, index: int = 0) -> list[dict]:
        """Return what the widget has sent to Python so far: one dict of changed traits per `save_changes`."""
        return self.page.evaluate("i => host.views[i].model.saved", index)

    def get(self, name: str, index: int = 0):
        """Return the value that the model holds now under the trait `name`."""
        return self.page.evaluate("([i, name]) => host.views[i].model.get(name)", [index, name])

    def receive(self, name: str, value, index: int = 0) -> None:
        """Set the trait `name` as if Python had set it."""
        self.page.evaluate("([i, name, value]) => host.views[i].model.set(name, value)", [index, name, value])

    def sent_at_rest(self, drag, rest: int = 400) -> dict:
        """Do `drag()` and return what the first widget sent last; assert that it sends only once the hand rests.

        A stall of the test machine may count as a rest in the middle of a drag; a pointer event never does.
        """
        self.page.evaluate(
            """() => { const model = host.views[0].model, save = model.save_changes.bind(model);
            [window.moves, window.saves] = [[], []];
            window.addEventListener("pointermove", () => moves.push(performance.now()), true);
            model.save_changes = () => { saves.push(performance.now()); save(); }; }"""
        )
        drag()
        self.page.wait_for_timeout(rest)
        moves, saves = self.page.evaluate("moves"), self.page.evaluate("saves")
        assert len(moves) > 10 and saves
        for save in saves:
            assert save - max(move for move in moves if move < save) >= 115
        assert sum(save > max(moves) for save in saves) == 1
        return self.saved()[-1]

    def clean_up(self, index: int = 0) -> None:
        """Do what a notebook does when the cell runs again: clean up, and remove the element."""
        self.page.evaluate("i => host.cleanUp(i)", index)

    def listeners(self) -> list[str]:
        """Return the listeners alive on the window, on the document and on the models, as "target type"."""
        return self.page.evaluate("host.listeners()")


def _state(widget) -> dict:
    """Return the synced traits of `widget` as a notebook sends them: JSON, and base64 for bytes."""
    state, paths, buffers = _remove_buffers(widget.get_state())
    code = [base64.b64encode(memoryview(buffer).tobytes()).decode() for buffer in buffers]
    return {"state": state, "paths": paths, "buffers": code}


@pytest.fixture
def widget_page(browser, tmp_path):
    """Return a function: widget_page(widget, ..., width=1000) opens them on one bare page, a WidgetPage."""
    contexts = []

    def open_page(*widgets, width: int = 1000, height: int = 900) -> WidgetPage:
        data = json.dumps([_state(widget) for widget in widgets]).replace("</", "<\\/")
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(HOST.replace('"WIDGETS"', data), encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        return WidgetPage(contexts[-1].new_page(), path.as_uri())

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="package")
def lab(browser):
    """A real JupyterLab: `with lab.open(["code of cell 1", ...]) as page:` or `lab.open("path.ipynb")`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with running_lab(folder) as (url, token):
            yield Lab(browser, url, token, folder)


@pytest.fixture(scope="session")
def node():
    """Return a function: node(code, data) runs `code` as a module beside the widgets' JavaScript.

    The code may `import { decode } from "./decoder.js"`, finds `data` as a constant, and hands its result back with
    `answer(value)`; typed arrays come back as lists.
    """
    executable = shutil.which("node")
    if executable is None:
        driver = pytest.importorskip(
            "playwright._impl._driver",
            reason="The JavaScript tests need node, or playwright: pip install playwright.",
        )
        executable = driver.compute_driver_executable()[0]

    def run(code: str, data=None):
        frame = (
            'import { readFileSync } from "node:fs";\n'
            'const data = JSON.parse(readFileSync(0, "utf8"));\n'
            "const answer = value => process.stdout.write(JSON.stringify(value, (key, part) => "
            "ArrayBuffer.isView(part) ? Array.from(part) : part));\n"
        )
        done = subprocess.run(
            [executable, "--input-type=module", "-e", frame + code],
            input=json.dumps(data), capture_output=True, text=True, encoding="utf-8", cwd=JS, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
