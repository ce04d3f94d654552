"""Bookings taken in from a file, all or none; and taken out into one.

An import goes through `bookings.services.book`, row by row, in one transaction: the rules,
the guards and their refusals are those of the page and the API. A dry run does the same and
takes it back.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.bookings import queries, taken
from platform_booking.bookings import services as bookings
from platform_booking.bookings.queries import BookingLine, Wanted
from platform_booking.db import db, enclosing
from platform_booking.errors import BookingError, CapacityTaken, RulesBroken, Violation
from platform_booking.exchange import columns, reading, tables
from platform_booking.exchange.reading import Fault, Line, Reading
from platform_booking.web.actor import Actor
from platform_booking.web.errors import title
from platform_booking.web.i18n import named

MOST_EXPORTED = 20_000
MOST_SECONDS = 120  # that one import may keep others waiting


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
    try:
        rows = tables.read(data)
    except tables.TooManyRows as fault:
        most = tables.MOST_ROWS
        raise RulesBroken([Violation("too_many", str(fault), "file", limit=most)]) from None
    except tables.Unreadable as fault:
        raise RulesBroken([Violation("unreadable", str(fault), "file")]) from None
    read = Reading()
    made: list[UUID] = []
    try:
        with enclosing() as session:
            read = reading.read(session, rows, actor=actor, zone=zone)
            made = _book_all(read, actor=actor, now=now, zone=zone)
            if dry_run or read.faults:
                raise _Undone
    except _Undone:
        made = []
    faults = sorted(read.faults, key=lambda fault: fault.row)
    return Outcome(rows=read.rows, faults=tuple(faults), bookings=tuple(made))


def as_violations(outcome: Outcome) -> list[Violation]:
    """Return the faults of a file as an answer of the API lists them."""
    return [
        Violation(f.rule, f.message, f"rows[{f.row}].{f.column}".rstrip("."))
        for f in outcome.faults
    ]


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
    rows = [list(columns.WRITTEN), *(_written(line, zone) for line in found)]
    if form == tables.XLSX:
        return tables.as_xlsx(rows, title=_("Bookings"))
    return tables.as_csv(rows)


def _book_all(read: Reading, *, actor: Actor, now: datetime, zone: ZoneInfo) -> list[UUID]:
    """Book in the order in which everybody takes locks: by resource, then by time."""
    made: dict[UUID, int] = {}  # the row of each booking
    until = time.monotonic() + MOST_SECONDS
    for line in sorted(read.lines, key=lambda one: (one.order, one.row)):
        if time.monotonic() > until:
            told = _("this takes too long, and others wait; divide the file")
            read.faults.append(Fault(0, "", "too_slow", told))
            break
        try:
            booked = bookings.book(line.slot, actor=actor, now=now, zone=zone)
        except RulesBroken as fault:
            read.faults += [_fault(line, violation) for violation in fault.violations]
        except CapacityTaken as fault:
            told = fault.violations or [_no_room(line, made)]
            read.faults += [_fault(line, violation) for violation in told]
        except BookingError as fault:
            told = str(fault) or title(fault.code, 409)
            read.faults.append(Fault(line.row, "", fault.code, told))
        else:
            made[booked.booking.public_id] = line.row
    return list(made)


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


def _written(line: BookingLine, zone: ZoneInfo) -> list[str]:
    booking = line.booking

    def local(moment: datetime) -> str:
        return moment.astimezone(zone).isoformat()

    written = {
        "id": str(booking.public_id),
        "resource": line.resource.code,
        "starts_at": local(booking.starts_at),
        "ends_at": local(booking.ends_at),
        "quantity": str(booking.quantity),
        "organisation": named(line.organisation),
        "project": line.project.code if line.project else "",
        "recipe": line.recipe.code if line.recipe else "",
        "run": line.occurrence.code if line.occurrence else "",
        "state": booking.state.value,
        "platform": line.platform.code,
        "source": booking.source.value,
        "member": line.member.name if line.member else "",
        "created_at": local(booking.created_at),
        "updated_at": local(booking.updated_at),
    }
    return [written[column] for column in columns.WRITTEN]
