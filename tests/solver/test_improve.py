"""Waves: the same plan for any number of workers, and never a worse one."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from solver.check import broken_rules
from solver.cpsat.search import Found
from solver.greedy import by_job, by_priority, list_schedule
from solver.improve import neighbourhoods, waves
from solver.improve.neighbourhoods import Chooser, Wave
from solver.improve.waves import Crew, Search
from solver.improve.worker import Parcel, Task, work
from solver.problem import Kind, Lag, Placement, Problem, Recipe
from solver.value import value_of
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)


def crowded(seed: int = 1, *, jobs: int = 100) -> Problem:
    """Return a park of four tools and a furnace with half as much room as is asked for."""
    rng = Random(seed)
    resources = [
        make_resource(f"tool{i}", opens=[(0, 40), (50, 100)], platform="AB"[i % 2])
        for i in range(4)
    ]
    resources[0] = make_resource("tool0", changeovers=[("x", "y", 3), ("y", "x", 2)])
    resources.append(make_resource("furnace", kind=Kind.BATCH))
    recipes = [Recipe("hot", "furnace", 4, min_load=2)]
    orders = []
    for i in range(jobs):
        steps = []
        for _ in range(rng.choice([1, 2, 3])):
            tool = rng.randrange(4)
            steps.append(
                make_step(
                    *(
                        make_alternative(
                            f"tool{t}", rng.randint(4, 12), family=rng.choice("xy")
                        )
                        for t in {tool, (tool + 2) % 4}
                    )
                )
            )
        if rng.random() < 0.3:
            steps.append(make_step(make_alternative("furnace", 20, recipe="hot")))
        release = rng.randrange(50)
        orders.append(
            make_job(
                f"{i:03}",
                *steps,
                value=rng.randint(10, 90),
                lags=[Lag(k, k + 1, most=30) for k in range(len(steps) - 1)],
                priority=rng.randint(1, 3),
                release=release,
                due=release + 40,
                late_cost=1,
                submitted=i,
            )
        )
    return make_problem(*orders, resources=resources, recipes=recipes)


def searched(problem: Problem, *, workers: int, count: int = 3, seed: int = 1) -> Search:
    plan = list_schedule(problem, by_priority)
    with Crew(problem, workers=workers) as crew:
        search = Search(problem, plan, crew=crew, seed=seed)
        for _ in range(count):
            search.wave()
    return search


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little search in each neighbourhood is enough to see the rules at work."""
    monkeypatch.setattr(waves, "EFFORT", 0.01)


def test_waves_improve_a_crowded_plan_and_break_no_rule() -> None:
    problem = crowded()
    search = searched(problem, workers=1, count=4)
    assert not list(broken_rules(problem, search.placements))
    assert value_of(problem, search.placements) > value_of(
        problem, list_schedule(problem, by_priority)
    )


def test_the_plan_is_the_same_for_one_two_and_three_workers() -> None:
    problem = crowded()
    plans = {hash(searched(problem, workers=n).placements) for n in (1, 2, 3)}
    assert len(plans) == 1
    assert plans != {hash(list_schedule(problem, by_priority))}


def test_another_seed_searches_elsewhere() -> None:
    problem = crowded()
    assert (
        searched(problem, workers=1).placements
        != searched(problem, workers=1, seed=2).placements
    )


def test_an_executor_from_outside_gives_the_same_plan() -> None:
    problem = crowded()
    plan = list_schedule(problem, by_priority)
    with (
        ThreadPoolExecutor(1) as executor,
        Crew(problem, workers=1, executor=executor) as crew,
    ):
        search = Search(problem, plan, crew=crew, seed=1)
        for _ in range(3):
            search.wave()
    assert search.placements == searched(problem, workers=1).placements


class Answering(Executor):
    """An executor whose workers answer as told."""

    def __init__(self, answer: Callable[[Task], Found | None]) -> None:
        self._answer = answer

    def submit(  # type: ignore[override]
        self, fn: object, parcel: Parcel, task: Task
    ) -> Future[Found | None]:
        future: Future[Found | None] = Future()
        try:
            future.set_result(self._answer(task))
        except Exception as error:
            future.set_exception(error)
        return future


def after_one_wave(problem: Problem, answer: Callable[[Task], Found | None]) -> Search:
    plan = list_schedule(problem, by_priority)
    with Crew(problem, workers=1, executor=Answering(answer)) as crew:
        search = Search(problem, plan, crew=crew, seed=1)
        search.wave()
    return search


def test_a_worse_answer_is_not_accepted() -> None:
    problem = crowded()
    search = after_one_wave(problem, lambda task: Found({}, proven=True))
    assert search.placements == list_schedule(problem, by_priority)


def test_a_failed_neighbourhood_is_dropped() -> None:
    def fail(task: Task) -> Found | None:
        raise MemoryError

    problem = crowded()
    assert after_one_wave(problem, fail).placements == list_schedule(problem, by_priority)


def test_an_answer_that_does_not_fit_is_refused_whatever_it_promises() -> None:
    def overlapping(task: Task) -> Found | None:
        jobs = problem.job_by_id()
        return Found(
            {
                name: tuple(
                    Placement(
                        name, k, 0, 50 + 12 * k, 50 + 12 * k + step.alternatives[0].duration
                    )
                    for k, step in enumerate(jobs[name].steps)
                )
                for name in task.free
            },
            proven=True,
        )

    problem = crowded()
    search = after_one_wave(problem, overlapping)
    assert search.placements == list_schedule(problem, by_priority)


def die(parcel: Parcel, task: Task) -> Found | None:
    """Leave as a worker that the system kills: at once and without a word."""
    os._exit(9)


def die_once(parcel: Parcel, task: Task) -> Found | None:
    """Leave like that at the first call of all workers."""
    try:
        open(os.environ["DIED"], "x").close()
    except FileExistsError:
        return work(parcel, task)
    os.kill(os.getpid(), signal.SIGKILL)
    return None


def test_the_plan_is_the_same_when_a_worker_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    problem = crowded()
    monkeypatch.setenv("DIED", str(tmp_path / "died"))
    with monkeypatch.context() as patch:
        patch.setattr(waves, "work", die_once)
        search = searched(problem, workers=2)
    assert (tmp_path / "died").exists()
    assert search.placements == searched(problem, workers=1).placements


def test_a_worker_that_is_killed_again_and_again_costs_its_wave_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = crowded()
    plan = list_schedule(problem, by_priority)
    with Crew(problem, workers=2) as crew:
        search = Search(problem, plan, crew=crew, seed=1)
        with monkeypatch.context() as patch:
            patch.setattr(waves, "work", die)
            search.wave()
        assert search.placements == plan
        search.wave()
        search.wave()
    assert value_of(problem, search.placements) > value_of(problem, plan)


def test_jobs_to_keep_are_never_dropped() -> None:
    problem = crowded()
    plan = list_schedule(problem, by_priority)
    kept = by_job(plan).keys()
    with Crew(problem, workers=1) as crew:
        search = Search(problem, plan, crew=crew, seed=1, keep_placed=kept)
        for _ in range(4):
            search.wave()
    assert kept <= by_job(search.placements).keys()


def test_the_neighbourhoods_of_a_wave_have_no_job_in_common() -> None:
    problem = crowded(jobs=200)
    plan = by_job(list_schedule(problem, by_priority))
    chooser, wave, rng = Chooser(problem, plan), Wave(), Random(3)
    chosen = [chooser.choose(plan, rng, wave, size=40) for _ in range(6)]
    free = [job for jobs in chosen for job in jobs]
    assert len(free) == len(set(free))
    assert all(
        sum(len(problem.job_by_id()[j].steps) for j in jobs) <= 40 for jobs in chosen
    )


def test_a_small_problem_is_solved_whole_and_the_search_knows_when_it_is_done() -> None:
    # Greedy by priority takes the long job; the two short ones are worth more.
    long = make_job(
        "long", make_step(make_alternative(duration=20)), value=5, priority=9, deadline=20
    )
    short = [make_job(n, value=3, deadline=20) for n in "ab"]
    problem = make_problem(long, *short)
    search = searched(problem, workers=1, count=1)
    assert value_of(problem, search.placements) == 6
    assert search.done


def test_small_components_are_solved_whole_and_then_let_alone() -> None:
    # On each of 60 tools as above: the two short ones are worth 6, greedy's long one 5.
    tools = [f"tool{n}" for n in range(60)]
    jobs = [
        make_job(
            f"{name}-{tool}",
            make_step(make_alternative(tool, duration)),
            value=value,
            priority=value,
            deadline=20,
        )
        for tool in tools
        for name, duration, value in (("long", 20, 5), ("a", 10, 3), ("b", 10, 3))
    ]
    problem = make_problem(*jobs, resources=[make_resource(tool) for tool in tools])
    search = searched(problem, workers=1, count=4)
    assert value_of(problem, search.placements) == 6 * 60
    assert search.done


def test_orders_of_a_large_platform_are_searched_apart_from_those_that_cross(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbourhoods, "APART", 20)
    problem = crowded(jobs=200)
    platform = {r.id: r.platform for r in problem.resources}
    plan = by_job(list_schedule(problem, by_priority))
    chooser, rng = Chooser(problem, plan), Random(3)
    for _ in range(20):
        chosen = chooser.choose(plan, rng, Wave(), size=40, crossing=False)
        where = {platform[r] for j in chosen for r in problem.job_by_id()[j].resources()}
        assert len(where) == 1
    chosen = chooser.choose(plan, rng, Wave(), size=40)
    assert len({platform[r] for j in chosen for r in chooser.jobs[j].resources()}) > 1
