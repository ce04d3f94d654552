"""The order form: from what a person typed to an order, and back.

Fields are named by the paths that the rules use (`steps[2].duration_min`), so that every
violation finds its field. Durations and waits are typed in hours, dates in the park's zone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from platform_booking.errors import Violation
from platform_booking.orders.asking import NewOrder, NewStep, Window
from platform_booking.orders.choices import Choices

MOST_ROWS = 200
_ROW = re.compile(r"^steps\[(\d{1,6})\]\.(.+)$")
_DATES = ("earliest_at", "due_at", "deadline_at")
_IN_HOURS = ("duration_min", "lag_min_min", "lag_max_min")
Typed = dict[str, str]


@dataclass(slots=True)
class Reading:
    """What was read of a form. `new` has stand-ins where something could not be read."""

    typed: Typed
    rows: int
    flags: tuple[str, ...]
    new: NewOrder
    violations: list[Violation] = field(default_factory=list)

    def all_violations(self, by_rules: Sequence[Violation]) -> list[Violation]:
        """Return what could not be read and what the rules say of the rest."""
        wrong = {v.where for v in self.violations}
        guessed = {*_DATES, *wrong} if wrong & {*_DATES} else wrong
        return self.violations + [v for v in by_rules if v.where not in guessed]


def blank(*, now: datetime, zone: ZoneInfo, token: str) -> Typed:
    """Return what a fresh form shows: from the next hour on, for a fortnight."""
    local = now.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    return {
        "token": token,
        "kind": "route",
        "earliest_at": _shown(local + timedelta(hours=1)),
        "deadline_at": _shown(local.replace(hour=18) + timedelta(days=14)),
    }


def of_order(asked: Mapping[str, Any], *, zone: ZoneInfo, token: str) -> tuple[Typed, int]:
    """Return an order as its form shows it, and how many rows of steps it has."""
    typed: Typed = {"token": token, "kind": "route" if asked["route"] else "steps"}
    for name in ("title", "note", "route", "project_id", "lot_size", "wafer_mm"):
        typed[name] = _text(asked[name])
    typed["materials_class"] = _text(asked["materials_class"])
    for name in _DATES:
        if asked[name]:
            typed[name] = _shown(datetime.fromisoformat(asked[name]).astimezone(zone))
    for n, step in enumerate(asked["steps"]):
        row = f"steps[{n}]."
        for name in ("capability", "name", "quantity", "wafer_mm", "materials_class"):
            typed[row + name] = _text(step[name])
        for name in _IN_HOURS:
            typed[row + name] = _hours(step[name])
        for m, code in enumerate(step["resources"]):
            typed[f"{row}resources[{m}]"] = code
        for m, window in enumerate(step["windows"]):
            for end in ("starts_at", "ends_at"):
                moment = datetime.fromisoformat(window[end]).astimezone(zone)
                typed[f"{row}windows[{m}].{end}"] = _shown(moment)
    return typed, len(asked["steps"])


def read(
    form: Mapping[str, str],
    flags: Sequence[str],
    *,
    choices: Choices,
    now: datetime,
    zone: ZoneInfo,
) -> Reading:
    """Read a form; what cannot be read is named with its field."""
    typed, rows = _numbered(_without_blank_rows(form))
    reader = _Reader(typed, zone=zone)
    by_route = typed.get("kind") != "steps"
    earliest = reader.moment("earliest_at", required=True) or now
    deadline = reader.moment("deadline_at", required=True) or now + timedelta(days=30)
    route = typed.get("route") or None
    steps = () if by_route else tuple(reader.steps(rows, choices))
    new = NewOrder(
        title=typed.get("title") or _named_after(typed, by_route=by_route, choices=choices),
        earliest_at=earliest,
        due_at=reader.moment("due_at"),
        deadline_at=deadline,
        project_id=reader.project(),
        route=route if by_route else None,
        steps=steps,
        lot_size=reader.whole("lot_size"),
        wafer_mm=reader.whole("wafer_mm"),
        materials_class=typed.get("materials_class") or None,
        flags=tuple(flags),
        note=typed.get("note", ""),
    )
    return Reading(typed, rows, tuple(flags), new, reader.violations)


def added(form: Mapping[str, str]) -> tuple[Typed, int]:
    """Return a form with one more row of a step."""
    typed, rows = _numbered(form)
    return typed, min(rows + 1, MOST_ROWS)


def removed(form: Mapping[str, str], number: int) -> tuple[Typed, int]:
    """Return a form without one row."""
    gone = f"steps[{number}]."
    return _numbered({k: v for k, v in form.items() if not k.startswith(gone)})


def _numbered(form: Mapping[str, str]) -> tuple[Typed, int]:
    """Return what was typed with its rows numbered from 0 without gaps."""
    found = {int(m[1]) for name in form if (m := _ROW.match(name))}
    new_number = {old: n for n, old in enumerate(sorted(found))}
    typed: Typed = {}
    for name, value in form.items():
        text = value.replace("\x00", "").strip()
        if row := _ROW.match(name):
            typed[f"steps[{new_number[int(row[1])]}].{row[2]}"] = text
        else:
            typed[name] = text
    return typed, len(new_number)


def _without_blank_rows(form: Mapping[str, str]) -> Mapping[str, str]:
    """Leave out rows in which nothing was typed; the first row stays."""
    rows: dict[str, bool] = {}
    for name, value in form.items():
        if row := _ROW.match(name):
            rows[row[1]] = rows.get(row[1], False) or bool(value.strip())
    blank_rows = {number for number, filled in rows.items() if not filled}
    if len(blank_rows) == len(rows):
        blank_rows -= {min(rows, key=int, default="")}
    return {
        name: value
        for name, value in form.items()
        if not ((row := _ROW.match(name)) and row[1] in blank_rows)
    }


class _Reader:
    """Reads fields and keeps what could not be read."""

    def __init__(self, typed: Typed, *, zone: ZoneInfo) -> None:
        self.typed = typed
        self.zone = zone
        self.violations: list[Violation] = []

    def moment(self, name: str, *, required: bool = False) -> datetime | None:
        text = self.typed.get(name, "")
        if not text:
            if required:
                self._wrong(name, _("choose a date and a time"))
            return None
        try:
            local = datetime.fromisoformat(text)
            return local.replace(tzinfo=local.tzinfo or self.zone).astimezone(self.zone)
        except (ValueError, OverflowError):
            self._wrong(name, _("not a date and time; write it as 2027-03-08T09:00"))
            return None

    def whole(self, name: str) -> int | None:
        text = self.typed.get(name, "")
        if not text:
            return None
        if not re.fullmatch(r"[+-]?\d{1,12}", text, re.ASCII):
            self._wrong(name, _("not a whole number"))
            return None
        return int(text)

    def minutes(self, name: str) -> int | None:
        """Read hours, with a fraction where there is one."""
        text = self.typed.get(name, "").replace(",", ".")
        if not text:
            return None
        if not re.fullmatch(r"[+-]?\d{1,9}(\.\d{0,9})?", text, re.ASCII):
            self._wrong(name, _("not a number of hours; write it as 1.5"))
            return None
        minutes = round(float(text) * 60)
        return 1 if minutes == 0 and float(text) > 0 else minutes

    def project(self) -> UUID | None:
        text = self.typed.get("project_id", "")
        if not text:
            return None
        try:
            return UUID(text)
        except ValueError:
            self._wrong("project_id", _("choose one from the list"))
            return None

    def steps(self, rows: int, choices: Choices) -> Iterator[NewStep]:
        for n in range(rows):
            yield self._step(f"steps[{n}].", choices)

    def _step(self, row: str, choices: Choices) -> NewStep:
        resources = tuple(self._listed(f"{row}resources"))
        return NewStep(
            capability=self._capability(row, resources, choices),
            name=self.typed.get(f"{row}name", ""),
            duration_min=self.minutes(f"{row}duration_min"),
            quantity=self.whole(f"{row}quantity"),
            wafer_mm=self.whole(f"{row}wafer_mm"),
            materials_class=self.typed.get(f"{row}materials_class") or None,
            resources=resources,
            windows=tuple(self._windows(row)),
            lag_min_min=self.minutes(f"{row}lag_min_min") or 0,
            lag_max_min=self.minutes(f"{row}lag_max_min"),
        )

    def _capability(self, row: str, resources: Sequence[str], choices: Choices) -> str:
        """Return the capability chosen; what the tool can do, where that is one thing."""
        name = f"{row}capability"
        chosen = self.typed.get(name, "")
        if chosen or not resources:
            if not chosen:
                self._wrong(name, _("choose what is to be done, or a tool"))
            return chosen
        tool = choices.by_tool.get(resources[0])
        if tool is not None and len(tool.capabilities) == 1:
            self.typed[name] = tool.capabilities[0]
            return tool.capabilities[0]
        self._wrong(
            name,
            _(
                "choose what %(tool)s is to do: %(able)s",
                tool=resources[0],
                able=", ".join(tool.capabilities) if tool else "–",
            ),
        )
        return ""

    def _listed(self, name: str) -> Iterator[str]:
        m = 0
        while f"{name}[{m}]" in self.typed:
            if self.typed[f"{name}[{m}]"]:
                yield self.typed[f"{name}[{m}]"]
            m += 1

    def _windows(self, row: str) -> Iterator[Window]:
        m = 0
        while f"{row}windows[{m}].starts_at" in self.typed:
            ends = [f"{row}windows[{m}].{end}" for end in ("starts_at", "ends_at")]
            if any(self.typed.get(name) for name in ends):
                start, end = (self.moment(name, required=True) for name in ends)
                if start is not None and end is not None:
                    yield start, end
            m += 1

    def _wrong(self, name: str, message: str) -> None:
        self.violations.append(Violation("unreadable", str(message), name))


def _named_after(typed: Typed, *, by_route: bool, choices: Choices) -> str:
    """Return a title for an order that was given none."""
    if by_route:
        names = {r.code: r.name_zh for _, routes in choices.routes for r in routes}
        return names.get(typed.get("route", ""), typed.get("route", ""))
    names = {c.code: c.name_zh for _, found in choices.capabilities for c in found}
    code = typed.get("steps[0].capability", "")
    return names.get(code, code) or typed.get("steps[0].resources[0]", "")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _hours(minutes: int | None) -> str:
    return "" if not minutes else f"{minutes / 60:.8g}"


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M")
