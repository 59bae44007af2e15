"""Attempts to leave something behind: a process, a file, a changed grade."""

from . import MINUS_ONE, NOTHING, Hostile

SUBMISSIONS = (
    Hostile(
        "daemon",
        "a process that outlives grading and waits for its time",
        after=(
            """
import os, subprocess, sys
for _ in range(3):
    if not os.fork():
        os.setsid()
        if os.fork(): os._exit(0)
        os.closerange(0, 1024)
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(900)", "planted-daemon"])
subprocess.Popen(["sh", "-c", "nohup setsid sleep 901 planted-daemon & disown"], start_new_session=True)
""",
        ),
    ),
    Hostile(
        "daemon from a call",
        "the same when it is asked, with the answer given as it should",
        {
            "spread": """
import os, subprocess
def spread(x):
    subprocess.Popen(["sh", "-c", "exec sleep 902 # planted-daemon"], start_new_session=True, stdout=-3, stderr=-3)
    return float(((x - x.mean()) ** 2).mean())
"""
        },
    ),
    Hostile(
        "gradebook",
        "writes its own grade, and others'",
        {"spread": MINUS_ONE},
        after=(
            """
import os, sqlite3
for place in ("@ROOT@/gradebook.db", "../gradebook.db", "gradebook.db"):
    try:
        with sqlite3.connect(place) as book:
            for table in ("grade", "score"):
                book.execute(f"update {table} set auto_score = 100, manual_score = 100, max_score = 100")
    except Exception as error: print(type(error).__name__)
for folder, _, files in os.walk("@ROOT@"):
    for file in files:
        try: open(os.path.join(folder, file), "a").write("planted")
        except OSError: pass
""",
        ),
        earned={"spread": NOTHING},
    ),
    Hostile(
        "files everywhere",
        "a file in every place that can be written",
        after=(
            """
import os
places = ["/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/etc", "/usr/lib", "@HOME@", "@ROOT@", "..", "/proc/1/root/tmp", "/proc/1/cwd"]
import sys, numpy, vaecourse
places += [os.path.dirname(m.__file__) for m in (os, numpy, vaecourse)] + [sys.prefix, sys.base_prefix]
for place in places:
    try: open(os.path.join(place, "planted-file"), "w").write("planted")
    except OSError: pass
for name in ("sitecustomize.py", "usercustomize.py", "numpy.py", "vaecourse.py", "conftest.py"):
    for place in (sys.prefix + "/lib/python3.%d/site-packages" % sys.version_info[1], "@ROOT@", "."):
        try: open(os.path.join(place, name), "w").write("import os; os.system('touch /tmp/planted-import')")
        except OSError: pass
""",
        ),
    ),
    Hostile(
        "its own notebook",
        "the notebook writes itself anew while it runs, with the points it would like",
        {"spread": MINUS_ONE},
        after=(
            """
import json, os
made = {"cells": [], "metadata": {"vaecourse": {"assignment": "T1"}, "planted": True}, "nbformat": 4, "nbformat_minor": 5}
for place in ("T1.ipynb", "../T1.ipynb", "@ROOT@/submitted/me/T1/T1.ipynb", "@ROOT@/autograded/me/T1/T1.ipynb"):
    try:
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        json.dump(made, open(place, "w"))
    except OSError: pass
""",
        ),
        earned={"spread": NOTHING},
    ),
    Hostile(
        "more rights",
        "to be somebody else, somewhere else",
        after=(
            """
import os, subprocess
for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.chroot("/proc/1/root"), lambda: os.mkfifo("/planted-pipe"),
                lambda: os.mknod("/tmp/planted-device", 0o60600, os.makedev(8, 0)), lambda: os.chmod("/scratch", 0o4777)):
    try: attempt()
    except (OSError, AttributeError): pass
for command in ("sudo -n true", "su -c true", "unshare -Ur touch /planted-root", "mount -t tmpfs none /mnt", "bwrap --bind / / touch /planted-root",
                "nsenter -t 1 -a touch /planted-root", "chroot /proc/1/root touch /planted-root"):
    subprocess.run(command, shell=True, stdin=-3, stdout=-3, stderr=-3, timeout=2)
""",
        ),
    ),
    Hostile(
        "the next one",
        "what the next submission would import, find or run",
        after=(
            """
import os, pathlib
for place in ("~/.ipython/profile_default/startup", "~/.jupyter", "~/.config", "~/.local/lib/python3.11/site-packages"):
    folder = pathlib.Path(place).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "planted.py").write_text("raise SystemExit")
        (folder / "usercustomize.py").write_text("import os; os.system('touch /tmp/planted-next')")
    except OSError: pass
""",
        ),
    ),
)
