"""Stretches of time against weekly hours and local days. Pure."""

from datetime import date, datetime, timedelta, tzinfo

from flask_babel import gettext as _

from platform_booking.bookings.picked import Picked, Stretch
from platform_booking.catalog.hours import Hours, spans

_INSTANT = timedelta(microseconds=1)


def within(stretch: Stretch, hours: Hours, zone: tzinfo) -> bool:
    """Tell whether a stretch lies within weekly hours as a whole."""
    return spans(hours, from_at=stretch[0], to_at=stretch[1], zone=zone) == [stretch]


def touches(stretch: Stretch, hours: Hours, zone: tzinfo) -> bool:
    """Tell whether some of a stretch lies within weekly hours."""
    return bool(spans(hours, from_at=stretch[0], to_at=stretch[1], zone=zone))


def overlap(one: Stretch, other: Stretch) -> timedelta:
    """Return how long two stretches have in common."""
    return max(timedelta(0), min(one[1], other[1]) - max(one[0], other[0]))


def local_days(stretch: Stretch, zone: tzinfo) -> list[date]:
    """Return the local days that a stretch touches, in their order."""
    first = stretch[0].astimezone(zone).date()
    last = (stretch[1] - _INSTANT).astimezone(zone).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def last_day(moment: datetime, zone: tzinfo) -> date:
    """Return the local date of an instant; the farthest one where a calendar ends."""
    try:
        return moment.astimezone(zone).date()
    except OverflowError:
        return date.max


def is_lifted(stretch: Stretch, picked: Picked) -> bool:
    """Tell whether a stay lies within the hours in which the caps are lifted."""
    return picked.on.lifted is not None and within(stretch, picked.on.lifted, picked.zone)


def capped(stays: tuple[Stretch, ...], picked: Picked) -> list[Stretch]:
    """Return the stays that count towards caps: those outside the lifted hours."""
    return [stay for stay in stays if not is_lifted(stay, picked)]


def clock(moment: datetime, zone: tzinfo) -> str:
    """Return an instant in the park's time, as sentences show it."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def spoken(stretch: Stretch, zone: tzinfo) -> str:
    """Return a stretch in the park's time, as sentences show it."""
    begins, ends = (moment.astimezone(zone) for moment in stretch)
    same = begins.date() == ends.date()
    return f"{begins:%Y-%m-%d %H:%M} – {ends:{'%H:%M' if same else '%Y-%m-%d %H:%M'}}"


def minutes(length: timedelta) -> int:
    """Return a length in whole minutes."""
    return length // timedelta(minutes=1)


def week_text(hours: Hours) -> str:
    """Return weekly hours in words."""
    names = _("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")
    days = (
        (name, ", ".join(f"{_of_day(begins)}–{_of_day(ends)}" for begins, ends in spans_))
        for name, spans_ in zip(names, hours.week, strict=True)
    )
    return "; ".join(f"{name} {text}" for name, text in days if text)


def _of_day(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
