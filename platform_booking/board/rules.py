"""What may be asked of the board. Pure: texts of an address in, a question out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from platform_booking.errors import RulesBroken, Violation

ZOOMS: Mapping[str, timedelta] = {
    "hour": timedelta(hours=1),
    "shift": timedelta(hours=8),
    "day": timedelta(days=1),
    "days": timedelta(days=3),
    "week": timedelta(days=7),
    "fortnight": timedelta(days=14),
    "month": timedelta(days=31),
    "quarter": timedelta(days=92),
}
"""How much time is on screen at once; the finest grid line of "hour" is five minutes."""

LONGEST = timedelta(days=200)
"""The longest window that one answer covers."""

REACH = timedelta(days=3660)
"""How far from now a window may lie: beyond, no calendar knows its holidays."""

_SINCE_MONDAY = ("fortnight",)
_SINCE_FIRST = ("month", "quarter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A window `[from_at, to_at)` and the platforms shown in it."""

    from_at: datetime
    to_at: datetime
    platforms: tuple[str, ...] = ()  # codes; () for all
    draft: bool = False  # with the newest draft plan beside


def window(
    from_text: str | None,
    to_text: str | None,
    *,
    platforms: Sequence[str],
    known: Sequence[str],
    draft: bool,
    now: datetime,
) -> Asked:
    """Read what the feed was asked.

    Raises
    ------
    RulesBroken
        With every fault, each with its parameter.
    """
    from_at, from_faults = _instant(from_text, "from", now=now)
    to_at, to_faults = _instant(to_text, "to", now=now)
    faults = [*from_faults, *to_faults, *_unknown(platforms, known)]
    if from_at and to_at:
        faults += _extent(from_at, to_at)
    if faults or not from_at or not to_at:
        raise RulesBroken(faults)
    return Asked(from_at=from_at, to_at=to_at, platforms=tuple(platforms), draft=draft)


def view(
    from_text: str | None,
    zoom: str | None,
    *,
    platforms: Sequence[str],
    known: Sequence[str],
    draft: bool,
    now: datetime,
    zone: ZoneInfo,
) -> tuple[Asked, str]:
    """Read what the page was asked: where it starts and how much it shows.

    Raises
    ------
    RulesBroken
        With every fault, each with its parameter.
    """
    faults: list[Violation] = list(_unknown(platforms, known))
    chosen = zoom or "week"
    if chosen not in ZOOMS:
        sentence = _(
            "there is no such zoom; use one of %(zooms)s", zooms=", ".join(sorted(ZOOMS))
        )
        faults.append(Violation("unknown_zoom", sentence, "zoom"))
        chosen = "week"
    from_at: datetime | None = home(chosen, now=now, zone=zone)
    if from_text:
        from_at, more = _instant(from_text, "from", now=now)
        faults += more
    if faults or from_at is None:
        raise RulesBroken(faults)
    asked = Asked(
        from_at=from_at,
        to_at=from_at + ZOOMS[chosen],
        platforms=tuple(platforms),
        draft=draft,
    )
    return asked, chosen


def home(zoom: str, *, now: datetime, zone: ZoneInfo) -> datetime:
    """Return where a view of that zoom starts when it is to show the present.

    `static/board/time.js` follows the same rule.
    """
    local = now.astimezone(zone)
    if ZOOMS[zoom] < timedelta(days=1):
        begun = local.replace(minute=0, second=0, microsecond=0)
        return (begun - ZOOMS[zoom] // 8 if zoom == "shift" else begun).astimezone(UTC)
    day = local.date()
    if zoom in _SINCE_MONDAY:
        day -= timedelta(days=day.weekday())
    if zoom in _SINCE_FIRST:
        day = date(day.year, day.month, 1)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _instant(
    text: str | None, where: str, *, now: datetime
) -> tuple[datetime | None, list[Violation]]:
    example = "2027-03-08T00:00Z"
    if not text:
        sentence = _("say from when and until when, as from=%(example)s", example=example)
        return None, [Violation("missing", sentence, where)]
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo is None:
            sentence = _(
                "the time lacks its zone; write it as %(example)s", example=example
            )
            return None, [Violation("naive", sentence, where)]
        moment = read.astimezone(UTC)
    except (ValueError, OverflowError):
        sentence = _("not a time; write it as %(example)s", example=example)
        return None, [Violation("not_a_time", sentence, where)]
    if abs(moment - now) > REACH:
        sentence = _("the board reaches ten years back and ten years ahead; go nearer")
        return None, [Violation("out_of_reach", sentence, where)]
    return moment, []


def _extent(from_at: datetime, to_at: datetime) -> Iterator[Violation]:
    if to_at <= from_at:
        yield Violation("empty", _("the window ends before it begins"), "to")
    if to_at - from_at > LONGEST:
        sentence = _(
            "at most %(days)s days are shown at once; ask for less", days=LONGEST.days
        )
        yield Violation("too_long", sentence, "to")


def _unknown(platforms: Sequence[str], known: Sequence[str]) -> Iterator[Violation]:
    strange = sorted(set(platforms) - set(known))
    if strange:
        sentence = _(
            "there is no platform %(codes)s; use one of %(known)s",
            codes=", ".join(code[:20] for code in strange[:5]),
            known=", ".join(known),
        )
        yield Violation("unknown_platform", sentence, "platform")
