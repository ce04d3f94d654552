"""Kiosks act for a platform, by the codes of bookings, and for nobody in person."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.attendance.codes import code_of
from platform_booking.bookings.models import Booking
from platform_booking.bookings.models import Kiosk as KioskRow
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Outage
from tests.attendance.place import HOUR, MINUTE, Place, made, on_grid
from tests.bookings.callers import Browser
from tests.factories import make_booking, make_resource, writing

CONFIRMED, IN_USE = BookingState.CONFIRMED, BookingState.IN_USE


@pytest.fixture
def place(app: Flask) -> Place:
    return made(app)


def code(place: Place, booking: Booking) -> str:
    return code_of(str(place.app.secret_key), booking.public_id, booking.member_id)


def address_of(place: Place, **where) -> str:
    body = {"name": "Bay 3", "platform_id": str(place.platform.public_id), **where}
    answer = place.program(place.operator)("POST", "/kiosks", json=body)
    assert answer.status_code == 201, answer.text
    return "/" + answer.json["address"].split("/", 3)[3]


def device(place: Place, **where) -> Browser:
    browser = Browser(place.app.test_client())
    entered = browser.get(address_of(place, **where))
    assert entered.location == "/kiosk/"
    return browser


def touch(place: Place, kiosk: Browser, act: str, tool=None, **form):
    tool = tool or place.tool
    return kiosk.post(f"/kiosk/tools/{tool.public_id}", {"act": act, **form})


def test_an_operator_makes_a_kiosk_whose_address_is_shown_once(place: Place) -> None:
    browser = place.browser(place.operator)
    there = {"name": "Bay 3", "place": f"{place.platform.public_id}/{place.tool.public_id}"}
    page = browser.post("/kiosks", there).text
    address = re.search(r"/kiosk/open/(pbk_[\w-]+)", page)
    assert address
    again = browser.get("/kiosks").text
    assert address[1] not in again
    assert address[1][:10] in again
    with writing() as session:
        row = session.scalars(sa.select(KioskRow)).one()
    assert address[1] not in {row.token_hash, row.prefix}
    assert row.resource_id == place.tool.id


def test_operators_make_and_revoke_kiosks_of_their_own_platforms_alone(place) -> None:
    body = {"name": "x", "platform_id": str(place.platform.public_id)}
    for member in (place.stranger, place.engineer):
        answer = place.program(member)("POST", "/kiosks", json=body)
        assert answer.status_code == 403
    device(place)
    with writing() as session:
        row = session.scalars(sa.select(KioskRow)).one()
    answer = place.program(place.stranger)("POST", f"/kiosks/{row.public_id}/revoke")
    assert answer.status_code == 404


def test_a_kiosk_checks_in_extends_and_checks_out_by_code(place: Place) -> None:
    at = on_grid(place.now)
    booking, kiosk = place.booking(at=at, hours=2), device(place)
    typed = code(place, booking)
    assert touch(place, kiosk, "check_in", code=typed).status_code == 302
    assert place.state(booking) is IN_USE
    touch(place, kiosk, "extend-30", code=typed)
    assert place.again(booking).ends_at == at + 150 * MINUTE
    touch(place, kiosk, "check_out", code=f"{typed[:3]} {typed[3:]}")
    assert place.state(booking) is BookingState.COMPLETED
    assert place.deeds(booking) == [
        "booking.check_in", "booking.extend", "booking.check_out",
    ]  # fmt: skip


def test_the_owner_reads_his_code_where_he_reads_his_booking(place: Place) -> None:
    booking = place.booking(at=on_grid(place.now))
    page = place.browser(place.engineer).get(f"/bookings/{booking.public_id}").text
    assert code(place, booking) in page


def test_it_shows_that_tools_are_taken_and_never_by_whom_or_for_what(place) -> None:
    at = on_grid(place.now)
    place.booking(at=at, state=IN_USE)
    place.booking(at=at + 2 * HOUR)
    kiosk = device(place)
    for path in ("/kiosk/", f"/kiosk/tools/{place.tool.public_id}"):
        page = kiosk.get(path).text
        assert "in use" in page
        for secret in (place.firm.name_en, place.firm.name_zh, place.engineer.name):
            assert secret not in page


def test_nobody_books_or_acts_for_somebody_by_typing_an_email(place: Place) -> None:
    """B20: what is typed is a code of six digits, or nothing happens; no route books."""
    booking, kiosk = place.booking(at=on_grid(place.now)), device(place)
    for typed in (place.engineer.email, "", str(booking.public_id), "1' OR '1'='1"):
        assert touch(place, kiosk, "check_in", code=typed).status_code == 422
    assert place.state(booking) is CONFIRMED
    form = {"email": place.engineer.email, "act": "book", "code": ""}
    assert kiosk.post(f"/kiosk/tools/{place.tool.public_id}", form).status_code == 422
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count(Booking.id))) == 1
    assert kiosk.get(f"/bookings/{booking.public_id}").status_code == 302  # to sign in
    assert kiosk.get("/api/v1/bookings").status_code == 401


def test_an_act_that_no_button_stands_for_does_nothing(place: Place) -> None:
    booking, kiosk = place.booking(at=on_grid(place.now)), device(place)
    for act in ("", "check-in", "extend-", "extend-45", "extend-9999999"):
        refused = touch(place, kiosk, act, code=code(place, booking))
        assert refused.status_code == 422
        assert "Touch one of the buttons below." in refused.text
    assert place.state(booking) is CONFIRMED


def test_codes_cannot_be_guessed_at_speed(place: Place) -> None:
    """Ten wrong codes for a tool within 15 minutes, over all kiosks, right ones between."""
    booking = place.booking(at=on_grid(place.now), hours=2)
    right, devices = code(place, booking), [device(place) for _ in range(2)]
    wrong = [f"{n:06}" for n in range(40) if f"{n:06}" != right]
    for n in range(9):
        assert touch(place, devices[n % 2], "check_in", code=wrong[n]).status_code == 422
    assert touch(place, devices[0], "check_in", code=right).status_code == 302
    assert touch(place, devices[0], "check_in", code=wrong[9]).status_code == 422
    for typed in (wrong[10], right):
        assert touch(place, devices[1], "check_out", code=typed).status_code == 429
    assert place.state(booking) is IN_USE


def test_codes_work_on_their_own_tool_of_the_kiosks_place_alone(place: Place) -> None:
    with writing() as session:
        beside = make_resource(session, platform_id=place.platform.id)
        elsewhere = make_resource(session)
    booking = place.booking(at=on_grid(place.now))
    typed, of_one = code(place, booking), device(place, resource_id=str(beside.public_id))
    assert touch(place, of_one, "check_in", code=typed).status_code == 404
    assert touch(place, of_one, "check_in", beside, code=typed).status_code == 422
    kiosk = device(place)
    assert touch(place, kiosk, "check_in", elsewhere, code=typed).status_code == 404
    assert touch(place, kiosk, "fault", elsewhere, reason="x").status_code == 404
    assert elsewhere.code not in kiosk.get("/kiosk/").text
    assert place.state(booking) is CONFIRMED


def test_a_kiosk_asks_the_rules_that_its_owner_is_asked(place: Place) -> None:
    with writing() as session:
        tool = make_resource(
            session, platform_id=place.platform.id, self_run=True,
            policy={"max_minutes": 60},
        )  # fmt: skip
    at, kiosk = on_grid(place.now), device(place)
    booking = place.booking(at=at, resource=tool)
    typed = code(place, booking)
    touch(place, kiosk, "check_in", tool, code=typed)
    assert touch(place, kiosk, "extend-30", tool, code=typed).status_code == 422
    with writing() as session:
        make_booking(session, resource=place.tool, starts_at=at + HOUR)
    mine = place.booking(at=at)
    touch(place, kiosk, "check_in", code=code(place, mine))
    assert touch(place, kiosk, "extend-15", code=code(place, mine)).status_code == 409
    assert place.again(mine).ends_at == at + HOUR


def test_a_fault_at_a_kiosk_is_told_and_declares_nothing(place: Place) -> None:
    kiosk = device(place)
    assert touch(place, kiosk, "fault", reason="smoke").status_code == 302
    assert place.told() == [("resource.fault", place.operator.id)]
    with writing() as session:
        assert session.scalar(sa.select(sa.func.count(Outage.id))) == 0


def test_a_revoked_kiosk_shows_nothing_at_once(place: Place) -> None:
    kiosk = device(place)
    with writing() as session:
        row = session.scalars(sa.select(KioskRow)).one()
    place.browser(place.operator).post(f"/kiosks/{row.public_id}/revoke", {})
    assert kiosk.get("/kiosk/").location.startswith("/sign-in")


def test_its_cookie_goes_to_its_own_pages_and_is_kept_from_scripts(place: Place) -> None:
    answer = place.app.test_client().get(address_of(place))
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith("kiosk="))
    assert "HttpOnly" in cookie
    assert "Path=/kiosk" in cookie
    assert "SameSite=Lax" in cookie
    assert place.app.test_client().get("/kiosk/open/pbk_x").status_code == 404


def test_whoever_is_signed_in_on_a_kiosk_acts_as_the_kiosk_there(place: Place) -> None:
    kiosk = device(place)
    kiosk.enter(place.rival)
    booking = place.booking(at=on_grid(place.now))
    touch(place, kiosk, "check_in", code=code(place, booking))
    assert place.state(booking) is IN_USE
    assert place.rival.name not in kiosk.get("/kiosk/").text


def test_a_code_of_what_is_a_day_off_opens_nothing_yet(place: Place) -> None:
    booking = place.booking(at=on_grid(place.now) + timedelta(hours=25))
    typed = code(place, booking)
    assert touch(place, device(place), "check_in", code=typed).status_code == 422
