"""The solutions of an assignment, read out of its source notebook: the one place where they stand."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vaecourse.errors import CourseError


def from_notebook(path: Path) -> dict[str, Callable]:
    """Run the cells of the source notebook that hold solutions, and those tagged "shared"; return their functions.

    Lists reach a function as arrays, as they reach a student's. A cell that draws, checks or trains is not run.
    CourseError where the notebook is missing or damaged. The notebook is the teacher's own: its code is trusted.
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
    own = (value for value in names.values() if getattr(value, "__module__", None) == names["__name__"])
    return {value.__name__: _on_arrays(value) for value in own if callable(value)}


def _on_arrays(function: Callable) -> Callable:
    @functools.wraps(function)
    def called(*call):
        return function(*(np.array(a, dtype=float) if isinstance(a, list | tuple) else a for a in call))

    return called


def _is_part(metadata: dict) -> bool:
    nbgrader = metadata.get("nbgrader", {})
    return bool(nbgrader.get("solution")) or "shared" in metadata.get("tags", ())
