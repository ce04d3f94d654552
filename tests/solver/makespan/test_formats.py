"""Public instance files are read with the place of whatever is wrong in them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import BadFile
from solver.formats.schedule_json import read_schedule, write_schedule
from solver.makespan.commands import READERS
from solver.makespan.faults import faults
from solver.makespan.problem import (
    Lag,
    MakespanProblem,
    Mode,
    Operation,
    Solution,
    Start,
)
from tests.solver.makespan.instances import FJSP, FJSP_SDST, PATTERSON, SCH, SM

TEXTS = {
    "fjsp": FJSP,
    "fjsp-sdst": FJSP_SDST,
    "patterson": PATTERSON,
    "sm": SM,
    "sch": SCH,
}


def read(tmp_path: Path, form: str, text: str) -> MakespanProblem:
    path = tmp_path / "instance.txt"
    path.write_text(text)
    return READERS[form](path)


def test_a_flexible_job_shop_is_read(tmp_path: Path) -> None:
    problem = read(tmp_path, "fjsp", FJSP)
    assert problem.capacities == (1, 1)
    assert problem.operations == (
        Operation("1.1", (Mode(3, ((0, 1),)), Mode(5, ((1, 1),)))),
        Operation("1.2", (Mode(4, ((1, 1),)),)),
        Operation("2.1", (Mode(4, ((0, 1),)),)),
        Operation("2.2", (Mode(2, ((0, 1),)), Mode(6, ((1, 1),)))),
    )
    assert problem.lags == (Lag(0, 1), Lag(2, 3))


def test_machines_may_be_counted_from_0(tmp_path: Path) -> None:
    problem = read(tmp_path, "fjsp", "1 2\n2 1 0 3 1 1 4\n")
    assert [o.modes[0].demands for o in problem.operations] == [((0, 1),), ((1, 1),)]


def test_set_ups_stand_in_a_table_for_each_machine(tmp_path: Path) -> None:
    problem = read(tmp_path, "fjsp-sdst", FJSP_SDST)
    assert problem.setups[0] == ((0, 0, 5, 0), (0,) * 4, (2, 0, 0, 0), (0,) * 4)
    assert problem.setups[1] == ((0,) * 4,) * 4


def test_projects_are_read_alike_from_both_formats(tmp_path: Path) -> None:
    patterson, sm = (read(tmp_path, form, TEXTS[form]) for form in ("patterson", "sm"))
    assert patterson == sm
    assert patterson.capacities == (2,)
    assert [o.modes[0] for o in patterson.operations] == [
        Mode(0, ()),
        Mode(3, ((0, 2),)),
        Mode(2, ((0, 1),)),
        Mode(0, ()),
    ]
    assert patterson.lags == (Lag(0, 1), Lag(0, 2), Lag(1, 3), Lag(2, 3))


def test_lags_of_a_project_stand_between_starts(tmp_path: Path) -> None:
    problem = read(tmp_path, "sch", SCH)
    assert Lag(1, 2, 2, of_starts=True) in problem.lags
    assert Lag(2, 1, -3, of_starts=True) in problem.lags


@pytest.mark.parametrize(
    ("form", "text", "told"),
    [
        ("fjsp", "", "line 1: the file ends where the number of jobs should stand"),
        ("fjsp", "1 1\n1 1 1", "line 2: the file ends where a duration of operation 1"),
        ("fjsp", "1 1\n1 1 2 3", "line 2: a machine of operation 1 of job 1 is 2"),
        ("fjsp", "1 2\n1 2 1 3 1 4", "line 2: a machine of operation 1 of job 1 is named"),
        ("fjsp", "1 1\n1 1 1 -3", "line 2: a duration of operation 1 of job 1 is -3"),
        ("fjsp", "1 1\n1 1 1 3 9", "line 2: 9 stands after the route of job 1"),
        ("fjsp", "1 1\n1 1 1 3\n4", "line 3: 4 stands after the end of the problem"),
        ("fjsp", "1 1\n1 1 x 3", "line 2: 'x' is not a whole number"),
        ("fjsp", "1 1\n1 1 1 9999999999999999", "is too large a number"),
        ("fjsp", "1 2\n2 1 0 1 1 2 1", "both 0 and 2 are named"),
        ("fjsp-sdst", FJSP, "should stand"),
        ("fjsp-sdst", FJSP_SDST.replace("5", "-5"), "a set-up time of machine 1 is -5"),
        ("patterson", "1 1\n1\n2 1 1 2", "line 3: a successor of activity 1 is 2"),
        ("sm", "nothing", "PRECEDENCE RELATIONS: this table is missing"),
        (
            "sm",
            SM.replace("   3        1  ", "   5        1  "),
            "activity 3 is due, not 5",
        ),
        ("sch", SCH.replace("2 1 4 1", "2 1 4"), "line 9: 1 is one number too many"),
    ],
)
def test_a_faulty_file_is_refused_with_the_place(
    tmp_path: Path, form: str, text: str, told: str
) -> None:
    with pytest.raises(BadFile) as refusal:
        read(tmp_path, form, text)
    assert told in str(refusal.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"1 1\n\x00"])
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "instance.txt"
    path.write_bytes(content)
    with pytest.raises(BadFile):
        READERS["fjsp"](path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_that_somebody_has_damaged_never_ends_in_a_traceback(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    form = data.draw(st.sampled_from(sorted(TEXTS)))
    words = TEXTS[form].split(" ")
    at = data.draw(st.integers(0, len(words) - 1))
    what = data.draw(st.sampled_from(["", "-1", "99999", "x", "0", "1 1", "\n", "9" * 20]))
    path = tmp_path_factory.getbasetemp() / "damaged.txt"
    path.write_text(" ".join([*words[:at], what, *words[at + 1 :]]))
    try:
        problem = READERS[form](path)
    except BadFile:
        return
    assert all(isinstance(told, str) for told in faults(problem))


def one(name: str, duration: int = 1, **demands: int) -> Operation:
    used = tuple((int(k[1:]), q) for k, q in demands.items())
    return Operation(name, (Mode(duration, used),))


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (MakespanProblem("x", (), ()), "operations: there are none"),
        (MakespanProblem("x", (), (Operation("a", ()),)), "there is no way to do it"),
        (MakespanProblem("x", (), (one("a", r0=1),)), "there is no resource 0"),
        (MakespanProblem("x", (1,), (one("a", r0=2),)), "2 of resource 0, which has 1"),
        (MakespanProblem("x", (), (one("a", -1),)), "duration: -1"),
        (MakespanProblem("x", (), (one("a"),), (Lag(0, 1),)), "there is no operation 1"),
        (
            MakespanProblem("x", (), (one("a"), one("b")), (Lag(0, 1), Lag(1, 0))),
            "is a cycle",
        ),
        (
            MakespanProblem(
                "x", (), (one("a"), one("b")),
                (Lag(0, 1, 5, of_starts=True), Lag(1, 0, -4, of_starts=True)),
            ),
            "cannot hold together",
        ),
    ],
)  # fmt: skip
def test_a_problem_that_contradicts_itself_is_told_with_the_place(
    problem: MakespanProblem, told: str
) -> None:
    assert told in "; ".join(faults(problem))


def test_a_window_of_lags_that_can_hold_is_no_fault() -> None:
    window = (Lag(0, 1, 5, of_starts=True), Lag(1, 0, -5, of_starts=True))
    assert not list(faults(MakespanProblem("x", (), (one("a"), one("b")), window)))


def test_a_schedule_is_written_and_read_back(tmp_path: Path) -> None:
    problem = read(tmp_path, "fjsp", FJSP)
    starts = (Start(0, 0), Start(0, 3), Start(0, 3), Start(0, 7))
    path = tmp_path / "schedule.json"
    write_schedule(problem, Solution(starts, 9, 9, 0.5), path)
    assert read_schedule(path) == Solution(starts, 9, 9, 0.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "format: must be"),
        ('{"format": "schedule/1"}', "operations: must be an array"),
        (
            '{"format": "schedule/1", "makespan": 1, "bound": 1, "operations": [{"mode": 0}]}',
            "operations[0].start: must be a whole number",
        ),
        ('{"format": "schedule/1", "operations": []', "not JSON"),
    ],
)
def test_a_faulty_schedule_is_refused_with_the_place(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(text)
    with pytest.raises(BadFile) as refusal:
        read_schedule(path)
    assert told in str(refusal.value)
