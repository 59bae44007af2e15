"""A real JupyterHub for the tests: Unix accounts made and removed, an installation from the wheel, and persons who log
in with their password and work in their own servers."""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import venv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HUB = ROOT / "vaecourse" / "classroom" / "hub"
PROXY = "configurable-http-proxy"
SCRIPTS = {
    "vaecourse": "vaecourse",
    "nbgrader": "nbgrader",
    "alembic": "alembic",
}  # command: its distribution


def proxy() -> str:
    """The hub's proxy: on PATH, in the folder that VAECOURSE_PROXY names, or under node_modules; else ''."""
    places = [os.environ.get("VAECOURSE_PROXY", ""), str(ROOT / "node_modules" / ".bin")]
    return shutil.which(PROXY) or shutil.which(PROXY, path=os.pathsep.join(filter(None, places))) or ""


def why_not() -> str:
    """Why a hub cannot be started here; '' if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "starting servers as several users takes root on Linux"
    for name in ("jupyterhub", "pamela", "nbgrader", "websocket", "requests", "psutil"):
        if not importlib.util.find_spec(name):
            return f"{name} is not installed"
    for program in "useradd userdel groupadd chpasswd gpasswd unshare nsenter setpriv mount".split():
        if not shutil.which(program):
            return f"there is no program {program}"
    if not proxy():
        return f"there is no {PROXY}: `npm install {PROXY}`, or say where it is in VAECOURSE_PROXY"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        return "this machine does not allow mount namespaces"
    return ""


# --- a place on this machine ------------------------------------------------------------------------------------------

PREFIX = "vaecourse-hub-"
RUN = "run.json"  # whose place it is


@contextmanager
def place() -> Iterator[tuple[Path, str]]:
    """A folder that all users may enter, and the name for a group; what runs that were killed left behind goes first."""
    for left in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        _clear(left)
    base = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        base.chmod(0o755)
        group = "class" + secrets.token_hex(3)
        (base / RUN).write_text(json.dumps({"pid": os.getpid(), "group": group}), encoding="utf-8")
        yield base, group
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _clear(base: Path) -> None:
    try:
        run = json.loads((base / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if base.stat().st_uid != 0 or Path(f"/proc/{run['pid']}").exists():
        return
    hubs = [pid for pid in of_user(0) if str(base).encode() in _command(pid)]
    end([*hubs, *(pid for hub in hubs for pid in descendants(hub))])
    for home in (base / "home").glob("*"):
        end(of_user(home.stat().st_uid))
        subprocess.run(["userdel", "--force", home.name], capture_output=True)
    subprocess.run(["groupdel", run["group"]], capture_output=True)
    shutil.rmtree(base, ignore_errors=True)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# --- accounts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    home: Path
    password: str = field(repr=False)


@contextmanager
def accounts(
    base: Path, members: Sequence[str], others: Sequence[str], group: str
) -> Iterator[dict[str, Account]]:
    """Unix accounts with names like anna1f3c: the teacher, the students, who are in the group, and others; afterwards
    they are gone, with every process that they left."""
    import pwd

    mark, made = secrets.token_hex(2), {}
    (base / "home").mkdir(mode=0o755)
    try:
        _do("groupadd", group)
        for name in (*members, *others):
            account, home, password = name + mark, base / "home" / (name + mark), secrets.token_urlsafe(12)
            # as a careless administrator might: a home that everybody can read; the hub closes it
            _do("useradd", "--create-home", "--home-dir", home, "--key", "HOME_MODE=0755", "--shell", "/bin/bash",
                *(["--groups", group] if name in members[1:] else []), account)  # fmt: skip
            made[name] = Account(account, pwd.getpwnam(account).pw_uid, home, password)
            _do("chpasswd", input=f"{account}:{password}")
        yield made
    finally:
        for account in made.values():
            end(of_user(account.uid))
            subprocess.run(["userdel", "--force", account.name], capture_output=True)
            subprocess.run(["groupdel", account.name], capture_output=True)
        subprocess.run(["groupdel", group], capture_output=True)


def of_user(uid: int) -> list[int]:
    """The processes of a user, zombies left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "status").read_text()
            if folder.stat().st_uid == uid and "\nState:\tZ" not in text:
                found.append(int(folder.name))
        except OSError:  # it ended just now
            continue
    return found


def end(processes: Sequence[int], patience: float = 5.0) -> None:
    """Kill these processes, and wait until they are gone."""
    for pid in processes:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    until = time.monotonic() + patience
    while any(Path(f"/proc/{pid}").exists() and not _zombie(pid) for pid in processes):
        if time.monotonic() > until:
            raise TimeoutError(f"Processes {processes} do not end.")
        time.sleep(0.02)


def _zombie(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def _do(*command, **options) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


# --- the installation -------------------------------------------------------------------------------------------------


def install(base: Path) -> Path:
    """An environment of the class's own, as README.md of the hub says: the wheel, and no clone. What the wheel depends on
    is taken from the environment of the tests."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(base / "dist")],
                   cwd=ROOT, check=True, capture_output=True)  # fmt: skip
    prefix = base / "opt"
    venv.create(prefix, symlinks=True)
    programs, packages = prefix / "bin", next((prefix / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(next((base / "dist").glob("*.whl"))) as wheel:
        wheel.extractall(packages)
    # A folder of a .pth file is searched for modules; .pth files in it, like that of an editable install, are not read.
    (packages / "dependencies.pth").write_text(f"{_packages()}\n", encoding="utf-8")
    for command, distribution in SCRIPTS.items():
        entry = next(e for e in metadata.distribution(distribution).entry_points
                     if e.group == "console_scripts" and e.name == command)  # fmt: skip
        (programs / command).write_text(
            f"#!{programs / 'python'}\nimport sys\nfrom {entry.module} import {entry.attr}\nsys.exit({entry.attr}())\n"
        )
        (programs / command).chmod(0o755)
    # JupyterLab and its extensions; not the kernels, which would run in the environment of the tests.
    (prefix / "share" / "jupyter").mkdir(parents=True)
    (prefix / "etc").symlink_to(Path(sys.prefix) / "etc")
    for part in (Path(sys.prefix) / "share" / "jupyter").iterdir():
        if part.name != "kernels":
            (prefix / "share" / "jupyter" / part.name).symlink_to(part)
    return prefix


def _packages() -> str:
    return str(Path(metadata.distribution("jupyterhub").locate_file("")))


# --- the hub ----------------------------------------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def closed_to_others(path: Path) -> Path | None:
    """The highest folder on the way to this path that users may not pass through."""
    return next((p for p in reversed([path, *path.parents]) if not p.stat().st_mode & stat.S_IXOTH), None)


def surroundings(needed: Sequence[Path], hidden: Sequence[Path]) -> str:
    """Shell commands for a mount namespace of the hub's own, in which users reach what they need (a Python interpreter
    may lie in root's home) and do not see the clone from which the tests run: on a real hub there is none."""
    shelf = next(p for p in ("/mnt", "/media", "/srv") if not any(n.is_relative_to(p) for n in needed))
    walls: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(needed):
        if wall := closed_to_others(path):
            walls.setdefault(wall, []).append(path)
    lines = ["set -e", f"mount -t tmpfs none {shelf}"]
    for i, (wall, paths) in enumerate(walls.items()):
        kept = [(f"{shelf}/{i}-{j}", path) for j, path in enumerate(paths)]
        lines += [f"mkdir {place} && mount --bind '{path}' {place}" for place, path in kept]
        lines.append(f"mount -t tmpfs -o mode=755 none '{wall}'")
        lines += [f"mkdir -p '{path}' && mount --bind {place} '{path}'" for place, path in kept]
    lines.append(f"umount --recursive {shelf}")
    lines += [f"mount -t tmpfs -o mode=700 none '{path}'" for path in hidden]
    return "\n".join([*lines, 'exec "$@"'])


@dataclass
class Hub:
    """A running hub."""

    url: str
    api_url: str
    proxy_url: str
    process: subprocess.Popen
    log: Path

    def as_user(self, account: Account, *command: str, **options) -> subprocess.CompletedProcess:
        """Run a program as this user, seeing what his server sees."""
        return subprocess.run(
            ["nsenter", "--target", str(self.process.pid), "--mount", "setpriv", "--reuid", account.name, "--regid",
             account.name, "--init-groups", "--reset-env", "--", *map(str, command)],
            capture_output=True, text=True, cwd="/", timeout=60, **options,
        )  # fmt: skip


@contextmanager
def hub(base: Path, prefix: Path, settings: dict) -> Iterator[Hub]:
    """The hub with the configuration of the package: copied, class.toml filled in, free ports. All else is as shipped."""
    folder = base / "srv"
    shutil.copytree(HUB, folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    (folder / "class.toml").write_text(
        "".join(f"{key} = {json.dumps(str(value))}\n" for key, value in settings.items()), encoding="utf-8"
    )
    public, private, routes = (f"http://127.0.0.1:{port}" for port in free_ports(3))
    needed = [
        Path(sys.base_prefix),
        Path(sys.prefix),
        Path(_packages()),
        Path(proxy()).parent,
        Path(proxy()).resolve().parents[2],
        base,
    ]
    hidden = [p for p in ROOT.iterdir() if p.is_dir() and not Path(sys.prefix).is_relative_to(p)]
    command = [prefix / "bin" / "python", "-m", "jupyterhub", "-f", folder / "jupyterhub_config.py",
               f"--JupyterHub.bind_url={public}", f"--JupyterHub.hub_bind_url={private}",
               f"--ConfigurableHTTPProxy.api_url={routes}", f"--ConfigurableHTTPProxy.command={proxy()}"]  # fmt: skip
    script = surroundings(needed, hidden)
    log = base / "hub.log"
    log.touch(mode=0o600)
    clean = {k: os.environ[k] for k in ("PATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS") if k in os.environ}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *map(str, command)],
            cwd="/", env={**clean, "HOME": "/root", "LANG": "C.UTF-8", "A_SECRET_OF_THE_HUB": "not for users"},
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    running = Hub(public, private + "/hub/api", routes, process, log)
    try:
        until = time.monotonic() + 60
        while ask("GET", public + "/hub/api/")[0] != 200:
            assert process.poll() is None and time.monotonic() < until, log.read_text(errors="replace")
            time.sleep(0.1)
        yield running
    finally:
        family = descendants(process.pid)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        end([pid for pid in family if Path(f"/proc/{pid}").exists() and pid != process.pid])


def descendants(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)


def ask(method: str, url: str, token: str = "", body=None) -> tuple[int, str]:
    """One request, going nowhere else; the status and the text. Status 0 where nobody answers."""
    request = urllib.request.Request(
        url, method=method, data=None if body is None else json.dumps(body).encode()
    )
    if token:
        request.add_header("Authorization", f"token {token}")
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""


# --- persons ----------------------------------------------------------------------------------------------------------


@dataclass
class Person:
    """Somebody at a browser: logged in with a password, working in a server of his own."""

    hub: Hub
    account: Account

    @cached_property
    def token(self) -> str:
        """A key for programs, made after logging in at the hub's page."""
        session = self.log_in(self.account.password)
        answer = session.post(
            f"{self.hub.url}/hub/api/users/{self.account.name}/tokens",
            headers={
                "X-XSRFToken": session.cookies.get("_xsrf", path="/hub/"),
                "Referer": self.hub.url + "/hub/token",
            },
        )
        assert answer.status_code == 201, (answer.status_code, answer.text)
        return answer.json()["token"]

    def log_in(self, password: str):
        """Fill in the form; the session has the cookies, and `welcome` says whether the hub let you in."""
        import requests

        session, page = requests.Session(), self.hub.url + "/hub/login"
        session.trust_env = False
        session.get(page)
        form = {"username": self.account.name, "password": password, "_xsrf": session.cookies.get("_xsrf")}
        answer = session.post(page, data=form, headers={"Referer": page}, allow_redirects=False)
        session.welcome = answer.status_code == 302
        return session

    @property
    def server(self) -> str:
        return f"{self.hub.url}/user/{self.account.name}"

    def ask(self, method: str, path: str, body=None) -> tuple[int, str]:
        """To one's own server."""
        return ask(method, self.server + path, self.token, body)

    def frames(self, path: str) -> str:
        """Which pages may show this one in a frame, as JupyterLab does with the formgrader."""
        request = urllib.request.Request(self.server + path, headers={"Authorization": f"token {self.token}"})
        with OPENER.open(request, timeout=60) as answer:
            return answer.headers["Content-Security-Policy"]

    def get(self, path: str):
        status, text = self.ask("GET", path)
        assert status == 200, (status, path, text[-2000:])
        return json.loads(text)

    def begin(self) -> None:
        """Ask the hub to start the server."""
        status, text = ask("POST", f"{self.hub.url}/hub/api/users/{self.account.name}/server", self.token)
        assert status in (201, 202), (status, text)

    def wait(self) -> None:
        """Until the server answers."""
        until = time.monotonic() + 90
        while self.ask("GET", "/api/status")[0] != 200:
            assert time.monotonic() < until, self.hub.log.read_text(errors="replace")
            time.sleep(0.2)

    @cached_property
    def _kernel(self):
        import websocket

        status, text = self.ask("POST", "/api/kernels", {"name": "python3"})
        assert status == 201, (status, text)
        address = self.server.replace("http://", "ws://") + f"/api/kernels/{json.loads(text)['id']}/channels"
        return websocket.create_connection(address, timeout=90, header=[f"Authorization: token {self.token}"])

    def python(self, code: str):
        """Run code in a kernel of one's own server; what it puts into `result` comes back (plain data)."""
        message = str(uuid.uuid4())
        request = {
            "channel": "shell", "buffers": [], "parent_header": {}, "metadata": {},
            "header": {"msg_id": message, "msg_type": "execute_request", "session": "s", "username": "",
                       "date": "2026-01-01T00:00:00Z", "version": "5.3"},
            "content": {"code": f"{code}\nimport json as _json\nprint(_json.dumps(result))", "silent": False,
                        "store_history": False, "user_expressions": {}, "allow_stdin": False},
        }  # fmt: skip
        self._kernel.send(json.dumps(request))
        printed = []
        while True:
            answer = json.loads(self._kernel.recv())
            if answer["parent_header"].get("msg_id") != message:
                continue
            content = answer["content"]
            if answer["msg_type"] == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
            assert answer["msg_type"] != "error", "\n".join(content.get("traceback", []))
            if answer["msg_type"] == "status" and content["execution_state"] == "idle":
                return json.loads("".join(printed).splitlines()[-1])

    def run(self, *command: str, at: str = "~", fails: bool = False) -> str:
        """Run a command in one's own server, as in its terminal; what it printed."""
        code, output = self.python(
            "import os, subprocess\n"
            f"done = subprocess.run({list(command)!r}, cwd=os.path.expanduser({at!r}), stdin=subprocess.DEVNULL, "
            "stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', timeout=80)\n"
            "result = [done.returncode, done.stdout]"
        )
        assert (code != 0) == fails, f"{command} ended with {code}:\n{output}"
        return output

    def leave(self) -> None:
        if "_kernel" in self.__dict__:
            self._kernel.close()
