"""Where submissions are run: in threads that each wait for a jailed process, or on the machines of a dask cluster.

Anything with the interface of `concurrent.futures.Executor` will do as well, a ProcessPoolExecutor or MPI's, say: a worker
only ever sees a Task and gives a Run.
"""

import contextlib
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    ThreadPoolExecutor,
    wait,
)
from typing import Any

from vaecourse import __version__
from vaecourse.errors import CourseError

PATIENCE = 5  # seconds for a scheduler to answer
TRIES = 3  # for a task whose worker dies


@contextlib.contextmanager
def executor(jobs: int | None = None, scheduler: str | None = None) -> Iterator[Executor]:
    """An executor of `jobs` threads (default: one for each processor), or of the cluster whose scheduler is named.

    At the end nothing that waits is begun any more. CourseError where the cluster cannot be used.
    """
    if scheduler is None:
        with _threads(jobs or processors()) as pool:
            yield pool
    else:
        with _client(scheduler) as client:
            yield client.get_executor(pure=False)  # no answer is taken from an earlier run


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def width(executor: Executor) -> int:
    """How many tasks an executor works on at a time, as far as it tells."""
    if client := getattr(executor, "_client", None):
        return max(1, sum(client.nthreads().values()))
    return getattr(executor, "_max_workers", None) or processors()


def why_not(executor: Executor, jailed: bool) -> str:
    """One sentence if the workers have another version of the course, or cannot jail a submission as asked; else ""."""
    if client := getattr(executor, "_client", None):
        try:
            answers = client.run(_about_me)
        except Exception as error:
            return (
                f"A worker of the cluster cannot load this course ({error}): install the same version on all."
            )
    else:
        try:
            answers = {"the worker": executor.submit(_about_me).result()}
        except BrokenExecutor as error:
            return f"The workers do not answer: {error}"
    for name, (version, no_jail) in sorted(answers.items()):
        if version != __version__:
            return (
                f"{name} has version {version} of the course, this is {__version__}: install the same on all."
            )
        if jailed and no_jail:
            return f"{name}: {no_jail}" if client else no_jail
    return ""


def each(
    executor: Executor,
    function: Callable,
    tasks: Iterable[tuple[Any, Any]],
    at_once: int,
    stop: threading.Event,
) -> Iterator[tuple[Any, Any, BaseException | None]]:
    """Call the function for each (name, task); yield (name, result, None) or (name, None, error) as they end.

    At most `at_once` are with the executor, so that little is kept in memory. What fails is tried again, TRIES times in
    all. When all workers are gone the rest is done in threads here. After `stop` nothing new is begun, and what is not
    known to have ended is cancelled: whatever stops us may have stopped it, and its result would be a wrong one.
    """
    tasks, again, pending = iter(tasks), deque(), {}
    with contextlib.ExitStack() as spare:
        while True:
            while len(pending) < at_once and not stop.is_set():
                name, task, tries = again.popleft() if again else (*next(tasks, (None, None)), 0)
                if task is None:
                    break
                try:
                    future = executor.submit(function, task)
                except BrokenExecutor:
                    executor = spare.enter_context(_threads(at_once))
                    future = executor.submit(function, task)
                pending[future] = name, task, tries + 1
            done = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED).done
            if stop.is_set() or not pending:
                for future in pending:
                    future.cancel()
                return
            for future in done:
                name, task, tries = pending.pop(future)
                try:
                    result, error = future.result(), None
                except (Exception, CancelledError) as caught:
                    result, error = None, caught
                    if tries < TRIES and not _given_up(error):
                        again.append((name, task, tries))
                        continue
                yield name, result, error


def _given_up(error: BaseException) -> bool:
    """Whether a cluster has tried for itself: the task was begun on several workers, and each one died."""
    return type(error).__name__ == "KilledWorker"


def _about_me() -> tuple[str, str]:
    from . import jail

    return __version__, jail.available()


@contextlib.contextmanager
def _threads(jobs: int):
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="grading")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _client(scheduler: str):
    try:
        from distributed import Client
    except ImportError:
        raise CourseError(
            'Grading on a cluster needs dask: install it with `pip install "vaecourse[cluster]"`.'
        ) from None
    # A client that fails to connect would be cleared away some time later, in the middle of making another one, which
    # dask does not survive: so none is made where nobody listens.
    if not _listens(scheduler):
        raise CourseError(
            f"No scheduler answers at {scheduler!r} within {PATIENCE} seconds: start one with `dask scheduler`, which "
            "prints its address (tcp://HOST:8786), and give that one."
        )
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CourseError(
            f"What listens at {scheduler!r} does not answer as a scheduler: give the address that `dask scheduler` prints."
        ) from error
    try:
        if not client.nthreads():
            raise CourseError(
                f"The scheduler at {scheduler} has no workers: start some with `dask worker {scheduler}`."
            )
        yield client
    finally:
        client.close()


def _listens(scheduler: str) -> bool:
    """Does anything listen at that address?"""
    from distributed.comm.addressing import parse_address, parse_host_port

    try:
        kind, place = parse_address(scheduler)
        if kind == "inproc":
            return True
        if kind not in ("tcp", "tls", "ws", "wss"):
            return False
        with socket.create_connection(parse_host_port(place), timeout=PATIENCE):
            return True
    except (OSError, ValueError):
        return False
