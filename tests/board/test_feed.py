from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Member, Organisation, Project
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import CalendarException, Outage, OutageKind, Resource
from platform_booking.db import db
from platform_booking.orders.models import Order
from platform_booking.planning.models import Plan
from platform_booking.planning.states import Change, PlanState
from tests.board.viewing import draft_of, serve, statements
from tests.factories import (
    MONDAY,
    make_booking,
    make_calendar,
    make_member,
    make_occurrence,
    make_operator,
    make_order,
    make_organisation,
    make_park_admin,
    make_platform,
    make_project,
    make_recipe,
    make_resource,
    writing,
)
from tests.visitor import Visitor

WEEK = {"from": "2027-03-08T00:00Z", "to": "2027-03-15T00:00Z"}
HOUR = timedelta(hours=1)
CANARY = "CANARY-7d1f"


def told(client: Visitor, **more: str) -> dict[str, Any]:
    answer = client.get("/board/feed", query_string=WEEK | more)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json
    return body


class Secrets:
    """A booking whose every text is a canary, and who may look at it."""

    def __init__(self) -> None:
        with writing() as session:
            self.platform, self.elsewhere = (make_platform(session) for _ in range(2))
            self.resource = make_resource(session, platform_id=self.platform.id)
            make_resource(session, platform_id=self.elsewhere.id)
            firm = make_organisation(
                session, name_zh=f"{CANARY}企业", name_en=f"{CANARY} Ltd"
            )
            self.owner = make_member(session, organisation=firm, name=f"{CANARY} person")
            self.rival = make_member(session)
            self.operator = make_operator(session, self.platform)
            self.stranger = make_operator(session, self.elsewhere)
            self.park = make_park_admin(session)
            project = make_project(
                session, firm, name=f"{CANARY} project", code=f"{CANARY}-P"
            )
            order = make_order(
                session,
                resource=self.resource,
                member=self.owner,
                title=f"{CANARY} title",
                project_id=project.id,
                note=f"{CANARY} note",
            )
            order.steps[0].name = f"{CANARY} step"
            self.order = order
            self.booking = make_booking(
                session,
                resource=self.resource,
                organisation=firm,
                project_id=project.id,
                family=f"{CANARY} family",
            )
            serve(session, order, self.booking)
            plan = draft_of(session, order, self.booking, Change.MOVED, MONDAY + 3 * HOUR)
            self.plan = plan
            self.ids = {str(order.public_id), str(self.booking.public_id)}


@pytest.fixture
def secrets(app: Flask) -> Secrets:
    return Secrets()


ADDRESSES = (
    "/board/feed?from=2027-03-08T00:00Z&to=2027-03-15T00:00Z",
    "/board/feed?from=2027-03-08T00:00Z&to=2027-03-15T00:00Z&draft=1",
    "/board?from=2027-03-08T00:00Z&draft=1",
    "/board?from=2027-03-08T00:00Z&as=table&draft=1",
    "/board?from=2027-03-08T00:00Z&as=table&lang=en",
)


def seen_by(client: Visitor, member: Member, address: str) -> str:
    answer = client.enter(member).get(address)
    assert answer.status_code == 200
    return f"{answer.headers} {answer.get_data(as_text=True)} {answer.json if answer.is_json else ''}"


@pytest.mark.parametrize("address", ADDRESSES)
def test_nobody_but_owner_operator_and_park_learns_a_word(
    client: Visitor, secrets: Secrets, address: str
) -> None:
    for outsider in (secrets.rival, secrets.stranger):
        text = seen_by(client, outsider, address)
        assert CANARY not in text
        assert not any(one in text for one in secrets.ids)


@pytest.mark.parametrize("address", [a for a in ADDRESSES if "table" in a or "feed" in a])
def test_owner_operator_and_park_learn_what_is_booked(
    client: Visitor, secrets: Secrets, address: str
) -> None:
    for insider in (secrets.owner, secrets.operator, secrets.park):
        text = seen_by(client, insider, address)
        assert f"{CANARY} title" in text
        assert f"{CANARY} step" in text


def test_the_owner_reads_the_order_the_project_and_the_ids(
    client: Visitor, secrets: Secrets
) -> None:
    body = told(client.enter(secrets.owner))
    [booking] = body["bookings"]
    words = body["words"]

    assert booking[1] == str(secrets.booking.public_id)
    assert booking[2:4] == [0, 60]
    assert booking[6] == 1  # ours
    assert [words[place] for place in booking[7:11]] == [
        f"{CANARY} title",
        f"{CANARY} step",
        f"{CANARY} project",
        f"{CANARY}企业",
    ]
    assert booking[12] == str(secrets.order.public_id)
    assert body["busy"] == []


def test_others_learn_that_it_is_taken_and_nothing_else(
    client: Visitor, secrets: Secrets
) -> None:
    body = told(client.enter(secrets.rival))

    assert body["busy"] == [[0, 0, 60]]
    assert body["bookings"] == []
    assert body["words"] == [""]


def test_the_draft_is_beside_for_the_staff_and_for_nobody_else(
    client: Visitor, secrets: Secrets
) -> None:
    for firm in (secrets.owner, secrets.rival):
        assert "draft" not in told(client.enter(firm), draft="1")
    assert "draft" not in told(client.enter(secrets.operator))
    assert told(client.enter(secrets.stranger), draft="1")["draft"]["placements"] == []

    draft = told(client.enter(secrets.operator), draft="1")["draft"]

    assert draft["plan"] == str(secrets.plan.public_id)
    [placement] = draft["placements"]
    assert placement[1:5] == [180, 240, 1, "moved"]
    assert placement[-1] == str(secrets.booking.public_id)


def test_a_plan_that_is_no_draft_any_more_is_not_shown(
    client: Visitor, secrets: Secrets
) -> None:
    with writing() as session:
        session.merge(secrets.plan).state = PlanState.SUPERSEDED

    assert "draft" not in told(client.enter(secrets.park), draft="1")


def test_a_visitor_is_sent_to_sign_in_and_a_script_is_told(client: Visitor) -> None:
    assert client.get("/board").status_code == 302
    assert (
        client.get(
            "/board/feed", query_string=WEEK, headers={"Accept": "application/json"}
        ).status_code
        == 401
    )


# How full things are.


def test_a_pool_is_a_curve_a_run_a_load_and_an_occurrence_a_fill(
    client: Visitor,
) -> None:
    with writing() as session:
        platform = make_platform(session)
        me = make_member(session)
        mine = session.get(Organisation, me.organisation_id)
        pool, furnace, shuttle = (
            make_resource(session, kind=kind, platform_id=platform.id)
            for kind in ("pooled", "batch", "event")
        )
        recipe = make_recipe(session, furnace, capacity=3)
        run = make_occurrence(session, shuttle, capacity=4)
        for firm in (mine, make_organisation(session)):
            make_booking(session, resource=pool, organisation=firm)
            make_booking(session, resource=furnace, organisation=firm, recipe_id=recipe.id)
            make_booking(
                session,
                resource=shuttle,
                organisation=firm,
                occurrence_id=run.id,
                minutes=120,
            )

    body = told(client.enter(me))

    assert body["levels"] == [[0, 0, 2, 1, 60, 0, 0]]
    assert body["runs"] == [[1, 0, 60, 2, 3, 1]]
    assert [o[2:7] for o in body["occurrences"]] == [[0, 120, 4, 2, 1]]
    assert body["busy"] == []  # nobody else's share is told one by one
    assert len(body["bookings"]) == 3


def test_what_was_cancelled_is_gone_and_what_has_run_stays_for_its_owner(
    client: Visitor,
) -> None:
    with writing() as session:
        me = make_member(session)
        mine = session.get(Organisation, me.organisation_id)
        resource = make_resource(session)
        make_booking(
            session, resource=resource, organisation=mine, state=BookingState.CANCELLED
        )
        make_booking(
            session, resource=resource, organisation=mine, state=BookingState.COMPLETED
        )

    assert [b[5] for b in told(client.enter(me))["bookings"]] == ["completed"]


def test_a_stay_over_the_edge_is_in_both_windows_at_its_true_times(
    client: Visitor,
) -> None:
    with writing() as session:
        resource = make_resource(session)
        make_booking(session, resource=resource, starts_at=MONDAY - 2 * HOUR, minutes=240)
        make_booking(session, resource=resource, starts_at=MONDAY + 2 * HOUR)  # touches
        me = make_member(session)
    client.enter(me)

    before = told(client, **{"from": "2027-03-07T00:00Z", "to": "2027-03-08T00:00Z"})
    after = told(client)

    assert before["busy"] == [[0, 1320, 1560]]
    assert after["busy"] == [[0, -120, 120], [0, 120, 180]]


def test_closed_hours_are_told_once_a_calendar(client: Visitor) -> None:
    hours = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    with writing() as session:
        platform = make_platform(session)
        calendar = make_calendar(session, weekly=hours)
        session.add(
            CalendarException(calendar_id=calendar.id, on_date=date(2027, 3, 9), hours=[])
        )
        for _ in range(3):
            make_resource(session, platform_id=platform.id, calendar_id=calendar.id)
        me = make_member(session)

    body = told(client.enter(me), to="2027-03-10T00:00Z")

    assert [row[1] for row in body["rows"]] == [0, 0, 0]
    # The window begins at 08:00 in the park: closed for an hour, open until 17:00 (540),
    # then closed until it ends, for Tuesday is an exception.
    assert body["closed"] == [[0, 60, 540, 2880]]


def test_only_the_platforms_asked_for_are_answered(client: Visitor) -> None:
    with writing() as session:
        here, there = (make_resource(session) for _ in range(2))
        codes = [
            session.get(type(make_platform(session)), r.platform_id).code
            for r in (here, there)
        ]
        for resource in (here, there):
            make_booking(session, resource=resource)
        me = make_member(session)
    client.enter(me)

    one = told(client, platform=codes[1])

    assert [row[0] for row in one["rows"]] == [str(there.public_id)]
    assert len(one["busy"]) == 1
    assert len(told(client, platform=",".join(codes))["busy"]) == 2


# Cost, and news.


def park_of(bookings: int) -> Member:
    with writing() as session:
        me = make_member(session)
        mine, other = (
            session.get(Organisation, me.organisation_id),
            make_organisation(session),
        )
        resources = [make_resource(session, kind=kind) for kind in ("unary", "pooled") * 2]
        for n in range(bookings):
            make_booking(
                session,
                resource=resources[n % 4],
                organisation=mine if n % 3 else other,
                starts_at=MONDAY + HOUR * (n // 4),
            )
        session.add(
            Outage(
                resource_id=resources[0].id,
                starts_at=MONDAY - HOUR,
                ends_at=MONDAY,
                kind=OutageKind.SCHEDULED,
            )
        )
    return me


@pytest.mark.parametrize("number", [4, 400])
def test_a_window_costs_six_statements_at_most_however_much_is_booked(
    client: Visitor, number: int
) -> None:
    park_of(number)
    with writing() as session:
        park = make_park_admin(session)
        resource = session.scalars(sa.select(Resource)).first()
        order = make_order(session, resource=resource)
        draft_of(
            session, order, session.scalars(sa.select(Booking)).first(), Change.NEW, MONDAY
        )
    client.enter(park)

    with statements(db.engine) as asked:
        body = told(client, draft="1")

    assert len(body["bookings"]) == number
    assert len(asked) <= 6, asked


@contextmanager
def news(client: Visitor, **more: str) -> Iterator[None]:
    """Fail unless what happens within the block changes the tag."""
    asked = WEEK | more
    before = client.get("/board/feed", query_string=asked).headers["ETag"]
    yield
    answer = client.get(
        "/board/feed", query_string=asked, headers={"If-None-Match": before}
    )
    assert answer.status_code == 200
    assert answer.headers["ETag"] != before


def test_no_news_costs_no_look_at_a_booking(client: Visitor) -> None:
    client.enter(park_of(8))
    first = client.get("/board/feed", query_string=WEEK)

    with statements(db.engine) as asked:
        again = client.get(
            "/board/feed",
            query_string=WEEK,
            headers={"If-None-Match": first.headers["ETag"]},
        )

    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    assert asked
    assert not [s for s in asked if "booking" in s or "busy(" in s or "placement" in s]


def test_everything_that_is_drawn_changes_the_tag(client: Visitor) -> None:
    client.enter(park_of(8))
    with writing() as session:
        resource = session.scalars(sa.select(Resource).order_by(Resource.id)).first()
        calendar_id, resource_id = resource.calendar_id, resource.id
        shuttle = make_resource(session, kind="event")

    with news(client), writing() as session:
        booking_id = make_booking(
            session, resource=resource, starts_at=MONDAY + 9 * HOUR
        ).id
    with news(client), writing() as session:
        session.get(Booking, booking_id).ends_at += HOUR
    with news(client), writing() as session:
        session.get(Booking, booking_id).state = BookingState.CANCELLED
    with news(client), writing() as session:
        session.add(
            Outage(
                resource_id=resource_id,
                starts_at=MONDAY,
                ends_at=MONDAY + HOUR,
                kind=OutageKind.UNSCHEDULED,
                reason="泵",
            )
        )
    with news(client), writing() as session:
        make_occurrence(session, shuttle)
    with news(client), writing() as session:
        session.add(
            CalendarException(calendar_id=calendar_id, on_date=date(2027, 3, 9), hours=[])
        )
    with news(client), writing() as session:
        session.get(Resource, resource_id).name_zh = "新名"


def test_a_draft_that_comes_or_goes_changes_the_tag(
    client: Visitor, secrets: Secrets
) -> None:
    client.enter(secrets.park)
    with news(client, draft="1"), writing() as session:
        draft_of(session, secrets.order, secrets.booking, Change.NEW, MONDAY)
    with news(client, draft="1"), writing() as session:
        session.execute(sa.update(Plan).values(state=PlanState.SUPERSEDED))


def test_what_an_order_a_project_or_a_firm_is_called_changes_the_tag(
    client: Visitor, secrets: Secrets
) -> None:
    """None of them raises a resource's `guard_seq`."""
    for viewer in (secrets.owner, secrets.operator, secrets.park):
        client.enter(viewer)
        with news(client), writing() as session:
            session.get(Order, secrets.order.id).title += "!"
    client.enter(secrets.owner)
    with news(client), writing() as session:
        session.get(Project, secrets.order.project_id).name += "!"
    for viewer in (secrets.owner, secrets.park):
        client.enter(viewer)
        with news(client), writing() as session:
            session.get(Organisation, secrets.order.organisation_id).name_en += "!"


def test_a_tag_is_good_for_its_viewer_and_language_alone(client: Visitor) -> None:
    me = park_of(4)
    with writing() as session:
        other = make_member(session)
    mine = client.enter(me).get("/board/feed", query_string=WEEK).headers["ETag"]

    english = client.get(
        "/board/feed",
        query_string=WEEK | {"lang": "en"},
        headers={"If-None-Match": mine},
    )
    client.delete_cookie("lang")
    foreign = client.enter(other).get(
        "/board/feed", query_string=WEEK, headers={"If-None-Match": mine}
    )

    assert english.status_code == 200
    assert foreign.status_code == 200


# Bad input.


@pytest.mark.parametrize(
    "query",
    [
        "",
        "from=x&to=y",
        "from=2027-03-08T00:00&to=2027-03-09T00:00",
        "from=2027-03-08T00:00Z&to=2027-03-08T00:00Z",
        "from=2027-03-08T00:00Z&to=2028-03-08T00:00Z",
        "from=0001-01-01T00:00%2B14:00&to=9999-12-31T00:00-14:00",
        "from=2027-03-08T00:00Z&to=2027-03-09T00:00Z&platform=%00%27--",
        "from=%F0%9F%98%80&to=%00",
    ],
)
def test_a_bad_window_is_refused_with_a_sentence(client: Visitor, query: str) -> None:
    with writing() as session:
        make_resource(session)
        me = make_member(session)
    client.enter(me)

    answer = client.get(f"/board/feed?{query}", headers={"Accept": "application/json"})

    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert all(v["message"] and v["where"] for v in answer.json["violations"])
    assert client.get(f"/board/feed?{query}").status_code == 422  # as a page, too


@pytest.mark.parametrize(
    "query", ["from=x", "zoom=century", "platform=XYZ", "from=2027-03-08T00:00"]
)
def test_a_bad_address_of_the_page_is_refused_with_a_sentence(
    client: Visitor, query: str
) -> None:
    with writing() as session:
        make_resource(session)
        me = make_member(session)

    answer = client.enter(me).get(f"/board?lang=en&{query}")

    assert answer.status_code == 422
    assert "use one of" in answer.text or "write it as" in answer.text


def test_an_empty_park_has_an_empty_board(client: Visitor) -> None:
    with writing() as session:
        me = make_member(session)
    client.enter(me)

    assert told(client)["rows"] == []
    assert client.get("/board").status_code == 200
    assert client.get("/board?as=table").status_code == 200
