"""The two descriptions of what the course needs, for pip and for conda, say the same."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"torch": "pytorch"}
ONLY_CONDA = {"configurable-http-proxy"}  # the proxy of JupyterHub: a program, which pip has not
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]


def needed(extra: str | None = None) -> list[Requirement]:
    """What `pip install -e ".[extra]"` asks for; an extra that names others of ours brings theirs along."""
    lines = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    needs = []
    for need in map(Requirement, lines):
        if need.name == PROJECT["name"]:
            needs += [inner for name in sorted(need.extras) for inner in needed(name)]
        else:
            needs.append(need)
    return needs


def ranges(lines) -> dict[str, SpecifierSet]:
    parsed = [re.fullmatch(r"([\w.-]+)\s*(.*)", line).groups() for line in lines]
    return {canonicalize_name(name): SpecifierSet(wanted) for name, wanted in parsed}


def test_conda_and_pip_are_asked_for_the_same_versions():
    pip = {canonicalize_name(need.name): need.specifier for need in [*needed(), *needed("test")]}
    pip = {CONDA_NAMES.get(name, name): wanted for name, wanted in pip.items()}
    pip["python"] = SpecifierSet(PROJECT["requires-python"])

    by_pip = next(entry["pip"] for entry in CONDA if isinstance(entry, dict))
    conda = ranges([line for line in (*(e for e in CONDA if isinstance(e, str)), *by_pip) if line[0] != "-"])
    assert conda.pop("pip") == SpecifierSet("")
    assert ONLY_CONDA <= set(conda)
    assert {name: wanted for name, wanted in conda.items() if name not in ONLY_CONDA} == pip


def test_conda_installs_the_course_itself():
    assert "-e ." in next(entry["pip"] for entry in CONDA if isinstance(entry, dict))


def test_every_dependency_has_a_lower_end():
    everything = [*needed(), *(need for extra in PROJECT["optional-dependencies"] for need in needed(extra))]
    bare = [str(need) for need in everything if not any(spec.operator == ">=" for spec in need.specifier)]
    assert bare == []
