"""nbgrader for everybody on the hub, found through JUPYTER_CONFIG_PATH. The class folder's own file has the last word."""

import getpass
import tomllib
from pathlib import Path

c = get_config()  # noqa: F821

CLASS = tomllib.loads((Path(__file__).resolve().parent / "class.toml").read_text(encoding="utf-8"))

c.CourseDirectory.course_id = CLASS["course"]
c.Exchange.root = CLASS["exchange"]
# The formgrader needs to know where the class is, before there is one as well. The class has settings of its own.
if getpass.getuser() == CLASS["teacher"]:
    FOLDER = Path.home() / CLASS["course"]
    c.CourseDirectory.root = str(FOLDER)
    if (FOLDER / "nbgrader_config.py").is_file():
        load_subconfig(str(FOLDER / "nbgrader_config.py"))  # noqa: F821
# nbgrader's own grading, a button of the formgrader, has no jail: it refuses, and says what to do instead.
c.Autograde.exporter_class = "vaecourse.classroom.no_autograde.NoAutograde"
# A name in the inbound folder that nobody can guess.
c.ExchangeSubmit.add_random_string = True
# What is handed in is for its student and the teacher alone, and is collected only if it
# belongs to the student whose name it bears, and without links: see exchange.py.
c.ExchangeFactory.submit = "vaecourse.classroom.hub.exchange.OwnSubmit"
c.ExchangeFactory.collect = "vaecourse.classroom.hub.exchange.OwnCollect"
# On Kubernetes the accounts of others are unknown to the system; there the number itself says whose it is.
c.OwnCollect.numbered = bool(CLASS.get("numbered"))
