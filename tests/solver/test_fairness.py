"""Shares: a point of value counts more to who has had less of what he is entitled to."""

from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from solver.allocation import Allocation
from solver.bounds import upper_bound
from solver.check import broken_rules, wrong_figures
from solver.fairness import bonus, hundredths, served_by, slopes
from solver.faults import faults
from solver.greedy import by_job
from solver.improve import waves
from solver.options import Options
from solver.problem import Job, Placement, Problem, Share
from solver.solve import solve
from solver.value import value_of
from tests.solver.factories import make_job, make_problem, make_step
from tests.solver.test_improve import crowded, searched

NASH = 100


def test_a_point_counts_as_the_power_of_the_satisfaction_says() -> None:
    # In the middles .1 .3 .5 .65 .75 .85 .95, 1/s - 1 is 9 (capped at 4), 2.33, 1, .54 …
    assert slopes(NASH) == (400, 233, 100, 54, 33, 18, 5, 0)
    assert slopes(0) == (0,) * 8
    assert all(more >= less for more, less in zip(slopes(200), slopes(NASH), strict=True))


def test_what_is_served_counts_step_by_step() -> None:
    # Of 100 entitled, 50 served: 20 points at 400 %, 20 at 233 % and 10 at 100 %.
    share = Share("a", entitled=100)
    assert hundredths(share, NASH, 50) == 20 * 400 + 20 * 233 + 10 * 100
    whole = 20 * (400 + 233 + 100) + 10 * (54 + 33 + 18 + 5)
    assert hundredths(share, NASH, 100) == hundredths(share, NASH, 1000) == whole


def test_nothing_is_added_without_an_entitlement_or_with_the_plain_sum() -> None:
    problem = make_problem(make_job("a", value=10))
    none = replace(problem, alpha=NASH, shares=(Share("org", 0),))
    assert bonus(none, {"org": 10}) == 0
    assert bonus(replace(none, alpha=0, shares=(Share("org", 20),)), {"org": 10}) == 0


def of(firm: str, name: str, value: int, *, deadline: int) -> Job:
    job = make_job(name, make_step(), value=value, deadline=deadline)
    return replace(job, organisation=firm)


def contest(*shares: Share, alpha: int = NASH) -> Problem:
    """One slot, an order of 10 of firm a and one of 9 of firm b."""
    jobs = [of("a", "first", 10, deadline=10), of("b", "second", 9, deadline=10)]
    return replace(make_problem(*jobs), shares=shares, alpha=alpha)


def placed(problem: Problem) -> set[str]:
    return set(by_job(solve(problem, Options(waves=1, workers=1)).placements))


def test_a_debt_that_is_carried_over_decides_between_orders_of_like_value() -> None:
    # b has had 40 of 100: each of its 9 points counts twice, 18. a has had its share: 10.
    debt = (Share("a", 100, served=100), Share("b", 100, served=40))
    assert placed(contest(*debt)) == {"second"}
    assert placed(contest(*debt, alpha=0)) == {"first"}
    assert placed(contest(Share("a", 100, 100), Share("b", 100, 100))) == {"first"}


def random_contest(rng: Random) -> Problem:
    """Room for three of seven orders of three firms."""
    jobs = [
        of(rng.choice("abc"), f"{n}", rng.randint(5, 40), deadline=30) for n in range(7)
    ]
    shares = tuple(
        Share(firm, entitled=rng.randint(0, 90), served=rng.randint(0, 40))
        for firm in rng.sample("abc", 3)
    )
    alpha = rng.choice((50, 100, 200, 400))
    return replace(make_problem(*jobs), shares=shares, alpha=alpha)


def best_of_all(problem: Problem) -> int:
    return max(
        value_of(
            problem,
            [Placement(name, 0, 0, 10 * n, 10 * n + 10) for n, name in enumerate(three)],
        )
        for three in combinations([j.id for j in problem.jobs], 3)
    )


@pytest.mark.parametrize("seed", range(12))
def test_the_fairest_plan_of_all_is_found_and_bounded(seed: int) -> None:
    problem = random_contest(Random(seed))
    best = best_of_all(problem)
    plan = solve(problem, Options(waves=1, workers=1))
    # A hundredth is rounded off for each of what CP-SAT sums and what a plan is worth.
    assert best - 1 <= plan.value <= best
    assert plan.bound is not None
    assert plan.bound >= best
    assert upper_bound(problem) >= best
    assert not list(wrong_figures(problem, plan))


@pytest.mark.parametrize("seed", range(30))
def test_the_judge_counts_the_shares_alike(seed: int) -> None:
    rng = Random(seed)
    problem = random_contest(rng)
    chosen = rng.sample([j.id for j in problem.jobs], rng.randint(0, 3))
    placements = tuple(
        Placement(name, 0, 0, 10 * n, 10 * n + 10) for n, name in enumerate(sorted(chosen))
    )
    stated = Allocation(placements, value=value_of(problem, placements))
    assert not list(wrong_figures(problem, stated))
    assert list(wrong_figures(problem, replace(stated, value=stated.value + 1)))


def test_the_search_finds_a_fairer_plan_than_that_of_the_plain_sum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Five firms ask for about the same; the plain sum serves whom it suits.
    monkeypatch.setattr(waves, "EFFORT", 0.1)
    problem = crowded(jobs=60)
    firms = [f"firm {n}" for n in range(5)]
    jobs = tuple(
        replace(
            j, organisation=firms[n % 5], priority=5 - n % 5, value=j.value * (5 - n % 5)
        )
        for n, j in enumerate(problem.jobs)
    )
    plain = replace(problem, jobs=jobs)
    asked = served_by(plain, [j.id for j in jobs])
    fair = replace(plain, shares=tuple(Share(f, asked[f]) for f in firms), alpha=200)
    found = {}
    for one in (plain, fair):
        search = searched(one, workers=1, count=3)
        assert not list(broken_rules(one, search.placements))
        served = served_by(plain, by_job(search.placements))
        least = min(served[f] / asked[f] for f in firms)
        found[one.alpha] = (value_of(fair, search.placements), least)
    assert found[200] > found[0]
    assert found[200][1] > found[0][1]


def test_shares_that_contradict_themselves_are_told() -> None:
    problem = replace(
        make_problem(make_job("a")),
        shares=(Share("a", -1), Share("a", 5, served=-2)),
        alpha=1001,
    )
    assert {f.partition(":")[0] for f in faults(problem)} == {
        "shares[1].organisation", "shares[0].entitled", "shares[1].served", "alpha"
    }  # fmt: skip
