"""Handing in and collecting on a shared machine.

What is handed in is open to its student and to the teacher's group; nbgrader 0.9 leaves it open to everybody who knows
its name. Nobody hands in under another's name, or hands in a link to what is not his: nbgrader only warns where a
submission does not belong to the student whose name it bears, and its copy follows symbolic links with the teacher's
rights, so that a link to the source notebook would earn full marks and show the solutions in the feedback. And a folder
with an odd name stops nbgrader's collection for the whole class; here it is passed over.
"""

import os
import pwd
import shutil
import stat
from datetime import datetime
from pathlib import Path

from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeCollect, ExchangeSubmit
from traitlets import Bool

from .prepare import uid_of


class OwnSubmit(ExchangeSubmit):
    """`nbgrader submit` whose copy in the exchange is closed to other students."""

    def copy_files(self):
        super().copy_files()
        # Its group is that of the inbound folder (setgid), the teacher's: he can read it, and take it away.
        os.chmod(os.path.join(self.inbound_path, self.assignment_filename), 0o770)


class OwnCollect(ExchangeCollect):
    """`nbgrader collect` that takes, for each student, the newest folder he owns, and of it the plain files he owns."""

    numbered = Bool(False, help="Whether user ids are those of uid_of, and not the system's accounts.").tag(
        config=True
    )

    def init_src(self):
        super().init_src()
        # Those that nobody answers for were set apart under an empty name.
        self.src_records = [record for record in self.src_records if record["username"]]

    def _path_to_record(self, path):
        try:
            record = super()._path_to_record(path)
            at = os.lstat(path)
            if stat.S_ISDIR(at.st_mode) and self._is(at.st_uid, record["username"]):
                return record
            self.log.warning("Not collected: %s does not belong to the student whose name it bears.", path)
        except (ExchangeError, ValueError, OverflowError, OSError):
            self.log.warning("Not collected: %s is not named as a submission is.", path)
        return {"username": "", "filename": os.path.basename(path), "timestamp": datetime.min}

    def _is(self, uid, name):
        if self.numbered:
            return uid == uid_of(name)
        try:
            return pwd.getpwnam(name).pw_uid == uid
        except KeyError:
            return False

    def do_copy(self, src, dest, log=None):
        try:
            owner = os.lstat(src).st_uid
            left = 1000 * self.coursedir.max_dir_size
            os.makedirs(dest)
            for folder, _, names, at in os.fwalk(src, follow_symlinks=False):
                into = Path(dest) / os.path.relpath(folder, src)
                into.mkdir(exist_ok=True)
                for name in names:
                    left -= self._copy(name, at, owner, into / name, left)
            # nbgrader reads it again: as in the folder's name, whatever the student has written there since
            (Path(dest) / "timestamp.txt").write_text(Path(src).name.rsplit("+", 3)[2], encoding="utf-8")
        except (OSError, ValueError) as error:
            shutil.rmtree(dest, ignore_errors=True)
            self.log.error("Not collected: %s cannot be copied (%s).", src, error)

    def _copy(self, name, folder, owner, target, left):
        """Copy one file, opened without following a link and looked at while open; return its size."""
        try:
            # O_NONBLOCK: a named pipe would keep us waiting
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError:
            self.log.warning("Left out: %s is a link or cannot be read.", name)
            return 0
        with open(opened, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != owner:
                self.log.warning("Left out: %s is not a file of the student.", name)
                return 0
            if found.st_size > min(left, 1000 * self.coursedir.max_file_size):
                raise ValueError(f"{name} is too large")
            data = file.read(found.st_size)
        target.write_bytes(data)
        return len(data)
