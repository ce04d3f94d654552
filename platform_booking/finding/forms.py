"""The form of a search: from what a person typed to a wish. Times are the park's."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from platform_booking.bookings.forms import local_text, moment_of, unreadable
from platform_booking.errors import Violation
from platform_booking.finding.asking import Beside, Wish

LOOK = timedelta(days=7)
_NAMES = (
    "capability", "resource", "minutes", "from", "to", "quantity", "wafer_mm", "class",
    "recipe",
)  # fmt: skip
_LONGEST = 80
_FEWEST_ROWS, _MOST_ROWS = 2, 8
_INT4 = 2**31 - 1


@dataclass(slots=True)
class Reading:
    """What was read of a form; `wish` is None where nothing is looked for yet."""

    typed: dict[str, str]
    flags: tuple[str, ...]
    beside: list[tuple[str, str]]  # name and quantity as typed, with empty rows to fill
    wish: Wish | None = None
    violations: list[Violation] = field(default_factory=list)


def read(
    args: "MultiDict[str, str]", *, now: datetime, zone: ZoneInfo, limit: int, a_day: int
) -> Reading:
    """Read a form; what cannot be read is named with its field."""
    typed = {name: _text(args.get(name, "")) for name in _NAMES}
    typed["from"] = typed["from"] or local_text(now, zone)
    typed["to"] = typed["to"] or local_text(now + LOOK, zone)
    reading = Reading(
        typed=typed,
        flags=tuple(_text(flag) for flag in args.getlist("flags")[:50]),
        beside=_rows(args),
    )
    if not typed["capability"] and not typed["resource"]:
        return reading
    from_at, to_at = (_moment(reading, name, zone) for name in ("from", "to"))
    beside = tuple(
        Beside(called=called, quantity=_whole(reading, much or "1", f"with[{n}]") or 0)
        for n, (called, much) in enumerate(reading.beside)
        if called
    )
    wish = Wish(
        capability=typed["capability"],
        resources=(typed["resource"],) if typed["resource"] else (),
        minutes=_whole(reading, typed["minutes"], "minutes"),
        from_at=from_at or now,
        to_at=to_at or now + LOOK,
        quantity=_whole(reading, typed["quantity"] or "1", "quantity") or 0,
        beside=beside,
        wafer_mm=_whole(reading, typed["wafer_mm"], "wafer_mm"),
        class_rank=_whole(reading, typed["class"], "class"),
        flags=reading.flags,
        recipe=typed["recipe"],
        limit=limit,
        a_day=a_day,
    )
    if not reading.violations:
        reading.wish = wish
    return reading


def _rows(args: "MultiDict[str, str]") -> list[tuple[str, str]]:
    names, amounts = args.getlist("with")[:_MOST_ROWS], args.getlist("with_quantity")
    rows = [
        (_text(name), _text(amounts[n]) if n < len(amounts) else "")
        for n, name in enumerate(names)
    ]
    filled = [row for row in rows if row[0]]
    more = 1 if "more" in args else 0
    wanted = max(_FEWEST_ROWS, len(rows) + 2 * more, len(filled))
    return filled + [("", "")] * (min(_MOST_ROWS, wanted) - len(filled))


def _moment(reading: Reading, name: str, zone: ZoneInfo) -> datetime | None:
    moment = moment_of(reading.typed[name], zone)
    if moment is None:
        reading.violations.append(
            Violation("unreadable", unreadable(reading.typed[name]), name)
        )
    return moment


def _whole(reading: Reading, text: str, where: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.lstrip("-").isdigit()):
        reading.violations.append(Violation("unreadable", _("not a whole number"), where))
        return None
    return max(-_INT4, min(int(text[:12]), _INT4))


def _text(text: str) -> str:
    return text.strip().replace("\x00", "")[:_LONGEST]
