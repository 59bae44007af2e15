"""Where the course keeps what is yours: progress and checkpoints, in one folder outside the lessons.

`VAECOURSE_HOME=DIR` names another folder. Data sets have a place of their own (`VAECOURSE_DATA`, see `data`).
"""

import os
from pathlib import Path

from platformdirs import user_data_dir

from .errors import CourseError


def home(*, create: bool = True) -> Path:
    """Return the folder of progress and checkpoints, made if it is not there yet (unless `create` is false).

    Raises CourseError when the folder cannot be made or written.
    """
    folder = Path(
        os.environ.get("VAECOURSE_HOME") or user_data_dir("vaecourse", appauthor=False)
    ).expanduser()
    if create:
        writable(folder, "set VAECOURSE_HOME to a folder that you can write")
    return folder


def writable(folder: Path, advice: str) -> Path:
    """Return `folder`, made if missing; raise CourseError, ending in `advice`, if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "it is not yours to write")
    except OSError as error:
        reason = "a file of that name is in the way" if isinstance(error, FileExistsError) else error.strerror
        if isinstance(error, NotADirectoryError):
            reason = "part of that path is a file, not a folder"
        raise CourseError(f"The folder {folder} cannot be used ({reason}): {advice}.") from error
    return folder
