"""Schedules are as short as an exhaustive search finds them, and judged apart."""

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path
from random import Random

import pytest

from solver.__main__ import main
from solver.errors import BadProblem, SolveFailed
from solver.makespan.bounds import lower_bound
from solver.makespan.check import broken_rules
from solver.makespan.commands import READERS
from solver.makespan.list_schedule import best_of_many, can_schedule
from solver.makespan.problem import (
    Lag,
    MakespanProblem,
    Mode,
    Operation,
    Solution,
    Start,
)
from solver.makespan.search import solve
from tests.solver.makespan.instances import FJSP, FJSP_SDST, PATTERSON, SCH


def length(problem: MakespanProblem, starts: tuple[Start, ...]) -> int:
    return max(
        s.start + problem.operations[n].modes[s.mode].duration for n, s in enumerate(starts)
    )


def sound(problem: MakespanProblem, starts: tuple[Start, ...]) -> bool:
    found = Solution(starts, length(problem, starts), 0, 0.0)
    return not list(broken_rules(problem, found))


def shortest(problem: MakespanProblem, most: int) -> int | None:
    """Try every mode and start; return the shortest makespan up to `most`."""
    best: int | None = None
    modes = [range(len(o.modes)) for o in problem.operations]
    for chosen in product(*modes):
        for times in product(range(most + 1), repeat=len(modes)):
            starts = tuple(Start(m, t) for m, t in zip(chosen, times, strict=True))
            if (best is None or length(problem, starts) < best) and sound(problem, starts):
                best = length(problem, starts)
    return best


def drawn(random: Random) -> MakespanProblem:
    """Return three operations on two resources, with lags and perhaps set-ups."""
    capacities = (1, random.choice((1, 2, 3)))
    operations = []
    for n in range(3):
        modes = tuple(
            Mode(random.randint(0, 3), ((r, random.randint(1, capacities[r])),))
            for r in random.sample((0, 1), random.choice((1, 1, 2)))
        )
        operations.append(Operation(str(n), modes))
    lags = [Lag(0, 1, random.randint(0, 1))] if random.random() < 0.6 else []
    if lags and random.random() < 0.4:
        lags.append(Lag(1, 0, -random.randint(3, 5), of_starts=True))
    setups = {}
    if random.random() < 0.4:
        setups[0] = tuple(
            tuple(0 if a == b else random.randint(0, 2) for a in range(3)) for b in range(3)
        )
    return MakespanProblem("drawn", capacities, tuple(operations), tuple(lags), setups)


@pytest.mark.parametrize("seed", range(25))
def test_no_schedule_is_shorter_than_the_one_found(seed: int) -> None:
    problem = drawn(Random(seed))
    best = shortest(problem, 9)
    if best is None:
        with pytest.raises((SolveFailed, BadProblem)):
            solve(problem, seconds=5, workers=1)
        return
    found = solve(problem, seconds=5, workers=1)
    assert (found.makespan, found.bound, found.optimal) == (best, best, True)
    assert lower_bound(problem) <= best
    if can_schedule(problem):
        listed = best_of_many(problem, seed=seed, seconds=1, tries=5)
        assert sound(problem, listed)
        assert length(problem, listed) >= best


@pytest.mark.parametrize(
    ("form", "text", "best"),
    [
        # 2.1 on machine 1 to 4, 1.1 beside it on machine 2 to 5, 1.2 there to 9; 2.2 to 6.
        # Or 1.1 to 3, 2.1 to 7, 2.2 to 9, and 1.2 from 3 to 7.
        ("fjsp", FJSP, 9),
        # 2.1 to 4, set up 2, 1.1 from 6 to 9, 1.2 from 10 to 14 behind 2.2. The other way:
        # 1.1 to 3, set up 5, 2.1 from 8 to 12, 2.2 to 18.
        ("fjsp-sdst", FJSP_SDST, 14),
        ("patterson", PATTERSON, 5),  # they do not fit beside one another
        ("sch", SCH, 6),  # 2 starts at 2, when 1 has ended, and lasts 4
    ],
)
def test_public_formats_are_solved(tmp_path: Path, form: str, text: str, best: int) -> None:
    path = tmp_path / "instance.txt"
    path.write_text(text)
    found = solve(READERS[form](path), seconds=5, workers=1)
    assert (found.makespan, found.optimal) == (best, True)


def test_lags_that_no_schedule_keeps_with_the_capacity_are_told() -> None:
    two = tuple(Operation(str(n), (Mode(3, ((0, 1),)),)) for n in range(2))
    apart = (Lag(0, 1, -2, of_starts=True), Lag(1, 0, -2, of_starts=True))
    with pytest.raises(SolveFailed, match="no schedule keeps"):
        solve(MakespanProblem("x", (1,), two, apart), seconds=5, workers=1)


def test_a_problem_that_contradicts_itself_is_not_solved() -> None:
    with pytest.raises(BadProblem, match="cycle"):
        solve(
            MakespanProblem("x", (), (Operation("a", (Mode(1, ()),)),) * 2,
                            (Lag(0, 1), Lag(1, 0))),
            seconds=1,
        )  # fmt: skip


def test_every_rule_that_a_schedule_breaks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "instance.txt"
    path.write_text(FJSP_SDST)
    problem = READERS["fjsp-sdst"](path)
    good = solve(problem, seconds=5, workers=1)
    assert not list(broken_rules(problem, good))
    for n, one in enumerate(good.starts):
        for start in range(one.start):
            moved = (*good.starts[:n], Start(one.mode, start), *good.starts[n + 1 :])
            told = list(broken_rules(problem, replace(good, starts=moved)))
            assert told or length(problem, moved) == good.makespan
    for wrong, sentence in (
        (replace(good, makespan=13), "makespan 13 is stated, it is 14"),
        (replace(good, bound=15), "bound 15 exceeds"),
        (replace(good, starts=good.starts[1:]), "3 starts of 4 operations"),
        (replace(good, starts=(Start(7, 0), *good.starts[1:])), "has no mode 7"),
        (replace(good, starts=(Start(0, -1), *good.starts[1:])), "before 0"),
    ):
        assert sentence in "; ".join(broken_rules(problem, wrong))


def test_two_orders_of_a_pair_are_both_set_up() -> None:
    pair = tuple(Operation(str(n), (Mode(1, ((0, 1),)),)) for n in range(2))
    for first, second in permutations((1, 4)):
        table = ((0, first), (second, 0))
        problem = MakespanProblem("x", (1,), pair, (), {0: table})
        assert solve(problem, seconds=5, workers=1).makespan == 2 + 1


def test_a_file_is_solved_checked_and_bounded_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, plan = tmp_path / "mk.txt", tmp_path / "schedule.json"
    path.write_text(FJSP)
    kind = ["--format", "fjsp"]
    assert main(["solve", str(path), "-o", str(plan), "--seconds", "5", *kind]) == 0
    assert "bound    9, so it is optimal" in capsys.readouterr().out
    assert main(["check", str(path), str(plan), *kind]) == 0
    assert "sound: 4 operations, makespan 9" in capsys.readouterr().out
    plan.write_text(plan.read_text().replace('"start": 3', '"start": 2', 1))
    assert main(["check", str(path), str(plan), *kind]) == 1
    assert main(["bound", str(path), *kind]) == 0
    path.write_text("1 1\n1 1 1")
    assert main(["bound", str(path), *kind]) == 2
    assert "line 2" in capsys.readouterr().err
