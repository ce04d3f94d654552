"""A run with too little in it when its registration closes is called off, once for all."""

from datetime import timedelta

import sqlalchemy as sa

from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking, Waiting
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Occurrence
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.events.filling import settle
from platform_booking.notices.models import Notice
from platform_booking.waitlist.offering import Watch, tend
from tests.events.test_runs import DAY, Yard, yard
from tests.factories import writing

__all__ = ["yard"]
CLOSED = timedelta(days=21)  # registration closes 20 days from now


def settled(yard: Yard, after: timedelta = CLOSED) -> int:
    with yard.app.app_context(), acting_as(JOB):
        return settle(utcnow() + after)


def acts() -> list[str]:
    with writing() as session:
        return list(session.scalars(sa.select(AuditEntry.act).order_by(AuditEntry.id)))


def test_a_run_with_too_little_in_it_is_called_off_and_its_bookings_wait(
    yard: Yard,
) -> None:
    run = yard.dated(min_fill=20)
    assert yard.book("a", run, 19).status_code == 201
    assert settled(yard, DAY) == 0  # registration is open
    assert settled(yard) == 1
    assert settled(yard) == 0
    with writing() as session:
        assert session.scalars(sa.select(Occurrence)).one().called_off_at is not None
        assert session.scalars(sa.select(Booking)).one().state is BookingState.DISPLACED
        (entry,) = session.scalars(sa.select(Waiting))
        assert (entry.first_right, entry.quantity) == (True, 19)
        (told,) = session.scalars(sa.select(Notice).filter_by(kind="run.called_off"))
        assert told.payload["why"] == "too_little"
    assert acts().count("run.call_off") == 1


def test_what_was_displaced_is_offered_the_next_run_first(yard: Yard) -> None:
    run = yard.dated(min_fill=20)
    assert yard.book("a", run, 19).status_code == 201
    assert settled(yard) == 1
    later = (utcnow() + 60 * DAY).replace(minute=0, second=0, microsecond=0)
    yard.dated(
        code="MPW-2",
        starts_at=later.isoformat(),
        ends_at=(later + DAY).isoformat(),
        closes_at=(later - 10 * DAY).isoformat(),
    )
    with yard.app.app_context(), acting_as(JOB):
        tend(Watch(), zone=yard.app.config["SETTINGS"].zone, now=utcnow())
    with writing() as session:
        offered = session.scalars(sa.select(Booking).filter_by(state="offered")).one()
        assert (offered.starts_at, offered.quantity) == (later, 19)
        assert offered.organisation_id == yard.members["a"].organisation_id


def test_a_run_with_enough_in_it_goes_whatever_is_taken_out_later(yard: Yard) -> None:
    run = yard.dated(min_fill=20)
    made = yard.book("a", run, 20)
    assert settled(yard) == 1
    with writing() as session:
        session.scalars(sa.select(Occurrence)).one().closes_at = utcnow() - DAY
        (told,) = session.scalars(sa.select(Notice).filter_by(kind="run.goes"))
        assert told.organisation_id == yard.members["a"].organisation_id
    staff = yard.call("operator", "POST", f"/bookings/{made.json['id']}/cancel")
    assert staff.status_code == 200
    assert settled(yard) == 0
    with writing() as session:
        assert session.scalars(sa.select(Occurrence)).one().called_off_at is None
    assert acts().count("run.go") == 1
