"""The solver in a process of its own: what kills a search leaves the runner alive.

A solve that the kernel ends for want of memory, or that crashes in OR-Tools, would take the
scheduler along, and with it everything else that it does.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection

from solver.allocation import Allocation
from solver.errors import SolveFailed
from solver.options import Options, Progress
from solver.problem import Problem

_LOOK_SECONDS = 0.2  # how often it is asked whether to stop
_STOP, _ENOUGH = "stop", "enough"

_log = logging.getLogger(__name__)


class SolverDied(Exception):
    """The process that searched has ended without an answer."""


def solve(problem: Problem, options: Options) -> Allocation:
    """Solve as `solver.solve.solve` does, in a process that is started for it.

    Raises
    ------
    SolverDied
        If that process was killed, or crashed.
    SolveFailed
        If the solver raised anything.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    plain = replace(options, on_progress=None, should_stop=None, enough=None)
    child = context.Process(target=_search, args=(problem, plain, theirs), name="search")
    child.start()
    theirs.close()  # so that its end is seen
    try:
        found = _followed(ours, options)
    finally:
        child.kill()
        child.join()
        ours.close()
    if found is None:
        raise SolverDied(f"the search ended with {child.exitcode}")
    if isinstance(found, SolveFailed):
        raise found
    return found


def _followed(child: Connection, options: Options) -> Allocation | SolveFailed | None:
    """Pass on what is said in either direction; return the answer, None without one."""
    wishes = [(_STOP, options.should_stop), (_ENOUGH, options.enough)]
    try:
        while True:
            if child.poll(_LOOK_SECONDS):
                said = child.recv()
                if not isinstance(said, Progress):
                    return said  # type: ignore[no-any-return]
                if options.on_progress is not None:
                    options.on_progress(said)
            for wish, asked in list(wishes):
                if asked is not None and asked():
                    child.send(wish)
                    wishes.remove((wish, asked))
    except (EOFError, ConnectionError):
        return None


def _search(problem: Problem, options: Options, parent: Connection) -> None:
    """Run in the process of its own."""
    from solver.solve import solve as solver_solve  # noqa: PLC0415 - loads OR-Tools

    # Ctrl-C reaches every process of a terminal; the runner tells this one to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    heard = _Heard(parent)
    options = replace(
        options,
        on_progress=parent.send,
        should_stop=heard.teller(_STOP),
        enough=heard.teller(_ENOUGH),
    )
    answer: Allocation | SolveFailed
    try:
        answer = solver_solve(problem, options)
    except Exception as fault:
        _log.exception("the solver failed")
        answer = SolveFailed(f"{type(fault).__name__}: {fault}"[:500])
    parent.send(answer)


class _Heard:
    """What the runner has said so far."""

    def __init__(self, parent: Connection) -> None:
        self._parent = parent
        self._said: set[str] = set()

    def teller(self, wish: str) -> Callable[[], bool]:
        """Return a function that tells whether something was wished."""

        def told() -> bool:
            while self._parent.poll():
                self._said.add(self._parent.recv())
            return wish in self._said

        return told


def _end_with_parent() -> None:
    """End at once when the runner is killed: nobody waits for the answer."""
    runner = multiprocessing.parent_process()
    assert runner is not None
    runner.join()
    os._exit(1)
