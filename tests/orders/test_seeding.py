"""A generated demand becomes orders that the night can read."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Member, Organisation, Project
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.catalog import loader
from platform_booking.catalog.demand import Demand, Wish, WishedStep, demand
from platform_booking.orders import seeding
from platform_booking.orders.models import Order
from platform_booking.planning import snapshot
from solver.faults import faults
from tests.factories import MONDAY, writing

ZONE = ZoneInfo("Asia/Shanghai")
CATALOGUE = loader.parsed(loader.demo_text())


def load_catalogue() -> None:
    with writing() as session:
        loader.load(session, CATALOGUE, now=MONDAY, zone=ZONE)


def asked_for(orders: int) -> Demand:
    return demand(CATALOGUE, seed=1, today=MONDAY, zone=ZONE, orders=orders)


@pytest.fixture
def park(app: Flask) -> None:
    load_catalogue()


def test_the_night_reads_a_seeded_demand_as_a_sound_problem(park: None) -> None:
    with writing() as session:
        seeded = seeding.seed(session, asked_for(120), now=MONDAY)
        assert seeded.orders + sum(seeded.skipped.values()) == 120
        assert seeded.orders >= 115
        assert seeded.running == 1
        read = snapshot.read(session, now=MONDAY, zone=ZONE)
    assert list(faults(read.problem)) == []
    assert len(read.problem.jobs) >= 110  # deadlines that have passed by tonight are left
    steps = [step for job in read.problem.jobs for step in job.steps]
    able = [step for step in steps if step.alternatives]
    assert len(able) >= 0.99 * len(steps)


def test_firms_come_approved_with_an_engineer_and_marked_as_demo_data(park: None) -> None:
    asked = asked_for(20)
    with writing() as session:
        seeded = seeding.seed(session, asked, now=MONDAY)
        firms = session.scalars(sa.select(Organisation)).all()
        assert len(firms) == len(asked.firms) == len(seeded.organisations)
        assert all(f.demo and f.state == "approved" and f.contract_ref for f in firms)
        engineers = session.scalars(sa.select(Member)).all()
        assert {m.id for m in engineers} == {*seeded.engineers.values()}
        assert {m.joined for m in engineers} == {False}
        wanted = {(w.firm, w.project) for w in asked.wishes}
        assert session.scalar(sa.select(sa.func.count(Project.id))) == len(wanted)
        under_way = session.scalars(sa.select(Booking)).one()
        assert under_way.state is BookingState.IN_USE
        assert under_way.ends_at - under_way.starts_at >= timedelta(hours=1000)


def test_a_second_demand_uses_the_firms_that_are_there(park: None) -> None:
    asked = asked_for(20)
    with writing() as session:
        first = seeding.seed(session, asked, now=MONDAY)
    with writing() as session:
        again = seeding.seed(session, Demand(asked.firms, asked.wishes, ()), now=MONDAY)
        assert again.organisations == first.organisations
        assert again.engineers == first.engineers
        kept = session.scalar(sa.select(sa.func.count(Order.id)))
        assert kept == first.orders + again.orders >= 36


def test_what_nothing_can_serve_is_counted_with_its_reason(park: None) -> None:
    asked = asked_for(3)
    wish: Wish = asked.wishes[0]
    etch = WishedStep("ETCH.DRIE", "etch", 60, 1, ())
    impossible = [
        (None, (WishedStep("NO.SUCH", "?", 60, 1, ()),), 150),
        (None, (etch,), 12),
    ]
    wishes = tuple(
        Wish(
            firm=wish.firm,
            project=wish.project,
            title="?",
            submitted_at=wish.submitted_at,
            earliest_at=wish.earliest_at,
            due_at=wish.due_at,
            deadline_at=wish.deadline_at,
            route=route,
            steps=steps,
            wafer_mm=wafer_mm,
            lot_size=1,
            materials_class="CMOS",
            flags=(),
        )
        for route, steps, wafer_mm in impossible
    )
    with writing() as session:
        seeded = seeding.seed(session, Demand(asked.firms, wishes, ()), now=MONDAY)
    assert seeded.orders == 0
    assert seeded.skipped == {"NO.SUCH: capability": 1, "ETCH.DRIE: size": 1}


def test_a_thousand_orders_are_written_in_few_statements(park: None) -> None:
    asked = asked_for(1000)
    counted = [0]
    with writing() as session:

        def count(*_: object) -> None:
            counted[0] += 1

        connection = session.connection()
        sa.event.listen(connection, "before_cursor_execute", count)
        seeded = seeding.seed(session, asked, now=MONDAY)
    assert seeded.orders + sum(seeded.skipped.values()) == 1000
    assert seeded.orders >= 980
    assert set(seeded.skipped) <= {
        "RT-SIC-02: lag_impossible",  # a lot of 25 in runs of 6 cannot keep its 4 h
        "RT-NFB-06: no_occurrence",  # the next class begins after the deadline
        "None: no_occurrence",
    }
    assert counted[0] < 80
