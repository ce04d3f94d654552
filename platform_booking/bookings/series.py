"""Bookings that recur: tried, booked and called off together.

Each occurrence is asked for as a booking of its own, one after the other in one
transaction, so that caps count those before it. A dry run does the same and undoes it: what
it foretells is what would have happened.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from platform_booking.bookings import queries, recurring
from platform_booking.bookings.asking import AskedSeries, AskedSlot
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking, Series
from platform_booking.bookings.nearest import next_free
from platform_booking.bookings.picked import Stretch
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.recurring import Recurrence
from platform_booking.bookings.services import cancel_all, is_open, may_change
from platform_booking.bookings.states import BookingState
from platform_booking.bookings.telling import tell_firm
from platform_booking.bookings.together import Asking, place, pleasing
from platform_booking.db import transaction
from platform_booking.errors import (
    CapacityTaken,
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import Actor

_DAY = timedelta(days=1)
_OF_TIME = frozenset({"starts_at", "ends_at"})


class Outcome(StrEnum):
    """What becomes of one occurrence."""

    BOOKED = "booked"  # in a dry run: would be
    LEFT_OUT = "left_out"  # as asked
    REFUSED = "refused"  # the rules forbid it
    TAKEN = "taken"  # there is no room


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One occurrence and what became of it."""

    number: int  # from 1
    starts_at: datetime
    ends_at: datetime
    outcome: Outcome
    violations: tuple[Violation, ...] = ()
    suggestion: Stretch | None = None  # a place of that day that would be accepted
    resource_code: str | None = None
    chosen_because: str | None = None
    line: BookingLine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTried:
    """A series and its occurrences. `public_id` is None in a dry run."""

    public_id: UUID | None
    rule: str
    zone: str
    occurrences: tuple[Tried, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesCancelled:
    """How many bookings of a series were cancelled, and how many of them late."""

    cancelled: int
    late: int


def book_series(
    asked: AskedSeries, *, actor: Actor, now: datetime, zone: ZoneInfo
) -> SeriesTried:
    """Book a slot again and again, by a rule. All of it in one transaction.

    Raises
    ------
    RulesBroken
        If the rule is none, or an occurrence breaks rules and is not to be skipped.
    CapacityTaken
        If an occurrence has no room and is not to be skipped; none is booked then.
    Forbidden
        As `services.book`.
    """
    clock = _zone_of(asked, zone)
    recurrence = recurring.read(
        asked.rule,
        starts_at=asked.slot.starts_at,
        ends_at=asked.slot.ends_at,
        zone=clock,
        now=now,
    )
    stays = _replaced(asked, recurrence, clock)
    work = partial(
        _book_series, asked, recurrence, stays, clock, actor=actor, now=now, zone=zone
    )
    try:
        return retrying(work)
    except _Undone as undone:
        return undone.result


def cancel_series(
    series_id: UUID, *, from_booking: UUID | None, actor: Actor, now: datetime
) -> SeriesCancelled:
    """Cancel what is to come of a series; from one of its bookings on where one is named.

    Raises
    ------
    NotFound
        If there is no such series, or no such booking of it, that the actor may see.
    Forbidden
        If it is a colleague's, and the actor does not run the organisation's account.
    IllegalMove
        If nothing of it is left to cancel.
    """
    return retrying(partial(_cancel_series, series_id, from_booking, actor=actor, now=now))


class _Undone(Exception):
    """A dry run is over; its transaction is rolled back."""

    def __init__(self, result: SeriesTried) -> None:
        super().__init__()
        self.result = result


def _zone_of(asked: AskedSeries, park: ZoneInfo) -> ZoneInfo:
    if not asked.zone:
        return park
    try:
        return ZoneInfo(asked.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = _("not a time zone of the IANA; write it as Asia/Shanghai")
        raise RulesBroken([Violation("unknown_zone", message, "zone")]) from None


def _replaced(
    asked: AskedSeries, recurrence: Recurrence, zone: ZoneInfo
) -> dict[int, Stretch]:
    """Return the stays by number as the asker wants them, without those left out."""
    stays = dict(enumerate(recurrence.stays, 1))
    broken = []
    for n, one in enumerate(asked.replacements):
        if one.number not in stays:
            broken.append(_no_such(f"replacements.{n}.number", most=len(stays)))
        stays[one.number] = (one.starts_at, one.ends_at)
    for n, number in enumerate(asked.left_out):
        if number not in stays:
            broken.append(_no_such(f"left_out.{n}", most=len(stays)))
    if broken:
        raise RulesBroken(broken)
    wanted = {n: stay for n, stay in stays.items() if n not in asked.left_out}
    meeting = recurring.overlapping(list(wanted.values()), zone=zone)
    if meeting is not None:
        raise RulesBroken([meeting])
    return stays


def _no_such(where: str, *, most: int) -> Violation:
    message = _("there is no such occurrence; they are numbered from 1 to %(n)s", n=most)
    return Violation("no_such_occurrence", message, where)


def _book_series(
    asked: AskedSeries,
    recurrence: Recurrence,
    stays: dict[int, Stretch],
    clock: ZoneInfo,
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> SeriesTried:
    with transaction() as session:
        ask = Asking(session=session, actor=actor, now=now, zone=zone)
        wanted = {n: stay for n, stay in stays.items() if n not in asked.left_out}
        tried = tuple(_try(ask, asked, n, stay, wanted) for n, stay in stays.items())
        result = SeriesTried(
            public_id=None, rule=recurrence.text, zone=clock.key, occurrences=tried
        )
        if asked.dry_run:
            raise _Undone(
                replace(result, occurrences=tuple(replace(t, line=None) for t in tried))
            )
        _insist(asked, tried, zone=clock)
        series = _written(session, asked, result, now=now)
        return replace(result, public_id=series.public_id)


def _try(
    ask: Asking,
    asked: AskedSeries,
    number: int,
    stay: Stretch,
    wanted: Mapping[int, Stretch],
) -> Tried:
    tried = Tried(
        number=number, starts_at=stay[0], ends_at=stay[1], outcome=Outcome.LEFT_OUT
    )
    if number in asked.left_out:
        return tried
    slot = replace(asked.slot, starts_at=stay[0], ends_at=stay[1])
    try:
        with ask.session.begin_nested():  # one that fails leaves the others in place
            line = place(ask, slot, tells=False)
    except RulesBroken as fault:
        outcome, violations = Outcome.REFUSED, fault.violations
    except CapacityTaken as fault:
        outcome, violations = Outcome.TAKEN, fault.violations
    else:
        return replace(
            tried,
            outcome=Outcome.BOOKED,
            line=line,
            resource_code=line.resource.code,
            chosen_because=line.chosen_because,
        )
    return replace(
        tried,
        outcome=outcome,
        violations=violations,
        suggestion=_suggested(
            ask, slot, besides=[other for n, other in wanted.items() if n != number]
        ),
    )


def _suggested(
    ask: Asking, slot: AskedSlot, *, besides: Sequence[Stretch]
) -> Stretch | None:
    """Return the next place of that day that the rules would accept, None without one.

    Only for one resource that is named.
    """
    if slot.resource_id is None or slot.parts:
        return None
    try:
        resource = queries.resource(ask.session, slot.resource_id)
    except NotFound:
        return None
    stay = slot.starts_at, slot.ends_at
    around = 2 * max(_DAY, stay[1] - stay[0])
    return next_free(
        ask.session,
        resource,
        stay,
        quantity=slot.quantity,
        now=ask.now,
        zone=ask.zone,
        besides=besides,
        pleases=pleasing(ask, slot, resource, within=(stay[0] - around, stay[1] + around)),
    )


def _insist(asked: AskedSeries, tried: Sequence[Tried], *, zone: ZoneInfo) -> None:
    """Refuse a series of which something cannot be had, unless that is to be skipped."""
    failed = [t for t in tried if t.outcome in {Outcome.REFUSED, Outcome.TAKEN}]
    booked = any(t.outcome is Outcome.BOOKED for t in tried)
    if booked and (asked.skips or not failed):
        return
    if not failed:
        message = _("every occurrence is left out; keep one at least")
        raise RulesBroken([Violation("nothing_left", message, "left_out")])
    plain = _common([t for t in tried if t.outcome is not Outcome.LEFT_OUT])
    told = list(
        {
            (v.rule, v.where, v.message): v for t in failed for v in _told(t, zone, plain)
        }.values()
    )
    if all(t.outcome is Outcome.TAKEN for t in failed):
        raise CapacityTaken(told)
    raise RulesBroken(told)


def _common(tried: Sequence[Tried]) -> set[tuple[str, str, str]]:
    """Return what is wrong with every occurrence alike, but for its time."""
    said = [{(v.rule, v.where, v.message) for v in one.violations} for one in tried]
    return {one for one in set.intersection(*said) if one[1] not in _OF_TIME}


def _told(
    tried: Tried, zone: ZoneInfo, plain: Container[tuple[str, str, str]]
) -> list[Violation]:
    """Return what is wrong with one occurrence; what is wrong with all of them, plainly."""
    when = tried.starts_at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    said = tried.violations or (
        Violation("capacity_taken", _("there is no room left in that time"), "starts_at"),
    )
    return [
        replace(
            one,
            where=f"occurrences.{tried.number}.{one.where}",
            message=_(
                "no. %(number)s, %(when)s: %(what)s",
                number=tried.number,
                when=when,
                what=one.message,
            ),
            actual=_suggestion_told(tried),
        )
        if (one.rule, one.where, one.message) not in plain
        else one
        for one in said
    ]


def _suggestion_told(tried: Tried) -> dict[str, str] | None:
    if tried.suggestion is None:
        return None
    starts_at, ends_at = tried.suggestion
    return {"free_from": starts_at.isoformat(), "free_until": ends_at.isoformat()}


def _written(
    session: Session, asked: AskedSeries, result: SeriesTried, *, now: datetime
) -> Series:
    """Write down that bookings belong together, and tell the organisation once."""
    lines = [t.line for t in result.occurrences if t.line is not None]
    first = lines[0]
    series = Series(
        organisation_id=first.organisation.id,
        member_id=first.booking.member_id,
        resource_id=first.resource.id,
        rule=result.rule,
        starts_at=asked.slot.starts_at,
        ends_at=asked.slot.ends_at,
        zone=result.zone,
        created_at=now,
    )
    session.add(series)
    session.flush()  # series.id
    rows = [one.booking for line in lines for one in (line, *line.parts)]
    session.execute(
        sa.update(Booking)
        .where(Booking.id.in_([row.id for row in rows]))
        .values(series_id=series.id)
        .execution_options(synchronize_session=False)
    )
    for row in rows:
        set_committed_value(row, "series_id", series.id)
    tell_firm(
        session,
        "booking.book",
        first,
        now=now,
        others=first.parts,
        series=str(series.public_id),
        occurrences=len(lines),
    )
    return series


def _cancel_series(
    series_id: UUID, from_booking: UUID | None, *, actor: Actor, now: datetime
) -> SeriesCancelled:
    with transaction() as session:
        lines = queries.lines_of_series(session, series_id)
        if not lines:
            raise NotFound
        since = now
        if from_booking is not None:
            since = _start_of(lines, from_booking)
        coming = [
            line
            for line in lines
            if is_open(line) and line.booking.starts_at >= since
            if line.booking.starts_at > now
        ]
        if not coming:
            raise IllegalMove(_("nothing of the series is left to cancel"))
        if not all(may_change(line, actor) for line in coming):
            raise Forbidden
        cancel_all(session, coming, actor=actor, now=now)
        tell_firm(
            session,
            "booking.cancel",
            coming[0],
            now=now,
            series=str(series_id),
            occurrences=len({line.booking.starts_at for line in coming}),
        )
        late = sum(line.booking.state is BookingState.LATE_CANCELLED for line in coming)
        return SeriesCancelled(cancelled=len(coming), late=late)


def _start_of(lines: Sequence[BookingLine], booking_id: UUID) -> datetime:
    for line in lines:
        if line.booking.public_id == booking_id:
            return line.booking.starts_at
    raise NotFound
