"""iCalendar (RFC 5545) from plain entries. Pure: the same entries give the same bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, vCalAddress, vText

PRODUCT = "-//Platform booking//Bookings//EN"
REFRESH = timedelta(minutes=30)  # how often a calendar program should come back
MIMETYPE = "text/calendar"
_LAST_YEAR = 9999


class Status(StrEnum):
    """How sure an entry is."""

    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


class Method(StrEnum):
    """What a mail asks a calendar program to do with its entry (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event of a calendar. `[starts_at, ends_at)`."""

    uid: str  # the same for as long as the thing lives
    summary: str
    starts_at: datetime
    ends_at: datetime
    changed_at: datetime
    sequence: int = 0  # grows with every change
    status: Status = Status.CONFIRMED
    location: str = ""
    description: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Who invites whom, where an entry goes by mail."""

    method: Method
    organizer: str
    attendee: str


def calendar(
    entries: Iterable[Entry],
    *,
    zone: ZoneInfo,
    name: str = "",
    invitation: Invitation | None = None,
) -> bytes:
    """Return a calendar; its times are local ones of `zone`, whose rules it carries."""
    listed = list(entries)
    whole = Calendar()
    whole.add("prodid", PRODUCT)
    whole.add("version", "2.0")
    if invitation is None:
        whole.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
        whole.add("x-published-ttl", REFRESH)
    else:
        whole.add("method", invitation.method.value)
    if name:
        whole.add("name", name)
        whole.add("x-wr-calname", name)
    if listed:
        whole.add_component(_zone_of(listed, zone))
    for entry in listed:
        whole.add_component(_event(entry, zone, invitation))
    return bytes(whole.to_ical())


def _event(entry: Entry, zone: ZoneInfo, invitation: Invitation | None) -> Event:
    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", entry.changed_at)
    event.add("last-modified", entry.changed_at)
    event.add("sequence", entry.sequence)
    event.add("dtstart", entry.starts_at.astimezone(zone))
    event.add("dtend", entry.ends_at.astimezone(zone))
    event.add("summary", entry.summary)
    event.add("status", entry.status.value)
    for key in ("location", "description", "url"):
        if getattr(entry, key):
            event.add(key, getattr(entry, key))
    if entry.status is Status.CANCELLED:
        event.add("transp", "TRANSPARENT")  # takes up nobody's time
    if invitation is not None:
        event.add("organizer", vCalAddress(f"mailto:{invitation.organizer}"))
        attendee = vCalAddress(f"mailto:{invitation.attendee}")
        attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
        attendee.params["PARTSTAT"] = vText("ACCEPTED")  # nothing is to be answered
        attendee.params["RSVP"] = vText("FALSE")
        event.add("attendee", attendee)
    return event


def _zone_of(entries: list[Entry], zone: ZoneInfo) -> Timezone:
    first = min(entry.starts_at for entry in entries).year - 1
    last = max(entry.ends_at for entry in entries).year + 2
    return _rules_of(zone.key, max(first, 1), min(last, _LAST_YEAR))


@lru_cache(maxsize=64)
def _rules_of(key: str, first: int, last: int) -> Timezone:
    """Return a zone's rules; working them out costs more than a feed's entries."""
    return Timezone.from_tzid(key, first_date=date(first, 1, 1), last_date=date(last, 1, 1))
