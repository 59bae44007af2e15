"""Attacks on grading itself: what one case, cell or function does to the kernel costs that one alone."""

import sys

from vaecourse.classroom import records

from . import Hostile

LATE, CRASH, FULL = (records.TIMED_OUT, 0), (records.CRASH, 0), (records.OUT_OF_MEMORY, 0)
SQUARES = "float(((x - x.mean()) ** 2).mean())"


def _in_spread(name: str, tries: str, code: str, earned: tuple[str, int]) -> Hostile:
    """`spread` does this before it gives back the right answer."""
    body = "\n".join(f"    {line}" for line in code.strip("\n").splitlines())
    return Hostile(
        name, tries, {"spread": f"def spread(x):\n{body}\n    return {SQUARES}"}, earned={"spread": earned}
    )


def _in_zeros(name: str, tries: str, code: str, verdict: str) -> Hostile:
    """`spread` does this for one input only, and is right for all others: one property of three is lost."""
    spread = f"def spread(x):\n    if not x.any():\n        {code}\n    return {SQUARES}"
    return Hostile(name, tries, {"spread": spread}, earned={"spread": (verdict, 2)})


def _in_cell(name: str, tries: str, code: str) -> Hostile:
    """A cell behind the answers does this: it costs no function anything."""
    return Hostile(name, tries, after=(code,))


SUBMISSIONS = (
    # Ending the process
    _in_cell("exit in a cell", "ends the kernel", "import os\nos._exit(0)"),
    Hostile(
        "exit before the answers",
        "ends the kernel before anything is defined",
        before=("import os\nos._exit(0)",),
    ),
    _in_spread("exit in a call", "ends the kernel when it is asked", "import os\nos._exit(0)", CRASH),
    _in_zeros(
        "exit for one input", "ends the kernel for one input", "__import__('os')._exit(0)", records.CRASH
    ),
    _in_spread("sys.exit", "asks politely to be ended", "import sys\nsys.exit(0)", (records.FAILED, 0)),
    _in_cell("exit and quit", "asks IPython to be ended", "exit()\nquit()\nraise SystemExit"),
    _in_cell(
        "shutdown",
        "shuts the kernel down through its own machinery",
        "get_ipython().kernel.do_shutdown(False)\nimport os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    ),
    _in_cell(
        "kill everybody", "kills every process that it may", "import os, signal\nos.kill(-1, signal.SIGKILL)"
    ),
    _in_cell(
        "kill the first",
        "kills the first process, and the ones above",
        "import os, signal\nfor p in (1, os.getppid(), 2, 3):\n    try: os.kill(p, signal.SIGKILL)\n    except OSError as error: print('no', p)",
    ),
    _in_cell(
        "another program",
        "the kernel becomes another program",
        "import os\nos.execv('/bin/sh', ['/bin/sh', '-c', 'sleep 600'])",
    ),
    _in_spread(
        "segmentation fault", "reads memory that is not there", "import ctypes\nctypes.string_at(0)", CRASH
    ),
    _in_zeros(
        "segmentation fault for one input",
        "reads memory that is not there, for one input",
        "__import__('ctypes').string_at(0)",
        records.CRASH,
    ),
    _in_spread("recursion", "calls itself for ever", "return spread(x)", (records.FAILED, 0)),
    _in_spread(
        "recursion without a floor",
        "calls itself until the stack is gone",
        "import sys\nsys.setrecursionlimit(10 ** 9)\nclass A:\n    def __len__(self): return len(self)\nreturn len(A())",
        CRASH if sys.version_info < (3, 12) else (records.FAILED, 0),  # which has a floor of its own there
    ),
    Hostile(
        "ends when forgotten",
        "the answer ends the kernel when it is thrown away",
        {
            "spread": "import os\nclass Last:\n    def __del__(self): os._exit(0)\ndef spread(x):\n    return Last()"
        },
        earned={"spread": CRASH},
    ),
    _in_cell(
        "signals and exits",
        "handlers that run when it should end",
        "import atexit, signal, time\natexit.register(lambda: time.sleep(600))\nfor s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(s, lambda *a: time.sleep(600))",
    ),
    # Time
    _in_cell("endless cell", "a cell that never ends", "while True: pass"),
    _in_cell(
        "stubborn cell",
        "a cell that never ends and takes no hint",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    ),
    _in_spread("endless call", "never comes back", "while True: pass", LATE),
    _in_zeros(
        "endless for one input", "never comes back, for one input", "while True: pass", records.TIMED_OUT
    ),
    _in_spread(
        "stubborn call",
        "catches everything that would stop it",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        LATE,
    ),
    _in_spread(
        "deaf",
        "takes the alarm away that would ring",
        "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0)\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nwhile True: time.sleep(60)",
        LATE,
    ),
    _in_spread(
        "stopped clock",
        "no clock goes on",
        "import signal, time\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0\nsignal.setitimer = lambda *a: None\nwhile True: pass",
        LATE,
    ),
    _in_spread(
        "holds the interpreter",
        "one long step that nothing in Python can interrupt",
        "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
        LATE,
    ),
    Hostile(
        "endless answer",
        "an answer that takes for ever to be written down",
        {
            "spread": "class Slow:\n    def tolist(self):\n        while True: pass\ndef spread(x):\n    return Slow()"
        },
        earned={"spread": LATE},
    ),
    _in_cell("input", "waits for somebody to type", "input('name?')\nimport getpass\ngetpass.getpass()"),
    _in_spread("input in a call", "waits for somebody to type", "input()", (records.FAILED, 0)),
    # Memory, processes, files, output
    _in_cell(
        "memory bomb in a cell",
        "takes all memory",
        "block = []\nwhile True: block.append(bytearray(1 << 24))",
    ),
    _in_spread(
        "memory bomb in a call",
        "takes all memory",
        "block = b'x' * (1 << 31)",
        FULL,
    ),
    _in_zeros(
        "memory bomb for one input",
        "takes all memory, for one input",
        "block = [b'x' * (1 << 28) for _ in range(100)]",
        records.OUT_OF_MEMORY,
    ),
    _in_cell(
        "memory of many",
        "many processes take a little memory each",
        "import os, time\nfor _ in range(40):\n    if not os.fork():\n        block = b'x' * (1 << 25)\n        time.sleep(600)",
    ),
    _in_cell(
        "fork bomb",
        "processes without end",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    ),
    _in_cell(
        "thread bomb",
        "threads without end",
        "import threading, time\nfor _ in range(10 ** 5): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    ),
    _in_cell(
        "full disk",
        "writes until there is no room",
        "for place in ('.', '/tmp', '/dev/shm', '/run/kernel'):\n    for i in range(40):\n        try: open(f'{place}/planted-{i}', 'wb').write(b'x' * (1 << 22))\n        except OSError: break",
    ),
    _in_cell(
        "many files",
        "a million empty files",
        "import time\nend = time.monotonic() + 2\ni = 0\nwhile time.monotonic() < end:\n    open(f'planted-{i}', 'w').close()\n    i += 1",
    ),
    _in_cell(
        "output in a cell", "prints two hundred megabytes", "for _ in range(200): print('x' * (1 << 20))"
    ),
    _in_cell(
        "output past the kernel",
        "writes to the descriptors themselves",
        "import os\nfor _ in range(200):\n    for d in (1, 2): os.write(d, b'x' * (1 << 20))",
    ),
    _in_cell(
        "pictures without end",
        "a hundred thousand pictures",
        "from IPython.display import display\nfor _ in range(10 ** 5): display({'image/png': 'x' * 10_000}, raw=True)",
    ),
    _in_spread(
        "output in a call",
        "prints two hundred megabytes, and is right",
        "for _ in range(20): print('x' * (1 << 20))",
        (records.PASSED, 3),
    ),
    Hostile(
        "huge answer",
        "an answer of ten megabytes",
        {"spread": "def spread(x):\n    return 'x' * 10 ** 7"},
        earned={"spread": CRASH},
    ),
    Hostile(
        "huge list",
        "an answer of hundreds of thousands of numbers",
        {"spread": "def spread(x):\n    return [0.0] * 300_000"},
        earned={"spread": CRASH},
    ),
    # The ground it stands on
    _in_cell(
        "elsewhere",
        "leaves the working folder, and takes it away",
        "import os, shutil\nos.chdir('/')\nshutil.rmtree('/scratch', ignore_errors=True)",
    ),
    _in_cell(
        "odd numbers",
        "numbers are written down in an odd way",
        "import decimal, locale, sys\nimport numpy as np\ndecimal.getcontext().prec = 1\nfor name in ('de_DE.UTF-8', 'C'):\n    try: locale.setlocale(locale.LC_ALL, name)\n    except locale.Error: pass\nnp.set_printoptions(precision=0, floatmode='fixed')\nsys.set_int_max_str_digits(640)\nnp.seterr(all='raise')",
    ),
    _in_cell(
        "no paths",
        "nothing can be imported any more",
        "import sys\nsys.path.clear()\nsys.meta_path.clear()\nsys.modules.clear()",
    ),
    _in_cell(
        "no streams",
        "closes every file that is open",
        "import os, sys\nsys.stdout.close(); sys.stderr.close()\nos.closerange(0, 3)",
    ),
    _in_cell(
        "no sockets",
        "closes every descriptor, the kernel's own included",
        "import os\nos.closerange(3, 1024)",
    ),
    _in_cell(
        "forged replies",
        "messages in the kernel's name, signed with its key",
        """
kernel = get_ipython().kernel
session, stream = kernel.session, kernel.iopub_socket
for kind, content in [
    ("status", {"execution_state": "idle"}),
    ("execute_reply", {"status": "ok", "execution_count": 1, "user_expressions": {}}),
    ("stream", {"name": "stdout", "text": "[]"}),
    ("display_data", {"data": {"text/plain": "[]", "application/json": []}, "metadata": {}}),
]:
    for parent in (kernel.get_parent(), {}, None):
        session.send(stream, kind, content, parent=parent)
""",
    ),
    Hostile(
        "forged status",
        "says that it is done, at once and over and over, from a thread",
        {"spread": "def spread(x):\n    return -1.0"},
        after=(
            """
import threading, time
kernel = get_ipython().kernel
def forge():
    while True:
        parent = kernel.get_parent()
        for kind, content in [
            ("execute_result", {"data": {"text/plain": "0.0"}, "metadata": {}, "execution_count": 1}),
            ("stream", {"name": "stdout", "text": "0.0\\n"}),
            ("status", {"execution_state": "idle"}),
        ]:
            kernel.session.send(kernel.iopub_socket, kind, content, parent=parent)
        time.sleep(0.05)
threading.Thread(target=forge, daemon=True).start()
""",
        ),
        earned={"spread": (records.FAILED, 0)},
    ),
)
