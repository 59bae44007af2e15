"""Processor seconds and wall time of grading a class of A1, jail and all; nbgrader's own autograder beside it.

    python tests/benchmarks/grading.py [--students 100] [--jobs 1 2] [--peer 8] [--seed 0]

The class is made in a temporary folder: of every ten students five solved everything, two solved half of it, one has not
begun, and of two something is broken (a cell that is no Python, a function that raises, a cell that never ends for one
in a hundred). Each number of jobs grades a class of its own, in a process of its own, from nothing: imports, journal,
gradebook and autograded notebooks are in the figures. Processor seconds are those of the process, of the children that it
waited for (bubblewrap, and who keeps it), and of the kernels, whose end the system counts for nobody and which are read
from the jail's process table just before. Beside their sum stands how long all processors of the machine were busy, which
is more by what others do on it. The peer is nbgrader's autograder in one process, without
a jail or a limit, on the first notebooks of the same class.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAME = "A1"
ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "notebooks" / "assignments" / f"{NAME}.ipynb"


def answers(notebook: dict, which) -> None:
    """Put the solutions of the source notebook into those answer cells that `which` picks, by number and name."""
    solved = {c["metadata"]["nbgrader"]["grade_id"]: c for c in _cells(json.loads(SOURCE.read_text("utf-8")))}
    for i, cell in enumerate(_cells(notebook)):
        name = cell["metadata"]["nbgrader"]["grade_id"]
        if which(i):
            lines = "".join(solved[name]["source"]).splitlines(keepends=True)
            cell["source"] = "".join(line for line in lines if "### " not in line)


def _cells(notebook: dict) -> list[dict]:
    about = ((cell, cell["metadata"].get("nbgrader", {})) for cell in notebook["cells"])
    return [c for c, a in about if c["cell_type"] == "code" and a.get("solution")]


def submission(released: str, i: int, rng: random.Random) -> dict:
    """What student number `i` hands in."""
    notebook = json.loads(released)
    kind = i % 10
    answers(
        notebook, {5: lambda n: n % 2, 6: lambda n: not n % 2, 7: lambda n: False}.get(kind, lambda n: True)
    )
    cell = rng.choice(_cells(notebook))
    source = "".join(cell["source"])
    if i % 100 == 19:
        cell["source"] = source + "\n\nwhile True:\n    pass"
    elif kind == 8:
        cell["source"] = source + "\n    return ]"
    elif kind == 9:
        cell["source"] = source.replace('"""\n', '"""\n    raise ValueError("not today")\n', 1)
    else:
        cell["source"] = source + f"\n# by student {i}"
    return notebook


def make(root: Path, students: int, seed: int) -> None:
    """A class with that many submissions."""
    from vaecourse.classroom.folder import ClassFolder
    from vaecourse.classroom.init import init
    from vaecourse.classroom.release import release

    init(root)
    folder, rng = ClassFolder(root), random.Random(seed)
    release(folder, NAME)
    (root / "secret.txt").write_text("5eed" * 8)  # the same inputs in every run of this program
    released = folder.release(NAME).read_text("utf-8")
    for i in range(students):
        to = folder.submitted(f"student{i:03}", NAME) / f"{NAME}.ipynb"
        to.parent.mkdir(parents=True)
        to.write_text(json.dumps(submission(released, i, rng)), encoding="utf-8")


def grade(root: Path, jobs: int) -> dict:
    """In a process of its own: grade the class and say what it cost."""
    started = time.monotonic()
    from vaecourse.classroom import batch
    from vaecourse.classroom.folder import ClassFolder

    report = batch.grade(ClassFolder(root), NAME, jobs=jobs)
    assert report.complete, str(report)
    return {
        "wall": time.monotonic() - started,
        "kernels": sum(g.cpu_seconds for g in report.grades),
        "points": {g.student: g.points for g in report.grades},
        **_used(),
    }


def peer(root: Path, students: int) -> dict:
    """In a process of its own: nbgrader's autograder on the first students."""
    started = time.monotonic()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # it has much to say, and its kernels too
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.root = str(root / "peer")  # a course of its own: ours lets nbgrader run nothing
    for part in ("source", "submitted"):
        shutil.copytree(root / part, root / "peer" / part)
    api = NbGraderAPI(config=config)
    made = api.generate_assignment(NAME)
    if not made["success"]:
        sys.exit(print(made))
    before = _used()
    for i in range(students):
        result = api.autograde(NAME, f"student{i:03}", create=True)
        if not result["success"]:
            sys.exit(print(result))
    after = _used()
    return {"wall": time.monotonic() - started, "each": sum(after.values()) - sum(before.values()), **after}


def _used() -> dict:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"own": own.ru_utime + own.ru_stime, "children": children.ru_utime + children.ru_stime}


def busy() -> float:
    """Seconds that all processors of this machine have worked since it was started; NaN where it does not tell."""
    try:
        user, nice, system, _, _, irq, soft, *_ = map(
            int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
        )
        return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return float("nan")


def apart(*arguments: str) -> dict:
    """Call this program again in a new process and read what it says last."""
    command = [sys.executable, __file__, *arguments]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # nbgrader calls alembic
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if ran.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {ran.returncode}.")
    return json.loads(ran.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=100)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--peer", type=int, nargs="?", const=8, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--grade", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--autograde", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.grade:
        return print(json.dumps(grade(Path(given.grade[0]), int(given.grade[1]))))
    if given.autograde:
        return print(json.dumps(peer(Path(given.autograde[0]), int(given.autograde[1]))))
    n, walls, marks = given.students, {}, {}
    print(f"{n} submissions of {NAME}; processor seconds per submission")
    print(f"{'':24}{'wall s':>8}{'all':>8}{'own':>8}{'waited for':>12}{'kernels say':>13}{'machine':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for jobs in given.jobs:
            root = Path(folder) / f"jobs{jobs}"
            make(root, n, given.seed)
            before = busy()
            cost = apart("--grade", str(root), str(jobs))
            machine = (busy() - before) / n
            walls[jobs], marks[jobs] = cost["wall"], cost["points"]
            own, children, kernels = (cost[what] / n for what in ("own", "children", "kernels"))
            row = f"{own + children + kernels:8.3f}{own:8.3f}{children:12.3f}{kernels:13.3f}{machine:10.3f}"
            print(f"{f'jailed, {jobs} jobs':24}{cost['wall']:8.1f}{row}", flush=True)
        assert len(set(map(str, marks.values()))) == 1, "the marks depend on the number of jobs"
        if given.peer:
            cost, m = apart("--autograde", str(root), str(given.peer)), given.peer
            print(f"{f'nbgrader, no jail, {m}':24}{cost['wall']:8.1f}{cost['each'] / m:8.3f}")
    for jobs, wall in walls.items():
        if jobs > 1 and 1 in walls:
            print(f"{jobs} jobs are {walls[1] / wall:.2f} times as fast as one.")


if __name__ == "__main__":
    main()
