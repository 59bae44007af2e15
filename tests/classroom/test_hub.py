"""A class on a real JupyterHub: a teacher, two students and a stranger are Unix users, log in with their passwords (PAM)
and work in servers of their own, under the configuration that the package ships. A submission goes the whole way through
nbgrader's exchange; then everybody tries to reach what is not his.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from . import hub_users
from .hub_users import Person, ask

WHY_NOT = hub_users.why_not()
pytestmark = [pytest.mark.hub, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

SOURCES = hub_users.ROOT / "notebooks" / "assignments"
COURSE = "vaeclass"

# Anna's answers are right, but none is the model solution. Bo forgot that 0 · ∞ is not a number.
ANNA, BO = "a thought that only anna had", "bo's very own remark"
ANNAS = {
    "cross_entropy": f'''def cross_entropy(p, q):
    "{ANNA}"
    bits = 0.0
    for share, told in zip(p.tolist(), q.tolist(), strict=True):
        if share > 0:
            bits += share * (-np.log2(told) if told > 0 else np.inf)
    return bits
''',
    "code_lengths": """def code_lengths(q):
    return np.array([int(np.ceil(np.log2(1 / one))) for one in q])
""",
    "which_alpha": f"The middle one ({ANNA}).",
}
BOS = {
    "cross_entropy": f'''def cross_entropy(p, q):
    "{BO}"
    return -(p * np.log2(q)).sum()
''',
    "left_out": f"He made a mistake ({BO}).",
}
# Added by Bo to his notebook: graded with the teacher's rights, it would see all of this.
SPY = """
import os
from pathlib import Path

for place in {places!r}:
    try:
        print("SPY", place, Path(place).read_bytes()[:40])
    except OSError as error:
        print("SPY", place, type(error).__name__)
print("SPY", sorted(os.environ), os.environ.get("JUPYTERHUB_API_TOKEN"))
"""


# --- the class ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def room():
    """A hub with a teacher, anna, bo, and a stranger who has an account on the machine but is not of the class."""
    with contextlib.ExitStack() as stack:
        base, group = stack.enter_context(hub_users.place())
        prefix = hub_users.install(base)
        names = stack.enter_context(hub_users.accounts(base, ["teacher", "anna", "bo"], ["stranger"], group))
        settings = {
            "course": COURSE,
            "teacher": names["teacher"].name,
            "students": group,
            "exchange": base / "exchange",
        }
        hub = stack.enter_context(hub_users.hub(base, prefix, settings))
        persons = {name: Person(hub, account) for name, account in names.items()}
        stack.callback(lambda: [person.leave() for person in persons.values()])
        members = [persons[name] for name in ("teacher", "anna", "bo")]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda person: (person.begin(), person.wait()), members))
        yield SimpleNamespace(
            base=base, group=group, prefix=prefix, hub=hub, exchange=base / "exchange", **persons
        )


@pytest.fixture(scope="module")
def released(room):
    """A class in the teacher's home, A1 released to the exchange. His clone is at home too, closed to others."""
    sources = room.teacher.account.home / "sources"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for path in (sources, *sources.iterdir()):
        shutil.chown(path, room.teacher.account.name, room.teacher.account.name)
    room.teacher.run("vaecourse", "class", "init", COURSE, "--from", "sources")
    room.teacher.run("vaecourse", "class", "release", "A1", at=f"~/{COURSE}")
    room.teacher.run("nbgrader", "release_assignment", "A1", at=f"~/{COURSE}")
    room.folder = room.teacher.account.home / COURSE
    return room


@pytest.fixture(scope="module")
def handed_in(released):
    """Both students fetched A1, worked on it, validated it and handed it in. Bo also put other things into the exchange."""
    room = released
    with ThreadPoolExecutor(2) as pool:
        said = list(
            pool.map(
                lambda student, answers: work(room, student, answers), (room.anna, room.bo), (ANNAS, BOS)
            )
        )
    for text in said:
        assert "huffman_lengths is not started" in text and "cross_entropy is not" not in text, text
    inbound = room.exchange / COURSE / "inbound"
    room.inbound = {p.name.split("+")[0]: p for p in inbound.iterdir()}
    assert len(room.inbound) == 2
    # Later than Anna's, in her name; links to the teacher's files; names that are none.
    room.bo.python(f"""
import os, shutil
inbound, anna, bo = {str(inbound)!r}, {room.anna.account.name!r}, {room.bo.account.name!r}
forged = os.path.join(inbound, f"{{anna}}+A1+2027-01-01 00:00:00.000000 UTC+forged")
shutil.copytree("A1", forged)
os.symlink({str(room.folder / "submitted")!r}, os.path.join(inbound, f"{{bo}}+A1+2027-01-02 00:00:00.000000 UTC+link"))
os.mkdir(os.path.join(inbound, "x+A1+whenever+y"))
os.mkdir(os.path.join(inbound, "+A1+"))
own = next(os.path.join(inbound, name) for name in {[p.name for p in room.inbound.values()]!r} if name.startswith(bo))
os.symlink({str(room.folder / "secret.txt")!r}, os.path.join(own, "secret.txt"))
os.mkfifo(os.path.join(own, "pipe"))
os.symlink({str(room.folder)!r}, os.path.join(own, "folder"))
with open(os.path.join(own, "timestamp.txt"), "w") as file:
    file.write("yesterday")
result = True""")
    return room


def work(room, student, answers):
    """Fetch, write the answers into the notebook, validate (what was said is returned: not all is done), and submit."""
    which = {"course_id": COURSE, "assignment_id": "A1"}
    status, text = student.ask("POST", "/assignments/fetch", which)
    assert status == 200, text
    content = student.get("/api/contents/A1/A1.ipynb")["content"]
    for cell in content["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        cell["source"] = answers.get(name, cell["source"])
    if student is room.bo:
        places = [room.folder / "secret.txt", room.folder / "gradebook.db", room.folder / "source/A1/A1.ipynb",
                  room.folder / f"submitted/{room.anna.account.name}/A1/A1.ipynb", "/proc/1/environ",
                  room.teacher.account.home / "sources/A1.ipynb"]  # fmt: skip
        spy = {"cell_type": "code", "id": "spy", "metadata": {}, "outputs": [], "execution_count": None}
        content["cells"].append({**spy, "source": SPY.format(places=[str(place) for place in places])})
    status, text = student.ask("PUT", "/api/contents/A1/A1.ipynb", {"type": "notebook", "content": content})
    assert status == 200, text
    said = student.run("vaecourse", "class", "validate", "A1.ipynb", at="~/A1", fails=True)
    status, text = student.ask("POST", "/assignments/submit", which)
    assert status == 200 and json.loads(text)["success"], text
    return said


@pytest.fixture(scope="module")
def given_back(handed_in):
    """Collected, graded, and the feedback fetched by both."""
    room = handed_in
    room.collected = room.teacher.run("nbgrader", "collect", "A1", at=f"~/{COURSE}")
    room.graded = room.teacher.run("vaecourse", "class", "grade", "A1", at=f"~/{COURSE}")
    room.teacher.run("vaecourse", "class", "feedback", "A1", at=f"~/{COURSE}")
    room.teacher.run("nbgrader", "release_feedback", "A1", at=f"~/{COURSE}")
    room.feedback = {}
    for student in (room.anna, room.bo):
        body = {"course_id": COURSE, "assignment_id": "A1"}
        status, text = student.ask("POST", "/assignments/fetch_feedback", body)
        assert status == 200, text
        listed = [a for a in json.loads(text)["value"] if a["status"] == "submitted"]
        place = listed[0]["submissions"][-1]["local_feedback_path"]
        page = student.get(f"/api/contents/{quote(place)}/A1.html?format=text&type=file")
        room.feedback[student.account.name] = page["content"]
    return room


# --- the way of a submission ------------------------------------------------------------------------------------------


def points(page):
    """What the feedback says at its top: (Score: 10.0 / 38.0)."""
    return float(re.search(r"Score:\s*([\d.]+)\s*/", page)[1])


def test_both_read_what_they_earned(given_back):
    anna, bo = (given_back.feedback[p.account.name] for p in (given_back.anna, given_back.bo))
    assert points(anna) == 10  # cross_entropy 6, code_lengths 4
    assert 0 < points(bo) < 6
    assert ANNA in anna and BO in bo
    assert BO not in anna and ANNA not in bo


def test_the_submission_that_is_graded_is_the_students_own(given_back):
    submitted = given_back.folder / "submitted"
    assert {p.name for p in submitted.iterdir()} == {p.account.name for p in (given_back.anna, given_back.bo)}
    for student, thought in ((given_back.anna, ANNA), (given_back.bo, BO)):
        files = {p.name: p for p in (submitted / student.account.name / "A1").iterdir()}
        assert set(files) == {"A1.ipynb", "timestamp.txt", "submission_secret.txt"}
        assert all(p.is_file() and not p.is_symlink() for p in files.values())
        assert thought in files["A1.ipynb"].read_text(encoding="utf-8")
        assert re.fullmatch(r"2\d{3}-\d\d-\d\d [\d:.]+ UTC", files["timestamp.txt"].read_text())
    assert given_back.collected.count("does not belong") == 2
    assert given_back.collected.count("not named as a submission is") == 2


def test_graded_code_sees_nothing_of_the_class(given_back):
    room = given_back
    notebook = json.loads(
        (room.folder / f"autograded/{room.bo.account.name}/A1/A1.ipynb").read_text(encoding="utf-8")
    )
    printed = "".join(
        "".join(output.get("text", "")) for cell in notebook["cells"] for output in cell.get("outputs", [])
    )
    lines = [line for line in printed.splitlines() if line.startswith("SPY")]
    assert len(lines) == 7
    for line in lines[:4] + lines[5:6]:
        assert line.endswith(("FileNotFoundError", "PermissionError", "NotADirectoryError")), line
        assert Path(line.split()[1]).is_file()  # it is there, only not to be seen
    assert "JUPYTER" not in "".join(lines[4:]) and lines[-1].endswith("None")
    assert "SPY" in room.feedback[room.bo.account.name]  # it ran, and its owner reads what it found: nothing


def test_the_gradebook_knows_them(given_back):
    page = given_back.teacher.ask("GET", "/formgrader/api/submissions/A1")
    assert page[0] == 200, page
    # its button for grading would run the students' work with the teacher's rights: it refuses
    status, text = given_back.teacher.ask(
        "POST", f"/formgrader/api/submission/A1/{given_back.bo.account.name}/autograde"
    )
    assert status == 200 and json.loads(text)["success"] is False and "vaecourse class grade" in text, text
    scores = {entry["student"]: entry["score"] for entry in json.loads(page[1]) if entry["autograded"]}
    earned = {name: points(text) for name, text in given_back.feedback.items()}
    assert scores == earned


# --- who may do what --------------------------------------------------------------------------------------------------


def test_only_the_class_gets_in(room):
    assert room.anna.log_in(room.anna.account.password).welcome
    assert not room.anna.log_in("another password").welcome
    assert not room.stranger.log_in(room.stranger.account.password).welcome  # his password is right
    subprocess.run(["usermod", "--append", "--groups", room.group, room.stranger.account.name], check=True)
    assert room.stranger.log_in(room.stranger.account.password).welcome
    subprocess.run(
        ["gpasswd", "--delete", room.stranger.account.name, room.group], check=True, capture_output=True
    )
    assert not room.stranger.log_in(room.stranger.account.password).welcome  # though the hub knows him now
    for person in (room.teacher, room.anna):
        me = json.loads(ask("GET", f"{room.hub.url}/hub/api/user", person.token)[1])
        assert me["admin"] is False


def test_each_has_the_tools_of_his_role(room):
    def tools(person):
        page = person.ask("GET", "/lab")[1]
        off = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.S)[1])[
            "disabledExtensions"
        ]
        names = ("formgrader", "course-list", "assignment-list", "validate-assignment")
        off = {entry if isinstance(entry, str) else entry["raw"] for entry in off}
        answers = ("/formgrader", "/formgraders", f"/assignments?course_id={COURSE}", "/assignments/validate")
        return (
            {name for name in names if f"@jupyter/nbgrader:{name}" not in off},
            [person.ask("GET", path)[0] != 404 for path in answers],
        )

    assert tools(room.teacher) == ({"formgrader", "course-list"}, [True, True, False, False])
    assert tools(room.anna) == ({"assignment-list", "validate-assignment"}, [False, False, True, True])
    # JupyterLab shows the formgrader in a frame, which a hub forbids unless it is told otherwise
    assert room.teacher.frames("/formgrader/manage_assignments") == "frame-ancestors 'self'"
    assert room.anna.frames("/lab") == "frame-ancestors 'none'"


def test_nobody_reaches_anothers_server(room):
    for owner in (room.teacher, room.bo):
        name = owner.account.name
        port = server_port(owner)
        for address in (
            owner.server,
            f"http://127.0.0.1:{port}/user/{name}",
        ):  # through the proxy, and past it
            tool = "/formgrader" if owner is room.teacher else f"/assignments?course_id={COURSE}"
            for path in ("/api/status", "/api/contents/", "/api/kernels", "/lab", tool):
                for token in (room.anna.token, "", "made-up"):
                    assert ask("GET", address + path, token)[0] in (302, 403), (address, path)
            assert ask("POST", address + "/api/kernels", room.anna.token, {})[0] == 403
        page = room.anna.log_in(room.anna.account.password).get(owner.server + "/lab")  # as a browser does
        assert page.status_code == 403
        for method, path in (("GET", ""), ("DELETE", "/server"), ("POST", "/tokens"), ("PATCH", "")):
            status, text = ask(
                method, f"{room.hub.url}/hub/api/users/{name}{path}", room.anna.token, {"admin": True}
            )
            assert status in (403, 404), (method, path, status, text)
    for person in (room.anna, room.teacher):
        for address in (
            room.hub.url + "/hub/api/users",
            room.hub.url + "/hub/api/proxy",
            room.hub.proxy_url + "/api/routes",
        ):
            assert ask("GET", address, person.token)[0] == 403


def server_port(person):
    """On which port a user's server listens, read by root from its environment."""
    for pid in hub_users.of_user(person.account.uid):
        found = re.search(
            rb"JUPYTERHUB_SERVICE_URL=http://127.0.0.1:(\d+)/", Path(f"/proc/{pid}/environ").read_bytes()
        )
        if found:
            return int(found[1])
    raise AssertionError("no server")


def test_the_hubs_own_secrets_stay_with_it(room):
    own = Path(f"/proc/{room.hub.process.pid}/environ").read_bytes()
    assert b"A_SECRET_OF_THE_HUB" in own
    for person in (room.teacher, room.anna):
        names = person.python("import os\nresult = dict(os.environ)")
        assert not {"A_SECRET_OF_THE_HUB", "CONFIGPROXY_AUTH_TOKEN"} & set(names)
        # what a user's token may do: report that he is active, and enter his own server
        scopes = json.loads(
            ask("GET", names["JUPYTERHUB_API_URL"] + "/user", names["JUPYTERHUB_API_TOKEN"])[1]
        )["scopes"]
        assert scopes and all(scope.partition("!")[2].endswith(person.account.name) or
                              scope.endswith(f"={person.account.name}/") for scope in scopes), scopes  # fmt: skip
    # Everybody sees everybody's command lines: they hold no token.
    tokens = [os.fsencode(person.token) for person in (room.teacher, room.anna, room.bo)]
    tokens += re.findall(
        rb"(?:CONFIGPROXY_AUTH_TOKEN|JUPYTERHUB_API_TOKEN)=(\w+)", b"\0".join(environments(room))
    )
    assert len(set(tokens)) >= 6
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = command.read_bytes()
            assert not any(token in line for token in tokens), line


def environments(room):
    for pid in hub_users.descendants(room.hub.process.pid):
        with contextlib.suppress(OSError):
            yield Path(f"/proc/{pid}/environ").read_bytes()


# --- what a student can do to files -----------------------------------------------------------------------------------

TRY = """
import os
def attempt(what, path):
    try:
        if what == "list":
            os.listdir(path)
        elif what == "read":
            open(path, "rb").read(1)
        elif what == "write":
            open(path, "ab").close()
        elif what == "create":
            new = os.path.join(path, "made-by-a-student")
            open(new, "xb").close()
            os.remove(new)
        elif what == "rename":
            os.rename(path, path + ".renamed")
            os.rename(path + ".renamed", path)
        elif what == "open up":
            os.chmod(path, 0o777)
        return True
    except OSError as error:
        return False
"""
EVERYTHING = ("list", "read", "write", "create", "rename", "open up")


def attempts(student, paths):
    """What the student can do to each path, tried in a kernel of his own server."""
    tried = [(what, str(path)) for path in paths for what in EVERYTHING]
    done = student.python(f"{TRY}\nresult = [attempt(what, path) for what, path in {tried!r}]")
    can = {path: set() for path in paths}
    for (what, path), worked in zip(tried, done, strict=True):
        if worked:
            can[Path(path)].add(what)
    return can


def test_what_a_student_can_do_to_files(given_back):
    room, exchange = given_back, given_back.exchange / COURSE
    state = room.base / "srv" / "state"
    for me, other in ((room.anna, room.bo), (room.bo, room.anna)):
        closed = [
            room.teacher.account.home,  # with the class: sources, secret, gradebook, everybody's work and feedback
            other.account.home,
            room.inbound[other.account.name],  # although its name is told
            state,  # of the hub
            *(path for folder in list(closed_folders(room, other, state)) for path in walk(folder)),
            *processes(room, me),
        ]
        assert len(closed) > 60
        can = attempts(me, closed)
        assert not any(can.values()), {path: what for path, what in can.items() if what}
        some = {
            room.exchange: {
                "list",
                "create",
            },  # as nbgrader wants it; sticky, so that nothing of others can be moved
            exchange: {"list"},
            exchange / "outbound": {"list"},
            exchange / "outbound/A1": {"list"},
            exchange / "outbound/A1/A1.ipynb": {"read"},
            exchange / "inbound": {"create"},
            exchange / "feedback": set(),
            room.base / "srv": {"list"},  # the hub's configuration
            room.base / "srv/nbgrader_config.py": {"read"},
        }
        assert attempts(me, list(some)) == some
    assert [p.name for p in walk(exchange / "outbound")] == ["A1", "A1.ipynb"]


def closed_folders(room, other, state):
    yield from (room.folder, room.teacher.account.home / "sources", state)
    yield from (other.account.home / "A1", room.inbound[other.account.name])


def test_feedback_lies_under_names_that_only_its_student_can_compute(given_back):
    folder = given_back.exchange / COURSE / "feedback"
    secrets = {(path / "submission_secret.txt").read_text() for path in given_back.inbound.values()}
    assert len(secrets) == 2 and all(len(secret) == 128 for secret in secrets)
    pages = {hashlib.md5(secret.encode() + b"A1").hexdigest() for secret in secrets}
    assert {p.stem for p in folder.iterdir()} == pages


def walk(folder):
    """The files and folders in a folder."""
    return [p for p in sorted(folder.rglob("*")) if not p.is_symlink() and (p.is_file() or p.is_dir())]


def processes(room, me):
    """The environments of the others' processes, in /proc."""
    others = [p for p in (room.teacher, room.anna, room.bo) if p is not me]
    return [Path(f"/proc/{pid}/environ") for p in others for pid in hub_users.of_user(p.account.uid)]


SEARCH = """
import json, os, sys
given = json.load(sys.stdin)
found, read = [], 0
for root in given["roots"]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            try:
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                if root in given["shared"] and os.stat(path).st_uid not in given["owners"]:
                    continue
                text = open(path, "rb").read().decode("utf-8", "replace")
            except OSError:
                continue
            read += 1
            found += [[path, needle] for needle in given["needles"] if needle in text]
print(json.dumps([read, found]))
"""


def search(room, person, needles):
    """All that this user can read of the class, of its installation, and of what any of them left in places open to all."""
    shared = ["/tmp", "/var/tmp", "/dev/shm", "/run"]
    given = {
        "roots": [str(room.base), *shared],
        "shared": shared,
        "owners": [p.account.uid for p in (room.teacher, room.anna, room.bo)],
        "needles": needles,
    }
    done = room.hub.as_user(
        person.account, room.prefix / "bin" / "python", "-c", SEARCH, input=json.dumps(given)
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def solutions():
    """The lines of A1 that stand between its solution marks, those left out that could stand anywhere."""
    lines = []
    for cell in json.loads((SOURCES / "A1.ipynb").read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        for part in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", text, re.S):
            lines += [line.strip()[:80] for line in part.splitlines() if len(line.strip()) >= 24]
    return lines


def test_no_file_that_a_student_can_read_holds_a_solution(given_back):
    room, lines = given_back, solutions()
    secret = (room.folder / "secret.txt").read_text(encoding="ascii").strip()
    assert len(lines) >= 10 and len(secret) >= 32
    forms = {
        line: {line, json.dumps(line)[1:-1], json.dumps(line, ensure_ascii=False)[1:-1]} for line in lines
    }
    needles = [secret, *set().union(*forms.values())]
    for student, others in ((room.anna, BO), (room.bo, ANNA)):
        read, found = search(room, student, [*needles, others])
        assert read > 100 and found == []
    _, found = search(room, room.teacher, [*needles, ANNA, BO])  # the search finds what can be read
    found = {needle for _, needle in found}
    assert {secret, ANNA, BO} <= found and all(found & form for form in forms.values())


def test_no_page_of_feedback_holds_a_solution_or_the_secret(given_back):
    secret = (given_back.folder / "secret.txt").read_text(encoding="ascii").strip()
    for page in given_back.feedback.values():
        assert secret not in page
        assert not [line for line in solutions() if line in page]


def test_homes_and_the_class_are_closed(given_back):
    for person in (given_back.teacher, given_back.anna, given_back.bo):
        assert stat.S_IMODE(person.account.home.stat().st_mode) == 0o700
    # the one that nobody started keeps the mode that it was made with: it is the hub that closes homes
    assert stat.S_IMODE(given_back.stranger.account.home.stat().st_mode) == 0o755


def test_the_clone_of_the_tests_is_no_help(room):
    done = room.anna.python(f"import glob\nresult = glob.glob({str(hub_users.ROOT / '*' / '*')!r})")
    assert done == []
    where = room.anna.run(
        str(room.prefix / "bin" / "python"), "-c", "import vaecourse; print(vaecourse.__file__)"
    )
    assert where.startswith(str(room.prefix)) and not where.startswith(str(hub_users.ROOT)), (where, sys.path)
