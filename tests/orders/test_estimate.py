"""The earliest date beside everybody's bookings, seen through the walls between firms."""

import time
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings.models import Booking
from platform_booking.catalog import loader
from platform_booking.catalog.demand import demand
from platform_booking.catalog.models import Outage, OutageKind, Resource, RouteTemplate
from platform_booking.db import acting_as, db
from platform_booking.orders import seeding
from platform_booking.orders.estimate import Estimate
from platform_booking.planning import publication
from tests.factories import (
    JOB,
    MONDAY,
    identity_of,
    make_booking,
    make_member,
    make_occurrence,
    make_organisation,
    make_recipe,
    make_resource,
    writing,
)
from tests.orders.asked import DAY, HOUR, asked, make_route, step, submit
from tests.planning.nights import approve_all, run_night

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def engineer(app: Flask):
    with writing() as session:
        return make_member(session)


def at(start, end) -> Estimate:
    return Estimate(starts_at=MONDAY + start * HOUR, ends_at=MONDAY + end * HOUR)


def test_in_an_empty_park_the_order_runs_as_early_as_it_may(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)
    steps = (step(), step(lag_min_min=120))
    assert submit(app, engineer, asked(*steps)).earliest == at(0, 4)


def test_a_rivals_booking_which_the_asker_cannot_read_delays_the_estimate(
    app: Flask, engineer
) -> None:
    with writing() as session:
        tool = make_resource(session)
        make_booking(session, resource=tool, minutes=180)
        identity = identity_of(session, engineer)
    with acting_as(identity):
        assert list(db.session.scalars(sa.select(Booking))) == []
    assert submit(app, engineer).earliest == at(3, 4)


def test_a_cancelled_booking_delays_nothing(app: Flask, engineer) -> None:
    with writing() as session:
        tool = make_resource(session)
        make_booking(session, resource=tool, minutes=180, state="cancelled")
    assert submit(app, engineer).earliest == at(0, 1)


def test_another_eligible_tool_is_taken_when_one_is_busy(app: Flask, engineer) -> None:
    with writing() as session:
        busy, _free = make_resource(session), make_resource(session)
        make_booking(session, resource=busy, minutes=600)
    assert submit(app, engineer).earliest == at(0, 1)


def test_the_units_that_rivals_hold_of_a_pool_are_counted(app: Flask, engineer) -> None:
    with writing() as session:
        pool = make_resource(session, kind="pooled", capacity=4)
        make_booking(session, resource=pool, quantity=2, minutes=120)
    assert submit(app, engineer, asked(step(quantity=2))).earliest == at(0, 1)
    assert submit(app, engineer, asked(step(quantity=3))).earliest == at(2, 3)


def test_a_load_joins_a_rivals_run_of_its_own_recipe(app: Flask, engineer) -> None:
    with writing() as session:
        furnace = make_resource(session, kind="batch", capacity=4)
        recipe = make_recipe(session, furnace)
        make_booking(
            session,
            resource=furnace,
            recipe_id=recipe.id,
            quantity=2,
            starts_at=MONDAY + HOUR,
        )
    joining = asked(step(quantity=2), earliest_at=MONDAY + HOUR)
    assert submit(app, engineer, joining).earliest == at(1, 2)
    too_much = asked(step(quantity=3), earliest_at=MONDAY + HOUR)
    assert submit(app, engineer, too_much).earliest == at(2, 3)


def test_a_load_does_not_join_a_run_of_another_recipe(app: Flask, engineer) -> None:
    with writing() as session:
        furnace = make_resource(
            session, kind="batch", capacity=4, capabilities=("TEST.ANY", "OTHER")
        )
        make_recipe(session, furnace)
        other = make_recipe(session, furnace, capability_id=furnace.capabilities[1].id)
        make_booking(session, resource=furnace, recipe_id=other.id)
    assert submit(app, engineer).earliest == at(1, 2)


def test_busy_tells_the_recipe_to_whoever_may_join_and_to_nobody_else(
    app: Flask, engineer
) -> None:
    with writing() as session:
        furnace = make_resource(session, kind="batch")
        recipe = make_recipe(session, furnace)
        make_booking(session, resource=furnace, recipe_id=recipe.id)
        identity = identity_of(session, engineer)
    question = sa.text("SELECT recipe_id FROM busy(:which, :from_at, :to_at, :recipes)")
    span = {"which": [furnace.id], "from_at": MONDAY, "to_at": MONDAY + DAY}
    with acting_as(identity):
        told = db.session.scalars(question, {**span, "recipes": [recipe.id]}).all()
        hidden = db.session.scalars(question, {**span, "recipes": []}).all()
    assert (told, hidden) == ([recipe.id], [None])


def test_a_dated_run_that_is_full_is_passed_over(app: Flask, engineer) -> None:
    with writing() as session:
        course = make_resource(session, kind="event", capacity=4)
        first = make_occurrence(session, course)
        make_occurrence(session, course, starts_at=MONDAY + DAY)
        make_booking(
            session, resource=course, occurrence_id=first.id, minutes=120, quantity=4
        )
    assert submit(app, engineer).earliest == at(24, 26)


def test_an_outage_delays_the_estimate(app: Flask, engineer) -> None:
    with writing() as session:
        tool = make_resource(session)
        session.add(
            Outage(
                resource_id=tool.id,
                starts_at=MONDAY,
                ends_at=MONDAY + 5 * HOUR,
                kind=OutageKind.SCHEDULED,
            )
        )
    assert submit(app, engineer).earliest == at(5, 6)


def test_nothing_is_promised_within_the_freeze(app: Flask, engineer) -> None:
    with writing() as session:
        make_resource(session)  # its platform freezes 24 h
    handed = submit(app, engineer, now=MONDAY + 30 * timedelta(minutes=1))
    assert handed.earliest == Estimate(
        starts_at=MONDAY + DAY + HOUR / 2, ends_at=MONDAY + DAY + HOUR * 1.5
    )


def test_an_order_without_a_place_is_taken_and_told_so(app: Flask, engineer) -> None:
    with writing() as session:
        tool = make_resource(session)
        make_booking(session, resource=tool, minutes=5 * 1440)
    handed = submit(app, engineer)
    assert handed.order.id
    assert handed.earliest is None


def test_the_estimate_and_the_night_agree_where_nobody_else_asks(
    app: Flask, engineer
) -> None:
    with writing() as session:
        tool = make_resource(session, capabilities=("ETCH",))
        furnace = make_resource(session, kind="batch", capabilities=("ANNEAL",))
        make_recipe(session, furnace)
        make_route(
            session,
            {"capability": "ETCH", "lag_max_min": 60},
            {"capability": "ANNEAL", "lag_min_min": 30},
            {"capability": "ETCH"},
            code="RT",
            class_rank=3,
        )
        make_booking(session, resource=tool, minutes=90)
    handed = submit(app, engineer, asked(route="RT"))
    outcome = run_night(app)
    approve_all(outcome.plan_id)
    with acting_as(JOB):
        publication.publish(outcome.plan_id, now=MONDAY)
    with writing() as session:
        first, last = session.execute(
            sa.select(sa.func.min(Booking.starts_at), sa.func.max(Booking.ends_at)).where(
                Booking.organisation_id == engineer.organisation_id
            )
        ).one()
    assert handed.earliest == Estimate(starts_at=first, ends_at=last)


def test_a_long_route_beside_a_thousand_bookings_is_answered_at_once(app: Flask) -> None:
    """On the demo catalogue: 14 steps and more, 1,000 bookings, under 300 ms.

    The figure is for a machine of one's own; beside other work it may take ten times that.
    """
    catalogue = loader.parsed(loader.demo_text())
    with writing() as session:
        loader.load(session, catalogue, now=MONDAY, zone=ZONE)
        seeding.seed(
            session, demand(catalogue, seed=1, today=MONDAY, zone=ZONE, orders=20), now=MONDAY
        )  # fmt: skip
        engineer = make_member(session)
        rival = make_organisation(session)
        tools = session.scalars(
            sa.select(Resource).where(Resource.kind == "unary", Resource.active)
        ).all()
        made = 0
        for hour in range(0, 24 * 14, 3):
            for tool in tools:
                if made < 1000 and (tool.id + hour) % 5 == 0:
                    make_booking(
                        session,
                        resource=tool,
                        organisation=rival,
                        starts_at=MONDAY + hour * HOUR,
                    )
                    made += 1
        route = session.scalars(
            sa.select(RouteTemplate).where(RouteTemplate.code == "RT-GAN-02")
        ).one()
        assert len(route.steps) == 14
    assert made == 1000
    took = []
    for code in ("RT-MEM-03", "RT-MEM-01", "RT-GAN-02"):
        new = asked(route=code, deadline_at=MONDAY + 30 * DAY)
        begun = time.perf_counter()
        handed = submit(app, engineer, new, now=MONDAY)
        took.append(time.perf_counter() - begun)
        assert handed.earliest is not None
        assert len(handed.order.steps) >= 14
    print("seconds:", [round(t, 3) for t in took])
    assert min(took) < 3.0
