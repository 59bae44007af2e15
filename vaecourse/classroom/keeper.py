"""Stands between a grader and one jail: when the grader ends, in whatever way, the jail ends with it.

Bubblewrap's own tie (`--die-with-parent`) is made a moment after its processes are, and a grader that is killed within
that moment would leave them for ever. What they leave is this process's to end: it is made their heir before they begin.

    python -ISc THIS-TEXT COMMAND...

The grader holds the other end of standard input. All other open files are the command's.
"""

import ctypes
import os
import select
import signal
import sys
from collections.abc import Iterator

PR_SET_CHILD_SUBREAPER = 36


def children() -> Iterator[int]:
    """Who belongs to this process now, the orphans of its children included."""
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/stat", "rb") as file:
                if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                    yield int(number)
        except OSError:  # it has just ended
            pass


def main() -> int:
    """Run the command; return its exit code, or 128 + the number of the signal that ended it."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    waiting = select.poll()
    waiting.register(0, select.POLLHUP)
    if waiting.poll(0):  # the grader has ended already
        return 1
    command = sys.argv[1:]
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    first = os.posix_spawn(command[0], command, os.environ, file_actions=[nothing])
    os.closerange(3, 2**20)
    waiting.register(os.pidfd_open(first), select.POLLIN)
    waiting.poll()
    code = 0
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if not ended:
                for number in children():
                    os.kill(number, signal.SIGKILL)
                ended, status = os.waitpid(-1, 0)
        except ChildProcessError:  # none is left
            return code if code >= 0 else 128 - code
        if ended == first:
            code = os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
