"""One load of a catalogue under way, and how its rows are written."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from platform_booking.catalog.reading import Content, violation
from platform_booking.errors import Violation

_IN_USE = {"resource_in_use", "recipe_in_use", "occurrence_in_use"}
"""What the guards say when bookings stand in the way of a change."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load under way."""

    session: Session
    content: Content
    now: datetime
    zone: ZoneInfo
    refused: list[Violation] = field(default_factory=list)

    def numbered(self, part: str) -> Iterator[tuple[str, Content]]:
        """Yield the entries of a part with their paths."""
        for number, entry in enumerate(self.content[part]):
            yield f"{part}[{number}]", entry

    def rows(self, model: type[Any]) -> dict[str, Any]:
        """Return the rows of a table by code."""
        return {row.code: row for row in self.session.scalars(sa.select(model))}

    def ids(self, model: type[Any]) -> dict[str, int]:
        """Return the ids of a table's rows by code."""
        found = self.session.execute(sa.select(model.code, model.id))
        return {code: row_id for code, row_id in found}  # noqa: C416 - Row is no pair

    @property
    def rank(self) -> dict[str, int]:
        """Return the ranks of the contamination classes by code."""
        return {c["code"]: c["rank"] for c in self.content["materials"]["classes"]}

    @contextmanager
    def guarded(self, line: str) -> Iterator[None]:
        """Keep `line` for the refusal if bookings stand in the way of the change inside."""
        try:
            with self.session.begin_nested():
                yield
        except DBAPIError as fault:
            diagnosis = getattr(fault.orig, "diag", None)
            if getattr(diagnosis, "constraint_name", None) not in _IN_USE:
                raise
            self.refused.append(violation(line))


def put(session: Session, known: dict[str, Any], model: type[Any], values: Content) -> Any:
    """Add a row, or change what differs in the one of that code; return it."""
    row = known.get(values["code"])
    if row is None:
        row = known[values["code"]] = model(**values)
        session.add(row)
    else:
        assign(row, values)
    return row


def assign(row: Any, values: Content) -> None:
    """Change what differs, and touch nothing else."""
    for key, value in values.items():
        if getattr(row, key) != value:
            setattr(row, key, value)


def differs(row: Any, values: Content) -> bool:
    """Tell whether a row holds anything else than these values."""
    return any(getattr(row, key) != value for key, value in values.items())


def named(entry: Content) -> Content:
    """Return code and names of an entry as columns."""
    return {
        "code": entry["code"],
        "name_zh": entry["name"]["zh"],
        "name_en": entry["name"]["en"],
    }
