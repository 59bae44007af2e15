"""`vaecourse lab`: really started, asked over HTTP, and stopped; and every way in which it can refuse."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
import uuid
import webbrowser
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from vaecourse import cli, lab, own_copy
from vaecourse.errors import CourseError


@pytest.fixture
def taken_port():
    with socket.create_server(("localhost", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def lessons(tmp_path):
    folder = tmp_path / "course"
    folder.mkdir()
    for name in ("00_start_here", "01_kl_divergence", "09_vae"):
        nbformat.write(
            v4.new_notebook(cells=[v4.new_markdown_cell(f"# {name}", id="a")]), folder / f"{name}.ipynb"
        )
    return folder


@pytest.fixture
def served(monkeypatch, lessons, tmp_path):
    """Return a function that runs `vaecourse lab` up to the moment when JupyterLab would start."""
    calls = []
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(own_copy, "lessons_folder", lambda: lessons)
    monkeypatch.setattr(lab, "serve", lambda *given, **named: calls.append((given, named)))

    def run(*arguments):
        assert cli.main(["lab", *map(str, arguments)]) == 0
        return calls[-1]

    return run


# A real start ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A course served to nobody in particular: (folder, address, token, process)."""
    folder = tmp_path_factory.mktemp("lab") / "my copy"
    port = lab.claim_port(None)
    settings = tmp_path_factory.mktemp("settings")
    command = [sys.executable, "-m", "vaecourse", "lab", str(folder), "--no-browser", "--port", str(port)]
    with (settings / "stderr").open("wb") as complaints:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=complaints,
            encoding="utf-8",
            env={
                **os.environ,
                "JUPYTER_CONFIG_DIR": str(settings),
                "JUPYTER_DATA_DIR": str(settings / "data"),
            },
        )
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.startswith("Your copy of the lessons"):
            break
    address = next((line for line in lines if line.startswith("http://")), None)
    assert address, (lines, (settings / "stderr").read_text(encoding="utf-8"))
    yield folder, address.partition("/lab/")[0], address.partition("token=")[2], process, settings
    if process.poll() is None:
        process.terminate()
        process.wait(timeout=30)
    process.stdout.close()


def ask(running, path: str, **body):
    _, address, token, *_ = running
    request = urllib.request.Request(
        address + path,
        headers={"Authorization": f"token {token}"},
        data=json.dumps(body).encode() if body else None,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def test_it_answers_at_the_address_it_printed(running):
    assert json.loads(ask(running, "/api/status"))["kernels"] == 0
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(running[1] + "/api/contents", timeout=30)
    refused.value.close()
    assert refused.value.code == 403


def test_it_serves_the_learners_own_copy_and_trusts_the_delivered_outputs(running):
    names = {path.name for path in running[0].glob("*.ipynb")}
    assert {path.name for path in own_copy.lessons_folder().glob("*.ipynb")} == names
    listed = json.loads(ask(running, "/api/contents"))["content"]
    assert {entry["name"] for entry in listed} == names
    for name in names:
        cells = json.loads(ask(running, f"/api/contents/{name}"))["content"]["cells"]
        assert all(cell["metadata"]["trusted"] for cell in cells if cell["cell_type"] == "code")


def test_it_is_quiet(running):
    page = ask(running, "/lab")
    configuration = json.loads(
        page.partition('<script id="jupyter-config-data" type="application/json">')[2].partition("</script>")[
            0
        ]
    )
    settings = json.loads(ask(running, "/lab/api/settings/@jupyterlab/apputils-extension:notification"))
    defaults = {name: about["default"] for name, about in settings["schema"]["properties"].items()}
    assert (defaults["fetchNews"], defaults["checkForUpdates"]) == ("false", False)  # so nobody is asked
    assert configuration["news"] == {"disabled": True}
    assert json.loads(ask(running, "/lab/api/update"))["notification"] is None
    assert (running[4] / "stderr").read_text(encoding="utf-8") == ""


def test_a_notebook_runs_in_the_python_of_the_course(running):
    websocket = pytest.importorskip("websocket")
    kernel = json.loads(ask(running, "/api/kernels", name="python3"))["id"]
    address = running[1].replace("http", "ws", 1)
    channel = websocket.create_connection(
        f"{address}/api/kernels/{kernel}/channels", header=[f"Authorization: token {running[2]}"], timeout=60
    )
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "username": "",
        "session": "s",
        "version": "5.3",
    }
    content = {"code": "import sys; print(sys.prefix)", "silent": False}
    channel.send(
        json.dumps(
            {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        )
    )
    try:
        while (message := json.loads(channel.recv()))["msg_type"] != "stream":
            pass
    finally:
        channel.close()
    assert Path(message["content"]["text"].strip()).resolve() == Path(sys.prefix).resolve()
    assert (running[4] / "stderr").read_text(encoding="utf-8") == ""


def test_ctrl_c_stops_it_without_a_question(running):  # the last one: it ends the server
    process = running[3]
    if os.name == "nt":
        pytest.skip("A console's Ctrl+C cannot be sent to one child alone on Windows.")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0


# What is prepared before it starts ----------------------------------------------------------------------------------


def test_an_edited_lesson_is_found_beside_its_new_version_and_told_about(served, lessons, tmp_path, capsys):
    served(tmp_path / "mine")
    assert capsys.readouterr().out == ""
    mine = nbformat.read(tmp_path / "mine" / "01_kl_divergence.ipynb", as_version=4)
    mine.cells.append(v4.new_markdown_cell("What I understood: it is not symmetric."))
    nbformat.write(mine, tmp_path / "mine" / "01_kl_divergence.ipynb")
    new = nbformat.read(lessons / "01_kl_divergence.ipynb", as_version=4)
    new.cells[0].source = "# The second edition"
    nbformat.write(new, lessons / "01_kl_divergence.ipynb")

    served(tmp_path / "mine")
    assert capsys.readouterr().out == (
        "You have changed 01_kl_divergence.ipynb, so it stays as it is; "
        "the new version is beside it as 01_kl_divergence.new.ipynb.\n"
    )
    assert nbformat.read(tmp_path / "mine" / "01_kl_divergence.ipynb", as_version=4) == mine
    assert nbformat.read(tmp_path / "mine" / "01_kl_divergence.new.ipynb", as_version=4) == new


def test_without_a_folder_the_copy_is_in_the_home_folder(served, monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "me")
    (copy, page), named = served("--no-browser", "--lesson", "9")
    assert (copy, page) == (tmp_path / "me" / "vaecourse", "09_vae.ipynb")
    assert (copy / "09_vae.ipynb").exists()
    assert named["browser"] is False and named["ip"] == "localhost" and named["port"] >= 8888


# Refusals ----------------------------------------------------------------------------------------------------------


def refuse(capsys, *arguments) -> str:
    """Return the one line on stderr with which the command refuses."""
    assert cli.main(["lab", *map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


@pytest.mark.skipif(os.name == "nt", reason="Windows lets everybody use low ports.")
def test_a_port_for_the_administrator_is_one_sentence(monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", forbidden)
    with pytest.raises(CourseError, match="You may not use port 80: choose one above 1023"):
        lab.claim_port(80)


def test_a_taken_port_is_one_sentence_with_a_free_one(capsys, tmp_path, taken_port, lessons, monkeypatch):
    monkeypatch.setattr(own_copy, "lessons_folder", lambda: lessons)
    line = refuse(capsys, tmp_path / "mine", "--port", taken_port)
    assert line.startswith(f"vaecourse: Port {taken_port} is taken by another program: `--port ")
    assert not (tmp_path / "mine").exists()


def test_without_a_port_a_free_one_is_chosen(taken_port, monkeypatch):
    monkeypatch.setattr(lab, "FIRST_PORT", taken_port)
    chosen = lab.claim_port(None)
    assert chosen > taken_port
    with socket.create_server(("localhost", chosen)):
        pass


@pytest.mark.parametrize("port", [0, -1, 70_000])
def test_a_port_that_does_not_exist_is_one_sentence(port):
    with pytest.raises(CourseError, match=f"Port {port} does not exist"):
        lab.claim_port(port)


def test_an_address_of_another_machine_is_one_sentence():
    with pytest.raises(CourseError, match="no address of this machine"):
        lab.claim_port(None, "203.0.113.7")  # set aside for documentation


def test_a_file_in_place_of_the_folder_is_one_sentence(capsys, tmp_path, lessons, monkeypatch):
    monkeypatch.setattr(own_copy, "lessons_folder", lambda: lessons)
    (tmp_path / "mine").write_text("", encoding="utf-8")
    assert "cannot be used" in refuse(capsys, tmp_path / "mine")


def test_an_unknown_lesson_is_one_sentence_that_names_the_known(capsys, tmp_path, lessons, monkeypatch):
    monkeypatch.setattr(own_copy, "lessons_folder", lambda: lessons)
    line = refuse(capsys, tmp_path / "mine", "--lesson", "diffusion")
    assert line == (
        "vaecourse: There is no lesson 'diffusion': the lessons are 00_start_here, 01_kl_divergence, 09_vae."
    )


@pytest.mark.parametrize("wanted", ["1", "01", "kl_divergence", "01_kl_divergence", "01_kl_divergence.ipynb"])
def test_a_lesson_has_a_number_and_a_name(lessons, wanted):
    assert lab.find_lesson(wanted, lessons) == "01_kl_divergence.ipynb"


def test_without_a_lesson_the_start_page_opens(lessons):
    assert lab.find_lesson(None, lessons) == "00_start_here.ipynb"
    (lessons / "00_start_here.ipynb").unlink()
    assert lab.find_lesson(None, lessons) == "01_kl_divergence.ipynb"


def test_missing_lessons_are_one_sentence(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(own_copy, "__file__", str(tmp_path / "vaecourse" / "own_copy.py"))
    assert "lessons are missing" in refuse(capsys, tmp_path / "mine")


# Machines ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="A Linux machine without a screen is meant.")
def test_no_browser_is_tried_without_a_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(webbrowser, "get", lambda: pytest.fail("a text browser must not be looked for"))
    assert not lab.can_open_browser()


def test_no_browser_is_tried_where_none_is_installed(monkeypatch):
    def none():
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "get", none)
    assert not lab.can_open_browser()
    monkeypatch.setattr(webbrowser, "get", lambda: object())
    assert lab.can_open_browser()


@pytest.mark.parametrize("user, allowed", [(0, True), (1000, False)])
def test_root_is_let_in_only_as_root(monkeypatch, tmp_path, user, allowed):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    given = lab.options(tmp_path, "x.ipynb", port=1, ip="localhost", browser=False, token="t")
    assert ("--allow-root" in given) is allowed
