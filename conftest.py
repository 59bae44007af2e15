"""What holds for every test and for every lesson that the tests run: no progress, no settings, fixed threads.

The outputs of a lesson are compared with the stored ones in the form in which `vaecourse build` stores them, that is
without widget ids and progress bars.
"""

import atexit
import os
import shutil
import tempfile

from vaecourse.build import THREADS
from vaecourse.stored_form import settled

for name, count in THREADS.items():  # before NumPy and torch read them; kernels and subprocesses inherit them
    os.environ.setdefault(name, count)
FOLDER = tempfile.mkdtemp(prefix="vaecourse-tests-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
for name in ("VAECOURSE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"):  # nothing of yours takes part
    os.environ[name] = os.path.join(FOLDER, name.lower())
    os.mkdir(os.environ[name])
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
os.environ.pop("MPLBACKEND", None)  # else the kernels would show no figure


def pytest_configure(config):
    from nbval.plugin import IPyNbCell

    compare = IPyNbCell.compare_outputs
    if not hasattr(compare, "settled"):

        def compare_settled(self, test, ref, skip_compare=None):
            return compare(self, settled(test), settled(ref), skip_compare)

        compare_settled.settled = True
        IPyNbCell.compare_outputs = compare_settled
