"""Dated runs taken in from a file: all of its rows, or none.

Each row is read as the page's form is, and dated by `services.date_run`: the rules and what
they say are the same.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from platform_booking.catalog.phases import MILESTONES
from platform_booking.db import enclosing
from platform_booking.errors import RulesBroken
from platform_booking.events import forms, queries, services
from platform_booking.exchange import reading
from platform_booking.exchange.reading import Fault
from platform_booking.exchange.tables import Cell, Formula, Row
from platform_booking.web.actor import Actor

COLUMNS = ("code", "starts_at", "ends_at", "closes_at", "capacity", "min_fill")
REQUIRED = ("code", "starts_at", "ends_at", "capacity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a file. `runs` is empty after a dry run, and where faults are."""

    rows: int
    faults: tuple[Fault, ...] = ()
    runs: tuple[UUID, ...] = ()


class _Undone(Exception):
    """Takes back what a dry run, or a file with faults, has dated."""


def take_in(
    resource_id: UUID,
    data: bytes,
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
    dry_run: bool,
) -> Outcome:
    """Date a run for every row of a file, or none: with faults, they are all returned.

    Raises
    ------
    NotFound, Forbidden
        As `services.date_run` does.
    RulesBroken
        If the file cannot be read as a table, or has too many rows.
    """
    heading, *rows = reading.table(data)
    made: list[UUID] = []
    faults: list[Fault] = []
    try:
        with enclosing() as session:
            services.operated(session, resource_id, actor)
            classes = queries.classes(session)
            columns = _columns(heading, classes, faults)
            for row in () if faults else rows:
                typed = _typed(row, columns, faults)
                read = forms.read(typed, classes=classes, zone=zone)
                broken = list(read.violations)
                if read.run is not None:
                    try:
                        line = services.date_run(
                            resource_id, read.run, actor=actor, now=now, zone=zone
                        )
                        made.append(line.run.public_id)
                    except RulesBroken as fault:
                        broken += fault.violations
                faults += [Fault(row.number, v.where, v.rule, v.message) for v in broken]
            if faults or dry_run:
                raise _Undone
    except _Undone:
        made = []
    return Outcome(rows=len(rows), faults=tuple(faults), runs=tuple(made))


def explained(classes: dict[str, str]) -> list[tuple[str, str]]:
    """Return each column with what goes into it."""
    when = _("as 2027-03-08 09:00, in the park’s time unless it says another; required")
    return [
        ("code", _("code of the run, new; required")),
        ("starts_at", when),
        ("ends_at", _("likewise; required")),
        ("closes_at", _("when registration closes; with the start if empty")),
        ("capacity", _("whole number in the resource’s unit; required")),
        ("min_fill", _("with less when registration closes, the run is called off")),
        *(
            (f"quotas.{code}", _("the most that firms of the class may hold"))
            for code in classes
        ),
        *((f"phases.{name}", _("a date, as 2027-03-08")) for name in MILESTONES),
    ]


def _columns(
    heading: Row, classes: dict[str, str], faults: list[Fault]
) -> list[str | None]:
    known = {
        *COLUMNS,
        *(f"phases.{name}" for name in MILESTONES),
        *(f"quotas.{code}" for code in classes),
    }
    named: list[str | None] = []
    for cell in heading.cells:
        text = cell.text if isinstance(cell, Formula) else str(cell).strip()
        if text and text not in known:
            told = _("nothing is known of a column %(name)s", name=repr(text[:40]))
            faults.append(Fault(heading.number, text[:40], "unknown_column", told))
        elif text in named:
            told = _("the column %(name)s is there twice", name=text)
            faults.append(Fault(heading.number, text, "column_twice", told))
        named.append(text or None)
    for column in REQUIRED:
        if column not in named:
            told = _("the column %(name)s is missing", name=column)
            faults.append(Fault(heading.number, column, "column_missing", told))
    return named


def _typed(row: Row, columns: list[str | None], faults: list[Fault]) -> dict[str, str]:
    """Return a row as it would be typed into the form."""
    typed: dict[str, str] = {}
    for column, cell in zip(columns, row.cells, strict=False):
        if isinstance(cell, Formula):
            told = _("a formula stands here; put its value")
            faults.append(Fault(row.number, column or "", "formula", told))
        elif column is not None:
            typed[column] = _text(cell, day=column.startswith("phases."))
    return typed


def _text(cell: Cell, *, day: bool) -> str:
    if isinstance(cell, datetime):
        return cell.date().isoformat() if day else cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip().replace("/", "-")
