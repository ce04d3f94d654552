"""Problems and plans as JSON: nothing is lost, and every fault is named with its place."""

import json
from pathlib import Path
from random import Random

import pytest

import solver
from solver.allocation import (
    Allocation,
    Blocked,
    Cause,
    Reason,
    Relaxation,
    WayOut,
)
from solver.check import broken_rules
from solver.errors import BadFile
from solver.formats.json_format import (
    plan_from_data,
    plan_to_data,
    problem_from_data,
    problem_to_data,
    read_plan,
    read_problem,
    write_plan,
    write_problem,
)
from solver.greedy import first_come_first_served, list_schedule
from solver.problem import Lag, Placement, Recipe, Stay
from solver.value import value_of
from tests.solver.factories import (
    make_alternative,
    make_job,
    make_problem,
    make_resource,
    make_step,
)
from tests.solver.random_park import random_problem

HERE = Placement("a", 0, 0, 0, 10)
PLAN = Allocation(
    (HERE, Placement("b", 0, 1, 3, 9, "monday")),
    value=20,
    bound=25,
    reasons=(
        Reason(
            "c",
            Cause.FULL,
            0,
            (Blocked("etcher", (3, 9), "booking"),),
            (WayOut(Relaxation.LATER_DEADLINE, None, 5, None, (HERE,)),),
        ),
    ),
    seed=7,
    waves=3,
    seconds=1.5,
)


@pytest.mark.parametrize("seed", range(20))
def test_a_problem_comes_back_as_it_was(seed: int, tmp_path: Path) -> None:
    problem = random_problem(Random(seed))
    file = tmp_path / "problem.json"

    write_problem(problem, file)

    assert read_problem(file) == problem


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"

    write_plan(PLAN, file)

    assert read_plan(file) == PLAN
    assert [f.name for f in tmp_path.iterdir()] == ["plan.json"]


def test_fields_at_their_default_may_be_left_out() -> None:
    data = problem_to_data(make_problem(make_job()))

    assert "priority" not in data["jobs"][0]
    assert problem_from_data(json.loads(json.dumps(data))).jobs == (make_job(),)


def faults_of(data: object) -> tuple[str, ...]:
    with pytest.raises(BadFile) as caught:
        problem_from_data(data)
    return caught.value.faults


def changed(path: str, value: object) -> dict:
    """Return a sound problem with one place changed; `path` as in the faults."""
    jobs = [
        make_job(
            name,
            make_step(windows=[(0, 10), (20, 90)]),
            make_step(make_alternative("furnace", recipe="dry", also=[("seats", 1)])),
            lags=[Lag(0, 1, 2, 9)],
            due=5,
            late_cost=1,
            deadline=9,
            value=4,
        )
        for name in ("a", "b")
    ]
    data = problem_to_data(
        make_problem(
            *jobs,
            resources=[
                make_resource(changeovers=[("x", "y", 3)], outages=[(3, 5)]),
                make_resource("furnace", kind="batch", opens=[(0, 40), (50, 90)]),
                make_resource("seats", kind="pooled", capacity=2),
            ],
            recipes=[Recipe("dry", "furnace", 3)],
            stays=[Stay("furnace", 0, 10, recipe="dry")],
        )
    )
    data = json.loads(json.dumps(data))
    *way, last = path.replace("]", "").replace("[", ".").split(".")
    inner = data
    for part in way:
        inner = inner[int(part) if part.isdecimal() else part]
    inner[int(last) if last.isdecimal() else last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("jobs[1].steps[0].windows[1]", [9, 4], "end before start, from 9 to 4"),
        ("jobs[1].steps[0].windows[1]", [5, 8], "not after the end of the one before"),
        ("jobs[1].steps[0].windows[1]", [5], "must have 2 entries, it has 1"),
        ("jobs[1].steps[0].windows[1]", 5, "must be an array, it is 5"),
        ("jobs[1].steps[0].windows[1][0]", 5.5, "must be a whole number, it is 5.5"),
        ("jobs[1].steps[0].windows[1][0]", True, "must be a whole number, it is true"),
        ("jobs[1].steps[0].windows[1][0]", 1 << 60, "too large"),
        ("jobs[1].steps[0].alternatives[0].duration", 0, "at least 1 slot"),
        ("jobs[1].steps[0].alternatives[0].quantity", 0, "at least 1"),
        ("jobs[1].steps[0].alternatives[0].resource", "gone", "there is no resource gone"),
        ("jobs[1].steps[0].alternatives[0].recipe", "dry", "runs no recipe"),
        ("jobs[1].steps[1].alternatives[0].recipe", None, "None is no recipe of furnace"),
        ("jobs[1].steps[1].alternatives[0].family", "x", "only a stay on a unary"),
        ("jobs[1].steps[1].alternatives[0].stay", "beside", "must be one of inside, ends"),
        ("jobs[1].steps[1].alternatives[0].also[0].resource", "furnace", "furnace is batch"),
        ("jobs[1].steps[1].alternatives[0].also[0].quantity", -1, "at least 1"),
        ("jobs[1].steps", [], "a job has at least one step"),
        ("jobs[1].lags[0].after", 2, "lags[0]: goes from step 0 to step 2"),
        ("jobs[1].lags[0].least", -1, "must not be negative"),
        ("jobs[1].lags[0].most", 1, "1 is less than least 2"),
        ("jobs[1].value", -1, "must not be negative"),
        ("jobs[1].late_cost", 3, "costs up to 12 by the deadline"),
        ("jobs[1].id", "a", "a is already jobs[0]"),
        ("jobs[1].id", None, "must be a text, it is null"),
        ("jobs[1].id", "a\ud800", "cannot be printed"),
        ("jobs[1].previous", [{"job": "a"}], "previous[0].step: missing"),
        (
            "jobs[1].previous",
            [{"job": "a", "step": 5, "alternative": 0, "start": 0, "end": 1}],
            "previous[0].job: is a, it must be b",
        ),
        ("jobs[1].mandatory", 1, "must be true or false, it is 1"),
        ("jobs[1].colour", "red", "unknown field"),
        ("jobs[1]", [], "must be an object, it is an array"),
        ("resources[0].capacity", 2, "a unary resource has 1"),
        ("resources[2].capacity", 0, "at least 1"),
        ("resources[2].site", 1, "not one of the 1 sites"),
        ("resources[1].open[1]", [40, 90], "not after the end of the one before"),
        ("resources[0].outages[0]", [3, 3], "empty, from 3 to 3"),
        ("resources[0].changeovers[0].slots", -1, "must not be negative"),
        ("resources[0].changeovers[0].after", "x", "x follows itself"),
        ("resources[1].id", "etcher", "etcher is already resources[0]"),
        ("recipes[0].resource", "etcher", "etcher is unary, it must be batch"),
        ("recipes[0].capacity", 0, "at least 1"),
        ("recipes[0].min_load", 4, "between 0 and the capacity 3"),
        ("stays[0].recipe", "wet", "wet is no recipe of furnace"),
        ("stays[0].occurrence", "monday", "monday is no occurrence"),
        ("stays[0].end", -1, "not after its start"),
        ("stays[0].quantity", 0, "at least 1"),
        ("travel", [[0, 1], [1]], "travel[1]: has 1 entries, there are 2 sites"),
        ("travel", [[-1]], "travel[0][0]: must not be negative"),
        ("occurrences", [{"id": "m", "resource": "seats", "start": 1, "end": 1, "capacity": 2}],
         "occurrences[0].resource: seats is pooled, it must be event"),
        ("recipes", [{"id": "dry", "resource": "furnace", "capacity": 3}] * 2,
         "recipes[1].id: dry is already recipes[0]"),
        ("occurrences", [{"id": "m", "resource": "etcher", "start": 1, "end": 2, "capacity": 2}] * 2,
         "occurrences[1].id: m is already occurrences[0]"),
        ("occurrences", [{"id": "m", "resource": "seats", "start": 1, "end": 1, "capacity": 2}],
         "occurrences[0]: ends at 1, not after its start"),
        ("occurrences", [{"id": "m", "resource": "seats", "start": 1, "end": 2, "capacity": -1}],
         "occurrences[0].capacity: must not be negative"),
        ("resources[2].changeovers", [{"before": "x", "after": "y", "slots": 1}],
         "only unary and batch resources"),
        ("resources[0].changeovers", [{"before": "x", "after": "y", "slots": 1}] * 2,
         "changeovers[1]: x to y is named twice"),
        ("recipes[0].resource", "gone", "there is no resource gone"),
        ("stays[0].resource", "gone", "stays[0].resource: there is no resource gone"),
        ("jobs[1].previous",
         [{"job": "b", "step": 5, "alternative": 0, "start": 0, "end": 1}],
         "previous[0].step: the job has 2 steps"),
        ("horizon", 101, "at most calendar_end 100"),
        ("calendar_end", 10**9, "at most 1000000 slots"),
        ("format", "plan/1", 'must be "problem/1", it is "plan/1"'),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(path: str, value: object, fault: str) -> None:
    found = faults_of(changed(path, value))

    place = path.split("[", maxsplit=1)[0]
    assert any(f.startswith(place) and fault in f for f in found), found


def test_the_problem_without_a_change_has_no_fault() -> None:
    assert problem_from_data(changed("horizon", 100)).horizon == 100


def test_all_faults_are_listed_at_once() -> None:
    data = changed("jobs[0].value", "ten")
    data["jobs"][1]["steps"][0]["windows"][1] = "x"
    del data["horizon"]

    assert faults_of(data) == (
        "horizon: missing",
        'jobs[0].value: must be a whole number, it is "ten"',
        'jobs[1].steps[0].windows[1]: must be an array, it is "x"',
    )


def test_a_hopeless_file_is_not_listed_to_the_end() -> None:
    data = changed("jobs[0].value", 1)
    data["jobs"] = [{}] * 200

    found = faults_of(data)

    assert len(found) == 51
    assert found[-1].startswith("and ")


def test_a_damaged_plan_is_named_with_its_place() -> None:
    data = plan_to_data(PLAN)
    data["placements"][1]["start"] = "noon"
    data["reasons"][0]["cause"] = "bad luck"

    with pytest.raises(BadFile) as caught:
        plan_from_data(data)

    assert caught.value.faults[0] == (
        'placements[1].start: must be a whole number, it is "noon"'
    )
    assert caught.value.faults[1].startswith("reasons[0].cause: must be one of no_alter")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"format": "plan/1",\n "value": }', "not JSON at line 2, column 11"),
        (b"", "not JSON at line 1, column 1"),
        (b'{"format": "plan/\xff"}', "byte 17 is not UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"value": NaN}', "NaN is not a number"),
        (b'{"value": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]", "$: must be an object, it is an array"),
        (b"{}", 'format: must be "plan/1", it is null'),
        (b'{"format": "plan/1"}', "placements: missing"),
    ],
)
def test_a_file_that_is_no_plan_is_told_so(
    content: bytes, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(content)

    with pytest.raises(BadFile) as caught:
        read_plan(file)

    assert says in caught.value.faults[0]


def test_a_missing_file_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"plan\.json: cannot be read: No such file"):
        read_plan(tmp_path / "plan.json")


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()

    with pytest.raises(BadFile, match="cannot be written"):
        write_plan(PLAN, tmp_path / "plan.json")

    assert [f.name for f in tmp_path.iterdir()] == ["plan.json"]


def test_the_problem_in_the_readme_is_read_and_solved() -> None:
    readme = Path(solver.__file__).with_name("README.md").read_text(encoding="utf-8")
    problem = problem_from_data(json.loads(readme.split("```json")[1].split("```")[0]))

    plan = list_schedule(problem, first_come_first_served)

    # The lot ends at 195 and is not late; the chip goes with the shuttle.
    assert value_of(problem, plan) == 1300
    assert not list(broken_rules(problem, plan))
