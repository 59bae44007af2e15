"""The jail as a kernel provisioner of `jupyter_client`: for nbclient, nbgrader's own autograde, or a Jupyter server.

A kernel specification asks for it in its metadata, and may set what it may use:

    {"argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Jail",
     "language": "python",
     "metadata": {"kernel_provisioner": {"provisioner_name": "vaecourse-jail", "config": {"memory": 2147483648}}}}

The kernel begins in an empty folder of its own, with no file of the caller's and nothing of his environment.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Float, Int, List, Unicode

from vaecourse.assignments.core import Limits
from vaecourse.errors import CourseError

from . import jail
from .watch import Watch

PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}


class JailProvisioner(LocalProvisioner):
    """Starts a kernel in a jail. Its sockets lie inside; a link in a folder of the caller's own leads there."""

    memory = Int(Limits.memory, help="Resident bytes of all processes together.", config=True)
    processes = Int(Limits.processes, help="Processes and threads.", config=True)
    cpu_seconds = Float(Limits.cpu_seconds, help="Processor time of all processes together.", config=True)
    scratch = Int(Limits.scratch, help="Bytes in the working folder, and as many in /tmp.", config=True)
    hidden = List(Unicode(), help="Modules that are not to be found in the jail.", config=True)

    _jail: jail.Jail | None = None
    _watch: Watch | None = None
    _folder: Path | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Have the connection file written for the inside: there is no network, so the sockets are files."""
        if why := jail.available():
            raise CourseError(why)
        manager = self.parent
        manager.transport, manager.ip, manager.cache_ports = "ipc", f"{jail.RUNTIME}/k", False
        for name, number in PORTS.items():
            setattr(manager, name, number)
        manager._connection_file_written = False  # after a restart the file names the way from outside
        self.kernel_spec.interrupt_mode = "message"  # signals do not reach into the jail
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Start `cmd` in a jail, and return how to reach the kernel from outside."""
        outside, inside = self.parent.connection_file, f"{jail.RUNTIME}/connection.json"
        limits = Limits(
            cpu_seconds=self.cpu_seconds, memory=self.memory, processes=self.processes, scratch=self.scratch
        )
        info = {**self.connection_info, "key": self.connection_info["key"].decode()}
        self._jail = jail.start(
            [word.replace(outside, inside) for word in cmd],
            limits,
            self.hidden,
            {inside: json.dumps(info).encode()},
        )
        self._watch = Watch(self._jail, limits)
        self._watch.__enter__()
        self.process, self.pid = self._jail.process, self._jail.process.pid
        self.connection_info = {**self.connection_info, "ip": f"{self._link()}/k"}
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """End the kernel, whatever the signal: the only other one, an interrupt, is a message here."""
        if signum and self._jail:
            self._jail.kill()

    async def kill(self, restart: bool = False) -> None:
        if self._jail:
            self._jail.kill()

    terminate = kill

    async def cleanup(self, restart: bool = False) -> None:
        """Leave no process behind."""
        if self._watch:
            self._watch.__exit__()
        if self._jail:
            self._jail.close()
        self._watch = self._jail = None
        if self._folder and not restart:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _link(self) -> Path:
        """The way to the sockets: the same for every kernel that this one starts, so that clients find the next."""
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="vaecourse-"))
        link, fresh = self._folder / "run", self._folder / "new"
        os.symlink(self._jail.path(jail.RUNTIME), fresh)
        os.replace(fresh, link)
        return link
