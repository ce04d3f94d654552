"""Requests are answered or lapse; bookings are confirmed once more or lapse."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Organisation
from platform_booking.attendance import sweeping
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.notices.models import Notice
from tests.attendance.place import HOUR, MINUTE, Place, made, on_grid
from tests.factories import (
    MONDAY,
    make_booking,
    make_platform,
    make_recipe,
    make_resource,
    writing,
)

REQUESTED, CONFIRMED = BookingState.REQUESTED, BookingState.CONFIRMED


@pytest.fixture
def place(app: Flask) -> Place:
    return made(app)


def sweep(now=None) -> dict[str, int]:
    with acting_as(JOB):
        return sweeping.sweep(now)


def ask(place: Place, member, at, **more):
    return place.program(member)(
        "POST",
        "/bookings",
        json={
            "resource_id": str(place.tool.public_id),
            "starts_at": at.isoformat(),
            "ends_at": (at + HOUR).isoformat(),
            **more,
        },
    )


def test_where_the_policy_asks_a_slot_begins_as_a_request_that_holds_its_time(
    place,
) -> None:
    """B3: what waits for approval counts as taken."""
    place.policy(approval_hours=24)
    made = ask(place, place.engineer, MONDAY)
    assert made.status_code == 201, made.text
    assert made.json["state"] == "requested"
    assert ask(place, place.rival, MONDAY).status_code == 409
    answer = place.program(place.operator)("GET", "/requests").json
    assert [r["id"] for r in answer["items"]] == [made.json["id"]]
    assert answer["items"][0]["respond_by"]


def test_what_the_staff_book_needs_nobodys_approval(place: Place) -> None:
    place.policy(approval_hours=24)
    made = ask(place, place.operator, MONDAY, organisation_id=str(place.firm.public_id))
    assert made.json["state"] == "confirmed"


def test_a_request_is_to_be_answered_by_its_start_at_the_latest(place: Place) -> None:
    place.policy(approval_hours=24)
    soon = on_grid(place.now) + 2 * HOUR
    ask(place, place.engineer, soon)
    answer = place.program(place.operator)("GET", "/requests").json
    assert answer["items"][0]["respond_by"].startswith(soon.isoformat()[:16])


def test_an_operator_approves_once_and_the_firm_is_told(place: Place) -> None:
    booking = place.booking(at=MONDAY, state=REQUESTED, respond_by=place.now + HOUR)
    call = place.program(place.operator)
    first = call("POST", f"/bookings/{booking.public_id}/approve")
    assert (first.status_code, first.json["state"]) == (200, "confirmed")
    second = call("POST", f"/bookings/{booking.public_id}/approve")
    assert second.status_code == 422
    assert place.deeds(booking) == ["booking.approve"]
    assert place.told() == [("booking.approved", None)]


def test_a_refusal_needs_a_reason_and_frees_the_time(place: Place) -> None:
    booking = place.booking(at=MONDAY, state=REQUESTED, respond_by=place.now + HOUR)
    call = place.program(place.operator)
    path = f"/bookings/{booking.public_id}/decline"
    assert call("POST", path, json={"reason": " "}).status_code == 422
    assert call("POST", path, json={"reason": "no argon"}).json["state"] == "declined"
    assert ask(place, place.rival, MONDAY).status_code == 201


def test_engineers_and_operators_of_elsewhere_answer_nothing(place: Place) -> None:
    booking = place.booking(at=MONDAY, state=REQUESTED, respond_by=place.now + HOUR)
    path = f"/bookings/{booking.public_id}/approve"
    assert place.program(place.engineer)("POST", path).status_code == 403
    assert place.program(place.stranger)("POST", path).status_code == 404
    assert place.state(booking) is REQUESTED


def test_an_answer_to_another_version_is_refused(place: Place) -> None:
    booking = place.booking(at=MONDAY, state=REQUESTED, respond_by=place.now + HOUR)
    answer = place.program(place.operator)(
        "POST", f"/bookings/{booking.public_id}/approve", headers={"If-Match": '"7"'}
    )
    assert answer.status_code == 412


def test_several_are_approved_at_once_and_those_that_are_gone_are_named(place) -> None:
    due = place.now + HOUR
    first, gone = (
        place.booking(at=MONDAY + n * HOUR, state=REQUESTED, respond_by=due) for n in (0, 1)
    )
    with acting_as(JOB):
        sweeping.sweep(place.now)
    place.program(place.engineer)("POST", f"/bookings/{gone.public_id}/cancel")
    ids = [str(first.public_id), str(gone.public_id)]
    answer = place.program(place.operator)("POST", "/requests/approve", json={"ids": ids})
    assert answer.json["approved"] == ids[:1]
    assert [f["id"] for f in answer.json["failed"]] == ids[1:]


def test_the_inbox_shows_the_oldest_first_and_answers_what_is_marked(place: Place) -> None:
    due = place.now + HOUR
    old = place.booking(at=MONDAY + HOUR, state=REQUESTED, respond_by=due)
    new = place.booking(at=MONDAY, state=REQUESTED, respond_by=due, created_at=place.now)
    browser = place.browser(place.operator)
    page = browser.get("/requests").text
    assert page.index(str(old.public_id)) < page.index(str(new.public_id))
    browser.post("/requests", {"booking": str(old.public_id), "verdict": "approve"})
    browser.post(
        "/requests", {"booking": str(new.public_id), "verdict": "decline", "reason": "x"}
    )
    assert (place.state(old), place.state(new)) == (CONFIRMED, BookingState.DECLINED)


def test_a_request_lapses_when_nobody_answers_it(place: Place) -> None:
    due = place.now + HOUR
    booking = place.booking(at=MONDAY, state=REQUESTED, respond_by=due)
    sweep(due - MINUTE)
    assert place.state(booking) is REQUESTED
    assert sweep(due)["lapse_unanswered"] == 1
    assert place.state(booking) is BookingState.LAPSED
    assert place.told() == [("booking.lapsed", None)]


def test_a_request_that_is_overdue_is_not_approved(place: Place) -> None:
    booking = place.booking(at=MONDAY, state=REQUESTED, respond_by=place.now - HOUR)
    answer = place.program(place.operator)("POST", f"/bookings/{booking.public_id}/approve")
    assert answer.status_code == 422
    assert place.state(booking) is REQUESTED


def test_a_booking_far_ahead_is_to_be_confirmed_and_one_made_late_is_not(place) -> None:
    place.policy(confirm_hours=48)
    far = ask(place, place.engineer, MONDAY).json["id"]
    near = ask(place, place.engineer, on_grid(place.now) + 5 * HOUR).json["id"]
    due = {str(b.public_id): b.confirm_by for b in _all(place)}
    assert due == {far: MONDAY - 2 * HOUR, near: None}


def test_its_owner_is_asked_once_and_confirms(place: Place) -> None:
    place.policy(confirm_hours=48)
    at = on_grid(place.now) + 47 * HOUR
    booking = place.booking(at=at, confirm_by=at - 2 * HOUR)
    assert sweep()["ask_to_confirm"] == 1
    assert sweep()["ask_to_confirm"] == 0
    assert place.told() == [("booking.to_confirm", place.engineer.id)]
    path = f"/bookings/{booking.public_id}/confirm"
    assert place.program(place.rival)("POST", path).status_code == 404
    assert place.program(place.colleague)("POST", path).status_code == 403
    assert place.program(place.engineer)("POST", path).status_code == 200
    assert sweep(at - HOUR)["lapse_unconfirmed"] == 0
    assert place.state(booking) is CONFIRMED


def test_it_is_not_confirmed_before_its_owner_is_asked(place: Place) -> None:
    place.policy(confirm_hours=48)
    booking = place.booking(at=MONDAY, confirm_by=MONDAY - 2 * HOUR)
    answer = place.program(place.engineer)("POST", f"/bookings/{booking.public_id}/confirm")
    assert answer.status_code == 422
    assert "2027-03-06" in answer.json["violations"][0]["message"]


def test_what_is_not_confirmed_lapses_and_frees_its_time(place: Place) -> None:
    place.policy(confirm_hours=48)
    booking = place.booking(at=MONDAY, confirm_by=MONDAY - 2 * HOUR)
    assert sweep(MONDAY - 2 * HOUR)["lapse_unconfirmed"] == 1
    assert place.state(booking) is BookingState.LAPSED
    assert ask(place, place.rival, MONDAY).status_code == 201


def test_the_loads_of_a_run_too_light_at_its_cut_off_lapse_and_are_told(place) -> None:
    with writing() as session:
        oven = make_resource(session, kind="batch", capacity=50,
                             platform_id=place.platform.id,
                             policy={"cutoff_hours": 24})  # fmt: skip
        light, full = (make_recipe(session, oven, min_load=n) for n in (10, 6))

        rivals = session.get_one(Organisation, place.rival.organisation_id)

        def load(recipe, at, quantity, firm=place.firm):
            return make_booking(session, resource=oven, organisation=firm, starts_at=at,
                                recipe_id=recipe.id, quantity=quantity)  # fmt: skip

        mine, theirs = (load(light, MONDAY, 4, firm) for firm in (place.firm, rivals))
        enough = [load(full, MONDAY + 2 * HOUR, 3) for _n in range(2)]
    cut_off = MONDAY - 24 * HOUR
    assert sweep(cut_off - MINUTE)["lapse_underfilled"] == 0
    assert sweep(cut_off)["lapse_underfilled"] == 2
    assert {place.state(b) for b in (mine, theirs)} == {BookingState.LAPSED}
    assert sweep(MONDAY - HOUR)["lapse_underfilled"] == 0
    assert {place.state(b) for b in enough} == {CONFIRMED}
    with writing() as session:
        told = session.query(Notice).filter_by(kind="booking.lapsed").all()
        assert {n.organisation_id for n in told} == {
            place.firm.id, place.rival.organisation_id,
        }  # fmt: skip
        assert {n.payload["why"] for n in told} == {"underfilled"}
        assert all(n.payload["quantity"] == 4 for n in told)


def test_the_page_offers_to_confirm(place: Place) -> None:
    place.policy(confirm_hours=48)
    at = on_grid(place.now) + 30 * HOUR
    booking = place.booking(at=at, confirm_by=at - 2 * HOUR)
    browser = place.browser(place.engineer)
    assert "I will come" in browser.get(f"/bookings/{booking.public_id}").text
    browser.post(f"/bookings/{booking.public_id}/attend", {"act": "confirm"})
    assert place.again(booking).confirm_by is None


def test_the_time_to_confirm_goes_with_the_start(place: Place) -> None:
    place.policy(confirm_hours=48)
    booking = place.booking(at=MONDAY, confirm_by=MONDAY - 2 * HOUR)
    later = MONDAY + timedelta(days=1)
    place.program(place.engineer)(
        "PATCH",
        f"/bookings/{booking.public_id}",
        headers={"If-Match": "*"},
        json={"starts_at": later.isoformat(), "ends_at": (later + HOUR).isoformat()},
    )
    assert place.again(booking).confirm_by == later - 2 * HOUR


@pytest.mark.parametrize("way", ["decline", "lapse"])
def test_what_was_booked_together_goes_with_what_is_declined_or_lapses(
    place: Place, way: str
) -> None:
    """In one go, on whatever platform it is."""
    together = uuid4()
    with writing() as session:
        far = make_resource(session, platform_id=make_platform(session).id)
    asked = place.booking(
        at=MONDAY, group_id=together, state=BookingState.REQUESTED,
        respond_by=utcnow() + (HOUR if way == "decline" else -HOUR),
    )  # fmt: skip
    beside = place.booking(at=MONDAY, group_id=together, resource=far)
    alone = place.booking(at=MONDAY + 2 * HOUR)
    if way == "decline":
        done = place.program(place.operator)(
            "POST", f"/bookings/{asked.public_id}/decline", json={"reason": "no"}
        )
        assert done.status_code == 200, done.text
        assert place.state(asked) is BookingState.DECLINED
    else:
        with acting_as(JOB):
            sweeping.sweep(parts=[sweeping.lapse_unanswered])
        assert place.state(asked) is BookingState.LAPSED
    assert place.state(beside) is BookingState.CANCELLED
    assert place.state(alone) is CONFIRMED
    assert "booking.cancel" in place.deeds(beside)
    assert ("booking.cancelled", None) in place.told()


def _all(place: Place):
    with writing() as session:
        return list(session.scalars(sa.select(Booking)))


def test_what_was_approved_for_one_time_is_not_moved_to_another(place: Place) -> None:
    place.policy(approval_hours=24)
    booking = place.booking(at=MONDAY, hours=3)
    path = f"/bookings/{booking.public_id}"

    def move(member, **times):
        return place.program(member)(
            "PATCH", path, headers={"If-Match": "*"},
            json={name: at.isoformat() for name, at in times.items()},
        )  # fmt: skip

    later = move(place.engineer, ends_at=MONDAY + 4 * HOUR)
    assert [v["rule"] for v in later.json["violations"]] == ["approved_for_another"]
    assert move(place.engineer, ends_at=MONDAY + 2 * HOUR).status_code == 200
    assert move(place.operator, ends_at=MONDAY + 5 * HOUR).status_code == 200


def test_the_inbox_does_not_approve_what_has_changed_since_it_was_shown(place) -> None:
    due = place.now + HOUR
    booking = place.booking(at=MONDAY, state=REQUESTED, respond_by=due)
    browser = place.browser(place.operator)
    shown = f"{booking.public_id}.{booking.version}"
    assert f'value="{shown}"' in browser.get("/requests").text
    place.program(place.engineer)(
        "PATCH",
        f"/bookings/{booking.public_id}",
        headers={"If-Match": "*"},
        json={"ends_at": (MONDAY + 9 * HOUR).isoformat()},
    )
    browser.post("/requests", {"booking": shown, "verdict": "approve"})
    assert place.state(booking) is REQUESTED
