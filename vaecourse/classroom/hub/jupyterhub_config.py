"""JupyterHub for one class on one server. Start it as root: `jupyterhub -f /srv/vaecourse/jupyterhub_config.py`.

Every student and the teacher are Unix accounts of their own, and their servers run as these accounts: it is Unix that
keeps them apart. Edit class.toml; below stands what is the same for every class.
"""

import importlib.util
import os
import pwd
import shutil
import sys
import tomllib
from pathlib import Path

from vaecourse.classroom.hub.prepare import prepare

c = get_config()  # noqa: F821

HERE = Path(__file__).resolve().parent
CLASS = tomllib.loads((HERE / "class.toml").read_text(encoding="utf-8"))
STATE = HERE / "state"  # the hub's own files
PROGRAMS = Path(sys.prefix) / "bin"  # users work in the environment in which the hub is installed

# --- who may log in ---------------------------------------------------------------------------------------------------
# The system's own passwords.
c.JupyterHub.authenticator_class = "pam"
# Nobody but these: since JupyterHub 5 an empty list lets nobody in, and `allow_all` would let in every account.
c.PAMAuthenticator.allowed_users = {CLASS["teacher"]}
# The members of this Unix group (`usermod -aG students anna`), looked up at each login.
c.PAMAuthenticator.allowed_groups = {CLASS["students"]}
# Being in the hub's list of known users does not replace the two lines above: who leaves the group is out.
c.PAMAuthenticator.allow_existing_users = False
# Logging in lasts a day, and so do the keys that a user makes for programs.
c.JupyterHub.cookie_max_age_days = 1
c.JupyterHub.token_expires_in_max_seconds = 24 * 60 * 60
# Nobody administers the hub through the browser, and nobody may enter another's server. A teacher who could open a
# student's server would run that student's pages with his own rights.
c.PAMAuthenticator.admin_users = set()
c.JupyterHub.admin_access = False

# --- the hub's own files ----------------------------------------------------------------------------------------------
# Cookie secret, database of users and tokens, process ids: for root alone.
STATE.mkdir(mode=0o700, exist_ok=True)
STATE.chmod(0o700)
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{STATE / 'jupyterhub.sqlite'}"
c.JupyterHub.pid_file = str(STATE / "jupyterhub.pid")
c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")

# --- where it listens -------------------------------------------------------------------------------------------------
# Behind a web server that speaks HTTPS. Without one: bind_url = "https://:443" and the two lines after it.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
# c.JupyterHub.ssl_key = "/etc/ssl/private/hub.key"
# c.JupyterHub.ssl_cert = "/etc/ssl/certs/hub.pem"
# The hub's own address and the proxy's are for this machine alone; each asks for a token that users do not have.
c.JupyterHub.hub_bind_url = "http://127.0.0.1:8081"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:8001"
# If you have a wildcard certificate, a host name for each user keeps the browser from mixing two users' pages.
# c.JupyterHub.subdomain_host = "https://hub.example.org"
# When the hub ends, its servers and the proxy end too.
c.JupyterHub.cleanup_servers = True
c.JupyterHub.cleanup_proxy = True

# --- the users' servers -----------------------------------------------------------------------------------------------
# A plain process under the user's account; with `pip install jupyterhub-systemdspawner` a systemd unit, which is what
# enforces the limits below and gives everybody a /tmp of his own.
if importlib.util.find_spec("systemdspawner"):
    c.JupyterHub.spawner_class = "systemd"
    c.SystemdSpawner.isolate_tmp = True
    c.SystemdSpawner.disable_user_sudo = True
    c.SystemdSpawner.default_shell = "/bin/bash"
else:
    c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
# For each user. The plain process spawner only shows them to the user; it does not enforce them.
c.Spawner.mem_limit = "2G"
c.Spawner.cpu_limit = 2.0
# Many students come at the same minute: start so many at once, the others wait.
c.JupyterHub.concurrent_spawn_limit = 10
# JupyterLab, in this very environment. Starting may take a while when many start.
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
# Each server listens on this machine only, and asks the hub who is there.
c.Spawner.ip = "127.0.0.1"
# Nothing of the hub's own environment goes to the users (it holds the proxy's token): only what is named here.
c.Spawner.env_keep = []


def environment(spawner):
    """What a user's server starts with: where programs are found, and which of nbgrader's extensions are on."""
    role = "teacher" if spawner.user.name == CLASS["teacher"] else "student"
    return {
        "PATH": os.pathsep.join([str(PROGRAMS), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        # The first folder has the extensions of the role; the second nbgrader_config.py and the time limits, for all.
        "JUPYTER_CONFIG_PATH": os.pathsep.join([str(HERE / role), str(HERE)]),
    }


async def before_start(spawner):
    spawner.environment = environment(spawner)
    # Homes are their owners' alone. A home that others may look into would show the class's secret, or a solution.
    os.chmod(pwd.getpwnam(spawner.user.name).pw_dir, 0o700)


c.Spawner.pre_spawn_hook = before_start

# --- the exchange -----------------------------------------------------------------------------------------------------

# Its folders, with the modes that keep submissions apart (prepare.py has them one by one).
teacher = pwd.getpwnam(CLASS["teacher"])
prepare(Path(CLASS["exchange"]), CLASS["course"], teacher.pw_uid, teacher.pw_gid)

# --- the proxy --------------------------------------------------------------------------------------------------------
# `npm install -g configurable-http-proxy`
c.ConfigurableHTTPProxy.command = [shutil.which("configurable-http-proxy") or "configurable-http-proxy"]

# --- several teachers (optional; not part of the tests) ---------------------------------------------------------------
# The class stays with the one account. Who else may open its formgrader gets there through a service that runs as that
# account: its whole server, so these persons can do with the class what the teacher can.
# c.JupyterHub.load_groups = {"formgrade-vaeclass": {"users": ["assistant1", "assistant2"]}}
# c.JupyterHub.load_roles = [
#     {"name": "formgrade-vaeclass", "groups": ["formgrade-vaeclass"], "scopes": ["access:services!service=vaeclass"]}
# ]
# c.JupyterHub.services = [
#     {
#         "name": "vaeclass",
#         "url": "http://127.0.0.1:9999",
#         "command": [sys.executable, "-m", "jupyterhub.singleuser", "--ServerApp.root_dir=/home/teacher"],
#         "user": "teacher",
#         "cwd": "/home/teacher",
#         "environment": {"JUPYTER_CONFIG_PATH": f"{HERE / 'teacher'}:{HERE}", "PATH": f"{PROGRAMS}:/usr/bin:/bin"},
#         "oauth_client_allowed_scopes": ["inherit"],
#     }
# ]
