"""The solutions of an assignment, read out of its source notebook: the one place where they stand."""

import json
from collections.abc import Callable
from pathlib import Path

from vaecourse.errors import CourseError


def from_notebook(path: Path) -> dict[str, Callable]:
    """Run the cells of the source notebook that hold solutions, and those tagged "shared"; return what they define.

    A cell that draws, checks or trains is not run. CourseError where the notebook is missing or damaged. The notebook
    is the teacher's own: its code is trusted.
    """
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        names: dict = {"__name__": "solutions"}
        for cell in cells:
            if cell["cell_type"] == "code" and _is_part(cell["metadata"]):
                source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
                exec(compile(source, str(path), "exec"), names)
    except OSError as error:
        raise CourseError(f"The assignment {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise CourseError(
            f"The assignment {path} is damaged ({error}): bring it back from the course."
        ) from error
    return {name: value for name, value in names.items() if callable(value) or not name.startswith("_")}


def _is_part(metadata: dict) -> bool:
    nbgrader = metadata.get("nbgrader", {})
    return bool(nbgrader.get("solution")) or "shared" in metadata.get("tags", ())
