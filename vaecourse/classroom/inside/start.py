"""How a graded kernel begins: an ordinary ipykernel, without what nobody uses there (debugger, completion)."""

import sys

sys.path[:1] = [p for p in sys.path[:1] if p]
for name in ("debugpy", "jedi"):
    sys.modules[name] = None

from ipykernel.kernelapp import launch_new_instance  # noqa: E402

launch_new_instance()
