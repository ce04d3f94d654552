"""Nights by hand: what the commands do, what they show, what they refuse."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask

from platform_booking.clock import utcnow
from platform_booking.orders.models import Order
from platform_booking.planning import claims, cli
from platform_booking.planning.drafting import Outcome
from platform_booking.planning.models import Plan
from platform_booking.planning.states import PlanState
from solver.allocation import ShadowPrice
from solver.bounds import Proof
from solver.formats.json_format import read_problem
from tests.factories import make_order, make_resource, writing
from tests.planning.nights import HOUR, ZONE, approve_all, bookings_of
from tests.service import ROOT

SHOW = """
from platform_booking.planning.cli import shown
from solver.options import Progress
with shown(seconds=10.0) as report:
    for phase, wave, bound, at in (
        ("greedy", 0, None, 0.5), ("improve", 1, None, 6.0), ("improve", 2, None, 9.9),
        ("bound", 0, None, 10.0), ("bound", 0, 1500, 11.0), ("explain", 0, None, 11.1),
    ):
        report(Progress(phase, wave, 0, 1234, bound, at))
"""
OUTCOME = Outcome(
    plan_id=1,
    public_id=uuid4(),
    asked=10,
    placed=8,
    value=1100,
    fcfs_value=1000,
    fcfs_placed=7,
    bound=1250,
    left_out=(("full", "1"), ("route_too_long", "1")),
    seconds=10.0,
)
AFTERWARDS = [
    "Proving how much better any plan could be ...",
    "Finding out why the others were left out, and what would bring them in ...",
]


def said(error: int) -> None:
    subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, stderr=error, check=True)


def test_without_a_terminal_progress_is_plain_lines_now_and_then() -> None:
    reader, writer = os.pipe()
    said(writer)
    os.close(writer)
    with open(reader) as lines:
        assert lines.read().splitlines() == ["6 s: value 1,234 after 1 wave", *AFTERWARDS]


def test_in_a_terminal_a_bar_fills_and_stays() -> None:
    keyboard, terminal = pty.openpty()
    said(terminal)
    shown = os.read(keyboard, 100_000).decode()
    os.close(terminal)
    os.close(keyboard)
    assert "Searching" in shown
    assert " 60%" in shown
    assert "100%  value 1,234" in shown
    lines = shown.split("\r\n")
    assert [line for line in lines if line.endswith("...")] == AFTERWARDS


def test_the_summary_says_in_words_what_a_night_brought() -> None:
    assert cli.summary(OUTCOME) == [
        "8 of 10 orders placed (first come, first served: 7)",
        "value 1,100, 1.100 times first come, first served",
        "proven: no plan is worth more than 1,250 (gap 12.0%)",
        "left out: 2",
        "  1 found no room beside what is placed or booked",
        "  1 did not fit before their deadline as a whole route",
    ]


# The commands


@pytest.fixture
def tonight() -> str:
    return utcnow().astimezone(ZONE).date().isoformat()


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["plan", *words])


def refused(result: Result) -> str:
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def orders_for_one_place() -> list[Order]:
    with writing() as session:
        tool = make_resource(session)
        window = {
            "earliest_at": utcnow() + 48 * HOUR,
            "deadline_at": utcnow() + 49 * HOUR + HOUR / 2,
        }
        return [make_order(session, resource=tool, **window) for _ in range(2)]


def test_a_night_by_hand_from_run_to_replay(app: Flask, tonight: str) -> None:
    orders = orders_for_one_place()
    result = run(app, "run", "--night", tonight, "--waves", "0")
    assert result.exit_code == 0, result.output
    assert "1 of 2 orders placed (first come, first served: 1)" in result.output
    assert "1 found no room beside what is placed or booked" in result.output
    assert "no platform has approved" in refused(run(app, "publish", "--night", tonight))
    with writing() as session:
        approve_all(session.scalars(sa.select(Plan.id)).one())
    result = run(app, "publish", "--night", tonight)
    assert "1 order booked, 0 overtaken, 0 parts without every approval" in result.output
    assert sum(len(bookings_of(order)) for order in orders) == 1
    assert "nothing to publish" in refused(run(app, "publish", "--night", tonight))
    assert "published already" in refused(run(app, "run", "--waves", "0"))
    assert "kept 300, again 300 in 0 waves" in run(app, "replay", "--night", tonight).output


def test_a_kept_night_is_written_for_the_solver_alone(
    app: Flask, tonight: str, tmp_path: Path
) -> None:
    orders_for_one_place()
    run(app, "run", "--night", tonight, "--waves", "0")
    to = tmp_path / "problem.json"
    assert (
        "python -m solver solve"
        in run(app, "problem", "--night", tonight, "-o", str(to)).output
    )
    assert len(read_problem(to).jobs) == 2
    nowhere = str(tmp_path / "none" / "problem.json")
    assert "cannot be written" in refused(
        run(app, "problem", "--night", tonight, "-o", nowhere)
    )


def test_a_kept_night_tells_where_time_was_scarce(
    app: Flask, tonight: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One night's proof, as of a crowded park: five-minute slots, hundredths of a point.
    prices = (ShadowPrice("OVEN", (0, 288), 1.5), ShadowPrice("SAW", (288, 576), 25.0))
    monkeypatch.setattr("solver.solve.proof", lambda *_, **__: Proof(600, prices))
    orders_for_one_place()
    run(app, "run", "--night", tonight, "--waves", "0")
    tomorrow = date.fromisoformat(tonight) + timedelta(days=1)
    assert run(app, "scarce", "--night", tonight).output.splitlines() == [
        f"SAW            {tomorrow}  one hour more: 3.0 points",
        f"OVEN           {tonight}  one hour more: 0.2 points",
    ]
    dearest = run(app, "scarce", "--night", tonight, "--most", "1").output
    assert dearest.count("\n") == 1


def test_what_cannot_be_done_is_told_in_a_sentence(app: Flask, tonight: str) -> None:
    assert "is over" in refused(run(app, "run", "--night", "2020-01-01"))
    assert "is too far off" in refused(run(app, "run", "--night", "9999-12-31"))
    assert "there is no plan of" in refused(run(app, "publish", "--night", tonight))
    assert "there is no plan of" in refused(run(app, "replay", "--night", tonight))
    bad = run(app, "run", "--night", "tomorrow")
    assert bad.exit_code == 2
    assert "'tomorrow' is not a date, such as 2027-03-08" in bad.output
    with writing() as session:
        claims.claim(
            session, date.fromisoformat(tonight), runner="another", lease_seconds=60
        )
    assert "is being begun" in refused(run(app, "run", "--waves", "0"))


def test_a_night_that_failed_is_passed_over_by_publication_and_replay(
    app: Flask, tonight: str
) -> None:
    orders_for_one_place()
    run(app, "run", "--waves", "0")
    with writing() as session:
        plan = session.scalars(sa.select(Plan)).one()
        approve_all(plan.id)
        session.add(
            Plan(
                night=plan.night,
                state=PlanState.FAILED,
                started_at=utcnow(),
                origin_at=utcnow(),
                seed=1,
                progress={},
            )
        )
    assert "again 300" in run(app, "replay", "--night", tonight).output
    assert "1 order booked" in run(app, "publish", "--night", tonight).output


def test_nights_need_the_address_of_pb_job(make_app: Callable[..., Flask]) -> None:
    for words in (["run"], ["publish", "--night", "2027-03-08"]):
        result = run(make_app(job_database_url=None), *words)
        assert "JOB_DATABASE_URL is not set" in refused(result)
