"""The command `vaecourse`. Each subcommand imports what it needs only when it is called."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __doc__ as ABOUT
from . import __version__
from .classroom import cli as classroom
from .errors import CourseError

EPILOG = """\
environment:
  VAECOURSE_HOME   where your progress and your checkpoints are kept
  VAECOURSE_DATA   a folder with data sets, looked into before anything is downloaded
"""
LAB = """\
Open the course in JupyterLab. The lessons are copied to a folder of yours the first time; later calls bring
in new versions and never overwrite a notebook that you changed: its new version is put beside it as
NAME.new.ipynb. Delete or rename a notebook to get the original again.
"""
BUILD = """\
Run each notebook in a fresh kernel with an empty VAECOURSE_HOME, and write it back with tidy outputs. A
notebook that breaks a rule (an error, over 2 MB, a picture without alternative text, ...) is left as it was,
and the rule is named.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="vaecourse",
        description=ABOUT.splitlines()[0],
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"vaecourse {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="{lab,doctor,class,build}")

    lab = commands.add_parser(
        "lab",
        help="open the course in JupyterLab, in your own copy of the lessons",
        description=LAB,
    )
    lab.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="your copy (default: ~/vaecourse)")
    lab.add_argument("--lesson", help="open at this lesson: 1, 01 or kl_divergence (default: the start page)")
    lab.add_argument("--port", type=int, metavar="N", help="the port (default: a free one from 8888 on)")
    lab.add_argument(
        "--ip", default="localhost", help="the address; a container's published port needs 0.0.0.0"
    )
    lab.add_argument("--no-browser", action="store_true", help="open no browser, only print the address")

    commands.add_parser(
        "doctor",
        help="check this installation and say what to do about every problem",
        description="Check Python, the packages, the kernel, the widgets, the processor and the folders. "
        "Ends with 0 when everything is in place, with 1 otherwise.",
    )

    classroom.add(commands)

    build = commands.add_parser(
        "build",
        help="for maintainers: run lessons top to bottom and store them with tidy outputs",
        description=BUILD,
    )
    build.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="default: every lesson")
    build.add_argument(
        "--check", action="store_true", help="run nothing, only hold the stored notebooks to the rules"
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 if all is well, 1 for problems found, 2 if it could not be done."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show θ shows ? instead of failing
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # the kernel of this environment before any other
    given = parser().parse_args(arguments)
    try:
        return _run(given)
    except CourseError as error:
        print(f"vaecourse: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"vaecourse: {error}; `vaecourse doctor` says what to do.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(given: argparse.Namespace) -> int:
    if given.command == "lab":
        from .lab import lab

        lab(given.folder, port=given.port, ip=given.ip, browser=not given.no_browser, lesson=given.lesson)
        return 0
    if given.command == "doctor":
        from . import doctor

        findings = doctor.examine()
        print(doctor.table(findings))
        print(doctor.summary(findings), file=sys.stderr if doctor.problems(findings) else sys.stdout)
        return 1 if doctor.problems(findings) else 0
    if given.command == "class":
        return classroom.run(given)
    from . import build

    return build.run(given.notebooks, check_only=given.check)
