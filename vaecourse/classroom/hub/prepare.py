"""The exchange's folders and their modes, and the user ids of a hub on Kubernetes. As a command, for Kubernetes:

python -m vaecourse.classroom.hub.prepare /srv/nbgrader/exchange vaeclass teacher
"""

import hashlib
import os
import sys
from pathlib import Path

FIRST, NUMBERS = (
    2**20,
    2**30,
)  # far from the accounts of the system, and so many that two names hardly ever meet


def uid_of(name: str) -> int:
    """The user id of a hub user on Kubernetes, where each container has its own idea of who exists.

    It depends on the name alone, so that whoever sees a file knows whose it may be. Of 1000 names two have the same
    number with a probability of 0.0005.
    """
    return FIRST + int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % NUMBERS


def prepare(root: Path, course: str, uid: int, gid: int) -> None:
    """Make the folders in which students hand in without seeing each other; the course's belong to the teacher.

    nbgrader would make them with the first release, without the sticky bit; made here, no student is there before.
    """
    for folder, mode, is_course in [
        (root, 0o1777, False),  # nbgrader wants it open to all; what lies in it stays in its place
        (root / course, 0o755, True),
        (root / course / "outbound", 0o755, True),  # releases: students read
        (
            root / course / "inbound",
            0o3733,
            True,
        ),  # submissions: students put in, and can neither list nor take out
        (root / course / "feedback", 0o711, True),  # each file has a name that only its student can compute
    ]:
        folder.mkdir(parents=True, exist_ok=True)
        if is_course:
            os.chown(folder, uid, gid)
        folder.chmod(mode)


if __name__ == "__main__":
    exchange, name, teacher = sys.argv[1:]
    prepare(Path(exchange), name, uid_of(teacher), uid_of(teacher))
