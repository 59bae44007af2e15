"""Runs the commands of the teacher's page, and holds what they print against what the page says.

`python -m classroom.teachers_page` in tests/ writes the outputs anew (look at the difference before you keep it).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import vaecourse.classroom

PAGE = Path(vaecourse.classroom.__file__).parent / "README.md"
SOURCES = Path(__file__).parents[2] / "notebooks" / "assignments"
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_REGION = re.compile(r"([ \t]*)### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)

ROUNDED_DOWN = (
    'def code_lengths(q):\n    """One line is wrong."""\n    return np.floor(-np.log2(q)).astype(int)'
)
GREEDY = "def smoothed_bits(seen, new, alpha):\n    return np.ones((10**6, 10**6)) @ seen"
BORROWED = (
    "from scipy import stats\n\n\ndef shared_excess(weights, sources):\n"
    "    m = weights @ sources\n    return sum(w * stats.entropy(p, m, base=2) for w, p in zip(weights, sources))"
)


def commands(page: str) -> list[tuple[str, str]]:
    """Each command of the page, in order, with what it says that it prints."""
    found = []
    for block in _BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, said = part.partition("\n")
            found.append((command, said))
    return found


def run(page: str, folder: Path) -> list[str]:
    """Run the commands of the page one after the other in `folder`; what each printed, tidied."""
    downloads(folder / "downloads")
    here, printed = folder, []
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "VAECOURSE_HOME": str(folder / "home"), "COLUMNS": "100"}
    for command, _ in commands(page):
        if command.startswith("cd "):
            here = here / command[3:]
            printed.append("")
            continue
        if command == "# José hands in again":
            handed_in_again(folder / "downloads")
            printed.append("")
            continue
        done = subprocess.run(
            command, shell=True, cwd=here, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        printed.append(tidy(done.stdout, folder))
    return printed


def tidy(text: str, folder: Path) -> str:
    """Without what differs from run to run: the folder, dates, seconds."""
    for place in {str(folder), str(folder.resolve())}:
        text = text.replace(place, "~")
    text = re.sub(r"\d{4}-\d\d-\d\d \d{6}", "DATE", text)
    return re.sub(r"\d+\.\d s\b", "… s", "\n".join(line.rstrip() for line in text.splitlines()) + "\n")


def downloads(folder: Path) -> None:
    """What came in by mail: a perfect one, one with all kinds of trouble, an untouched one, and a broken one."""
    folder.mkdir()
    solved = _version()
    _store(folder / "ana.ipynb", solved)
    _store(
        folder / "tim o'neil.ipynb",
        _version({name: None for name in _answers(solved)}),
    )
    _store_zip(folder / "José Ñandú.zip", _jose())
    (folder / "zoe.ipynb").write_text("Here is my notebook!", encoding="utf-8")


def handed_in_again(folder: Path) -> None:
    """José mended two of his functions."""
    mended = {k: v for k, v in JOSE.items() if k not in ("code_lengths", "shared_excess")}
    _store_zip(folder / "José Ñandú.zip", _version(mended))


JOSE = {
    "code_lengths": ROUNDED_DOWN,
    "smoothed_bits": GREEDY,
    "shared_excess": BORROWED,
    "huffman_lengths": None,
    "which_alpha": "The one in the middle.",
}


def _jose() -> dict:
    return _version(JOSE)


def _answers(notebook: dict) -> list[str]:
    told = (c["metadata"].get("nbgrader", {}) for c in notebook["cells"])
    return [m["grade_id"] for m in told if m.get("solution")]


def _version(changed: dict | None = None) -> dict:
    """A1 as solved, but for what is `changed`: cell name to source, None for untouched."""
    changed = changed or {}
    made = json.loads((SOURCES / "A1.ipynb").read_text(encoding="utf-8"))
    for cell in made["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        source = "".join(cell["source"])
        if name in changed and changed[name] is None:
            stub = "..." if cell["cell_type"] == "code" else "YOUR ANSWER HERE"
            source = _REGION.sub(lambda m, stub=stub: m[1] + stub, source)
        elif name in changed:
            source = changed[name]
        cell["source"] = re.sub(r"[ \t]*### (BEGIN|END) SOLUTION\n?", "", source)
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return made


def _store(path: Path, notebook: dict) -> None:
    path.write_text(json.dumps(notebook), encoding="utf-8")


def _store_zip(path: Path, notebook: dict) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("A1.ipynb", json.dumps(notebook))


def written(page: str, printed: list[str]) -> str:
    """The page with its outputs replaced by what was printed."""
    left = iter(printed)

    def block(match: re.Match) -> str:
        parts = [f"$ {command}\n{next(left)}" for command, _ in commands(match[0])]
        return "```console\n" + "".join(parts) + "```"

    return _BLOCK.sub(block, page)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as temporary:
        PAGE.write_text(written(text, run(text, Path(temporary))), encoding="utf-8")
