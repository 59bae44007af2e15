"""Tests in a real browser: a bare page for one widget, a real JupyterLab, and node for the JavaScript.

Without Chromium (or playwright) every test that asks for a page is skipped, with one sentence that says how
to get it.
"""

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from ipywidgets.widgets.widget import _remove_buffers

from vaecourse.widgets.base import JS

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
WITHOUT_CHROMIUM = (
    "The browser tests need Chromium: `playwright install chromium`, or your system's package, "
    "or set VAECOURSE_CHROMIUM to its path."
)
HOST = (Path(__file__).parent / "host.html").read_text(encoding="utf-8")


def chromium() -> str | None:
    """Return the path of a Chromium: VAECOURSE_CHROMIUM, or the first one on the PATH, or None."""
    named = os.environ.get("VAECOURSE_CHROMIUM")
    return named or next((found for name in CHROMIUM if (found := shutil.which(name))), None)


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


class Lab:
    """A running JupyterLab, in a folder of its own."""

    def __init__(self, browser, url: str, token: str, folder: Path):
        self.browser, self.url, self.token, self.folder = browser, url, token, folder

    def request(self, path: str, method: str = "GET"):
        """Ask the Jupyter server; return its JSON answer."""
        asked = urllib.request.Request(
            f"{self.url}/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    @contextmanager
    def open(self, notebook, run: bool = True, width: int = 1400, height: int = 1000, timeout: float = 120):
        """Open `notebook` (a path, or a list of code cells), run all cells, and yield the page.

        Waits until the kernel is idle again; at the end the page is closed and the kernel shut down.
        `page.errors` is the list of uncaught errors; `page.execute(code)` runs code in the kernel and returns
        what it printed.
        """
        name = f"{secrets.token_hex(4)}.ipynb"
        if isinstance(notebook, (str, Path)):
            shutil.copy(notebook, self.folder / name)
        else:
            cells = [nbformat.v4.new_code_cell(source) for source in notebook]
            kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), self.folder / name)
        context = self.browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.execute = lambda code: page.evaluate(EXECUTE, code)
        try:
            page.goto(f"{self.url}/doc/tree/{name}?token={self.token}&reset", wait_until="domcontentloaded")
            page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
            self._idle(name, timeout)
            if run:
                page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells').then(() => null)")
                self._idle(name, timeout)
            yield page
        finally:
            context.close()
            for session in self.request("api/sessions"):
                if session["path"] == name:
                    self.request(f"api/sessions/{session['id']}", "DELETE")

    def _idle(self, name: str, timeout: float) -> None:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            states = [
                s["kernel"]["execution_state"] for s in self.request("api/sessions") if s["path"] == name
            ]
            if states == ["idle"]:
                return
            time.sleep(0.1)
        raise TimeoutError(f"the kernel of {name} was not idle after {timeout} seconds")


EXECUTE = """async code => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code });
  let text = "";
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type === "stream") text += content.text;
    if (header.msg_type === "error") text += content.ename + ": " + content.evalue;
  };
  await future.done;
  return text;
}"""


@contextmanager
def running_lab(folder: Path):
    """Start JupyterLab in `folder`, on a free port and with a token of its own; yield (url, token)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, home = secrets.token_hex(16), folder / ".home"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet), encoding="utf-8")
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
    }
    options = {
        "ServerApp.port": port, "ServerApp.port_retries": 0, "ServerApp.root_dir": folder,
        "ServerApp.open_browser": False, "ServerApp.allow_root": True, "ServerApp.log_level": "ERROR",
        "IdentityProvider.token": token, "LabApp.expose_app_in_browser": True,
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
    with open(folder / ".lab.log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                try:
                    with urllib.request.urlopen(f"{url}/api?token={token}", timeout=5):
                        break
                except (urllib.error.URLError, ConnectionError, TimeoutError):
                    assert process.poll() is None, (folder / ".lab.log").read_text(encoding="utf-8")
                    time.sleep(0.1)
            yield url, token
        finally:
            process.terminate()
            process.wait(30)


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
