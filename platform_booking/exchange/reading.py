"""From a table's rows to slots: codes looked up, what cannot be read named by its cell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member, Organisation, Project
from platform_booking.bookings.asking import AskedSlot
from platform_booking.bookings.forms import moment_of
from platform_booking.bookings.models import Source
from platform_booking.catalog.models import Occurrence, Recipe, Resource
from platform_booking.errors import RulesBroken, Violation
from platform_booking.exchange import columns, tables
from platform_booking.exchange.tables import Cell, Formula, Row
from platform_booking.web.actor import Actor

_FORMS = ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S")
_INT4 = 2**31 - 1
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row: its number as a spreadsheet shows it; 0 for the file."""

    row: int
    column: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Line:
    """One slot of a file, and where it goes in the order in which locks are taken."""

    row: int
    order: tuple[int, datetime]
    slot: AskedSlot


@dataclass(slots=True)
class Reading:
    """What was read of a file."""

    rows: int = 0
    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def table(data: bytes) -> list[Row]:
    """Return the rows of a file, the heading first.

    Raises
    ------
    RulesBroken
        If the file cannot be read as a table, or has too many rows.
    """
    try:
        return tables.read(data)
    except tables.TooManyRows as fault:
        most = tables.MOST_ROWS
        raise RulesBroken([Violation("too_many", str(fault), "file", limit=most)]) from None
    except tables.Unreadable as fault:
        raise RulesBroken([Violation("unreadable", str(fault), "file")]) from None


def as_violations(faults: Iterable[Fault]) -> list[Violation]:
    """Return the faults of a file as an answer of the API lists them."""
    return [
        Violation(f.rule, f.message, f"rows[{f.row}].{f.column}".rstrip("."))
        for f in faults
    ]


def read(session: Session, rows: Sequence[Row], *, actor: Actor, zone: ZoneInfo) -> Reading:
    """Read every row; what is wrong in one keeps no other from being read."""
    reading = Reading(rows=len(rows) - 1)
    heading = _heading(rows[0], reading)
    if reading.faults:
        return reading
    typed = [(row.number, _by_column(row, heading, reading)) for row in rows[1:]]
    found = _Codes.of(session, [cells for _n, cells in typed], actor=actor)
    faulty = {fault.row for fault in reading.faults}
    for number, cells in typed:
        line = _line(number, cells, found, zone, reading)
        if line is not None and number not in faulty:
            reading.lines.append(line)
    return reading


def _heading(row: Row, reading: Reading) -> list[str | None]:
    named: list[str | None] = []
    for cell in row.cells:
        text = cell.text if isinstance(cell, Formula) else str(cell)
        column = columns.known(text) if text else ""
        if column is None:
            told = _("nothing is known of a column %(name)s", name=repr(text[:40]))
            reading.faults.append(Fault(row.number, text[:40], "unknown_column", told))
        elif column and column in named:
            told = _("the column %(name)s is there twice", name=column)
            reading.faults.append(Fault(row.number, column, "column_twice", told))
        named.append(column or None)
    for column in columns.REQUIRED:
        if column not in named:
            told = _("the column %(name)s is missing", name=column)
            reading.faults.append(Fault(row.number, column, "column_missing", told))
    return named


def _by_column(
    row: Row, heading: Sequence[str | None], reading: Reading
) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for column, cell in zip(heading, row.cells, strict=False):
        if column is None or cell == "":
            continue
        if isinstance(cell, Formula):
            told = _("a formula stands here; put its value")
            reading.faults.append(Fault(row.number, column, "formula", told))
        elif isinstance(cell, str) and len(cell) > _LONGEST:
            told = _("at most %(n)s characters are allowed", n=_LONGEST)
            reading.faults.append(Fault(row.number, column, "too_long", told))
        else:
            cells[column] = cell
    return cells


@dataclass(frozen=True, slots=True)
class _Codes:
    """What the codes of a file stand for, looked up at once.

    A code that is none gets an id that is none: the rules then say what they say to
    everybody who names something that is not there.
    """

    resources: dict[str, tuple[int, UUID]]
    recipes: dict[tuple[int, str], UUID]
    runs: dict[tuple[int, str], tuple[UUID, datetime, datetime]]
    projects: dict[str, UUID]
    organisations: dict[str, UUID]
    members: dict[str, UUID]

    @classmethod
    def of(
        cls, session: Session, rows: Iterable[dict[str, Cell]], *, actor: Actor
    ) -> "_Codes":
        rows = list(rows)

        def asked(column: str) -> set[str]:
            return {_text(cells[column]) for cells in rows if column in cells}

        resources = {
            r.code: (r.id, r.public_id)
            for r in session.execute(
                sa.select(Resource.code, Resource.id, Resource.public_id).where(
                    Resource.code.in_(asked("resource"))
                )
            )
        }
        there = [row_id for row_id, _public in resources.values()]
        firm = asked("organisation")
        return cls(
            resources=resources,
            recipes={
                (r.resource_id, r.code): r.public_id
                for r in session.scalars(
                    sa.select(Recipe).where(
                        Recipe.resource_id.in_(there), Recipe.code.in_(asked("recipe"))
                    )
                )
            },
            runs={
                (o.resource_id, o.code): (o.public_id, o.starts_at, o.ends_at)
                for o in session.scalars(
                    sa.select(Occurrence).where(
                        Occurrence.resource_id.in_(there), Occurrence.code.in_(asked("run"))
                    )
                )
            },
            projects={
                p.code: p.public_id
                for p in session.scalars(
                    sa.select(Project).where(
                        Project.organisation_id == actor.organisation_id,
                        Project.code.in_(asked("project")),
                    )
                )
            },
            organisations={
                name: o.public_id
                for o in session.scalars(
                    sa.select(Organisation).where(
                        sa.or_(
                            Organisation.name_zh.in_(firm),
                            Organisation.name_en.in_(firm),
                            Organisation.registration_no.in_(firm),
                        )
                    )
                )
                for name in (o.name_en, o.registration_no, o.name_zh)
            }
            if firm
            else {},
            members={
                m.email: m.public_id
                for m in session.scalars(
                    sa.select(Member).where(
                        Member.email.in_({e.lower() for e in asked("buddy")})
                    )
                )
            },
        )


def _line(
    number: int,
    cells: dict[str, Cell],
    found: _Codes,
    zone: ZoneInfo,
    reading: Reading,
) -> Line | None:
    faults: list[Fault] = []

    def wrong(column: str, rule: str, message: str) -> None:
        faults.append(Fault(number, column, rule, message))

    def moment(column: str) -> datetime | None:
        if column not in cells and run is not None:  # a dated run has its own times
            return run[1] if column == "starts_at" else run[2]
        if column not in cells:
            wrong(column, "required", _("a date and a time are missing"))
            return None
        read = _moment(cells[column], zone)
        if read is None:
            message = _(
                "no date and time that the park's clocks show; write it as 2027-03-08 09:00"
            )
            wrong(column, "invalid", message)
        return read

    def whole(column: str) -> int | None:
        if column not in cells:
            return None
        number_ = _whole(cells[column])
        if number_ is None:
            wrong(column, "invalid", _("not a whole number"))
        return number_

    def called(column: str, known: dict[Any, UUID], key: Any) -> UUID | None:
        return known.get(key, uuid4()) if column in cells else None

    if "resource" not in cells:
        wrong("resource", "required", _("the code of a resource is missing"))
    row_id, resource = found.resources.get(_text(cells.get("resource", "")), (0, uuid4()))
    run = found.runs.get((row_id, _text(cells.get("run", ""))))
    starts_at, ends_at = moment("starts_at"), moment("ends_at")
    quantity, wafer_mm, rank = whole("quantity"), whole("wafer_mm"), whole("class_rank")
    if faults or starts_at is None or ends_at is None:
        reading.faults += faults
        return None
    slot = AskedSlot(
        resource_id=resource,
        starts_at=starts_at,
        ends_at=ends_at,
        quantity=1 if quantity is None else quantity,
        organisation_id=called(
            "organisation", found.organisations, _text(cells.get("organisation", ""))
        ),
        project_id=called("project", found.projects, _text(cells.get("project", ""))),
        recipe_id=called("recipe", found.recipes, (row_id, _text(cells.get("recipe", "")))),
        occurrence_id=(run[0] if run else uuid4()) if "run" in cells else None,
        wafer_mm=wafer_mm,
        class_rank=rank,
        flags=tuple(_text(cells.get("flags", "")).replace(",", " ").split()),
        buddy_id=called("buddy", found.members, _text(cells.get("buddy", "")).lower()),
        override_reason=_text(cells.get("reason", "")),
        source=Source.IMPORT,
    )
    return Line(number, (row_id, starts_at), slot)


def _text(cell: Cell) -> str:
    """Return a cell as a code: 8.0, which spreadsheets make of 8, is 8 again."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _whole(cell: Cell) -> int | None:
    if isinstance(cell, datetime):
        return None
    text = _text(cell)
    try:
        return max(-_INT4, min(int(text), _INT4)) if len(text) <= 20 else None
    except ValueError:
        return None


def _moment(cell: Cell, zone: ZoneInfo) -> datetime | None:
    if isinstance(cell, datetime):
        return moment_of(cell.isoformat(), zone)
    text = _text(cell)
    if ":" not in text:
        return None  # a day alone says nothing of the hour
    found = moment_of(text, zone)
    for form in _FORMS:
        if found is not None:
            break
        try:
            read = datetime.strptime(text, form).replace(tzinfo=zone)
        except ValueError:
            continue
        found = moment_of(read.replace(tzinfo=None).isoformat(), zone)
    return None if found is None else found.astimezone(UTC)
