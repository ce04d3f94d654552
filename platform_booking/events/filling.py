"""When registration for a run closes, it is settled whether the run takes place.

The scheduler calls `settle`. A run is settled once: what staff take out of it afterwards
changes nothing any more.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.audit import AuditEntry
from platform_booking.bookings.contention import retrying
from platform_booking.bookings.models import Booking
from platform_booking.catalog.models import Occurrence
from platform_booking.clock import utcnow
from platform_booking.db import transaction
from platform_booking.errors import BookingError
from platform_booking.events.queries import RunLine
from platform_booking.events.services import hold, take_off
from platform_booking.notices.outbox import Line, tell_all

GOES = "run.go"
_MOST = 100  # in one go; the next minute goes on

_log = structlog.get_logger()


def settle(now: datetime | None = None) -> int:
    """Call off what has too little in it, tell the others that they go; return how many."""
    now = now or utcnow()
    with transaction() as session:
        due = session.scalars(_due(now).limit(_MOST)).all()
    done = 0
    for run_id in due:
        try:
            done += retrying(partial(_settle, run_id, now))
        except BookingError as fault:  # the next minute tries again; the others go on
            _log.error("run_not_settled", run=str(run_id), fault=fault.code)
    return done


def _due(now: datetime) -> sa.Select[UUID]:
    settled = sa.exists().where(
        AuditEntry.subject
        == sa.literal("occurrence ") + sa.cast(Occurrence.public_id, sa.Text),
        AuditEntry.act == GOES,
    )
    return (
        sa.select(Occurrence.public_id)
        .where(
            Occurrence.min_fill > 0,
            Occurrence.called_off_at.is_(None),
            Occurrence.closes_at <= now,
            Occurrence.starts_at > now,
            ~settled,
        )
        .order_by(Occurrence.closes_at, Occurrence.id)
    )


def _settle(run_id: UUID, now: datetime) -> int:
    with transaction() as session:
        line = hold(session, run_id)
        still = session.scalar(_due(now).where(Occurrence.public_id == run_id))
        if still is None:
            return 0
        if line.sold < line.run.min_fill:
            reason = f"{line.sold} / {line.run.min_fill}"
            take_off(session, line, why="too_little", reason=reason, now=now)
        else:
            _go(session, line, now=now)
        return 1


def _go(session: Session, line: RunLine, *, now: datetime) -> None:
    run, resource = line.run, line.resource
    told = {
        "resource": resource.code,
        "run": run.code,
        "starts_at": run.starts_at.isoformat(),
    }
    audit.record(
        session,
        act=GOES,
        subject=f"occurrence {run.public_id}",
        platform_id=resource.platform_id,
        detail=told | {"taken": line.sold, "min_fill": run.min_fill},
    )
    firms = session.scalars(
        sa.select(Booking.organisation_id)
        .where(Booking.occurrence_id == run.id, Booking.active)
        .distinct()
        .order_by(Booking.organisation_id)
    )
    lines = [Line(kind="run.goes", payload=told, organisation_id=firm) for firm in firms]
    tell_all(session, lines, now=now)
