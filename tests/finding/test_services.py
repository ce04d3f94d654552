"""What is offered can be booked, is explained, and costs little to find."""

import itertools
import random
import time
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings import services as bookings
from platform_booking.bookings.asking import AskedSlot
from platform_booking.catalog.models import Outage, OutageKind, StayRule
from platform_booking.db import acting_as, db
from platform_booking.errors import RulesBroken
from platform_booking.finding import services
from platform_booking.finding.asking import Answer, Beside, Wish
from platform_booking.web.actor import Actor
from tests.factories import (
    ALWAYS_OPEN,
    MONDAY,
    identity_of,
    make_booking,
    make_calendar,
    make_member,
    make_occurrence,
    make_organisation,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEKDAYS = {
    day: [["08:00", "12:00"], ["13:00", "18:00"]]
    for day in ("mon", "tue", "wed", "thu", "fri")
}


NIGHTS = {day: [["00:00", "08:30"], ["20:00", "24:00"]] for day in ALWAYS_OPEN}


class World:
    """An engineer who looks for time on a platform."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        with writing() as session:
            self.platform = make_platform(session)
            self.firm = make_organisation(session)
            member = make_member(session, organisation=self.firm)
            self.identity = identity_of(session, member)
            self.others = make_organisation(session)
        self.actor = Actor(
            member_id=member.id,
            public_id=member.public_id,
            name=member.name,
            locale="en",
            organisation_id=member.organisation_id,
            organisation_name=None,
            roles=frozenset({"engineer"}),
        )

    def resource(self, session, **given):
        return make_resource(session, platform_id=self.platform.id, **given)

    def find(self, now=MONDAY, **given) -> Answer:
        usual = {"from_at": now, "to_at": now + 14 * DAY}
        with (
            self.app.test_request_context("/?lang=en"),
            acting_as(self.identity),
        ):
            return services.find(
                db.session(),
                Wish(**usual | given),
                actor=self.actor,
                now=now,
                zone=SHANGHAI,
            )

    def book(self, offer, wish: dict, now=MONDAY):
        with self.app.test_request_context("/?lang=en"), acting_as(self.identity):
            return bookings.book(
                AskedSlot(
                    resource_id=offer.resource.public_id,
                    starts_at=offer.starts_at,
                    ends_at=offer.ends_at,
                    quantity=offer.quantity,
                    recipe_id=offer.recipe.public_id if offer.recipe else None,
                    occurrence_id=offer.occurrence.public_id if offer.occurrence else None,
                    wafer_mm=wish.get("wafer_mm"),
                    class_rank=wish.get("class_rank"),
                ),
                actor=self.actor,
                now=now,
                zone=SHANGHAI,
            )


@pytest.fixture
def world(app: Flask) -> World:
    return World(app)


def down(session, resource, *, starts_at=MONDAY, hours=1.0):
    session.add(
        Outage(
            resource_id=resource.id,
            starts_at=starts_at,
            ends_at=starts_at + hours * HOUR,
            kind=OutageKind.SCHEDULED,
        )
    )


def starts(answer: Answer) -> list[tuple[str, float]]:
    return [
        (offer.resource.code, (offer.starts_at - MONDAY) / HOUR) for offer in answer.offers
    ]


def test_any_tool_of_a_capability_is_offered_with_the_earliest_end_first(world) -> None:
    with writing() as session:
        first = world.resource(session, code="A", capabilities=("ETCH.DRIE",))
        second = world.resource(session, code="B", capabilities=("ETCH.DRIE",))
        world.resource(session, code="C", capabilities=("LITHO",))
        make_booking(session, resource=first, minutes=180)
        down(session, second, hours=1)
    found = world.find(capability="ETCH.DRIE", minutes=60, to_at=MONDAY + DAY / 2)
    assert starts(found) == [("B", 1), ("A", 3)]
    assert found.offers[0].why[0] == "the earliest end of all"


@pytest.mark.parametrize("seed", range(6))
def test_each_offered_slot_is_accepted_when_it_is_booked(world, seed: int) -> None:
    """Whatever the kinds, hours, caps, outages and bookings."""
    dice = random.Random(seed)
    with writing() as session:
        shift = make_calendar(session, weekly=WEEKDAYS, attended=WEEKDAYS)
        always = make_calendar(session, offhours=NIGHTS)
        for n in range(8):
            kind = ("unary", "pooled", "batch", "event")[n % 4]
            one = world.resource(
                session,
                code=f"T{n}",
                kind=kind,
                capabilities=("ANY",),
                calendar_id=dice.choice([shift, always]).id,
                stay_rule=dice.choice(list(StayRule)),
                wafer_mm=dice.choice([[], [150], [150, 200]]),
                class_rank=dice.choice([1, 3]),
                self_run=dice.random() < 0.5,
                policy=dice.choice(
                    [
                        {},
                        {"notice_days": 2, "horizon_days": 5},
                        {"min_minutes": 120},
                        {"max_minutes": 60, "per_day": 1},
                        {"grid_minutes": 30, "notice_hours": 30},
                        {"rolling": [{"minutes": 400, "days": 7}]},
                        {"gap_minutes": 120, "future_minutes": 600},
                    ]
                ),
            )
            recipe = make_recipe(session, one, wafer_mm=150) if kind == "batch" else None
            if kind == "event":
                for days in (1, 3):
                    make_occurrence(session, one, starts_at=MONDAY + days * DAY)
            for hours in range(0, 240, 16):
                if kind == "event" or dice.random() < 0.4:
                    continue
                make_booking(
                    session,
                    resource=one,
                    organisation=dice.choice([world.firm, world.others]),
                    starts_at=MONDAY + hours * HOUR,
                    minutes=dice.choice([60, 300]),
                    quantity=1 if kind == "unary" else 3,
                    recipe_id=recipe.id if recipe else None,
                )
            for _n in range(dice.randrange(3)):
                down(session, one, starts_at=MONDAY + dice.randrange(0, 300) * HOUR)
    wish = {"wafer_mm": 150, "class_rank": 1}
    booked = 0
    for minutes, quantity in itertools.product((None, 60, 185, 720), (1, 2)):
        asked = wish | {"minutes": minutes, "quantity": quantity, "limit": 12}
        for offer in world.find(capability="ANY", **asked).offers:
            line = world.book(offer, wish)  # a refusal fails the test
            booked += 1
            with writing() as session:
                session.execute(
                    sa.text("DELETE FROM booking WHERE id = :id"), {"id": line.booking.id}
                )
    assert booked > 20


def test_what_goes_with_it_is_free_for_the_same_time(world) -> None:
    with writing() as session:
        tool = world.resource(session, code="TOOL", capabilities=("ETCH",))
        seats = world.resource(
            session, code="SEATS", kind="pooled", capacity=5, capabilities=("EDA.SIM",)
        )
        room = world.resource(session, code="ROOM", capabilities=("ROOM",))
        make_booking(session, resource=seats, quantity=4, minutes=120)
        make_booking(session, resource=room, starts_at=MONDAY + 3 * HOUR, minutes=60)
    (offer, *_later) = world.find(
        resources=(tool.code,),
        minutes=90,
        beside=(Beside(called="EDA.SIM", quantity=2), Beside(called="ROOM")),
    ).offers
    assert offer.starts_at == MONDAY + 4 * HOUR
    assert [(c.called, c.quantity, c.resource.code) for c in offer.beside] == [
        ("EDA.SIM", 2, "SEATS"),
        ("ROOM", 1, "ROOM"),
    ]


def test_a_tool_that_never_takes_the_wafers_is_left_out_with_the_reason(world) -> None:
    with writing() as session:
        world.resource(session, code="SIX", capabilities=("ETCH",), wafer_mm=[150])
        world.resource(session, code="EIGHT", capabilities=("ETCH",), wafer_mm=[200])
    found = world.find(capability="ETCH", minutes=60, wafer_mm=200, class_rank=3)
    assert {offer.resource.code for offer in found.offers} == {"EIGHT"}
    (left,) = found.left_out
    assert (left.resource.code, left.violations[0].rule) == ("SIX", "wafer_size")


def test_the_furnace_is_found_by_recipe_and_a_run_with_room_is_joined(world) -> None:
    with writing() as session:
        furnace = world.resource(
            session, code="F", kind="batch", capacity=25, capabilities=("OX",)
        )
        recipe = make_recipe(session, furnace, code="WET", duration_min=120)
        make_booking(
            session, resource=furnace, recipe_id=recipe.id, quantity=20, minutes=120
        )
    few, many = (
        world.find(capability="OX", quantity=n, from_at=MONDAY, now=MONDAY) for n in (5, 6)
    )
    assert (few.offers[0].joins, few.offers[0].room) == (True, 5)
    assert few.offers[0].starts_at == MONDAY
    assert not many.offers[0].joins
    assert many.offers[0].starts_at == MONDAY + 2 * HOUR


def test_unknown_names_are_told_with_the_nearest_known_ones(world) -> None:
    with writing() as session:
        world.resource(session, code="DRIE-1", capabilities=("ETCH.DRIE",))
    with pytest.raises(RulesBroken) as refused:
        world.find(
            capability="ETCH.DRI", resources=("DRIE1",), beside=(Beside(called="NO"),)
        )
    told = {v.where: v for v in refused.value.violations}
    assert set(told) == {"capability", "resource", "with[0]"}
    assert "ETCH.DRIE" in told["capability"].message
    assert "DRIE-1" in told["resource"].message


def test_every_fault_of_a_search_is_named(world) -> None:
    with pytest.raises(RulesBroken) as refused:
        world.find(minutes=0, quantity=0, to_at=MONDAY + 63 * DAY)
    assert {v.rule for v in refused.value.violations} == {
        "nothing_named",
        "minutes",
        "quantity",
        "window",
    }


def filled(world: World, tools: int) -> None:
    with writing() as session:
        for n in range(tools):
            one = world.resource(
                session, code=f"T{n:02}", capabilities=("ANY",), self_run=True
            )
            for hours in range(0, 14 * 24, 3):
                make_booking(
                    session,
                    resource=one,
                    organisation=world.others,
                    starts_at=MONDAY + hours * HOUR,
                    minutes=120 if (hours + n) % 9 else 60,
                )


def counted(world: World, **asked) -> list[str]:
    said: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        if "set_config" not in statement:
            said.append(statement)

    with world.app.app_context():
        engine = db.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        world.find(**asked)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return said


def test_statements_do_not_grow_with_the_resources(world) -> None:
    filled(world, 3)
    few = counted(world, capability="ANY", minutes=120, limit=2)
    with writing() as session:
        for n in range(40):
            world.resource(session, code=f"U{n:02}", capabilities=("ANY",))
            furnace = world.resource(
                session, code=f"F{n:02}", kind="batch", capabilities=("ANY",)
            )
            make_recipe(session, furnace, family="a")
            world.resource(session, code=f"E{n:02}", kind="event", capabilities=("ANY",))
    many = counted(world, capability="ANY", minutes=120, limit=2)
    assert len(few) <= len(many) <= 8 + 2  # one more asks the rules for each offer


def test_forty_tools_over_a_fortnight_are_searched_at_once(world) -> None:
    """Some 80 ms of a quiet processor; a search that reads per tool takes seconds."""
    filled(world, 40)
    world.find(capability="ANY", minutes=120)
    took = []
    for _n in range(6):
        before = time.process_time()
        found = world.find(capability="ANY", minutes=120)
        took.append(time.process_time() - before)
    assert len(found.offers) == 10
    assert min(took) < 0.3, took


def test_a_day_is_walked_until_the_rules_are_pleased(world) -> None:
    """At off-hours a second person is needed; the search names none, so it goes on."""
    nights = {day: [["00:00", "09:00"]] for day in ALWAYS_OPEN}
    with writing() as session:
        calendar = make_calendar(session, offhours=nights)
        world.resource(
            session,
            code="NIGHT",
            capabilities=("ETCH",),
            calendar_id=calendar.id,
            self_run=True,
            policy={"grid_minutes": 30},
        )
    found = world.find(capability="ETCH", minutes=50)
    assert [hours % 24 for _code, hours in starts(found)[:2]] == [1, 1]  # 09:00 there
    assert {o.ends_at - o.starts_at for o in found.offers} == {HOUR}  # its own grid
