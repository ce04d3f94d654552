"""Reserved versus used: firms read their own, operators their platform's, the park all."""

import csv
import io
from datetime import timedelta

import pytest
from flask import Flask

from platform_booking.attendance.reporting import guarded
from platform_booking.bookings.models import Usage
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Resource
from tests.attendance.place import HOUR, Place, made, on_grid
from tests.factories import make_booking, make_park_admin, make_resource, writing


@pytest.fixture
def place(app: Flask) -> Place:
    return made(app)


def used(place: Place, booking, hours: float) -> None:
    with writing() as session:
        session.add(
            Usage(
                booking_id=booking.id,
                resource_id=booking.resource_id,
                platform_id=place.platform.id,
                organisation_id=booking.organisation_id,
                member_id=booking.member_id,
                began_at=booking.starts_at,
                ended_at=booking.starts_at + hours * HOUR,
            )
        )


def report(place: Place, member, **query) -> list[dict]:
    answer = place.program(member)("GET", "/usage", query_string=query)
    assert answer.status_code == 200, answer.text
    assert answer.json["total"] == len(answer.json["items"])
    return answer.json["items"]


def test_hours_and_faults_are_counted_per_member_and_resource(place: Place) -> None:
    at = on_grid(place.now) - timedelta(days=3)
    first = place.booking(at=at, hours=4, state=BookingState.COMPLETED)
    used(place, first, 1.5)
    place.booking(at=at + 5 * HOUR, hours=2, state=BookingState.NO_SHOW)
    place.booking(at=at + 8 * HOUR, hours=2, state=BookingState.LATE_CANCELLED)
    place.booking(at=at + 9 * HOUR, hours=2, state=BookingState.CANCELLED)
    place.booking(at=at - timedelta(days=90), hours=2, state=BookingState.COMPLETED)
    place.booking(at=at, member_id=place.colleague.id, resource=_another(place))
    mine, colleagues = sorted(report(place, place.engineer), key=lambda r: -r["bookings"])
    assert mine["member"]["id"] == str(place.engineer.public_id)
    assert (mine["bookings"], mine["observed"]) == (2, 1)
    assert (mine["reserved_hours"], mine["used_hours"]) == (6.0, 1.5)
    assert (mine["no_shows"], mine["late_cancels"]) == (1, 1)
    assert colleagues["member"]["id"] == str(place.colleague.public_id)


def test_everybody_reads_what_is_his_to_see(place: Place) -> None:
    at = on_grid(place.now) - timedelta(days=3)
    place.booking(at=at)
    with writing() as session:
        elsewhere = make_resource(session)
        make_booking(session, resource=elsewhere, starts_at=at)
        park = make_park_admin(session)
    seen = {
        name: len(report(place, member))
        for name, member in (
            ("firm", place.engineer), ("rival", place.rival), ("operator", place.operator),
            ("stranger", place.stranger), ("park", park),
        )
    }  # fmt: skip
    assert seen == {"firm": 1, "rival": 0, "operator": 1, "stranger": 0, "park": 2}


def test_a_span_is_kept_to_and_nonsense_is_refused(place: Place) -> None:
    at = on_grid(place.now) - timedelta(days=3)
    place.booking(at=at)
    day = at.date()
    far = {"from": str(day - timedelta(days=9)), "to": str(day - timedelta(days=5))}
    assert report(place, place.engineer, **far) == []
    call = place.program(place.engineer)
    for wrong in (
        {"from": "2027-03-02", "to": "2027-03-01"},
        {"from": "2020-01-01", "to": "2027-03-01"},
        {"from": "0001-01-01", "to": "0001-01-02"},
        {"from": "9999-12-01", "to": "9999-12-31"},
        {"from": "x"},
    ):
        assert call("GET", "/usage", query_string=wrong).status_code == 422, wrong


def test_the_page_and_the_sheet_tell_the_same(place: Place) -> None:
    at = on_grid(place.now) - timedelta(days=3)
    used(place, place.booking(at=at, hours=4, state=BookingState.COMPLETED), 1.5)
    with writing() as session:
        session.get_one(Resource, place.tool.id).name_en = "=HYPERLINK(1)"
    browser = place.browser(place.engineer)
    page = browser.get("/usage").text
    assert ">4.0<" in page
    assert ">1.5<" in page
    sheet = browser.get("/usage.csv")
    assert sheet.mimetype == "text/csv"
    head, line = csv.reader(io.StringIO(sheet.text.removeprefix("\ufeff")))
    assert len(head) == len(line)
    assert line[4] == "'=HYPERLINK(1)"
    assert line[7:9] == ["4.0", "1.5"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "＝"])
def test_no_cell_is_taken_for_a_formula(start: str) -> None:
    assert guarded(f"{start}1+1").startswith("'")
    assert guarded("R1") == "R1"
    assert guarded(-1) == -1


def _another(place: Place) -> Resource:
    with writing() as session:
        return make_resource(session, platform_id=place.platform.id)
