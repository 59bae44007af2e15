"""How a graded kernel begins: an ordinary ipykernel, without what nobody uses there (debugger, completion).

This text is given to the interpreter. Where there is no jail, lines before it name the modules that are HIDDEN, and the
file that stands for the LESSON; in a jail the files themselves are not there.
"""

import importlib.abc
import importlib.util
import sys

HIDDEN = globals().get("HIDDEN", ())
LESSON = globals().get("LESSON", "")


class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == h or name.startswith(h + ".") for h in HIDDEN):
            raise ImportError(f"{name} is not available in graded work.")
        return importlib.util.spec_from_file_location(name, LESSON) if name == "vaecourse.lesson" else None


if LESSON:
    sys.meta_path.insert(0, Hidden())
sys.path[:1] = [p for p in sys.path[:1] if p]
for unused in ("debugpy", "jedi"):
    sys.modules[unused] = None

from ipykernel.kernelapp import launch_new_instance  # noqa: E402

launch_new_instance()
