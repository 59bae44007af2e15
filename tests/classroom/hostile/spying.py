"""Attacks on what is secret: other people's files, the solutions, and the hidden inputs themselves."""

from vaecourse.classroom import records

from . import NOTHING, SAY, Hostile

_RIGHT = "float(((x - x.mean()) ** 2).mean())"
_LOOK = """
import base64, os
def look(place):
    try:
        with open(place, "rb") as file:
            print(place, file.read(4000))
    except OSError: pass
"""  # what can be read is printed; the canaries tell whether it should have been


def _tells(
    name: str, tries: str, spread: str, earned: tuple = (records.PASSED, 3), before: str = ""
) -> Hostile:
    """The right answer, and the hidden input by some way out. SAY stands for the word that marks it."""
    spread = "def spread(x):\n" + "\n".join(f"    {line}" for line in spread.strip("\n").splitlines())
    spread += f"\n    return {_RIGHT}"
    before = (before.replace("SAY", SAY),) if before else ()
    return Hostile(name, tries, {"spread": spread.replace("SAY", SAY)}, before, earned={"spread": earned})


def _looks(name: str, tries: str, code: str) -> Hostile:
    return Hostile(name, tries, after=(_LOOK + code.replace("SAY", SAY),))


SUBMISSIONS = (
    # Reading
    _looks(
        "environment",
        "secrets in environment variables, its own and others'",
        """
print(dict(os.environ))
for p in os.listdir("/proc"):
    if p.isdigit():
        look(f"/proc/{p}/environ"); look(f"/proc/{p}/cmdline")
""",
    ),
    _looks(
        "home",
        "the teacher's home",
        """
for top in ("@HOME@", "/root", "/home", os.path.expanduser("~root")):
    for folder, _, files in os.walk(top):
        for file in files[:50]: look(os.path.join(folder, file))
""",
    ),
    _looks(
        "class folder",
        "the seed, the gradebook, the solutions, what others handed in",
        """
for top in ("@ROOT@", "/proc/1/root@ROOT@", "/proc/1/cwd", "../..", "/srv", "/var", "/mnt"):
    for folder, _, files in os.walk(top):
        for file in files[:200]: look(os.path.join(folder, file))
look("@ROOT@/secret.txt")
""",
    ),
    _looks(
        "shell",
        "the same with the tools of the shell",
        """
get_ipython().system("cat @ROOT@/secret.txt @HOME@/* /etc/shadow; env; ps aux; find / -name 'secret.txt' -exec cat {} ;")
get_ipython().system("grep -r MODEL-ANS[W]ER / --include=*.ipynb 2>/dev/null | head -c 4000")
""",
    ),
    Hostile(
        "links",
        "links in its folder to what it may not read",
        after=(
            """
import os
for i, place in enumerate(["@ROOT@/secret.txt", "@HOME@", "/etc/shadow", "@ROOT@/gradebook.db"]):
    os.symlink(place, f"T1-{i}.ipynb")
os.symlink("@ROOT@/secret.txt", "T1.ipynb")
try: os.link("@ROOT@/secret.txt", "hard")
except OSError: pass
""",
        ),
    ),
    _looks(
        "solutions by import",
        "the package's own answers",
        """
import importlib, pkgutil
for name in ("vaecourse.exercises", "vaecourse.exercises.core", "vaecourse.assignments", "vaecourse.assignments.solutions",
             "vaecourse.classroom", "vaecourse.classroom.grading", "vaecourse.chains.kl_divergence", "vaecourse.predictions"):
    try: print(SAY "imported", importlib.import_module(name))
    except ImportError as error: print("not there")
""",
    ),
    _looks(
        "solutions by path",
        "the package's own answers, by their files",
        """
import vaecourse
for folder, _, files in os.walk(os.path.dirname(vaecourse.__file__)):
    for file in files:
        text = open(os.path.join(folder, file), "rb").read()
        if b"Exer" + b"cise(" in text or b"BEGIN SOL" + b"UTION" in text or b"holds=" in text:
            print(SAY "an answer", folder, file)
for top in (os.path.dirname(os.path.dirname(vaecourse.__file__)), "/work", "/opt", "/usr"):
    for folder, _, files in os.walk(top):
        for file in files:
            if file.startswith(("A1.", "A2.", "A3.", "A5.", "T1.")) or file in ("tiny.py", "kl_and_coding.py"):
                print(SAY "an answer", folder, file)
""",
    ),
    _looks(
        "solutions in memory",
        "the judge, the reference or the inputs somewhere in the interpreter",
        """
import gc, sys
for thing in gc.get_objects():
    kind = type(thing).__name__
    if kind in ("Exercise", "Ask", "Hidden", "Assignment"): print(SAY kind)
    if isinstance(thing, dict) and ("hidden" in thing and "asks" in thing): print(SAY "asks")
for name in sys.modules:
    if name.startswith(("vaecourse.exercises", "vaecourse.assignments", "vaecourse.classroom")): print(SAY name)
frame = sys._getframe()
while frame:
    for name in ("case", "cases", "asks", "reference", "hidden"):
        if name in frame.f_locals: print(SAY name)
    frame = frame.f_back
""",
    ),
    # Telling what it is asked
    _tells("exception", "the input in the message of an exception", "raise ValueError(SAY repr(x))", NOTHING),
    _tells(
        "exception's type",
        "the input in the name of an exception's type",
        'raise type(SAY repr(x), (Exception,), {})("")',
        NOTHING,
    ),
    _tells(
        "exception's notes",
        "the input in notes, causes and groups",
        "error = ExceptionGroup(SAY repr(x), [ValueError(SAY repr(x))])\nerror.add_note(SAY repr(x))\nraise error from KeyError(SAY repr(x))",
        NOTHING,
    ),
    _tells("interrupt", "the input in what ends the interpreter", "raise SystemExit(SAY repr(x))", NOTHING),
    _tells("returned text", "the input as the answer", "return SAY repr(x)", NOTHING),
    _tells(
        "returned type",
        "the input in the name of the answer's type",
        "return type(SAY repr(x), (), {})()",
        NOTHING,
    ),
    _tells("returned keys", "the input in a dictionary", "return {SAY repr(x): 0.0}", NOTHING),
    _tells(
        "own name",
        "the input in the function's own name",
        "spread.__name__ = spread.__qualname__ = SAY repr(x)\nraise TypeError(SAY repr(x))",
        NOTHING,
    ),
    _tells(
        "prints",
        "the input on the screen",
        "import sys, warnings, logging\nprint(SAY repr(x))\nprint(SAY repr(x), file=sys.stderr)\nwarnings.warn(SAY repr(x))\nlogging.error(SAY repr(x))",
    ),
    _tells(
        "original streams",
        "the input through streams that were there before",
        "import os, sys\nfor d in (1, 2): os.write(d, (SAY repr(x)).encode())\nsys.__stdout__.write(SAY repr(x)); sys.__stdout__.flush()\nget_ipython().kernel.log.error(SAY repr(x))",
    ),
    _tells(
        "displays",
        "the input as something displayed",
        'from IPython.display import display, HTML, Markdown\ndisplay(SAY repr(x)); display(HTML(SAY repr(x)))\nget_ipython().display_pub.publish({"text/plain": SAY repr(x)})',
    ),
    _tells(
        "updated display",
        "the input in an output that a cell left behind",
        "handle.update(SAY repr(x))",
        before='from IPython.display import display\nhandle = display("here", display_id="mine")',
    ),
    _tells(
        "plot title",
        "the input as the title of a plot that a cell left open",
        "axes.set_title(SAY repr(x))\nfigure.canvas.draw()\nfrom IPython.display import display\ndisplay(figure)",
        before="import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()",
    ),
    _tells(
        "thread",
        "the input from a thread that a cell started, printed in that cell's name",
        "import time\nkept.append(x)\ntime.sleep(0.1)",
        before="""
import threading, time
kept = []
def tell():
    while True:
        while kept: print(SAY repr(kept.pop()))
        time.sleep(0.01)
threading.Thread(target=tell, daemon=True).start()
""",
    ),
    _tells(
        "in the cell's name",
        "the input in a message that claims to come from an earlier cell",
        'kernel = get_ipython().kernel\nkernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": SAY repr(x)}, parent=cell)',
        before="cell = get_ipython().kernel.get_parent()",
    ),
    _tells(
        "at the end",
        "the input when the interpreter ends",
        "kept.append(x)",
        before="import atexit\nkept = []\natexit.register(lambda: print(SAY repr(kept)))",
    ),
    _tells(
        "files",
        "the input in files",
        'for place in ("told.txt", "/tmp/told.txt", "T1.ipynb", "@ROOT@/planted", "@HOME@/planted"):\n    try: open(place, "a").write(SAY repr(x))\n    except OSError: pass',
    ),
    _tells(
        "network",
        "the input through the network",
        """
import socket
for family, kind, place in [
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", @PORT@)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", @PORT@)),
    (socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + "vaecourse-listens-@PORT@"),
]:
    try:
        with socket.socket(family, kind) as s:
            s.settimeout(1)
            s.connect(place)
            s.send((SAY repr(x)).encode())
    except OSError: pass
""",
    ),
    Hostile(
        "hooks",
        "whatever IPython is asked to run is written down",
        before=(
            (
                """
shell = get_ipython()
def told(info=None, *more):
    print(SAY repr(getattr(info, "raw_cell", info)))
    open("told.txt", "a").write(SAY repr(getattr(info, "raw_cell", info)))
for event in ("pre_execute", "pre_run_cell", "post_execute", "post_run_cell"):
    shell.events.register(event, told)
first = []
def transform(lines):
    first.append(lines)
    if len(first) > 12: print(SAY "".join(lines))  # beyond the notebook's own cells
    return lines
shell.input_transformers_cleanup.append(transform)
"""
            )
            .replace('SAY repr(getattr(info, "raw_cell", info))', '"ran"')
            .replace("SAY", SAY),
        ),
    ),
    Hostile(
        "trace",
        "every line that runs in the interpreter is looked at, its caller's names included",
        {
            "spread": (
                """
import sys
def spread(x):
    frame = sys._getframe().f_back
    while frame:
        for name, value in list(frame.f_locals.items()):
            print(SAY name, repr(value)[:200])
        frame = frame.f_back
    sys.settrace(lambda f, *a: print(SAY f.f_code.co_name))
    return float(((x - x.mean()) ** 2).mean())
"""
            ).replace("SAY", SAY)
        },
    ),
    Hostile(
        "script",
        "a script in the page that the teacher and others will read",
        before=(
            """
from IPython.display import HTML, Javascript, SVG, display
script = "<scr" + "ipt>stolen()</scr" + "ipt>"
display(HTML(script), Javascript("sto" + "len()"), SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='sto" + "len()'/>"))
display({"text/html": script, "text/latex": script, "text/markdown": script, "application/json": {"a": script}}, raw=True)
print(script)
raise ValueError(script)
""",
        ),
    ),
)
