"""Where submissions are run: any executor, few tasks in flight, workers that die, an orderly stop."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from vaecourse.classroom import executors
from vaecourse.errors import CourseError

NEVER = threading.Event()


def double(n):
    return 2 * n


def double_unless_odd(n):
    if n % 2:
        raise KeyError(n)
    return 2 * n


def die_outside_of(task):
    """Kill the worker if it is not the main process; a number in the main process."""
    main, n = task
    if n == 3 and os.getpid() != main:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * n


def named(n):
    return ((i, i) for i in range(n))


def done(executor, function, tasks, at_once=4, stop=NEVER):
    return {
        name: (result, error)
        for name, result, error in executors.each(executor, function, tasks, at_once, stop)
    }


class Counting(Executor):
    """Does nothing until asked, and remembers how much was with it."""

    def __init__(self):
        self.open, self.most = [], 0

    def submit(self, function, /, *args):
        future = Future()
        self.open.append((future, function, args))
        self.most = max(self.most, len(self.open))
        return future

    def work_on_last(self):
        while not NEVER.wait(0.001) and self.open is not None:
            if self.open:
                future, function, args = self.open[-1]
                if future.set_running_or_notify_cancel():
                    future.set_result(function(*args))
                self.open.pop()


@pytest.mark.parametrize("at_once", [1, 2, 7])
def test_all_is_done_in_any_order_with_few_in_flight(at_once):
    executor, taken = Counting(), []

    def tasks():
        for i in range(20):
            taken.append(i)
            yield i, i

    helper = threading.Thread(target=executor.work_on_last)
    helper.start()
    try:
        seen = []
        for name, result, error in executors.each(executor, double, tasks(), at_once, NEVER):
            assert len(taken) <= len(seen) + 2 * at_once  # what comes later is not even made yet
            seen.append((name, result, error))
    finally:
        executor.open = None
        helper.join()
    assert sorted(seen) == [(i, 2 * i, None) for i in range(20)]
    assert executor.most <= at_once


def test_no_task_at_all():
    with executors.executor(1) as pool:
        assert done(pool, double, iter(())) == {}


def test_what_fails_is_tried_three_times_and_the_others_go_on():
    tried = Counter()

    def work(n):
        tried[n] += 1
        if n == 2 or (n == 4 and tried[n] < 3):
            raise RuntimeError("bad luck")
        return 2 * n

    with executors.executor(2) as pool:
        results = done(pool, work, named(6))
    assert {n: result for n, (result, error) in results.items() if error is None} == {
        0: 0,
        1: 2,
        3: 6,
        4: 8,
        5: 10,
    }
    assert str(results[2][1]) == "bad luck"
    assert tried == {0: 1, 1: 1, 2: 3, 3: 1, 4: 3, 5: 1}


def test_a_task_that_a_cluster_gave_up_is_not_begun_again():
    class KilledWorker(Exception):
        pass

    tried = []

    def work(n):
        tried.append(n)
        raise KilledWorker

    with executors.executor(1) as pool:
        assert isinstance(done(pool, work, named(1))[0][1], KilledWorker)
    assert tried == [0]


def test_processes():
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        results = done(pool, double_unless_odd, named(6))
        assert executors.width(pool) == 2
    assert {n: result for n, (result, error) in results.items() if error is None} == {0: 0, 2: 4, 4: 8}
    assert all(isinstance(results[n][1], KeyError) for n in (1, 3, 5))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_when_the_worker_processes_die_the_rest_is_done_here():
    tasks = ((n, (os.getpid(), n)) for n in range(12))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        assert done(pool, die_outside_of, tasks) == {n: (2 * n, None) for n in range(12)}


def test_after_stop_nothing_is_begun_and_nothing_unsure_is_taken():
    stop, begun, goes_on = threading.Event(), [], threading.Event()

    def work(n):
        begun.append(n)
        if n:
            goes_on.wait(10)
        return n

    with ThreadPoolExecutor(2) as pool:
        results = {}
        for name, result, _ in executors.each(pool, work, named(50), 4, stop):
            results[name] = result
            stop.set()
        goes_on.set()
    assert results == {0: 0}
    assert set(begun) <= {0, 1, 2}


def test_the_default_is_one_job_for_each_processor():
    with executors.executor() as pool:
        assert executors.width(pool) == executors.processors() >= 1
    with executors.executor(3) as pool:
        assert executors.width(pool) == 3


def test_a_scheduler_that_does_not_answer_is_one_sentence_soon():
    pytest.importorskip("distributed", reason="dask.distributed (extra [cluster]) is not installed")
    started = time.monotonic()
    with pytest.raises(
        CourseError, match=r"No scheduler answers at 'tcp://127.0.0.1:9' within 5 seconds: start one"
    ):
        with executors.executor(scheduler="tcp://127.0.0.1:9"):
            pass
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("address", ["", "nonsense", "ftp://x:1"])
def test_an_address_that_is_none_is_one_sentence(address):
    pytest.importorskip("distributed", reason="dask.distributed (extra [cluster]) is not installed")
    with pytest.raises(CourseError, match="No scheduler answers at"):
        with executors.executor(scheduler=address):
            pass


def test_a_missing_dask_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(CourseError, match=r"pip install \"vaecourse\[cluster\]\""):
        with executors.executor(scheduler="tcp://127.0.0.1:8786"):
            pass


class Elsewhere(Executor):
    """A worker with another version of the course, or without a jail."""

    def __init__(self, version, no_jail):
        self.answer = version, no_jail

    def submit(self, function, /, *args):
        future = Future()
        future.set_result(self.answer)
        return future


def test_workers_must_be_alike_and_able_to_jail():
    from vaecourse import __version__

    assert executors.why_not(Elsewhere(__version__, ""), jailed=True) == ""
    assert executors.why_not(Elsewhere(__version__, "There is no jail."), jailed=True) == "There is no jail."
    assert executors.why_not(Elsewhere(__version__, "There is no jail."), jailed=False) == ""
    assert "has version 0.0.1 of the course" in executors.why_not(Elsewhere("0.0.1", ""), jailed=False)
