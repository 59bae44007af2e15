"""A Chromium and a JupyterLab for the browser tests and for the benchmarks."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def chromium() -> str | None:
    """Return the path of a Chromium: VAECOURSE_CHROMIUM, or the first one on the PATH, or None."""
    named = os.environ.get("VAECOURSE_CHROMIUM")
    return named or next((found for name in CHROMIUM if (found := shutil.which(name))), None)


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
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
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
