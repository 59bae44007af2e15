"""The jail as others use it: nbclient and a kernel manager, with a kernel specification that names vaecourse-jail."""

import contextlib
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import nbclient
import nbformat.v4 as v4
import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from vaecourse.classroom import jail
from vaecourse.errors import CourseError

from .conftest import children

pytestmark = [
    pytest.mark.usefixtures("needs_jail"),
    pytest.mark.filterwarnings(
        "ignore:Unclosed (socket|context) <zmq:ResourceWarning"
    ),  # jupyter_client's and nbclient's
]


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """A kernel manager whose kernel is jailed, as its specification says."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("CLASS_TOKEN", "token-of-the-teacher")
    folder = tmp_path / "kernels" / "jailed"
    folder.mkdir(parents=True)
    config = {"memory": 300 * 2**20, "processes": 40, "hidden": ["scipy.stats"]}
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Jail",
        "language": "python",
        "metadata": {"kernel_provisioner": {"provisioner_name": "vaecourse-jail", "config": config}},
    }
    (folder / "kernel.json").write_text(json.dumps(spec))
    found = KernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")], ensure_native_kernel=False)
    made = KernelManager(kernel_name="jailed", kernel_spec_manager=found)
    yield made
    if made.has_kernel:
        made.shutdown_kernel(now=True)
    KernelProvisionerFactory.clear_instance()
    gc.collect()
    assert children() == []


def said(manager, *cells, **options):
    notebook = v4.new_notebook(cells=[v4.new_code_cell(c) for c in cells])
    nbclient.NotebookClient(notebook, km=manager, timeout=20, **options).execute()
    return ["".join(o.get("text", "") for o in c.outputs) for c in notebook.cells]


def test_it_is_found_by_name():
    entries = KernelProvisionerFactory.instance().get_provisioner_entries()
    assert entries["vaecourse-jail"] == "vaecourse.classroom.provisioner:JailProvisioner"


def test_nbclient_runs_a_notebook_in_a_jail(manager, tmp_path):
    where, files, rights, hidden, end = said(
        manager,
        "import os\nprint(os.getuid(), os.getcwd(), os.environ.get('CLASS_TOKEN'))",
        f"print(os.path.exists({str(tmp_path)!r}), os.listdir('.'))",
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 1), 1)\nexcept OSError as e:\n    print(type(e).__name__)\n"
        "try:\n    open(os.__file__, 'a')\nexcept OSError as e:\n    print(e.errno)",
        "try:\n    import scipy.stats\nexcept ImportError as e:\n    print(e)",
        "print('end')",
    )
    assert where == "65534 /scratch None\n" and files == "False []\n"
    assert rights == "ConnectionRefusedError\n30\n"
    assert hidden == "scipy.stats is not available in graded work.\n" and end == "end\n"
    assert not list(tmp_path.glob("runtime/*.json"))


@contextlib.contextmanager
def client_of(manager):
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=20)
        yield client
    finally:
        client.stop_channels()


def reply(client, asked):
    while True:
        message = client.get_shell_msg(timeout=10)
        if message["parent_header"].get("msg_id") == asked:
            return message["content"]


def test_a_cell_is_interrupted(manager):
    with client_of(manager) as client:
        asked = client.execute("import time\nprint('begun', flush=True)\ntime.sleep(30)")
        while client.get_iopub_msg(timeout=20)["msg_type"] != "stream":
            pass
        time.sleep(0.3)  # from the print to the sleep
        manager.interrupt_kernel()
        assert reply(client, asked)["ename"] == "KeyboardInterrupt"
        assert reply(client, client.execute("1"))["status"] == "ok"


def test_after_a_restart_it_is_another_jail_at_the_same_place(manager):
    with client_of(manager) as client:
        reply(client, client.execute("open('left', 'w').write('x')"))
        before = manager.provisioner.pid, manager.ip
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=20)
        assert reply(client, client.execute("import os\nassert os.listdir('.') == []"))["status"] == "ok"
        assert manager.provisioner.pid != before[0] and manager.ip == before[1]
        assert not psutil.pid_exists(before[0])


def test_too_much_memory_ends_it(manager):
    with client_of(manager) as client:
        client.execute(
            "kept = []\nimport time\nwhile True:\n    kept.append(b'x' * 2**23); time.sleep(0.005)"
        )
        end = time.monotonic() + 10
        while manager.is_alive() and time.monotonic() < end:
            time.sleep(0.05)
        assert not manager.is_alive() and manager.provisioner._watch.trouble == "memory"


def test_where_there_is_no_jail_there_is_no_kernel(manager, monkeypatch):
    monkeypatch.setattr(jail, "available", lambda: "There is no jail here.")
    with pytest.raises(CourseError, match="There is no jail here"):
        manager.start_kernel()


def test_nothing_is_left(manager, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        said(manager, "print(1)")
        assert list(Path(folder).glob("vaecourse-*/run"))  # the way to the sockets
        manager.shutdown_kernel(now=True)
        assert os.listdir(folder) == [] and children() == []
