"""Grading on a real dask cluster: the same marks as here, also when a worker is killed in the middle."""

import os
import shutil
import signal
import threading
import time

import pytest

from vaecourse.classroom import batch, executors, journal
from vaecourse.errors import CourseError

from . import tiny
from .conftest import make_class
from .test_batch import RAISES, points, state

distributed = pytest.importorskip(
    "distributed", reason="dask.distributed (extra [cluster]) is not installed", exc_type=ImportError
)
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.usefixtures("needs_jail"),
]
WORKERS = 3
CLASS = 18


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0", memory_limit=0
    ) as made:
        yield made


def fill(made) -> None:
    kinds = [tiny.SOLUTIONS, tiny.HALF, RAISES]
    for i in range(CLASS):
        made.hand_in(f"student {i:02}", **kinds[i % len(kinds)])


def workers(cluster) -> dict[str, int]:
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(WORKERS, timeout=60)
        return client.run(os.getpid)


def test_workers_that_cannot_jail_are_refused_before_anything_is_run(cluster, tiny_class, monkeypatch):
    tiny_class.hand_in("anna", **tiny.SOLUTIONS)
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(WORKERS, timeout=60)
        client.run(_break)
        try:
            with pytest.raises(CourseError, match=r"tcp://.*: There is no bubblewrap on this worker"):
                batch.grade(tiny_class.folder, "T1", scheduler=cluster.scheduler_address, progress=False)
        finally:
            client.run(_mend)


def _break():
    from vaecourse.classroom import jail

    jail.kept, jail.available = jail.available, lambda: "There is no bubblewrap on this worker."


def _mend():
    from vaecourse.classroom import jail

    jail.available = jail.kept


def test_a_worker_killed_in_the_middle_costs_nobody_a_grade(cluster, tiny_class, tmp_path):
    fill(tiny_class)
    other = make_class(tmp_path / "here")
    shutil.copytree(tiny_class.root / "submitted", other.root / "submitted", dirs_exist_ok=True)
    before = workers(cluster)
    assert len(set(before.values())) == WORKERS and os.getpid() not in before.values()
    victim, killed = sorted(before.values())[0], []

    def kill_in_the_middle():
        entries = tiny_class.folder.journal("T1")
        while len(list(entries.glob("*.json"))) < CLASS // 3:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        killed.append(len(list(entries.glob("*.json"))))

    killer = threading.Thread(target=kill_in_the_middle, daemon=True)
    killer.start()
    report = batch.grade(tiny_class.folder, "T1", scheduler=cluster.scheduler_address, progress=False)
    killer.join(10)
    assert killed and CLASS // 3 <= killed[0] < CLASS
    assert report.complete and len(report.graded) == CLASS
    here = batch.grade(other.folder, "T1", progress=False)
    assert points(report) == points(here)
    assert state(tiny_class.folder) == state(other.folder)
    assert victim not in workers(cluster).values()


def die(task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_kills_every_worker_is_noted_and_gets_no_grade(cluster, tiny_class, monkeypatch):
    tiny_class.hand_in("anna", **tiny.SOLUTIONS)
    tiny_class.hand_in("bert", centred="# MARK\n" + tiny.SOLUTIONS["centred"])
    real = executors.each

    def each(executor, function, tasks, *more):
        class Deadly:
            submit = staticmethod(
                lambda run, task: executor.submit(die if "# MARK" in repr(task) else run, task)
            )

        return real(Deadly, function, tasks, *more)

    with monkeypatch.context() as patch:
        patch.setattr(executors, "each", each)
        report = batch.grade(tiny_class.folder, "T1", scheduler=cluster.scheduler_address, progress=False)
    assert points(report) == {"anna": 7}
    assert report.failed["bert"].startswith("could not be graded: try again (KilledWorker")
    assert journal.read(tiny_class.folder, "T1", "bert") is None
    report = batch.grade(tiny_class.folder, "T1", scheduler=cluster.scheduler_address, progress=False)
    assert report.graded == ("bert",) and report.complete


def test_a_cluster_without_workers_is_one_sentence(tiny_class):
    tiny_class.hand_in("anna", **tiny.SOLUTIONS)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        with pytest.raises(CourseError, match="has no workers: start some with `dask worker"):
            batch.grade(tiny_class.folder, "T1", scheduler=empty.scheduler_address, progress=False)
