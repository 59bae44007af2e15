"""`vaecourse lab`: the learner's own copy of the lessons, opened in a quiet JupyterLab."""

import errno
import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Iterable
from pathlib import Path

from . import own_copy
from .errors import CourseError

FIRST_PORT = 8888
START = "00_start_here.ipynb"
SETTINGS = Path(__file__).resolve().parent / "lab_settings"  # defaults only; what you set yourself wins
# A teacher's tools, where they are installed: they look for a class folder, and this is a course.
NBGRADER = ("assignment_list", "course_list", "formgrader", "validate_assignment")


def lab(
    folder: Path | None = None,
    *,
    port: int | None = None,
    ip: str = "localhost",
    browser: bool = True,
    lesson: str | None = None,
) -> None:
    """Bring the copy in `folder` (or ~/vaecourse) up to date and serve it until Ctrl+C.

    Raises CourseError for a folder that cannot be written, a taken port, an unknown lesson, missing lessons.
    """
    source = own_copy.lessons_folder()
    copy = Path.home() / "vaecourse" if folder is None else Path(folder).expanduser()
    page = find_lesson(lesson, source)
    port = claim_port(port, ip)  # before anything is written
    update = own_copy.bring_up_to_date(source, copy)
    trust(copy / name for name in (*update.new, *update.updated, *(new for _, new in update.beside)))
    for sentence in update.sentences():
        print(sentence)
    serve(copy, page, port=port, ip=ip, browser=browser)


def find_lesson(wanted: str | None, source: Path) -> str:
    """Return the file of lesson `1`, `01`, `kl_divergence` or `01_kl_divergence`; None means the first."""
    names = sorted(path.name for path in source.glob("[0-9][0-9]_*.ipynb"))
    if wanted is None:
        return START if START in names else names[0]
    asked = wanted.removesuffix(".ipynb")
    for name in names:
        number, title = name.removesuffix(".ipynb").split("_", 1)
        if asked in (f"{number}_{title}", title) or (asked.isdecimal() and int(asked) == int(number)):
            return name
    known = ", ".join(name.removesuffix(".ipynb") for name in names)
    raise CourseError(f"There is no lesson {wanted!r}: the lessons are {known}.")


def claim_port(port: int | None, ip: str = "localhost") -> int:
    """Return `port` if it is free, or for None the first free one from 8888 on; else raise CourseError."""
    if port is not None and not 0 < port < 65536:
        raise CourseError(
            f"Port {port} does not exist: choose one from 1024 to 65535, `--port {FIRST_PORT}`."
        )
    candidates = range(FIRST_PORT, FIRST_PORT + 100) if port is None else (port,)
    for candidate in candidates:
        try:
            with socket.create_server((ip, candidate)):
                return candidate
        except OSError as error:
            refused = isinstance(error, PermissionError)
            if refused and candidate < 1024:
                raise CourseError(f"You may not use port {port}: choose one above 1023.") from error
            if not refused and error.errno != errno.EADDRINUSE:
                raise CourseError(f"{ip!r} is no address of this machine: leave --ip out.") from error
    if port is None:
        raise CourseError("No port from 8888 to 8987 is free: name a free one, `--port N`.")
    advice = f"`--port {claim_port(None, ip)}` is free, and without --port a free one is chosen for you"
    raise CourseError(f"Port {port} is taken by another program: {advice}.")


def can_open_browser() -> bool:
    """Whether this machine has a screen to open a browser on; a text browser in the terminal is none."""
    if os.environ.get("BROWSER"):
        return True
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    if sys.platform != "win32" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def trust(notebooks: Iterable[Path]) -> None:
    """Sign the lessons just delivered: JupyterLab then shows their outputs in full before the first run."""
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    for path in notebooks:
        if path.suffix == ".ipynb":
            notary.sign(nbformat.read(path, as_version=4))


def options(copy: Path, page: str, *, port: int, ip: str, browser: bool, token: str) -> list[str]:
    """Return JupyterLab's command line: quiet, no news, no look-ups, and nothing of it in your settings."""
    given = [
        f"--ServerApp.root_dir={copy.resolve()}",
        "--ServerApp.base_url=/",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.ip={ip}",
        f"--ServerApp.open_browser={browser}",
        f"--IdentityProvider.token={token}",
        f"--LabApp.default_url=/lab/tree/{page}",
        f"--LabApp.workspaces_dir={copy.resolve() / '.vaecourse-workspace'}",
        f"--LabApp.app_settings_dir={SETTINGS}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--MultiKernelManager.default_kernel_name=python3",
        "--ServerApp.answer_yes=True",
        "--ServerApp.log_level=ERROR",
        "--LabApp.log_level=ERROR",
        *(f"--ServerApp.jpserver_extensions=nbgrader.server_extensions.{name}=False" for name in NBGRADER),
    ]
    if _can_encrypt():  # between server and kernel; a kernel that cannot have it warns on every start
        given.append("--KernelManager.transport_encryption=auto")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # the administrator, as in most containers
        given.append("--allow-root")
    return given


def _can_encrypt() -> bool:
    import zmq
    from jupyter_client import KernelManager

    return KernelManager.class_traits().get("transport_encryption") is not None and bool(zmq.has("curve"))


def serve(copy: Path, page: str, *, port: int, ip: str, browser: bool) -> None:
    """Run JupyterLab over `copy` until it is stopped, having printed where it is."""
    from jupyterlab.labapp import LabApp

    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_urlsafe(24)
    browser = browser and can_open_browser()
    server = LabApp.initialize_server(options(copy, page, port=port, ip=ip, browser=browser, token=token))
    host = "localhost" if ip in ("", "0.0.0.0", "::") else ip

    def announce() -> None:
        say = "The course is opening in your browser; if not, go to" if browser else "The course is at"
        print(f"{say}\n    http://{host}:{port}/lab/tree/{page}?token={token}")
        print(f"Your copy of the lessons is {copy}. Ctrl+C here stops the course.", flush=True)

    server.io_loop.add_callback(announce)  # once it listens
    server.start()
