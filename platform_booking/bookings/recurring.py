"""Rules of recurrence, RFC 5545: from a rule to the stays that it means. Pure.

The clock of a rule is that of a place: nine o'clock stays nine o'clock when the clocks
change, and a stay keeps its length. A time that the clocks skip is taken with the offset
from before, one that comes twice is its first.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from flask_babel import gettext as _
from icalendar import vRecur

from platform_booking.bookings.picked import Stretch
from platform_booking.errors import RulesBroken, Violation

MOST = 100
"""So many occurrences has a series at most."""

LONGEST_RULE = 500
_FARTHEST = timedelta(days=2 * 366)  # as for a single booking: DECISIONS 1
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_KNOWN = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS",
     "WKST"}
)  # fmt: skip
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A rule that was read."""

    text: str  # in the order of RFC 5545, without "RRULE:"
    stays: tuple[Stretch, ...]


def read(
    text: str, *, starts_at: datetime, ends_at: datetime, zone: ZoneInfo, now: datetime
) -> Recurrence:
    """Return what a rule means for a first stay.

    Raises
    ------
    RulesBroken
        If it is no rule, never ends, means too many stays, or its stays overlap.
    """
    if not timedelta(0) < ends_at - starts_at <= _FARTHEST or starts_at > now + _FARTHEST:
        raise RulesBroken([_off()])  # before a zone is reckoned with at a calendar's end
    if starts_at < now - _FARTHEST:
        raise RulesBroken([_off()])
    parts = _parts(text)
    broken = list(_faults(parts))
    if broken:
        raise RulesBroken(broken)
    first = starts_at.astimezone(zone).replace(tzinfo=None)
    if not _meant(first, parts) or not _is_at_its_place(first, parts):
        raise RulesBroken([_not_first(parts)])
    starts = _starts(parts, first, zone)
    length = ends_at - starts_at
    stays = tuple((start, start + length) for start in _instants(starts, zone))
    broken = list(_odd(stays, starts_at=starts_at, parts=parts, zone=zone))
    if broken:
        raise RulesBroken(broken)
    return Recurrence(text=_text(parts), stays=stays)


def overlapping(stays: Sequence[Stretch], *, zone: ZoneInfo) -> Violation | None:
    """Return what is wrong where stays of one series meet one another."""
    for earlier, later in pairwise(sorted(stays)):
        if later[0] < earlier[1]:
            return Violation(
                "overlaps_itself",
                _(
                    "the series overlaps itself: a stay begins on %(later)s before the one"
                    " of %(earlier)s has ended; shorten the stays or widen the interval",
                    later=_local(later[0], zone),
                    earlier=_local(earlier[0], zone),
                ),
                "rrule",
            )
    return None


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _parts(text: str) -> vRecur:
    try:
        parts = vRecur.from_ical(text.strip().removeprefix("RRULE:"))
        if not parts or not isinstance(parts, vRecur):
            raise ValueError(text)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise RulesBroken([_unreadable()]) from None
    return parts


def _faults(parts: vRecur) -> Iterator[Violation]:
    unknown = sorted(set(parts) - _KNOWN)
    if unknown:
        yield _wrong(
            _(
                "%(parts)s is not understood here; use FREQ, INTERVAL, COUNT or UNTIL,"
                " BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS and WKST",
                parts=", ".join(unknown),
            )
        )
    if _one(parts, "FREQ") not in _FREQUENCIES:
        yield _wrong(_("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY"))
    if ("COUNT" in parts) == ("UNTIL" in parts):
        yield Violation(
            "series_without_end",
            _("say how often or until when it recurs: either COUNT or UNTIL"),
            "rrule",
        )
    count = _one(parts, "COUNT")
    if count is not None and not 1 <= count <= MOST:
        yield _too_many()
    interval = _one(parts, "INTERVAL")
    if interval is not None and not 1 <= interval <= 1000:
        yield _wrong(_("INTERVAL must be from 1 to 1000"))
    numbered = any(not str(day).isalpha() for day in parts.get("BYDAY", ()))
    monthly = _one(parts, "FREQ") == "MONTHLY"
    yearly = _one(parts, "FREQ") == "YEARLY"
    if numbered and not (monthly or (yearly and "BYMONTH" in parts)):
        yield _wrong(
            _("days with a number, as 2MO, are for FREQ=MONTHLY, or YEARLY with BYMONTH")
        )
    chosen = "BYDAY" in parts or "BYMONTHDAY" in parts
    if "BYSETPOS" in parts and not (chosen and (monthly or yearly)):
        yield _wrong(
            _("BYSETPOS is for FREQ=MONTHLY or YEARLY, and chooses of BYDAY or BYMONTHDAY")
        )


def _starts(parts: vRecur, first: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return the local times of all starts, one more than allowed at most."""
    rule = vRecur(parts)
    last = first + _FARTHEST + timedelta(days=1)
    until = _until(parts, zone)
    counted = _one(rule, "COUNT")
    rule.pop("COUNT", None)
    rule["UNTIL"] = [last if until is None else min(until, last)]
    try:
        found = list(islice(rrulestr(_text(rule), dtstart=first), counted or MOST + 1))
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        raise RulesBroken([_unreadable()]) from None
    if (counted is not None and len(found) < counted) or (until or last) > last:
        raise RulesBroken([_off()])
    return found


def _meant(first: datetime, parts: vRecur) -> bool:
    """Tell whether a first start follows a rule.

    Asked by hand, and first: of a rule that nothing ever follows, as the 30th of February,
    the library would seek the first start until the year 9999.
    """
    month_days = (first.day, first.day - _days_of_month(first) - 1)
    return (
        _has(parts, "BYMONTH", (first.month,))
        and _has(parts, "BYMONTHDAY", month_days)
        and _has(parts, "BYDAY", _called(first))
    )


def _is_at_its_place(first: datetime, parts: vRecur) -> bool:
    """Tell whether BYSETPOS chooses a first start of those in its month or year."""
    if "BYSETPOS" not in parts:
        return True
    begin = first.replace(day=1)
    end = begin.replace(day=_days_of_month(begin))
    if _one(parts, "FREQ") == "YEARLY":
        begin, end = first.replace(month=1, day=1), first.replace(month=12, day=31)
    rule = vRecur({n: v for n, v in parts.items() if n not in {"BYSETPOS", "COUNT"}})
    rule["UNTIL"], rule["INTERVAL"] = [end], [1]
    try:
        all_ = list(rrulestr(_text(rule), dtstart=begin))
    except (ValueError, TypeError, OverflowError, IndexError, AttributeError):
        raise RulesBroken([_unreadable()]) from None
    if first not in all_:
        return False
    n = all_.index(first)
    return _has(parts, "BYSETPOS", (n + 1, n - len(all_)))


def _has(parts: vRecur, name: str, wanted: Sequence[object]) -> bool:
    return name not in parts or bool(
        {str(value) for value in parts[name]} & {str(one) for one in wanted}
    )


def _called(day: datetime) -> tuple[str, ...]:
    """Return what a rule may call a day: MO, +2MO, 2MO or -3MO."""
    name = DAYS[day.weekday()]
    nth = (day.day - 1) // 7 + 1
    last = -((_days_of_month(day) - day.day) // 7 + 1)
    return name, f"{nth}{name}", f"+{nth}{name}", f"{last}{name}"


def _days_of_month(day: datetime) -> int:
    return monthrange(day.year, day.month)[1]


def _until(parts: vRecur, zone: ZoneInfo) -> datetime | None:
    """Return the last local time; a day without a time counts whole."""
    until: Any = _one(parts, "UNTIL")
    if until is None:
        return None
    if not isinstance(until, datetime):
        if not isinstance(until, date):
            raise RulesBroken([_unreadable()])
        return datetime.combine(until, time.max.replace(microsecond=0))
    if until.tzinfo is None:
        return until
    try:
        return until.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC).replace(tzinfo=None)


def _instants(starts: Sequence[datetime], zone: ZoneInfo) -> Iterator[datetime]:
    for start in starts:
        yield start.replace(tzinfo=zone).astimezone(UTC)


def _odd(
    stays: Sequence[Stretch], *, starts_at: datetime, parts: vRecur, zone: ZoneInfo
) -> Iterator[Violation]:
    if len(stays) > MOST:
        yield _too_many()
    elif not stays or stays[0][0] != starts_at:
        yield _not_first(parts)
    else:
        meeting = overlapping(stays, zone=zone)
        if meeting is not None:
            yield meeting


def _one(parts: vRecur, name: str) -> Any:
    value = parts.get(name)
    return value[0] if isinstance(value, list) and value else value


def _text(parts: vRecur) -> str:
    return str(parts.to_ical().decode())  # type: ignore[no-untyped-call]


def _not_first(parts: vRecur) -> Violation:
    return Violation(
        "first_occurrence",
        _(
            "the first stay does not follow the rule %(rule)s; choose a start that it"
            " allows",
            rule=_text(parts),
        ),
        "starts_at",
    )


def _wrong(message: str) -> Violation:
    return Violation("rrule", message, "rrule")


def _unreadable() -> Violation:
    return _wrong(
        _("not a rule of recurrence; write it as FREQ=WEEKLY;COUNT=10 (RFC 5545)")
    )


def _too_many() -> Violation:
    return Violation(
        "series_too_long",
        _("a series has from 1 to %(most)s occurrences; shorten it", most=MOST),
        "rrule",
        limit=MOST,
    )


def _off() -> Violation:
    return Violation(
        "too_far",
        _(
            "nothing can be booked in the past or more than two years ahead; choose another"
            " first stay, or an earlier end of the series"
        ),
        "rrule",
    )
