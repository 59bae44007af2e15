"""`vaecourse doctor`: what this installation is made of, and one sentence for everything wrong with it."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from .errors import CourseError
from .home import home
from .own_copy import lessons_folder

PACKAGE = "vaecourse"
REPAIR = "run `pip install -e .` in the folder of the course"
# What JupyterLab must have in its pages so that sliders are sliders and the course's widgets draw.
FRONT_ENDS = {"ipywidgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
_ASK = "import sys, json; print(json.dumps([sys.executable, sys.prefix, 6 * 7]))"


class Finding(NamedTuple):
    """One thing looked at: its value on this machine, and a sentence if something is wrong with it."""

    name: str
    value: str
    problem: str | None = None


def examine(*, start_kernel: bool = True) -> tuple[Finding, ...]:
    """Look at all that the course stands on; inside a lesson `start_kernel=False`: one runs there already."""
    found = [*_versions(), *_front_ends()]
    if start_kernel:
        found += [_kernel(), _grading()]
    return (*found, _device(), _threads(), _lessons(), _home(), _data())


def problems(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the sentences of what is wrong, in the order of the findings."""
    return tuple(finding.problem for finding in findings if finding.problem)


def summary(findings: Sequence[Finding]) -> str:
    """Return a text without machine details: the same wherever everything is in place, else the problems."""
    return "\n".join(problems(findings)) or "Everything is in place."


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as lines of text: a mark, the name, the value."""
    width = max(len(finding.name) for finding in findings)
    return "\n".join(f"{'!!' if f.problem else 'ok'}  {f.name:<{width}}  {f.value}" for f in findings)


def _versions() -> Iterator[Finding]:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    try:
        about = metadata.metadata(PACKAGE)
    except metadata.PackageNotFoundError:
        yield Finding(PACKAGE, "not installed", f"The package {PACKAGE} itself is not installed: {REPAIR}.")
        return
    yield Finding(PACKAGE, about["Version"])
    python, wanted = platform.python_version(), about["Requires-Python"]
    good = SpecifierSet(wanted).contains(python, prereleases=True)
    say = f"This is Python {python}, but the course needs {wanted}: make its environment with such a one."
    yield Finding("python", f"{python} ({sys.executable})", None if good else say)
    for line in metadata.requires(PACKAGE) or ():
        need = Requirement(line)
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield Finding(need.name, "missing", f"The package {need.name} is missing: {REPAIR}.")
            continue
        good = need.specifier.contains(version, prereleases=True)
        say = f"{need.name} {version} is installed, but the course needs {need.specifier}: {REPAIR}."
        yield Finding(need.name, f"{version} (needs {need.specifier})", None if good else say)


def _front_ends() -> Iterator[Finding]:
    from jupyter_core.paths import jupyter_path

    for package, extension in FRONT_ENDS.items():
        places = [Path(path, extension) for path in jupyter_path("labextensions")]
        place = next((path for path in places if (path / "package.json").is_file()), None)
        say = (
            f"JupyterLab does not find the browser half of {package}, so widgets would show as text: "
            f"run `pip install --force-reinstall {package}` in the environment of JupyterLab."
        )
        yield Finding(f"{package} in JupyterLab", str(place or "missing"), None if place else say)


def _kernel() -> Finding:
    name = "kernel"
    try:
        executable, prefix, answer = ask_kernel()
    except Exception as error:  # whatever a broken kernel throws, the learner gets its last line
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        return Finding(name, "no answer", f"The notebook kernel does not start ({reason}): {REPAIR}.")
    if os.path.realpath(prefix) != os.path.realpath(sys.prefix):
        say = (
            f"Notebooks run in another Python, {executable}: run `python -m ipykernel install --sys-prefix` "
            "in the environment of the course."
        )
        return Finding(name, executable, say)
    return Finding(name, f"answers ({answer})")


def ask_kernel(timeout: float = 60) -> tuple[str, str, int]:
    """Start the kernel "python3" as JupyterLab would; return its Python, that one's prefix, and 6 times 7."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(
        startup_timeout=timeout, kernel_name="python3", stderr=subprocess.DEVNULL
    )
    said: list[str] = []

    def listen(message: dict) -> None:
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])

    try:
        client.execute_interactive(_ASK, timeout=timeout, output_hook=listen)
        executable, prefix, answer = json.loads("".join(said))
        return executable, prefix, answer
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _grading() -> Finding:
    """For teachers: can students' work be graded here? A learner needs none of it, so that it never is a problem."""
    name = "grading (teachers)"
    try:
        metadata.version("nbgrader")
    except metadata.PackageNotFoundError:
        return Finding(name, 'not installed; `pip install -e ".[classroom]"` brings it')
    from .classroom import jail

    return Finding(name, jail.available() or "submissions are jailed")


def _device() -> Finding:
    try:
        import torch

        if torch.cuda.is_available():
            return Finding("processor", f"GPU {torch.cuda.get_device_name(0)} (CUDA {torch.version.cuda})")
        if torch.backends.mps.is_available():
            return Finding("processor", "GPU of this Mac (MPS)")
    except Exception as error:  # a half installed torch raises OSError, ImportError and others
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Finding("processor", "unknown", f"PyTorch cannot be loaded ({reason}): {REPAIR}.")
    return Finding("processor", f"CPU {platform.machine()} (no GPU, and none is needed)")


def _threads() -> Finding:
    cores = os.cpu_count() or 1
    limits = [
        f"{key}={os.environ[key]}" for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if key in os.environ
    ]
    return Finding("cores", f"{cores}{''.join(f', {limit}' for limit in limits)}")


def _lessons() -> Finding:
    try:
        folder = lessons_folder()
    except CourseError as error:
        return Finding("lessons", "missing", str(error))
    return Finding("lessons", f"{len(list(folder.glob('[0-9][0-9]_*.ipynb')))} in {folder}")


def _home() -> Finding:
    folder = home(create=False)
    try:
        return Finding("progress", str(home()))
    except CourseError as error:
        return Finding("progress", str(folder), str(error))


def _data() -> Finding:
    given = os.environ.get("VAECOURSE_DATA")
    if not given:
        return Finding("data", "built in; VAECOURSE_DATA is not set")
    folder = Path(given).expanduser()
    say = f"VAECOURSE_DATA names {folder}, which is no folder: correct it, or unset it to do without."
    return Finding("data", str(folder), None if folder.is_dir() else say)
