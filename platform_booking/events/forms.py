"""What staff fill in for a dated run: times of day are the park's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from platform_booking.bookings.forms import local_text, moment_of, unreadable
from platform_booking.catalog.phases import MILESTONES
from platform_booking.errors import Violation
from platform_booking.events.asking import AskedChange, AskedRun

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", re.ASCII)
_TIMES = ("starts_at", "ends_at", "closes_at")
_AMOUNTS = ("capacity", "min_fill")


@dataclass(slots=True)
class Reading:
    """What was typed, what was meant, and what could not be read."""

    typed: dict[str, str]
    run: AskedRun | None = None
    violations: list[Violation] = field(default_factory=list)

    def wrong(self, name: str, message: str) -> None:
        """Name a field that cannot be read."""
        self.violations.append(Violation("unreadable", message, name))


def typed_of(run: AskedRun, zone: ZoneInfo) -> dict[str, str]:
    """Return a run as it would be typed."""
    times = {n: getattr(run, n) for n in _TIMES}
    return (
        {"code": run.code}
        | {n: "" if at is None else local_text(at, zone) for n, at in times.items()}
        | {n: str(getattr(run, n)) for n in _AMOUNTS}
        | {f"phases.{n}": run.phases.get(n, "") for n in MILESTONES}
        | {f"quotas.{code}": str(most) for code, most in run.quotas.items()}
    )


def blank() -> dict[str, str]:
    """Return an empty form."""
    return {"code": "", **dict.fromkeys(_TIMES, ""), "capacity": "", "min_fill": "0"}


def read(
    form: Mapping[str, str], *, classes: Mapping[str, str], zone: ZoneInfo, code: str = ""
) -> Reading:
    """Read a form; what cannot be read is named with its field."""
    names = ["code", *_TIMES, *_AMOUNTS, *(f"phases.{n}" for n in MILESTONES)]
    names += [f"quotas.{one}" for one in classes]
    typed = {n: form.get(n, "").strip().replace("\x00", "")[:80] for n in names}
    reading = Reading(typed)
    code = code or typed["code"]
    if not _CODE.fullmatch(code):
        reading.wrong("code", _("write a code of letters, digits, dots and hyphens"))
    times = {n: _moment(reading, n, zone) for n in _TIMES}
    amounts = {n: _whole(reading, n) for n in _AMOUNTS}
    if not typed["capacity"]:
        reading.wrong("capacity", _("write how much the run holds"))
    quotas = {one: _whole(reading, f"quotas.{one}") for one in classes}
    phases = {n: _day(reading, f"phases.{n}") for n in MILESTONES}
    starts_at, ends_at = times["starts_at"], times["ends_at"]
    if reading.violations or starts_at is None or ends_at is None:
        return reading
    reading.run = AskedRun(
        code=code,
        starts_at=starts_at,
        ends_at=ends_at,
        closes_at=times["closes_at"],
        capacity=amounts["capacity"] or 0,
        min_fill=amounts["min_fill"] or 0,
        quotas={one: most for one, most in quotas.items() if most is not None},
        phases={n: day for n, day in phases.items() if day},
    )
    return reading


def change_of(run: AskedRun) -> AskedChange:
    """Return the change after which a run is as asked."""
    return AskedChange(
        starts_at=run.starts_at,
        ends_at=run.ends_at,
        capacity=run.capacity,
        closes_at=run.closes_at,
        never_closes=run.closes_at is None,
        min_fill=run.min_fill,
        quotas=run.quotas,
        phases=run.phases,
    )


def _moment(reading: Reading, name: str, zone: ZoneInfo) -> datetime | None:
    text = reading.typed[name]
    if not text and name == "closes_at":
        return None
    found = moment_of(text, zone)
    if found is None:
        reading.wrong(name, unreadable(text))
    return found


def _whole(reading: Reading, name: str) -> int | None:
    text = reading.typed[name]
    if not text:
        return None
    if not re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII):
        reading.wrong(name, _("not a whole number"))
        return None
    return int(text)


def _day(reading: Reading, name: str) -> str:
    text = reading.typed[name]
    if not text:
        return ""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        reading.wrong(name, _("not a date; write it as 2027-03-08"))
        return ""
