"""A solve on a Dask cluster: workers in other processes, and one of them killed."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from distributed import LocalCluster

from solver.errors import SolverError
from solver.greedy import by_priority, list_schedule
from solver.improve.executors import dask_executor
from solver.improve.waves import Crew, Search
from solver.problem import Problem
from tests.solver.test_improve import crowded, searched


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
        dashboard_address=None, silence_logs=50,
    ) as two:  # fmt: skip
        yield two


class KillsAWorker(Executor):
    """Passes tasks on; once so many are under way, one worker process is killed."""

    def __init__(self, inner: Executor, cluster: LocalCluster, *, after: int) -> None:
        self._inner, self._cluster, self._left = inner, cluster, after
        self.killed: int | None = None

    def submit(self, fn: Any, /, *args: Any, **more: Any) -> "Future[Any]":
        future = self._inner.submit(fn, *args, **more)
        self._left -= 1
        if self._left == 0:
            nanny = next(iter(self._cluster.workers.values()))
            self.killed = nanny.process.pid
            os.kill(self.killed, signal.SIGKILL)
        return future


def improved(problem: Problem, executor: Executor) -> Search:
    with Crew(problem, workers=2, executor=executor) as crew:
        plan = list_schedule(problem, by_priority)
        search = Search(problem, plan, crew=crew, seed=1)
        for _ in range(2):
            search.wave()
    return search


def test_the_plan_is_the_same_on_a_cluster_and_when_a_worker_is_killed(
    cluster: LocalCluster,
) -> None:
    problem = crowded()
    alone = searched(problem, workers=1, count=2).placements
    with dask_executor(cluster.scheduler_address) as executor:
        assert improved(problem, executor).placements == alone
        killing = KillsAWorker(executor, cluster, after=3)
        assert improved(problem, killing).placements == alone
    assert killing.killed is not None
    with pytest.raises(ProcessLookupError):
        os.kill(killing.killed, 0)


def test_an_address_where_nobody_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solver.improve.executors._PATIENCE", 1)
    with (
        pytest.raises(SolverError, match="no Dask scheduler answers at tcp://127"),
        dask_executor("tcp://127.0.0.1:9"),
    ):
        pass


def test_a_cluster_with_another_version_of_the_solver_is_refused(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda package: "tomorrow's")
    with (
        pytest.raises(SolverError, match="another version"),
        dask_executor(cluster.scheduler_address),
    ):
        pass
