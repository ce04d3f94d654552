"""Limits as a page shows them: numbers by theme, and lines of text for what is a list.

Hours of the week are written `mon-fri 09:00-12:00, 13:00-17:00; sat 00:00-24:00`, a cap on
any span of days `600/7` (minutes/days), and hours of wafers `CU: mon-fri 09:00-12:00`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l

from platform_booking.catalog.filefields import DAYS
from platform_booking.catalog.models import ResourceKind
from platform_booking.limits.rules import OF_RUNS, Codes, Policy


@dataclass(frozen=True, slots=True)
class Number:
    """One whole number."""

    name: str
    label: Any
    unit: Any
    help: Any = ""


_MIN, _H, _DAYS, _AREA = _l("min"), _l("h"), _l("days"), _l("0.01 mm²")
THEMES: tuple[tuple[Any, tuple[Number, ...]], ...] = (
    (
        _l("How far ahead"),
        (
            Number("horizon_days", _l("At most"), _DAYS),
            Number("notice_days", _l("At least"), _DAYS),
            Number("notice_hours", _l("At least"), _H, _l("The longer of the two counts.")),
            Number(
                "cutoff_hours",
                _l("Loads of a shared run until"),
                _H,
                _l("Before its start."),
            ),
        ),
    ),
    (
        _l("How long"),
        (
            Number("min_minutes", _l("Shortest booking"), _MIN),
            Number("max_minutes", _l("Longest booking"), _MIN),
            Number(
                "grid_minutes",
                _l("Times go in steps of"),
                _MIN,
                _l("5, 10, 15, 20, 30 or 60, counted from the hour."),
            ),
        ),
    ),
    (
        _l("How much for one person"),
        (
            Number("per_day", _l("Bookings a day"), ""),
            Number("future_bookings", _l("Bookings ahead"), ""),
            Number("future_minutes", _l("Minutes ahead"), _MIN),
            Number("gap_minutes", _l("Between two bookings"), _MIN),
        ),
    ),
    (
        _l("Approval and confirmation"),
        (
            Number(
                "approval_hours",
                _l("A request lapses unanswered after"),
                _H,
                _l("Empty: bookings need no approval."),
            ),
            Number(
                "confirm_hours",
                _l("To be confirmed once more"),
                _H,
                _l("Before the start; empty: not asked."),
            ),
            Number(
                "confirm_until_hours",
                _l("Lapses unconfirmed"),
                _H,
                _l("Before the start; 2 where nothing is said."),
            ),
            Number(
                "offer_minutes",
                _l("An offer of the waiting list stands"),
                _MIN,
                _l("60 where nothing is said."),
            ),
        ),
    ),
    (
        _l("Attendance"),
        (
            Number(
                "checkin_early_minutes",
                _l("Check-in from"),
                _MIN,
                _l("Before the start; 15 where nothing is said."),
            ),
            Number(
                "no_show_minutes",
                _l("Given away unattended after"),
                _MIN,
                _l("After the start; empty: nobody need check in."),
            ),
            Number("late_cancel_hours", _l("A cancellation is late within"), _H),
            Number("no_show_limit", _l("Unused bookings that bar a person"), ""),
            Number("no_show_days", _l("… within"), _DAYS, _l("90 where nothing is said.")),
            Number("ban_days", _l("… for"), _DAYS, _l("30 where nothing is said.")),
        ),
    ),
    (
        _l("Owner's capacity"),
        (
            Number(
                "take_back_hours",
                _l("The owner takes time back with notice of"),
                _H,
                _l("72 where nothing is said."),
            ),
        ),
    ),
    (
        _l("Dated runs"),
        (
            Number("grants_months", _l("What attendance grants holds for"), _l("months")),
            Number("min_area_001mm2", _l("Least area"), _AREA),
            Number("area_step_001mm2", _l("Step of area"), _AREA),
        ),
    ),
)
TEXTS = ("preset", "grants", "requires", "rolling", "lifted", "class_windows")
CHECKS = ("second_person", "nda_needed", "walk_up")
USES = ("teaching", "academic", "commercial")
LONGEST = 4000  # characters of a text

_SPAN = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)(?:-(mon|tue|wed|thu|fri|sat|sun))?")
_HOURS = re.compile(r"(\d\d:\d\d)\s*[-–]\s*(\d\d:\d\d)", re.ASCII)

Typed = dict[str, str]


def themes(
    kind: ResourceKind, typed: Mapping[str, str]
) -> Iterator[tuple[Any, list[Number]]]:
    """Yield the themes of a kind of resource; what was typed is always shown."""
    for title, numbers in THEMES:
        shown = [
            one
            for one in numbers
            if one.name not in OF_RUNS or kind is ResourceKind.EVENT or typed.get(one.name)
        ]
        if shown:
            yield title, shown


def written(policy: Policy) -> Typed:
    """Return limits as they are typed."""
    typed = {
        number.name: str(policy.get(number.name, ""))
        for _title, numbers in THEMES
        for number in numbers
    }
    typed |= {name: str(policy.get(name, "")) for name in ("preset", "grants")}
    typed["requires"] = " ".join(policy.get("requires", ()))
    typed["rolling"] = ", ".join(
        f"{cap['minutes']}/{cap['days']}" for cap in policy.get("rolling", ())
    )
    typed["lifted"] = _week_text(policy.get("lifted", {}))
    typed["class_windows"] = "\n".join(
        f"{' '.join([*one.get('classes', ()), *one.get('flags', ())])}:"
        f" {_week_text(one['hours'])}"
        for one in policy.get("class_windows", ())
    )
    typed["second_person"] = "on" if policy.get("buddy", True) else ""
    typed |= {n: "on" if policy.get(n) else "" for n in ("nda_needed", "walk_up")}
    typed |= {
        f"use_{use}": "on" if use in policy.get("licence_use", ()) else "" for use in USES
    }
    return typed


def typed_in(form: Mapping[str, str]) -> Typed:
    """Return what was typed, as far as it makes sense to keep it."""
    names = [n.name for _title, numbers in THEMES for n in numbers]
    names += [*TEXTS, *CHECKS, *(f"use_{use}" for use in USES)]
    return {
        name: form.get(name, "").replace("\x00", "").strip()[:LONGEST] for name in names
    }


def meant(typed: Mapping[str, str], codes: Codes) -> dict[str, Any]:
    """Return limits in the shape of `PolicySchema`; what cannot be read stays text."""
    policy: dict[str, Any] = {}
    for _title, numbers in THEMES:
        for number in numbers:
            if text := typed[number.name]:
                policy[number.name] = int(text) if _is_whole(text) else text
    policy |= {name: typed[name] for name in ("preset", "grants") if typed[name]}
    if typed["requires"]:
        policy["requires"] = re.split(r"[\s,;，；]+", typed["requires"])
    if typed["rolling"]:
        policy["rolling"] = [
            _cap(t) for t in re.split(r"[\s,;，；]+", typed["rolling"]) if t
        ]
    if typed["lifted"]:
        policy["lifted"] = _week(typed["lifted"])
    lines = [line for line in typed["class_windows"].splitlines() if line.strip()]
    if lines:
        policy["class_windows"] = [_window(line, codes) for line in lines]
    if not typed["second_person"]:
        policy["buddy"] = False
    policy |= {name: True for name in ("nda_needed", "walk_up") if typed[name]}
    uses = [use for use in USES if typed[f"use_{use}"]]
    return policy | ({"licence_use": uses} if uses else {})


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


def _cap(text: str) -> Any:
    minutes, slash, days = text.partition("/")
    if slash and _is_whole(minutes) and _is_whole(days):
        return {"minutes": int(minutes), "days": int(days)}
    return text


def _window(line: str, codes: Codes) -> Any:
    named, colon, hours = line.replace("：", ":").partition(": ")
    week = _week(hours)
    if not colon or not isinstance(week, dict):
        return line
    flags = [code for code in named.split() if code in codes.flags]
    classes = [code for code in named.split() if code not in codes.flags]
    found: dict[str, Any] = {"hours": week}
    return (
        found
        | ({"classes": classes} if classes else {})
        | ({"flags": flags} if flags else {})
    )


def _week(text: str) -> Any:
    """Return the hours of a week; the text itself where it cannot be read."""
    week: dict[str, list[list[str]]] = {}
    for part in filter(None, (p.strip() for p in re.split(r"[;；\n]", text))):
        days, _space, hours = part.partition(" ")
        span = _SPAN.fullmatch(days.lower())
        pairs = [_HOURS.fullmatch(h.strip()) for h in re.split(r"[,，]", hours)]
        if span is None or None in pairs:
            return text
        first = DAYS.index(span[1])
        last = DAYS.index(span[2] or span[1])
        for day in DAYS[first : last + 1]:
            week.setdefault(day, []).extend([m[1], m[2]] for m in pairs if m)
    return week or text


def _week_text(week: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """Return the hours of a week in few words: days alike that follow go together."""
    runs: list[tuple[str, str, str]] = []
    for day in DAYS:
        if not week.get(day):
            continue
        hours = ", ".join(f"{a}-{b}" for a, b in week[day])
        if runs and runs[-1][2] == hours and DAYS.index(runs[-1][1]) + 1 == DAYS.index(day):
            runs[-1] = (runs[-1][0], day, hours)
        else:
            runs.append((day, day, hours))
    return "; ".join(
        f"{first if first == last else f'{first}-{last}'} {hours}"
        for first, last, hours in runs
    )
