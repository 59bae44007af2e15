"""The command `vaecourse class`: a teacher's way from a new class to its grades, and a student's look before handing in.

Nothing is imported before a command is called: the teacher's commands need nbgrader, the student's does not.
"""

import argparse
import sys
from pathlib import Path

from vaecourse.errors import CourseError

ABOUT = """\
Assignments that grade themselves. A teacher's way through one:

  vaecourse class init my-class          make the folder of a class, once
  cd my-class
  vaecourse class release A1             make the students' version: handout/A1.zip
  vaecourse class collect A1 FILES       bring in what was handed in
  vaecourse class grade A1               grade it, behind a wall
  nbgrader formgrader                    grade the written answers by hand
  vaecourse class feedback A1            write what each student may read
  vaecourse class export                 write all grades to grades.csv

A student needs one of them only: vaecourse class validate A1.ipynb
"""
INIT = """\
Make the folder of a class: the assignments with their solutions, nbgrader's settings, and a secret seed from which the
hidden inputs are drawn. Keep a backup of the folder, and show it to nobody. Called again for the same folder it brings
what is new, and leaves alone what you changed and the secret.
"""
RELEASE = """\
Make the students' version of an assignment, without solutions and outputs, and look for leaks in it. The result is
release/A1/A1.ipynb, which nbgrader's exchange can hand out, and handout/A1.zip for every other way.
"""
COLLECT = """\
Bring what was handed in to its place, submitted/STUDENT/A1/A1.ipynb. PATH is a notebook, a zip, or a folder full of
them, as a learning platform gives them out. Whose work a file is, is said by its name (anna.ipynb, anna.zip) or by the
folder it lies in (anna/A1.ipynb); where the platform writes more into the names, say how with --pattern. Of two
hand-ins of one student the later counts, by the time of the file or the one in the platform's zip; what it replaces is
kept in replaced/. Nothing is run. Ends with 1 if a file was refused.
"""
GRADE = """\
Grade what has been collected. Each submission runs in a jail of its own, without a network, with limits on time, memory
and output; it is judged outside of it, on inputs that nobody has seen. What is graded already and would come out the
same is left alone, so the command can be stopped at any moment (Ctrl-C) and called again. Written answers wait for you:
`nbgrader formgrader`. Ends with 1 if a submission was refused or could not be graded.
"""
FEEDBACK = """\
Write what each student may read: feedback/STUDENT/A1/A1.html, with the points, the property that failed and its hint,
and your comments. Hidden inputs and other students are not in it. nbgrader's exchange can give it back.
"""
EXPORT = "Write the points of all students in all assignments to a table that every spreadsheet reads."
VALIDATE = """\
For students, before handing in: is this the notebook of an assignment, are all its answers there, does it run from top
to bottom in a fresh kernel, and what do its checks say? One sentence for each problem, the most important first. Ends
with 0 if there is none, with 1 otherwise. Grading uses other inputs than the checks.
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Add `class` to the commands of `vaecourse`."""
    shape = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    top = commands.add_parser(
        "class", help="for teachers: hand out assignments and grade them", description=ABOUT, **shape
    )
    _add_folder(top, None)
    below = top.add_subparsers(dest="step", required=True, metavar="COMMAND")

    def step(name: str, help: str, description: str, assignment: bool = True) -> argparse.ArgumentParser:
        made = below.add_parser(name, help=help, description=description, **shape)
        if assignment:
            made.add_argument("assignment", metavar="A1", help="the assignment: A1, A2, ...")
        if name not in ("init", "validate"):
            _add_folder(made, argparse.SUPPRESS)
        return made

    init = step("init", "make the folder of a class", INIT, assignment=False)
    init.add_argument("folder", type=Path, metavar="DIR", help="the folder: a new one, or an older class")
    init.add_argument(
        "--from",
        dest="sources",
        type=Path,
        metavar="DIR",
        help="where A1.ipynb and the others are with their solutions",
    )
    step("release", "make the students' version of an assignment", RELEASE)
    collect = step("collect", "bring in what was handed in as files", COLLECT)
    collect.add_argument(
        "paths", nargs="+", metavar="PATH", help="a notebook, a zip, or a folder full of them"
    )
    collect.add_argument(
        "--pattern",
        metavar="REGEX",
        help="what the names begin with; the group `student` is whose work it is: '(?P<student>[^_]+)_' "
        "(with --bundle and for folders, a name includes the folders that it lies in)",
    )
    collect.add_argument(
        "--bundle", action="store_true", help="each PATH that is a zip holds the work of many students"
    )
    grade = step("grade", "grade what has been collected", GRADE)
    grade.add_argument(
        "--jobs", type=int, metavar="N", help="so many at a time (default: one for each processor)"
    )
    grade.add_argument("--scheduler", metavar="ADDRESS", help="grade on the dask cluster with this scheduler")
    grade.add_argument(
        "--student",
        action="append",
        dest="students",
        metavar="NAME",
        help="only this one; may be given several times",
    )
    grade.add_argument(
        "--again", action="store_true", help="run everything again, even if nothing has changed"
    )
    grade.add_argument(
        "--no-jail",
        action="store_true",
        help="where there is no jail: run the students' code as you, with all that you may read and change",
    )
    step("feedback", "write what each student may read", FEEDBACK)
    export = step("export", "write all grades to a table", EXPORT, assignment=False)
    export.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="default: grades.csv in the folder of the class"
    )
    validate = step(
        "validate", "for students: look at your work before you hand it in", VALIDATE, assignment=False
    )
    validate.add_argument("notebook", type=Path, metavar="A1.ipynb", help="your notebook, as it is saved")
    validate.add_argument(
        "--zip", action="store_true", help="write A1.zip, ready to be handed in, unless it would be refused"
    )


def run(given: argparse.Namespace) -> int:
    """Do what was asked for; return 0 if all is well, 1 if something was refused or is wrong, 130 if it was stopped."""
    try:
        return _STEPS[given.step](given)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise CourseError(
            f'This needs {error.name.split(".")[0]}, which is not installed: `pip install "vaecourse[{extra}]"`.'
        ) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CourseError(f"{where}{error.strerror or type(error).__name__}.") from error


def _add_folder(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--class",
        dest="class_folder",
        type=Path,
        default=default,
        metavar="DIR",
        help="the folder of the class (default: the one you are in)",
    )


def _folder(given: argparse.Namespace):
    from .folder import find

    return find(given.class_folder)


def _assignment(given: argparse.Namespace) -> str:
    from vaecourse.assignments import MODULES

    if given.assignment not in MODULES:
        raise CourseError(f"There is no assignment {given.assignment!r}; there are {', '.join(MODULES)}.")
    return given.assignment


def _init(given: argparse.Namespace) -> int:
    from .init import init

    folder = init(given.folder, given.sources)
    print(f"The class is in {folder.root}; its README.md says what is where.")
    print("Go there, and make the first students' version: `vaecourse class release A1`.")
    return 0


def _release(given: argparse.Namespace) -> int:
    from .release import release

    name, folder = _assignment(given), _folder(given)
    zipped = release(folder, name)
    print(f"{name} is released: hand out {zipped}, or use nbgrader's exchange.")
    return 0


def _collect(given: argparse.Namespace) -> int:
    from .collect import collect

    name, folder = _assignment(given), _folder(given)
    done = collect(folder, name, given.paths, given.pattern, given.bundle)
    verdicts = [one.verdict for one in done]
    for one in done:
        print(
            f"{one.student or one.where}: {one.sentence} ({one.where})",
            file=sys.stdout if one.ok else sys.stderr,
        )
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts)]
    print(f"{name}: {', '.join(counts) or 'nothing there'}.")
    return 0 if all(one.ok for one in done) else 1


def _grade(given: argparse.Namespace) -> int:
    from .batch import grade

    name, folder = _assignment(given), _folder(given)
    report = grade(
        folder,
        name,
        given.jobs,
        scheduler=given.scheduler,
        jail=not given.no_jail,
        students=given.students,
        again=given.again,
    )
    print(report)
    return 130 if report.left else 0 if report.complete and not report.refused else 1


def _feedback(given: argparse.Namespace) -> int:
    from . import gradebook
    from .feedback import generate

    name, folder = _assignment(given), _folder(given)
    pages = generate(folder, name)
    due = gradebook.by_hand(folder, name)
    print(
        f"{name}: feedback for {len(pages)} students, in {folder.root / 'feedback'}/STUDENT/{name}/{name}.html."
    )
    if due:
        print(
            f"{due} written answers are not graded yet: their points are missing on these pages.",
            file=sys.stderr,
        )
    return 0


def _export(given: argparse.Namespace) -> int:
    from .export import export

    print(f"The grades are in {export(_folder(given), given.file)}.")
    return 0


def _validate(given: argparse.Namespace) -> int:
    from .validate import pack, validate

    found = validate(given.notebook)
    print(found)
    for remark in found.remarks:
        print(f"By the way: {remark}")
    for problem in found.problems:
        print(problem, file=sys.stderr)
    if given.zip and not found.refused:
        said = (
            "ready to be handed in" if found.ok else "written as it is: you can hand it in, or mend it first"
        )
        print(f"{pack(found)} is {said}.")
    elif given.zip:
        print("There is no zip.", file=sys.stderr)
    elif found.ok:
        print("Nothing is wrong: save it, and hand it in.")
    return 0 if found.ok else 1


_STEPS = {
    "init": _init,
    "release": _release,
    "collect": _collect,
    "grade": _grade,
    "feedback": _feedback,
    "export": _export,
    "validate": _validate,
}
_EXTRAS = {
    "nbgrader": "classroom",
    "sqlalchemy": "classroom",
    "psutil": "classroom",
    "distributed": "cluster",
    "dask": "cluster",
}
