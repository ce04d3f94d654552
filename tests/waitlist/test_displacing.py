"""What an outage hits is displaced with first right; nobody is silently dropped."""

from collections import Counter
from datetime import UTC, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings.models import Booking, Source, Usage, Waiting
from platform_booking.bookings.states import ACTIVE, BookingState, WaitingState
from platform_booking.catalog.models import Outage, OutageKind, Resource
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.jobs import free_displaced
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.orders.states import StepState
from tests.attendance.place import Place, made, on_grid
from tests.factories import (
    add_step,
    make_booking,
    make_order,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)
from tests.waitlist.queue import (
    HOUR,
    ZONE,
    answer,
    nobody_works_alone_at_night,
    run,
    show,
    tomorrow,
    wait,
)

DISPLACED = BookingState.DISPLACED


@pytest.fixture
def place(app: Flask) -> Place:
    return made(app)


def declare(place: Place, *, at=None, hours=1, kind="scheduled_down", tool=None):
    at = at or tomorrow()
    done = place.program(place.operator)(
        "POST",
        f"/resources/{(tool or place.tool).public_id}/outages",
        json={
            "starts_at": at.isoformat(),
            "ends_at": (at + hours * HOUR).isoformat(),
            "kind": kind,
            "reason": "pump",
        },
    )
    assert done.status_code == 201, done.text
    return done.json


def entries() -> list[Waiting]:
    with writing() as session:
        return list(session.scalars(sa.select(Waiting).order_by(Waiting.id)))


def test_what_an_outage_hits_waits_with_first_right_and_is_offered_time(place) -> None:
    booking = place.booking(at=tomorrow(), hours=2)
    untouched = place.booking(at=tomorrow() + 5 * HOUR)
    done = declare(place, hours=4)
    assert (done["hits"], done["displaced"]) == (1, 1)
    assert place.state(booking) is DISPLACED
    assert place.state(untouched) is BookingState.CONFIRMED
    [entry] = entries()
    assert (entry.displaced_id, entry.first_right, entry.minutes) == (booking.id, True, 120)
    assert entry.to_at >= tomorrow() + timedelta(days=14)
    assert ("booking.displaced", place.engineer.id) in place.told()
    assert "booking.displace" in place.deeds(booking)
    assert run()["offered"] == 1
    accepted = answer(place, place.engineer, {"id": entry.public_id}, "accept")
    assert accepted.status_code == 200, accepted.text


def test_the_displaced_are_asked_before_those_who_waited_longer(place) -> None:
    place.booking(at=tomorrow())
    waits = wait(place, place.rival, window=3).json
    place.booking(at=tomorrow() + HOUR, hours=2)
    declare(place)
    with writing() as session:
        session.execute(
            sa.update(Waiting)
            .where(Waiting.first_right)
            .values(from_at=tomorrow() - HOUR, to_at=tomorrow())
        )
        session.execute(
            sa.update(Waiting)
            .where(~Waiting.first_right)
            .values(from_at=tomorrow() - HOUR, to_at=tomorrow())
        )
    assert run()["offered"] == 1
    [first] = [e for e in entries() if e.state is WaitingState.OFFERED]
    assert first.first_right
    assert show(place, place.rival, waits)["state"] == "waiting"


def test_what_is_in_use_ends_by_an_unscheduled_outage_and_not_by_a_scheduled(place) -> None:
    begun = on_grid(utcnow()) - HOUR
    booking = place.booking(at=begun, hours=3, state=BookingState.IN_USE)
    with writing() as session:
        session.add(
            Usage(
                booking_id=booking.id,
                resource_id=booking.resource_id,
                platform_id=place.platform.id,
                organisation_id=booking.organisation_id,
                began_at=begun,
            )
        )
    assert declare(place, at=on_grid(utcnow()) + HOUR / 2)["displaced"] == 0
    assert place.state(booking) is BookingState.IN_USE
    assert declare(place, at=on_grid(utcnow()), kind="unscheduled_down")["displaced"] == 1
    assert place.state(booking) is DISPLACED
    assert place.usage(booking).ended_at is not None


def test_an_offer_that_is_hit_is_taken_back_and_not_counted_as_let_go(place) -> None:
    entry = wait(place, place.rival).json
    run()
    down = declare(place)
    told = show(place, place.rival, entry)
    assert (told["state"], told["passed"], told["offer"]) == ("waiting", 0, None)
    assert run()["offered"] == 0
    place.program(place.operator)("DELETE", f"/outages/{down['id']}")
    assert run()["offered"] == 1  # the very same place
    assert ("waiting.taken_back", place.rival.id) in place.told()


def two_tools(place: Place, *, elsewhere: bool = True) -> tuple[Booking, Booking]:
    """Book two tools together, one of them on another platform."""
    with writing() as session:
        platform = make_platform(session).id if elsewhere else place.platform.id
        other = make_resource(session, platform_id=platform)
    group = uuid4()
    hit = place.booking(at=tomorrow() + 48 * HOUR, group_id=group)
    beside = place.booking(at=tomorrow() + 48 * HOUR, resource=other, group_id=group)
    return hit, beside


def offered_to(*lost: Booking) -> list[Booking]:
    """Return what is offered in the place of bookings that were displaced."""
    with writing() as session:
        rows = session.scalars(
            sa.select(Booking)
            .join(Waiting, Waiting.booking_id == Booking.id)
            .where(Waiting.displaced_id.in_([one.id for one in lost]))
            .order_by(Booking.resource_id)
        )
        return list(rows)


def test_what_was_booked_together_goes_together_on_any_platform(place) -> None:
    group = uuid4()
    with writing() as session:
        near = make_resource(session, platform_id=place.platform.id)
        far = make_resource(session, platform_id=make_platform(session).id)
    hit = place.booking(at=tomorrow(), group_id=group)
    beside = place.booking(at=tomorrow(), resource=near, group_id=group)
    away = place.booking(at=tomorrow(), resource=far, group_id=group)
    assert declare(place)["displaced"] == 2
    assert place.state(hit) is place.state(beside) is DISPLACED
    assert run()["displaced"] == 1
    assert place.state(away) is DISPLACED
    assert {e.displaced_id for e in entries()} == {hit.id, beside.id, away.id}


def test_what_was_booked_together_is_offered_and_accepted_together(place) -> None:
    hit, beside = two_tools(place)
    after = hit.ends_at  # the other tool is busy where the first would be free
    with writing() as session:
        other = session.get_one(Resource, beside.resource_id)
    place.booking(at=after, resource=other, hours=3)
    declare(place, at=hit.starts_at - 2 * HOUR, hours=3)
    assert run()["offered"] == 1
    first, second = offered_to(hit, beside)
    assert (first.starts_at, first.ends_at) == (second.starts_at, second.ends_at)
    assert first.respond_by == second.respond_by
    assert first.group_id == second.group_id is not None
    [told] = place.program(place.engineer)("GET", "/waiting").json["items"]
    assert [one["resource"]["code"] for one in told["with"]]
    accepted = answer(place, place.engineer, told, "accept")
    assert accepted.status_code == 200, accepted.text
    assert place.state(first) is place.state(second) is BookingState.CONFIRMED
    assert {e.state for e in entries()} == {WaitingState.ACCEPTED}


@pytest.mark.parametrize("way", ["pass", "withdraw", "silence", "outage"])
def test_what_is_offered_together_goes_together(place, way) -> None:
    hit, beside = two_tools(place)
    declare(place, at=hit.starts_at)
    run()
    first, second = offered_to(hit, beside)
    [told] = place.program(place.engineer)("GET", "/waiting").json["items"]
    later = utcnow()
    if way == "silence":
        later += timedelta(hours=25)
    elif way == "outage":
        declare(place, at=first.starts_at)
    else:
        assert answer(place, place.engineer, told, way).status_code == 200
    with writing() as session:  # nothing else is free: what follows is not an offer
        session.execute(sa.update(Resource).values(active=False))
    run(now=later)
    assert place.state(first) is place.state(second) is BookingState.LAPSED
    over = WaitingState.WITHDRAWN if way == "withdraw" else WaitingState.WAITING
    assert [(e.state, e.passed) for e in entries()] == [
        (over, int(way in {"pass", "silence"}))
    ] * 2


def test_the_displaced_are_offered_what_is_nearest_and_have_a_day_to_answer(place) -> None:
    booking = place.booking(at=tomorrow() + 100 * HOUR)
    declare(place, at=booking.starts_at - HOUR, hours=2)
    run()
    [offer] = offered_to(booking)
    assert offer.starts_at == booking.ends_at
    assert offer.respond_by - offer.created_at >= timedelta(hours=24)


def test_the_displaced_are_looked_for_beyond_hours_that_the_rules_refuse(place) -> None:
    nobody_works_alone_at_night(place)
    morning = tomorrow().astimezone(ZONE).replace(hour=17, minute=0) + timedelta(days=1)
    booking = place.booking(at=morning.astimezone(UTC))
    declare(place, at=morning - 9 * HOUR, hours=10)
    run()
    [offer] = offered_to(booking)
    assert offer.starts_at == morning + 15 * HOUR  # eight o'clock, the next day


@pytest.mark.parametrize("offered", [False, True])
def test_an_outage_that_is_taken_back_gives_the_old_place_back(place, offered) -> None:
    hit, beside = two_tools(place)
    down = declare(place, at=hit.starts_at)
    run()
    instead = offered_to(hit, beside)
    if not offered:
        with writing() as session:
            session.execute(sa.update(Resource).values(active=False))
        [told] = place.program(place.engineer)("GET", "/waiting").json["items"]
        assert answer(place, place.engineer, told, "pass").status_code == 200
        with writing() as session:
            session.execute(sa.update(Resource).values(active=True))
    place.program(place.operator)("DELETE", f"/outages/{down['id']}")
    assert run()["given_back"] == 2
    back = offered_to(hit, beside)
    assert [(b.starts_at, b.state) for b in back] == [
        (hit.starts_at, BookingState.CONFIRMED)
    ] * 2
    assert {place.state(one) for one in instead} == {BookingState.LAPSED}
    assert ("booking.given_back", place.engineer.id) in place.told()
    assert run()["given_back"] == 0


def test_an_old_place_that_another_has_by_now_is_not_given_back(place) -> None:
    booking = place.booking(at=tomorrow())
    down = declare(place)
    place.program(place.operator)("DELETE", f"/outages/{down['id']}")
    place.booking(at=tomorrow(), member_id=place.colleague.id)
    assert run()["given_back"] == 0
    assert place.state(booking) is DISPLACED
    assert len(offered_to(booking)) == 1  # something else, nearby


def test_the_loads_of_a_run_are_displaced_together(place) -> None:
    with writing() as session:
        oven = make_resource(
            session, kind="batch", platform_id=place.platform.id, capacity=4
        )
        recipe = make_recipe(session, oven, capacity=4)
        loads = [
            make_booking(session, resource=oven, recipe_id=recipe.id, starts_at=tomorrow())
            for _ in range(3)
        ]
    assert declare(place, at=tomorrow() + HOUR / 2, tool=oven)["displaced"] == 3
    assert {place.state(load) for load in loads} == {DISPLACED}
    assert [e.recipe_id for e in entries()] == [recipe.id] * 3


def placed_order(place: Place, *resources, begun: bool = False) -> Order:
    """Make an order with one booked step on each resource, hour after hour."""
    with writing() as session:
        order = make_order(session, member=place.engineer, resource=resources[0])
        for resource in resources[1:]:
            add_step(session, order, resource=resource)
        session.flush()
        session.refresh(order)
        for n, (step, resource) in enumerate(zip(order.steps, resources, strict=True)):
            at = tomorrow() + 2 * n * HOUR
            if begun and n == 0:
                at = on_grid(utcnow()) - HOUR / 2
            booking = make_booking(
                session,
                resource=resource,
                organisation=place.firm,
                starts_at=at,
                source=Source.PLAN,
            )
            step.state = StepState.BOOKED
            session.add(
                StepBooking(
                    step_id=step.id,
                    booking_id=booking.id,
                    organisation_id=place.firm.id,
                    platform_id=resource.platform_id,
                )
            )
        return order


def steps() -> list[tuple[StepState, bool]]:
    with writing() as session:
        rows = session.execute(
            sa.select(Step.state, Step.first_right).order_by(Step.position)
        )
        return [tuple(row) for row in rows]


def active() -> int:
    with writing() as session:
        return (
            session.scalar(
                sa.select(sa.func.count(Booking.id)).where(Booking.state.in_(ACTIVE))
            )
            or 0
        )


def test_an_order_that_is_hit_waits_as_a_whole_with_first_right(place) -> None:
    with writing() as session:
        far = make_resource(session, platform_id=make_platform(session).id)
    placed_order(place, place.tool, far)
    assert declare(place)["displaced"] == 1
    with acting_as(JOB):
        free_displaced()
    assert steps() == [(StepState.WAITING, True)] * 2
    assert active() == 0
    assert entries() == []  # the next night places it
    assert ("order.displaced", None) in place.told()


def test_of_an_order_that_has_begun_only_the_step_that_is_hit_waits(place) -> None:
    with writing() as session:
        other = make_resource(session, platform_id=place.platform.id)
    placed_order(place, other, place.tool, begun=True)
    assert declare(place, at=tomorrow() + 2 * HOUR)["displaced"] == 1
    with acting_as(JOB):
        free_displaced()
    assert steps() == [(StepState.BOOKED, False), (StepState.WAITING, True)]
    assert active() == 1
    assert len(entries()) == 1


def test_time_that_an_owner_takes_back_displaces_others_and_not_him(place) -> None:
    mine = place.booking(at=tomorrow())
    with writing() as session:
        theirs = make_booking(
            session, resource=place.tool, starts_at=tomorrow() + HOUR,
            organisation_id=place.rival.organisation_id, member_id=place.rival.id,
        )  # fmt: skip
        session.add(
            Outage(
                resource_id=place.tool.id,
                starts_at=tomorrow(),
                ends_at=tomorrow() + 3 * HOUR,
                kind=OutageKind.SCHEDULED,
                reason="own use",
                taken_back_by=place.firm.id,
            )
        )
    assert run()["displaced"] == 1
    assert place.state(mine) is BookingState.CONFIRMED
    assert place.state(theirs) is DISPLACED
    assert [e.displaced_id for e in entries()] == [theirs.id]
    assert run()["displaced"] == 0


def test_nobody_is_dropped_whatever_is_hit(place) -> None:
    with writing() as session:
        pool = make_resource(
            session, kind="pooled", platform_id=place.platform.id, capacity=6
        )
        for n in range(6):
            for state in (BookingState.CONFIRMED, BookingState.REQUESTED):
                make_booking(
                    session, resource=pool, starts_at=tomorrow() + n * HOUR, state=state
                )
    before = active()
    done = declare(place, at=tomorrow() + 2 * HOUR, hours=2, tool=pool)
    found = entries()
    assert done["displaced"] == len(found) == 4
    assert before == active() + len(found)
    assert max(Counter(e.displaced_id for e in found).values()) == 1
    with writing() as session:
        lost = session.scalars(sa.select(Booking.id).filter_by(state=DISPLACED)).all()
    assert {e.displaced_id for e in found} == set(lost)
