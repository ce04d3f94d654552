"""The form of a slot: from what a person typed to a slot, and back.

Fields carry the names that the rules use, so that every violation finds its field. Times
are typed in the park's zone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from platform_booking.bookings import recurring
from platform_booking.bookings.asking import AskedMove, AskedPart, AskedSlot, Replacement
from platform_booking.bookings.models import Booking
from platform_booking.catalog.models import Occurrence, Resource
from platform_booking.errors import Violation

Typed = dict[str, str]
PARTS = 3
"""So many further resources has the form of a slot; the API takes more."""

FREQUENCIES = ("daily", "weekly", "monthly")
_NAMES = (
    "starts_at", "ends_at", "quantity", "organisation_id", "project_id", "recipe_id",
    "occurrence_id", "wafer_mm", "class_rank", "buddy_id", "override_reason", "note",
    "token", "repeat", "every", "times", "until", "monthly_by", "previewed",
    *(f"on.{day}" for day in recurring.DAYS),
    *(f"with.{n}.{name}" for n in range(PARTS) for name in ("resource_id", "quantity")),
)  # fmt: skip
_LONGEST = 80
_LONG = {"override_reason": 500, "note": 500}
_NOWHERE = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Reading:
    """What was read of a form; `slot` is None where its times could not be read."""

    typed: Typed
    flags: tuple[str, ...]
    slot: AskedSlot | None = None
    violations: list[Violation] = field(default_factory=list)
    zone: ZoneInfo | None = None  # by whose clock the times are typed


def typed_in(form: Mapping[str, str]) -> Typed:
    """Return what was typed, short enough to be shown again."""
    return {
        name: form.get(name, "").strip().replace("\x00", "")[: _LONG.get(name, _LONGEST)]
        for name in _NAMES
    }


def local_text(moment: datetime, zone: ZoneInfo) -> str:
    """Return an instant as a field of dates shows it."""
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def read(
    form: Mapping[str, str],
    flags: Sequence[str],
    *,
    resource: Resource,
    runs: Sequence[Occurrence],
    zone: ZoneInfo,
    codes: Mapping[str, UUID] | None = None,
) -> Reading:
    """Read a form; what cannot be read is named with its field.

    `codes` are those of the resources that may be booked beside.
    """
    typed = typed_in(form)
    chosen = tuple(flag.replace("\x00", "")[:_LONGEST] for flag in flags[:50])
    reading = Reading(typed=typed, flags=chosen, zone=zone)
    run_id = _called(reading, "occurrence_id")
    run = next((r for r in runs if r.public_id == run_id), None)
    if run is not None:  # a dated run has its own times; nobody types them
        starts_at, ends_at = run.starts_at, run.ends_at
    else:
        starts_at = _moment(reading, "starts_at", zone)
        ends_at = _moment(reading, "ends_at", zone)
    quantity = _whole(reading, "quantity", otherwise=1)
    slot = AskedSlot(
        resource_id=resource.public_id,
        starts_at=starts_at,
        ends_at=ends_at,
        quantity=1 if quantity is None else quantity,
        organisation_id=_called(reading, "organisation_id"),
        project_id=_called(reading, "project_id"),
        recipe_id=_called(reading, "recipe_id"),
        occurrence_id=run_id,
        wafer_mm=_whole(reading, "wafer_mm", otherwise=None),
        class_rank=_whole(reading, "class_rank", otherwise=None),
        flags=chosen,
        parts=tuple(_parts(reading, codes or {})),
        buddy_id=_called(reading, "buddy_id"),
        override_reason=typed["override_reason"],
    )
    if _NOWHERE not in {starts_at, ends_at}:
        reading.slot = slot
    return reading


def _parts(reading: Reading, codes: Mapping[str, UUID]) -> Iterator[AskedPart]:
    """Yield what is to be booked beside: a resource by its code, or a capability."""
    for n in range(PARTS):
        called = reading.typed[f"with.{n}.resource_id"]
        quantity = _whole(reading, f"with.{n}.quantity", otherwise=1)
        if called:
            which = codes.get(called)
            yield AskedPart(
                resource_id=which,
                capability="" if which else called,
                quantity=1 if quantity is None else quantity,
            )


def rule_of(reading: Reading) -> str:
    """Return the rule of recurrence that a form asks for; "" for none, or a wrong one."""
    typed = reading.typed
    if typed["repeat"] not in FREQUENCIES:
        return ""
    every = _whole(reading, "every", otherwise=1)
    times = _whole(reading, "times", otherwise=None)
    until = typed["until"]
    rule = f"FREQ={typed['repeat'].upper()};INTERVAL={every}"
    rule += _days_of(reading)
    if (times is None) == (not until):
        _wrong(reading, "times", _("say how often, or until when; one of the two"))
    elif times is not None:
        rule += f";COUNT={times}"
    else:
        try:
            rule += f";UNTIL={date.fromisoformat(until):%Y%m%d}"
        except ValueError:
            _wrong(reading, "until", _("not a day; write it as 2027-03-08"))
    return rule


def _days_of(reading: Reading) -> str:
    """Return on which days of a week or a month a form's rule goes on."""
    typed = reading.typed
    if typed["repeat"] == "weekly":
        days = [day for day in recurring.DAYS if typed[f"on.{day}"]]
        return f";BYDAY={','.join(days)}" if days else ""
    if typed["repeat"] == "monthly" and reading.slot is not None:
        first = reading.slot.starts_at.astimezone(reading.zone)
        day = recurring.DAYS[first.weekday()]
        return {
            "nth": f";BYDAY={(first.day - 1) // 7 + 1}{day}",
            "last": f";BYDAY=-1{day}",
            "last_workday": ";BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        }.get(typed["monthly_by"], "")
    return ""


def replacements_of(told: Iterable[str]) -> tuple[Replacement, ...]:
    """Return the suggestions that were ticked: number, start and end of each."""
    taken = []
    for one in told:
        try:
            number, start, end = one.split(" ")
            taken.append(
                Replacement(
                    number=int(number),
                    starts_at=datetime.fromisoformat(start).astimezone(UTC),
                    ends_at=datetime.fromisoformat(end).astimezone(UTC),
                )
            )
        except (ValueError, OverflowError):
            continue  # no page has offered it
    return tuple(taken)


def on_form(violations: Iterable[Violation]) -> list[Violation]:
    """Return what is wrong with the form's fields for what the rules name."""
    fields = {"rrule": "times"}
    return [
        replace(
            one, where=fields.get(one.where, one.where.replace("capability", "resource_id"))
        )
        for one in violations
    ]


def move_as_typed(booking: Booking, *, zone: ZoneInfo) -> Typed:
    """Return what the form of a change shows at first: all as it stands."""
    return {
        "starts_at": local_text(booking.starts_at, zone),
        "ends_at": local_text(booking.ends_at, zone),
        "quantity": str(booking.quantity),
        "note": "",
        "override_reason": "",
    }


def read_move(
    form: Mapping[str, str], *, booking: Booking, zone: ZoneInfo, timed: bool
) -> tuple[Typed, AskedMove, list[Violation]]:
    """Read the form of a change. Where it is not `timed`, a dated run has its own times.

    What was left as it stood stays that very instant: where the clocks go back, one text
    names two.
    """
    reading = Reading(typed=typed_in(form), flags=())
    times: dict[str, datetime] = {}
    if timed:
        for name, stood in (("starts_at", booking.starts_at), ("ends_at", booking.ends_at)):
            if reading.typed[name] == local_text(stood, zone):
                times[name] = stood
            else:
                times[name] = _moment(reading, name, zone)
    asked = AskedMove(
        **times,
        quantity=_whole(reading, "quantity", otherwise=None),
        note=reading.typed["note"],
        override_reason=reading.typed["override_reason"],
    )
    return reading.typed, asked, reading.violations


def moment_of(text: str, zone: ZoneInfo) -> datetime | None:
    """Return the instant that a text names, in the park's zone unless it says another.

    None for nonsense, for what the zone's clocks skip, and where the calendar ends: no zone
    can be reckoned with there. Of two instants of one name it is the first.
    """
    read = _on_a_clock(text)
    if read is None:
        return None
    found = read.replace(tzinfo=read.tzinfo or zone).astimezone(UTC)
    if read.tzinfo is None and found.astimezone(zone).replace(tzinfo=None) != read:
        return None
    return found


def unreadable(text: str) -> str:
    """Return why a text names no instant."""
    if _on_a_clock(text) is None:
        return str(_("not a date and time; write it as 2027-03-08T09:00"))
    return str(_("the clocks skip this time on that day; choose a later one"))


def _on_a_clock(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if MINYEAR < read.year < MAXYEAR else None


def _moment(reading: Reading, name: str, zone: ZoneInfo) -> datetime:
    text = reading.typed[name]
    if not text:
        _wrong(reading, name, _("choose a date and a time"))
        return _NOWHERE
    found = moment_of(text, zone)
    if found is None:
        _wrong(reading, name, unreadable(text))
        return _NOWHERE
    return found


def _whole(reading: Reading, name: str, *, otherwise: int | None) -> int | None:
    text = reading.typed[name]
    if not text:
        return otherwise
    if not re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII):
        _wrong(reading, name, _("not a whole number"))
        return otherwise
    return int(text)


def _called(reading: Reading, name: str) -> UUID | None:
    text = reading.typed[name]
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        _wrong(reading, name, _("choose one from the list"))
        return None


def _wrong(reading: Reading, name: str, message: str) -> None:
    reading.violations.append(Violation("unreadable", message, name))
