"""The files for JupyterHub that can be looked at without one: collecting, the exchange's folders, Kubernetes."""

import contextlib
import importlib.metadata
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

pytest.importorskip("nbgrader")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nbgrader's exchange is for Unix")

from traitlets.config import Config  # noqa: E402

from vaecourse.classroom.hub import prepare  # noqa: E402

HUB = Path(prepare.__file__).parent
CLASS = tomllib.loads((HUB / "class.toml").read_text(encoding="utf-8"))


def documents(name):
    return list(yaml.safe_load_all((HUB / name).read_text(encoding="utf-8")))


# --- collecting -------------------------------------------------------------------------------------------------------


@pytest.fixture
def me():
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


class NoDueDates:
    def find_assignment(self, name):
        return SimpleNamespace(duedate=None)


@pytest.fixture
def exchange(tmp_path, monkeypatch):
    """An exchange, and a function that collects A1 from it; what was said is in the log."""
    from nbgrader.auth import Authenticator
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.exchange import default

    from vaecourse.classroom.hub.exchange import OwnCollect

    root, course = tmp_path / "exchange", tmp_path / "class"
    prepare.prepare(root, "vaecourse", os.getuid(), os.getgid())
    course.mkdir()
    # It asks for a folder that is open to everybody, which those of pytest are not.
    monkeypatch.setattr(OwnCollect, "ensure_root", lambda self: None)
    # It looks for the due date in the gradebook, and takes two seconds to make one.
    monkeypatch.setattr(default.collect, "Gradebook", lambda *_: contextlib.nullcontext(NoDueDates()))

    def collect(update=False, **limits):
        config = Config()
        config.CourseDirectory.update(root=str(course), course_id="vaecourse", assignment_id="A1", **limits)
        config.Exchange.root = str(root)
        config.ExchangeCollect.update = update
        log = logging.getLogger("collect")
        app = OwnCollect(
            coursedir=CourseDirectory(config=config),
            authenticator=Authenticator(config=config),
            config=config,
        )
        app.log = log
        app.start()
        return course / "submitted"

    return SimpleNamespace(root=root, inbound=root / "vaecourse" / "inbound", collect=collect, at=tmp_path)


def hand_in(exchange, student, at="2026-11-01 10:00:00.000000 UTC", text="mine"):
    folder = exchange.inbound / f"{student}+A1+{at}+random"
    folder.mkdir()
    (folder / "A1.ipynb").write_text(text)
    (folder / "timestamp.txt").write_text(at)
    (folder / "submission_secret.txt").write_text("s" * 128)
    return folder


def test_the_newest_of_ones_own_is_collected(exchange, me):
    hand_in(exchange, me, text="first")
    hand_in(exchange, me, "2026-11-02 10:00:00.000000 UTC", text="second")
    submitted = exchange.collect()
    assert (submitted / me / "A1" / "A1.ipynb").read_text() == "second"
    assert sorted(p.name for p in (submitted / me / "A1").iterdir()) == [
        "A1.ipynb", "submission_secret.txt", "timestamp.txt"]  # fmt: skip


def test_nobody_hands_in_for_another(exchange, me, caplog):
    other = "root" if me != "root" else "nobody"
    hand_in(exchange, me)
    hand_in(exchange, other)
    hand_in(exchange, "no-such-account")
    submitted = exchange.collect()
    assert [p.name for p in submitted.iterdir()] == [me]
    assert caplog.text.count("does not belong to the student whose name it bears") == 2


def test_a_folder_with_an_odd_name_stops_nobody(exchange, me, caplog):
    hand_in(exchange, me)
    for name in ("x+A1+", "x+A1+whenever+y", "+A1+++", f"{me}+A1+9999999-99-99 99:99:99 UTC+z", "x+A1+ +\n"):
        (exchange.inbound / name).mkdir()
    (exchange.inbound / f"{me}+A1+2026-11-03 10:00:00.000000 UTC+file").write_text("no folder")
    (exchange.inbound / f"{me}+A1+2026-11-04 10:00:00.000000 UTC+link").symlink_to(exchange.at)
    submitted = exchange.collect()
    assert (submitted / me / "A1" / "A1.ipynb").read_text() == "mine"
    assert caplog.text.count("Not collected") == 7


def test_links_and_pipes_are_left_out(exchange, me, caplog):
    folder = hand_in(exchange, me)
    (exchange.at / "secret.txt").write_text("the class's secret")
    (folder / "A1.ipynb").unlink()
    (folder / "A1.ipynb").symlink_to(exchange.at / "secret.txt")
    (folder / "class").symlink_to(exchange.at)
    os.mkfifo(folder / "pipe")
    (folder / "more").mkdir()
    (folder / "more" / "picture.txt").write_text("a picture")
    submitted = exchange.collect() / me / "A1"
    assert sorted(str(p.relative_to(submitted)) for p in submitted.rglob("*")) == [
        "more", "more/picture.txt", "submission_secret.txt", "timestamp.txt"]  # fmt: skip
    assert "the class's secret" not in "".join(p.read_text() for p in submitted.rglob("*.*"))
    assert caplog.text.count("Left out") == 2


def test_the_time_is_that_of_the_folder(exchange, me):
    folder = hand_in(exchange, me)
    (folder / "timestamp.txt").write_text("yesterday")
    submitted = exchange.collect()
    assert (submitted / me / "A1" / "timestamp.txt").read_text() == "2026-11-01 10:00:00.000000 UTC"
    hand_in(exchange, me, "2026-11-05 10:00:00.000000 UTC", text="later")
    exchange.collect(update=True)  # reads the time of the first
    assert (submitted / me / "A1" / "A1.ipynb").read_text() == "later"


def test_too_much_is_not_collected(exchange, me, caplog):
    hand_in(exchange, me, text="x" * 3000)
    submitted = exchange.collect(max_file_size=2)
    assert not (submitted / me / "A1").exists()
    assert "A1.ipynb is too large" in caplog.text


def test_on_kubernetes_the_number_says_whose_it_is():
    from vaecourse.classroom.hub.exchange import OwnCollect

    numbered = SimpleNamespace(numbered=True)
    assert OwnCollect._is(numbered, prepare.uid_of("anna"), "anna")
    assert not OwnCollect._is(numbered, prepare.uid_of("anna"), "bo")
    assert not OwnCollect._is(numbered, 1000, "anna")


# --- the exchange's folders -------------------------------------------------------------------------------------------


def test_the_exchange_has_the_modes_that_keep_students_apart(tmp_path):
    for _ in range(2):  # a second time changes nothing
        prepare.prepare(tmp_path / "a" / "exchange", "vaecourse", os.getuid(), os.getgid())
    root = tmp_path / "a" / "exchange"
    modes = {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode) for p in (root, *root.rglob("*"))}
    assert modes == {
        ".": 0o1777,
        "vaecourse": 0o755,
        "vaecourse/outbound": 0o755,
        "vaecourse/inbound": 0o3733,
        "vaecourse/feedback": 0o711,
    }


def test_numbers_are_far_from_the_systems_and_apart():
    numbers = {prepare.uid_of(f"student{i}") for i in range(2000)}
    assert len(numbers) == 2000
    assert min(numbers) >= 2**20 and max(numbers) < 2**31


# --- roles ------------------------------------------------------------------------------------------------------------


def test_each_of_nbgraders_extensions_is_on_for_one_role():
    def on(role):
        given = json.loads((HUB / role / "jupyter_server_config.json").read_text(encoding="utf-8"))
        return given["ServerApp"]["jpserver_extensions"]

    files = importlib.metadata.files("nbgrader") or ()
    shipped = next(f for f in files if f.name == "nbgrader.json" and "jupyter_server_config.d" in f.parts)
    shipped = json.loads(shipped.locate().read_text(encoding="utf-8"))["ServerApp"]["jpserver_extensions"]
    assert on("teacher").keys() == on("student").keys() == shipped.keys()
    assert all(on("teacher")[name] != on("student")[name] for name in shipped)


# --- Kubernetes -------------------------------------------------------------------------------------------------------


def test_values_give_each_user_the_number_that_collecting_expects():
    (values,) = documents("values.yaml")
    c = Config()
    exec(values["hub"]["extraConfig"]["10-own-numbers"], {"c": c})
    for name in ("anna", "bo", "zoë@example.org"):
        spawner = SimpleNamespace(user=SimpleNamespace(name=name))
        assert c.KubeSpawner.uid(spawner) == c.KubeSpawner.gid(spawner) == prepare.uid_of(name)


def test_the_files_for_kubernetes_agree():
    (values,), exchange, dask = documents("values.yaml"), documents("exchange.yaml"), documents("dask.yaml")
    user = values["singleuser"]
    image = f"{user['image']['name']}:{user['image']['tag']}"
    text = "".join(
        (HUB / name).read_text(encoding="utf-8") for name in ("exchange.yaml", "dask.yaml", "Dockerfile")
    )
    assert text.count(image) == text.count("registry.example.org/vaecourse") == 4
    # the exchange
    claim, job = exchange
    pod = job["spec"]["template"]["spec"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in user["storage"]["extraVolumes"] + pod["volumes"]
    ]
    assert claims == [claim["metadata"]["name"]] * 2
    mounts = user["storage"]["extraVolumeMounts"] + pod["containers"][0]["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts] == [CLASS["exchange"]] * 2
    assert pod["containers"][0]["command"][3:] == [CLASS["exchange"], CLASS["course"], CLASS["teacher"]]
    assert user["extraEnv"] == {
        "VAECOURSE_TEACHER": CLASS["teacher"],
        "VAECOURSE_INBOUND": f"{CLASS['exchange']}/{CLASS['course']}/inbound",
    }
    assert values["hub"]["config"]["Authenticator"]["allowed_users"] == [CLASS["teacher"]]
    # the dask cluster: whoever reaches it can run programs on it
    by_kind = {(d["kind"], d["metadata"]["name"]): d["spec"] for d in dask}
    policy = by_kind["NetworkPolicy", "vaecourse-dask"]
    apps = {"vaecourse-dask", "vaecourse-dask-worker"}
    assert set(policy["podSelector"]["matchExpressions"][0]["values"]) == apps
    allowed = [f["podSelector"]["matchLabels"] for f in policy["ingress"][0]["from"]]
    assert allowed[0] == {"hub.jupyter.org/username": CLASS["teacher"]}
    assert {f["app"] for f in allowed[1:]} == apps and len(policy["ingress"]) == 1
    assert user["networkPolicy"]["egress"][0]["to"][0]["podSelector"]["matchLabels"]["app"] in apps
    for name in apps:
        pod = by_kind["Deployment", name]["template"]
        assert (
            pod["metadata"]["labels"]
            == by_kind["Deployment", name]["selector"]["matchLabels"]
            == {"app": name}
        )
        assert pod["spec"]["automountServiceAccountToken"] is False and "volumes" not in pod["spec"]


def test_the_image_holds_no_clone():
    lines = (HUB / "Dockerfile").read_text(encoding="utf-8").splitlines()
    last = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    copied = [line.split()[1:-1] for line in last if line.startswith("COPY")]
    assert copied == [["environment.yml"], ["--from=wheel", "/tmp/dist/"], ["vaecourse/classroom/hub/"]]
    environment = (HUB.parents[2] / "environment.yml").read_text(encoding="utf-8")
    assert environment.splitlines()[-1].strip() == "- -e ."  # the line that the Dockerfile takes out


@pytest.fixture
def start(tmp_path):
    """Run start-user.sh as somebody, with a passwd file of its own; the result says what came of it."""
    passwd, inbound = tmp_path / "passwd", tmp_path / "inbound"
    passwd.write_text("root:x:0:0::/root:/bin/sh\n" if os.getuid() else "daemon:x:1:1::/:/bin/sh\n")
    inbound.mkdir()

    def run(user, *command):
        environment = {
            "PATH": os.environ["PATH"], "HOME": "/home/jovyan", "JUPYTERHUB_USER": user, "VAECOURSE_TEACHER": "teacher",
            "VAECOURSE_INBOUND": str(inbound), "VAECOURSE_PASSWD": str(passwd),
        }  # fmt: skip
        return subprocess.run([shutil.which("sh"), HUB / "start-user.sh", *command], env=environment,
                              capture_output=True, text=True)  # fmt: skip

    return SimpleNamespace(run=run, passwd=passwd, inbound=inbound)


def test_the_container_learns_who_its_user_is(start):
    start.inbound.rmdir()  # a student cannot list it
    for _ in range(2):
        done = start.run("anna", "sh", "-c", 'echo "$JUPYTER_CONFIG_PATH"')
        assert done.returncode == 0 and done.stdout == "/srv/vaecourse/student:/srv/vaecourse\n", done.stderr
    entry = f"anna:x:{os.getuid()}:{os.getgid()}::/home/jovyan:/bin/bash"
    assert start.passwd.read_text().splitlines()[1:] == [entry]


def test_a_volume_that_is_open_to_all_is_not_used(start):
    done = start.run("anna", "echo", "started")
    assert done.returncode == 1 and "started" not in done.stdout
    assert done.stderr.count("\n") == 1 and "does not keep its modes" in done.stderr
    done = start.run("teacher", "sh", "-c", 'echo "$JUPYTER_CONFIG_PATH"')  # whose folder it is
    assert done.returncode == 0 and done.stdout == "/srv/vaecourse/teacher:/srv/vaecourse\n"
