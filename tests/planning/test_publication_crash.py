"""A publisher that is killed leaves whole orders; whoever goes on doubles nothing."""

import signal
import subprocess
import sys
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings.models import Booking
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.embedded import Urls
from platform_booking.notices.models import Notice
from platform_booking.orders.models import Order
from platform_booking.orders.states import StepState
from platform_booking.planning import publication
from platform_booking.planning.states import PlanState
from tests.factories import add_step, make_order, make_resource, writing
from tests.planning.nights import (
    approve_all,
    bookings_of,
    plan_row,
    run_night,
    step_states,
)
from tests.service import ROOT, environment

SOON = timedelta(days=3)


def three_orders_of_two_steps(app: Flask, now) -> tuple[int, list[Order]]:
    """Make a plan of three components, approved, and its orders."""
    with writing() as session:
        orders = []
        for _ in range(3):
            tools = [make_resource(session) for _ in range(2)]
            order = make_order(
                session,
                resource=tools[0],
                earliest_at=now + SOON,
                deadline_at=now + 2 * SOON,
            )
            add_step(session, order, resource=tools[1])
            orders.append(order)
    plan_id = run_night(app, night=now.date(), now=now).plan_id
    approve_all(plan_id)
    return plan_id, orders


def published_until(plan_id: int, database: Urls, *, commit: int, moment: str):
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.planning.dying_publisher",
            str(plan_id),
            str(commit),
            moment,
        ],
        cwd=ROOT,
        env=environment(database, JOB_DATABASE_URL=database.job),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_whole(orders: list[Order]) -> int:
    """Every order is booked whole or waits whole; return how many are booked."""
    booked = 0
    for order in orders:
        found = len(bookings_of(order)), set(step_states(order))
        assert found in [(2, {StepState.BOOKED}), (0, {StepState.PLACED})]
        booked += found[0] == 2
    return booked


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("commit", [1, 3, 4, 7])
def test_a_killed_publisher_is_followed_by_one_that_goes_on(
    app: Flask, database: Urls, commit: int, moment: str
) -> None:
    """Commits: begin; a savepoint and the component, three times; finish."""
    now = utcnow()
    plan_id, orders = three_orders_of_two_steps(app, now)
    killed = published_until(plan_id, database, commit=commit, moment=moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = assert_whole(orders)
    committed = commit if moment == "after" else commit - 1
    assert before == min(3, max(0, committed - 1) // 2)
    with acting_as(JOB):
        done = publication.publish(plan_id, now=now)
    assert len(done.booked) == 3 - before
    assert assert_whole(orders) == 3
    assert plan_row(plan_id).state is PlanState.PUBLISHED
    with writing() as session:
        told = session.scalars(sa.select(Notice.kind)).all()
        made = session.scalar(sa.select(sa.func.count()).select_from(Booking))
    assert told == ["order.placed"] * 3
    assert made == 6


def test_a_publisher_that_is_let_live_commits_so_often(app: Flask, database: Urls) -> None:
    """Else the test above kills at moments that never come."""
    plan_id, orders = three_orders_of_two_steps(app, utcnow())
    lived = published_until(plan_id, database, commit=99, moment="after")
    assert lived.stdout.strip() == "8"
    assert assert_whole(orders) == 3
