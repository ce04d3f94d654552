"""The start page says in plain words what to do next, to each role its own."""

from datetime import timedelta
from typing import cast

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.bookings.models import Source, Waiting
from platform_booking.clock import utcnow
from tests.attendance.place import made
from tests.factories import make_park_admin, make_platform, writing
from tests.security.park import Park, built
from tests.visitor import Visitor


@pytest.fixture
def park(app: Flask) -> Park:
    return built(app)


def start(park: Park, who: str) -> str:
    answer = park.visitors[who].get("/?lang=en")
    assert answer.status_code == 200
    return answer.text


def test_a_visitor_is_greeted(client: Visitor) -> None:
    assert "Sign in" in client.get("/?lang=en").text


def test_an_engineer_hears_of_his_orders_and_his_next_booking(park: Park) -> None:
    text = start(park, "engineer_a")
    assert "Orders that last night found no place for: 1." in text
    assert "Orders that wait for the next night: 2." in text
    assert "Your next booking:" in text
    assert 'href="/orders/new"' in text
    assert "/members" not in text


def test_an_administrator_of_a_firm_hears_of_his_people(park: Park) -> None:
    assert "You bring your colleagues in" in start(park, "admin_a")


def test_an_operator_hears_which_plan_waits_for_him(park: Park) -> None:
    text = start(park, "operator_1")
    assert "waits for approval until" in text
    assert f'href="/plans/{park.ids["plan"]}"' in text
    with writing() as session:
        session.execute(sa.text("UPDATE approval SET state = 'approved'"))
    assert "No plan waits for approval. The next night runs at 01:00." in start(
        park, "operator_1"
    )


def test_the_park_hears_of_applicants_and_of_platforms_without_an_operator(
    park: Park,
) -> None:
    text = start(park, "park")
    assert "wait for your decision: 1." in text
    assert "Platforms without an operator" not in text
    with writing() as session:
        make_platform(session, name_en="An orphan")
    assert "Platforms without an operator: An orphan." in start(park, "park")


def test_the_first_administrator_of_an_empty_installation_hears_how_to_begin(
    app: Flask,
) -> None:
    with writing() as session:
        first = make_park_admin(session)
    visitor = cast("Visitor", app.test_client()).enter(first)
    assert "There is no platform yet." in visitor.get("/?lang=en").text


def test_the_link_to_the_other_language_keeps_the_rest_of_the_address(park: Park) -> None:
    text = park.visitors["engineer_a"].get("/orders?state=submitted&lang=en").text
    assert 'href="/orders?state=submitted&amp;lang=zh"' in text


def test_a_member_hears_what_became_of_his_bookings_without_him(app: Flask) -> None:
    place = made(app)
    soon = utcnow() + timedelta(days=2)
    for n, state in enumerate(("lapsed", "declined", "no_show", "cancelled")):
        place.booking(at=soon + timedelta(hours=n), state=state, updated_at=utcnow())
    place.booking(  # an offer that he let go
        at=soon, state="lapsed", source=Source.WAITLIST, updated_at=utcnow()
    )
    lost = place.booking(at=soon, state="displaced")
    with writing() as session:
        session.add(
            Waiting(
                resource_id=lost.resource_id,
                platform_id=place.platform.id,
                organisation_id=lost.organisation_id,
                member_id=lost.member_id,
                from_at=soon,
                to_at=soon + timedelta(days=1),
                minutes=60,
                flags=[],
                first_right=True,
                displaced_id=lost.id,
                created_at=utcnow(),
                updated_at=utcnow(),
            )
        )
    told = place.browser(place.engineer).get("/?lang=en").text
    assert "an outage has displaced, and that wait for another time: 1." in told
    assert "declined or have lapsed in the last week: 2." in told
    assert "given away in the last week because nobody came: 1." in told
    assert "Bookings of yours" not in place.browser(place.colleague).get("/?lang=en").text
