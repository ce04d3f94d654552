"""Who was at a class holds its qualification; who stayed away is a no-show."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from platform_booking.attendance.sweeping import sweep
from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking, Usage
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import (
    MemberQualification,
    Occurrence,
    Qualification,
    Resource,
)
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as
from platform_booking.events.classes import add_months
from platform_booking.notices.models import Notice
from tests.events.test_runs import HOUR, Yard, broken, yard
from tests.factories import make_booking, make_occurrence, writing

__all__ = ["yard"]


@pytest.fixture
def lesson(yard: Yard) -> dict[str, str]:
    """A class that has just ended, with a seat for a and one for b; it grants DRIE."""
    now = utcnow().replace(microsecond=0)
    with writing() as session:
        session.add(Qualification(code="DRIE", name_zh="深硅", name_en="DRIE"))
        room = session.get_one(Resource, yard.shuttle.id)
        room.policy = {"grants": "DRIE", "grants_months": 12}
        run = make_occurrence(
            session, room, starts_at=now - 3 * HOUR, closes_at=now - 9 * HOUR
        )
        seats = {
            who: make_booking(
                session,
                resource=room,
                organisation_id=yard.members[who].organisation_id,
                member_id=yard.members[who].id,
                occurrence_id=run.id,
                starts_at=run.starts_at,
                minutes=120,
            )
            for who in ("a", "b")
        }
        return {"run": str(run.public_id)} | {
            who: str(seat.public_id) for who, seat in seats.items()
        }


def mark(yard: Yard, lesson: dict[str, str], *, by: str = "operator", **came: bool):
    body = {"attended": {lesson.get(who, who): there for who, there in came.items()}}
    return yard.call(by, "POST", f"/occurrences/{lesson['run']}/attendance", json=body)


def test_who_was_there_holds_the_qualification_and_who_was_not_is_a_no_show(
    yard: Yard, lesson: dict[str, str]
) -> None:
    done = mark(yard, lesson, a=True, b=False)
    assert done.status_code == 200, done.text
    assert done.json == {"attended": 1, "absent": 1, "granted": 1}
    with writing() as session:
        run = session.scalars(sa.select(Occurrence)).one()
        (held,) = session.scalars(sa.select(MemberQualification))
        assert held.member_id == yard.members["a"].id
        zone = yard.app.config["SETTINGS"].zone
        assert held.expires_on == add_months(run.ends_at.astimezone(zone).date(), 12)
        found = session.execute(sa.select(Booking.member_id, Booking.state))
        assert dict(found.all()) == {
            yard.members["a"].id: BookingState.COMPLETED,
            yard.members["b"].id: BookingState.NO_SHOW,
        }
        assert session.scalars(sa.select(Usage)).one().member_id == yard.members["a"].id
        (told,) = session.scalars(sa.select(Notice).filter_by(kind="qualification.granted"))
        assert told.member_id == yard.members["a"].id
        acts = list(session.scalars(sa.select(AuditEntry.act)))
        assert (acts.count("qualification.grant"), acts.count("booking.no_show")) == (1, 1)
    assert set(broken(mark(yard, lesson, a=True, b=True))) == {"not_to_mark"}


def test_a_qualification_that_holds_longer_is_not_cut_short(
    yard: Yard, lesson: dict[str, str]
) -> None:
    with writing() as session:
        drie = session.scalars(sa.select(Qualification)).one()
        for who, until in (("a", None), ("b", date(2099, 1, 1))):
            member = yard.members[who]
            session.add(
                MemberQualification(
                    member_id=member.id,
                    qualification_id=drie.id,
                    organisation_id=member.organisation_id,
                    expires_on=until,
                    level=None,
                )
            )
    assert mark(yard, lesson, a=True, b=True).json["granted"] == 2
    with writing() as session:
        until = set(session.scalars(sa.select(MemberQualification.expires_on)))
        assert until == {None, date(2099, 1, 1)}


def test_only_seats_of_the_class_are_marked_by_its_staff_once_it_has_begun(
    yard: Yard, lesson: dict[str, str]
) -> None:
    assert mark(yard, lesson, by="stranger", a=True).status_code == 403
    assert mark(yard, lesson, by="a", a=True).status_code == 403
    foreign = {"00000000-0000-4000-8000-000000000000": True}
    assert set(broken(mark(yard, lesson, **foreign, a=True))) == {"not_to_mark"}
    run = yard.dated()
    early = yard.call(
        "operator", "POST", f"/occurrences/{run['id']}/attendance", json={"attended": {}}
    )
    assert broken(early) == {"illegal_move": ""}
    with writing() as session:
        assert session.scalars(sa.select(MemberQualification)).all() == []


def test_seats_of_a_class_stay_open_for_marking_for_a_fortnight(
    yard: Yard, lesson: dict[str, str]
) -> None:
    def states(after: timedelta) -> set[BookingState]:
        with yard.app.app_context(), acting_as(JOB):
            sweep(utcnow() + after)
        with writing() as session:
            return set(session.scalars(sa.select(Booking.state)))

    assert states(timedelta(days=13)) == {BookingState.CONFIRMED}
    assert states(timedelta(days=15)) == {BookingState.COMPLETED}
    assert lesson


def test_staff_mark_a_class_by_the_page(yard: Yard, lesson: dict[str, str]) -> None:
    page = yard.browser("operator")
    there = f"/runs/{lesson['run']}"
    assert "Who attends it holds DRIE" in page.get(there).text
    form = {f"seat.{lesson['a']}": "yes", f"seat.{lesson['b']}": ""}
    assert page.post(f"{there}/attendance", form).status_code == 302
    assert "Marked: 1 there, 0 absent." in page.get(there).text
    again = page.post(f"{there}/attendance", form)
    assert again.status_code == 302
    assert "leave it out" in page.get(there).text


def test_a_year_later_is_the_same_day_or_the_last_of_its_month() -> None:
    assert add_months(date(2027, 3, 8), 12) == date(2028, 3, 8)
    assert add_months(date(2028, 2, 29), 12) == date(2029, 2, 28)
    assert add_months(date(2027, 12, 31), 2) == date(2028, 2, 29)
