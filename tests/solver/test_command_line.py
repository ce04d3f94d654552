"""`python -m solver` as people run it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from solver.formats.json_format import read_plan, write_problem
from solver.problem import Problem
from tests.solver.factories import make_job, make_problem, make_step


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "solver", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def small() -> Problem:
    # Eleven jobs of 10 slots on 100 slots: the least valuable, of 10, stays out.
    return make_problem(
        *(make_job(f"job-{n}", make_step(), value=10 + n, submitted=n) for n in range(11))
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    problem, plan = tmp_path / "problem.json", tmp_path / "plan.json"
    write_problem(small(), problem)
    return problem, plan


def test_a_plan_is_made_and_found_sound(files: tuple[Path, Path]) -> None:
    problem, plan = files

    made = run("solve", problem, "-o", plan, "--waves", 1, "--seed", 3, "--workers", 1)
    judged = run("check", problem, plan)

    assert made.returncode == 0, made.stderr
    figures = dict(line.rsplit(None, 1) for line in made.stdout.splitlines()[:4])
    assert figures == {
        "value": "155",
        "first come first served": "145",
        "bound": "155",
        "gap": "0.0%",
    }
    assert "left out                1 of 11" in made.stdout
    assert "improve" in made.stderr
    assert read_plan(plan).value == 155
    assert judged.returncode == 0, judged.stdout
    assert judged.stdout == "sound: 10 of 11 jobs placed, value 155\n"


def test_a_mandatory_job_that_finds_no_place_is_named_with_status_1(
    files: tuple[Path, Path],
) -> None:
    problem, plan = files
    rivals = (
        make_job(f"job-{n}", make_step(windows=((0, 10),)), mandatory=True)
        for n in range(2)
    )
    write_problem(make_problem(*rivals), problem)

    made = run("solve", problem, "-o", plan, "--waves", 0)

    assert made.returncode == 1
    assert "is mandatory and could not be placed" in made.stderr
    assert len(read_plan(plan).placements) == 1  # what could be placed is written


def test_a_plan_that_breaks_a_rule_is_refused(files: tuple[Path, Path]) -> None:
    problem, plan = files
    run("solve", problem, "-o", plan, "--waves", 0)
    data = json.loads(plan.read_text())
    data["placements"][1]["start"] += 1
    plan.write_text(json.dumps(data))

    judged = run("check", problem, plan)

    assert judged.returncode == 1
    assert "lasts 9 slots instead of 10" in judged.stdout
    assert "1 faults" in judged.stderr


def test_a_plan_that_lies_about_its_value_is_refused(files: tuple[Path, Path]) -> None:
    problem, plan = files
    run("solve", problem, "-o", plan, "--waves", 0)
    data = json.loads(plan.read_text())
    data["value"] += 1
    plan.write_text(json.dumps(data))

    judged = run("check", problem, plan)

    assert judged.returncode == 1
    assert "states the value 156" in judged.stdout


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (b'{"format": "plan/1", "placements": [', "not JSON at line 1, column"),
        (b"\x00\xff\xfe", "is not UTF-8 text"),
        (b'{"format": "plan/1", "value": 1, "placements": [{"job": 3}]}',
         "placements[0].job: must be a text, it is 3"),
    ],
)  # fmt: skip
def test_a_damaged_plan_is_told_with_its_place(
    files: tuple[Path, Path], damage: bytes, says: str
) -> None:
    problem, plan = files
    plan.write_bytes(damage)

    judged = run("check", problem, plan)

    assert judged.returncode == 2
    assert says in judged.stderr
    assert "Traceback" not in judged.stderr


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (b'{"format": "problem/1", "horizon": 9,', "not JSON at line 1, column"),
        (b"", "not JSON at line 1, column 1"),
        (b'{"format": "problem/2"}', 'format: must be "problem/1", it is "problem/2"'),
        (b'{"format": "plan/1", "placements": [], "value": 0}', 'it is "plan/1"'),
        (b'{"format": "problem/1", "horizon": NaN}', "NaN is not a number of JSON"),
        (b'{"format": "problem/1", "horizon": 1e999}', "horizon: must be a whole number"),
        (b"[1, 2]", "must be an object, it is an array"),
        (b'{"format": "problem/1", "horizon": 9, "calendar_end": 9, "resources": {},'
         b' "jobs": []}', "resources: must be an array, it is an object"),
    ],
)  # fmt: skip
def test_a_damaged_problem_is_told_with_its_place(
    files: tuple[Path, Path], damage: bytes, says: str
) -> None:
    problem, plan = files
    problem.write_bytes(damage)

    for done in (run("solve", problem, "-o", plan), run("check", problem, plan)):
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
    assert not plan.exists()


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    done = run("check", tmp_path / "no problem.json", tmp_path / "no plan.json")

    assert done.returncode == 2
    assert "no problem.json: cannot be read: No such file or directory" in done.stderr


def test_a_plan_of_another_problem_is_not_sound(files: tuple[Path, Path]) -> None:
    problem, plan = files
    run("solve", problem, "-o", plan, "--waves", 0)
    other = make_problem(
        make_job("job-1", make_step(), make_step()), make_job("other", make_step())
    )
    write_problem(other, problem)

    judged = run("check", problem, plan)

    assert judged.returncode == 1
    said = judged.stdout.splitlines()
    assert any("job-2" in line for line in said), said
    assert any("job-1" in line and "missing steps" in line for line in said), said
    assert "Traceback" not in judged.stderr


def test_every_cut_of_a_plan_is_told_without_a_traceback(files: tuple[Path, Path]) -> None:
    problem, plan = files
    run("solve", problem, "-o", plan, "--waves", 0)
    whole = plan.read_bytes()
    for keep in (1, len(whole) // 2, len(whole) - 3):
        plan.write_bytes(whole[:keep])

        judged = run("check", problem, plan)

        assert judged.returncode == 2, keep
        assert "not JSON at line" in judged.stderr
        assert "Traceback" not in judged.stderr


def test_a_problem_with_faults_makes_no_plan(files: tuple[Path, Path]) -> None:
    problem, plan = files
    data = json.loads(problem.read_text())
    data["jobs"][2]["steps"][0]["windows"] = [[9, 4]]
    data["jobs"][3]["value"] = -1
    problem.write_text(json.dumps(data))

    made = run("solve", problem, "-o", plan)

    assert made.returncode == 2
    assert made.stderr.splitlines() == [
        "jobs[2].steps[0].windows[0]: end before start, from 9 to 4",
        "jobs[3].value: must not be negative",
    ]
    assert not plan.exists()


def test_a_plan_that_cannot_be_written_is_told_so(files: tuple[Path, Path]) -> None:
    problem, plan = files

    made = run("solve", problem, "-o", plan.parent / "gone" / "plan.json", "--waves", 0)

    assert made.returncode == 2
    assert "cannot be written: No such file or directory" in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.parametrize(
    "wrong", [("--seconds", "-1"), ("--waves", "many"), ("--workers", "0"), ("--seed", "x")]
)
def test_a_wrong_option_is_told_so(files: tuple[Path, Path], wrong: tuple[str]) -> None:
    problem, plan = files

    made = run("solve", problem, "-o", plan, *wrong)

    assert made.returncode == 2
    assert f"argument {wrong[0]}" in made.stderr


@contextmanager
def searching(problem: Path, plan: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a long search in a session of its own; yield when its workers are at work."""
    jobs = [
        make_job(f"job-{n}", make_step(), value=10 + n % 7, submitted=n) for n in range(300)
    ]
    write_problem(make_problem(*jobs), problem)
    command = [sys.executable, "-m", "solver", "solve", str(problem), "-o", str(plan)]
    with subprocess.Popen(
        [*command, "--seconds", "600"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "improve" in line:
                break
        yield process


def test_a_search_that_is_killed_takes_its_workers_along(tmp_path: Path) -> None:
    with searching(tmp_path / "problem.json", tmp_path / "plan.json") as process:
        process.kill()
        process.wait(30)
    deadline = time.monotonic() + 30
    while has_members(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_interrupted_search_leaves_the_plan_so_far(tmp_path: Path) -> None:
    problem, plan = tmp_path / "problem.json", tmp_path / "plan.json"
    with searching(problem, plan) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all processes
        out, rest = process.communicate(timeout=120)

    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    assert "bound" not in out
    assert len(read_plan(plan).placements) == 10
    assert run("check", problem, plan).returncode == 0


def test_a_job_that_is_left_out_is_explained(files: tuple[Path, Path]) -> None:
    problem, plan = files
    run("solve", problem, "-o", plan, "--waves", 1, "--workers", 1)

    told = run("explain", problem, plan, "--json")
    said = run("explain", problem, plan, "--job", "job-0")

    # Forced in, the job of 10 displaces that of 11.
    (line,) = map(json.loads, told.stdout.splitlines())
    assert (line["job"], line["cause"]) == ("job-0", "full")
    assert line["forcing"] == {
        "displaced": ["job-1"], "moved": [], "cost": 1, "ends": line["forcing"]["ends"]
    }  # fmt: skip
    assert {b["occupant"] for b in line["blocked"]} == {"placement"}
    assert "job job-0 (value 10): full, step 0" in said.stdout
    assert "forcing it displaces 1 jobs, moves 0 and costs 1" in said.stdout


def test_an_unknown_job_cannot_be_explained(files: tuple[Path, Path]) -> None:
    problem, plan = files
    run("solve", problem, "-o", plan, "--waves", 1, "--workers", 1)
    told = run("explain", problem, plan, "--job", "job-99")
    assert (told.returncode, told.stderr) == (1, "the problem has no job job-99\n")


def test_the_bound_of_a_problem_is_told_with_where_time_is_scarce(
    files: tuple[Path, Path],
) -> None:
    told = run("bound", files[0])
    bound, *scarce = told.stdout.splitlines()
    assert (told.returncode, bound) == (0, "bound 155")
    assert all("one more is worth" in line for line in scarce)


def test_the_search_is_compared_with_list_scheduling(files: tuple[Path, Path]) -> None:
    told = run("bench", files[0], "--seconds", 1, "--workers", 1)
    line = json.loads(told.stdout)
    assert line["value"] == line["bound"] == 155
    assert line["times_first_come_first_served"] == round(155 / 145, 4)
    assert line["times_best_rule"] == 1.0
    assert line["gap"] == 0.0


def test_progress_is_told_as_asked(files: tuple[Path, Path]) -> None:
    problem, plan = files
    asked = ("solve", problem, "-o", plan, "--waves", 1, "--workers", 1, "--progress")
    lines = [json.loads(one) for one in run(*asked, "json").stderr.splitlines()]
    assert lines[-1]["value"] == 155
    assert {"phase", "wave", "waves", "value", "bound", "seconds", "rate"} == lines[
        0
    ].keys()
    assert run(*asked, "none").stderr == ""
