"""Bookings taken in from a file, all or none; and taken out into one.

An import goes through `bookings.services.book`, row by row, in one transaction: the rules,
the guards and their refusals are those of the page and the API. It is done soon or taken
back, since others wait for its locks. A dry run does the same some rows at a time, each
time beside the rows before them, and takes it back at once.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.bookings import queries, sharing, taken
from platform_booking.bookings import services as bookings
from platform_booking.bookings.asking import NewBooking
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking
from platform_booking.bookings.placing import confirm_all
from platform_booking.bookings.queries import BookingLine, Wanted
from platform_booking.db import db, enclosing
from platform_booking.errors import (
    BookingError,
    Busy,
    CapacityTaken,
    RulesBroken,
    Violation,
)
from platform_booking.exchange import columns, reading, tables
from platform_booking.exchange.reading import Fault, Line, Reading
from platform_booking.web.actor import Actor
from platform_booking.web.errors import title
from platform_booking.web.i18n import named

MOST_EXPORTED = 20_000
MOST_SECONDS = 4.0  # that one import may keep others waiting
CHECKED_SECONDS = 0.25  # that a dry run may, before it lets them through


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a file. `bookings` is empty after a dry run, and where faults are."""

    rows: int
    faults: tuple[Fault, ...] = ()
    bookings: tuple[UUID, ...] = ()


class _Undone(Exception):
    """Takes back what a dry run, or a file with faults, has booked."""


def take_in(
    data: bytes, *, actor: Actor, now: datetime, zone: ZoneInfo, dry_run: bool
) -> Outcome:
    """Book every row of a file, or none: with faults, they are all returned.

    Raises
    ------
    RulesBroken
        If the file cannot be read as a table, or has too many rows.
    """
    rows = reading.table(data)
    made: list[UUID] = []
    with enclosing() as session:
        read = reading.read(session, rows, actor=actor, zone=zone)
    if dry_run:
        _check_all(read, actor=actor, now=now, zone=zone)
    else:
        try:
            with enclosing():
                made = _book_all(read, actor=actor, now=now, zone=zone)
                if read.faults:
                    raise _Undone
        except _Undone:
            made = []
    faults = sorted(read.faults, key=lambda fault: fault.row)
    return Outcome(rows=read.rows, faults=tuple(faults), bookings=tuple(made))


def taken_out(wanted: Wanted, *, zone: ZoneInfo, form: str) -> bytes:
    """Write the bookings that the asker may see, as CSV or XLSX.

    Raises
    ------
    RulesBroken
        If there are too many for one file.
    """
    session: Session = db.session()
    found, total = queries.booking_lines(session, wanted, limit=MOST_EXPORTED, offset=0)
    if total > MOST_EXPORTED:
        told = _(
            "there are %(total)s bookings, and %(n)s is the most; ask for a shorter time",
            total=total,
            n=MOST_EXPORTED,
        )
        raise RulesBroken([Violation("too_many", told, "from", limit=MOST_EXPORTED)])
    found = sharing.with_runs(session, found)
    buddies = queries.emails(session, {line.booking.buddy_id or 0 for line in found} - {0})
    rows: list[list[tables.Cell]] = [list(columns.WRITTEN)]
    rows += [_written(line, zone, buddies) for line in found]
    if form == tables.XLSX:
        return tables.as_xlsx(rows, title=_("Bookings"))
    return tables.as_csv(rows)


def _book_all(read: Reading, *, actor: Actor, now: datetime, zone: ZoneInfo) -> list[UUID]:
    """Book in the order in which everybody takes locks."""
    made: dict[UUID, int] = {}  # the row of each booking
    until = time.monotonic() + MOST_SECONDS
    for line in _in_order(read):
        if time.monotonic() > until:
            told = _("this takes too long, and others wait; divide the file")
            read.faults.append(Fault(0, "", "too_slow", told))
            break
        booked = _tried(line, read.faults, made, actor=actor, now=now, zone=zone)
        if booked is not None:
            made[booked.booking.public_id] = line.row
    return list(made)


def _in_order(read: Reading) -> list[Line]:
    """Return the rows by resource, then by time, as everybody takes locks."""
    return sorted(read.lines, key=lambda one: (one.order, one.row))


def _tried(
    line: Line,
    faults: list[Fault],
    made: Mapping[UUID, int],
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> BookingLine | None:
    """Book one row; None where it has faults.

    Raises
    ------
    Busy
        If others hold what it needs: the row is no worse for it.
    """
    try:
        return bookings.book(line.slot, actor=actor, now=now, zone=zone)
    except Busy:
        raise
    except RulesBroken as fault:
        faults += [_fault(line, violation) for violation in fault.violations]
    except CapacityTaken as fault:
        told = fault.violations or [_no_room(line, made)]
        faults += [_fault(line, violation) for violation in told]
    except BookingError as fault:
        text = str(fault) or title(fault.code, 409)
        faults.append(Fault(line.row, "", fault.code, text))
    return None


def _check_all(read: Reading, *, actor: Actor, now: datetime, zone: ZoneInfo) -> None:
    """Try every row, some at a time: nobody else waits until the last one is tried."""
    left = _in_order(read)
    passed: list[tuple[int, NewBooking]] = []  # what later rows must reckon with

    def some() -> tuple[list[Fault], list[tuple[int, NewBooking]], int]:
        faults: list[Fault] = []
        more: list[tuple[int, NewBooking]] = []
        done = 0
        try:
            with enclosing() as session:
                made = _placed(session, passed, now=now)
                until = time.monotonic() + CHECKED_SECONDS
                for line in left:
                    done += 1
                    booked = _tried(line, faults, made, actor=actor, now=now, zone=zone)
                    if booked is not None:
                        made[booked.booking.public_id] = line.row
                        more.append((line.row, _alike(booked.booking)))
                    if time.monotonic() > until:
                        break
                raise _Undone
        except _Undone:
            return faults, more, done

    while left:
        faults, more, done = retrying(some)
        read.faults += faults
        passed += more
        left = left[done:]


def _placed(
    session: Session, passed: Sequence[tuple[int, NewBooking]], *, now: datetime
) -> dict[UUID, int]:
    """Put the rows that passed in place once more; return the row of each.

    One whose place was taken meanwhile is left out: the real import will tell.
    """
    rows, slots = [row for row, _new in passed], [new for _row, new in passed]
    try:
        with session.begin_nested():
            made = confirm_all(session, slots, now=now)
    except BookingError:
        if len(passed) == 1:
            return {}
        alone = (_placed(session, [one], now=now) for one in passed)
        return {which: row for one in alone for which, row in one.items()}
    return {booking.public_id: row for booking, row in zip(made, rows, strict=True)}


def _alike(booking: Booking) -> NewBooking:
    """Return what makes a booking such as this one, after it was taken back."""
    return NewBooking(
        resource_id=booking.resource_id,
        organisation_id=booking.organisation_id,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        quantity=booking.quantity,
        source=booking.source,
        member_id=booking.member_id,
        project_id=booking.project_id,
        recipe_id=booking.recipe_id,
        occurrence_id=booking.occurrence_id,
        family=booking.family,
        buddy_id=booking.buddy_id,
        override_reason=booking.override_reason,
        wafer_mm=booking.wafer_mm,
        class_rank=booking.class_rank,
        flags=tuple(booking.flags),
        state=booking.state,
    )


def _no_room(line: Line, made: Mapping[UUID, int]) -> Violation:
    own = taken.own_there(line.slot)
    if own is None or own.public_id not in made:
        return taken.no_room(own)
    told = _(
        "row %(row)s takes this time; give one of the two another", row=made[own.public_id]
    )
    return Violation(CapacityTaken.code, told, "starts_at")


def _fault(line: Line, violation: Violation) -> Fault:
    column = columns.FIELDS.get(violation.where, violation.where)
    return Fault(line.row, column, violation.rule, violation.message)


def _written(
    line: BookingLine, zone: ZoneInfo, buddies: Mapping[int, str]
) -> list[tables.Cell]:
    booking = line.booking

    def local(moment: datetime) -> datetime:
        return moment.astimezone(zone)

    written: dict[str, tables.Cell] = {
        "id": str(booking.public_id),
        "resource": line.resource.code,
        "starts_at": local(booking.starts_at),
        "ends_at": local(booking.ends_at),
        "quantity": booking.quantity,
        "organisation": named(line.organisation),
        "project": line.project.code if line.project else "",
        "recipe": line.recipe.code if line.recipe else "",
        "run": line.occurrence.code if line.occurrence else "",
        "wafer_mm": "" if booking.wafer_mm is None else booking.wafer_mm,
        "class_rank": "" if booking.class_rank is None else booking.class_rank,
        "flags": " ".join(booking.flags),
        "buddy": buddies.get(booking.buddy_id or 0, ""),
        "run_load": line.run.loaded if line.run else "",
        "cost_share": line.run.cost_share if line.run else "",
        "state": booking.state.value,
        "platform": line.platform.code,
        "source": booking.source.value,
        "member": line.member.name if line.member else "",
        "created_at": local(booking.created_at),
        "updated_at": local(booking.updated_at),
    }
    return [written[column] for column in columns.WRITTEN]
