"""Whatever way a stay comes in or grows, the same rules are asked and say the same."""

from datetime import timedelta

import pytest
from flask import Flask

from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Resource
from tests.attendance.place import HOUR, Place, made, on_grid
from tests.attendance.test_kiosks import code, device, touch
from tests.factories import make_booking, make_resource, writing
from tests.waitlist.queue import answer, run, wait

LONGEST = 120  # minutes
TOLD = "at most 120 min may be booked at a time"


@pytest.fixture
def place(app: Flask) -> Place:
    found = made(app, max_minutes=LONGEST)
    with writing() as session:
        session.get_one(Resource, found.tool.id).self_run = True
    return found


def slot(place: Place, *, hours: float = 3) -> dict[str, str]:
    starts_at = on_grid(place.now) + timedelta(days=1)
    return {
        "resource_id": str(place.tool.public_id),
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + hours * HOUR).isoformat(),
    }


def typed(place: Place) -> dict[str, str]:
    starts_at = (on_grid(place.now) + timedelta(days=1, hours=8)).replace(tzinfo=None)
    ends_at = starts_at + 3 * HOUR
    return {
        "starts_at": f"{starts_at:%Y-%m-%dT%H:%M}",
        "ends_at": f"{ends_at:%Y-%m-%dT%H:%M}",
    }


def by_page(place: Place):
    page = f"/bookings/new?resource={place.tool.public_id}"
    return place.browser(place.engineer).post(page, typed(place) | {"quantity": "1"})


def by_program(place: Place):
    return place.program(place.engineer)("POST", "/bookings", json=slot(place))


def together(place: Place):
    with writing() as session:
        other = make_resource(session, platform_id=place.platform.id)
    body = slot(place) | {"with": [{"resource_id": place.tool.public_id}]}
    body |= {"resource_id": other.public_id}
    return place.program(place.engineer)("POST", "/bookings", json=body)


def by_series(place: Place):
    body = slot(place) | {"rrule": "FREQ=DAILY;COUNT=2"}
    return place.program(place.engineer)("POST", "/bookings/series", json=body)


def by_import(place: Place):
    times = {key: value.replace("T", " ") for key, value in typed(place).items()}
    lines = ["resource,starts_at,ends_at", ",".join([place.tool.code, *times.values()])]
    return place.program(place.engineer)(
        "POST", "/bookings/import", data="\n".join(lines), content_type="text/csv"
    )


def moved_by_program(place: Place):
    booking = place.booking(at=on_grid(place.now) + timedelta(days=1))
    return place.program(place.engineer)(
        "PATCH",
        f"/bookings/{booking.public_id}",
        json={"ends_at": slot(place)["ends_at"]},
        headers={"If-Match": '"1"'},
    )


def moved_by_page(place: Place):
    booking = place.booking(at=on_grid(place.now) + timedelta(days=1))
    page = f"/bookings/{booking.public_id}/move"
    form = typed(place) | {"version": "1", "quantity": "1"}
    return place.browser(place.engineer).post(page, form)


def _begun(place: Place) -> Booking:
    state = BookingState.IN_USE
    return place.booking(at=on_grid(place.now), hours=2, state=state)


def grown_by_program(place: Place):
    booking = _begun(place)
    where = f"/bookings/{booking.public_id}/extend"
    return place.program(place.engineer)("POST", where, json={"minutes": 30})


def grown_at_a_kiosk(place: Place):
    return touch(place, device(place), "extend-30", code=code(place, _begun(place)))


def waited_for(place: Place):
    return wait(place, place.engineer, hours=3, window=4)


def accepted_from_the_waiting_list(place: Place):
    place.policy(max_minutes=24 * 60)
    with writing() as session:
        held = make_booking(
            session, resource=place.tool, minutes=180,
            starts_at=on_grid(place.now) + timedelta(days=1),
        )  # fmt: skip
    entry = wait(place, place.engineer, hours=3, window=3).json
    with writing() as session:
        session.get_one(Booking, held.id).state = BookingState.CANCELLED
    run()
    place.policy(max_minutes=LONGEST)
    return answer(place, place.engineer, entry, "accept")


WAYS = (
    by_page, by_program, together, by_series, by_import, moved_by_program, moved_by_page,
    grown_by_program, grown_at_a_kiosk, waited_for, accepted_from_the_waiting_list,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_way_in_gives_the_same_refusal(place: Place, way) -> None:
    refused = way(place)
    assert refused.status_code == 422, refused.text
    if refused.is_json:
        assert {v["rule"] for v in refused.json["violations"]} == {"too_long"}
        assert all(str(LONGEST) in v["message"] for v in refused.json["violations"])
    else:
        assert TOLD in refused.text
