"""What stands around a firm's booking: rows of every table beside it, with canaries."""

from datetime import timedelta
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member, Project
from platform_booking.bookings.models import (
    Booking,
    Feed,
    Kiosk,
    Period,
    Quota,
    Series,
    Usage,
    Waiting,
)
from platform_booking.catalog.models import Outage, OutageKind, Resource
from platform_booking.clock import utcnow
from platform_booking.web.actor import hashed
from tests.factories import make_resource


def surround(
    session: Session, booking: Booking, member: Member, project: Project, *, flag: str
) -> dict[str, Waiting | Quota | Feed | Series | Usage | Resource | Outage]:
    """Add one row of each kind for a firm; return them by name."""
    assert member.organisation_id is not None
    session.refresh(booking)  # the trigger has set its platform
    firm = {"organisation_id": member.organisation_id, "resource_id": booking.resource_id}
    opened = make_resource(
        session, platform_id=booking.platform_id, owner_id=member.organisation_id
    )
    found = {
        "opened": opened,
        "taken": Outage(  # it has begun: given back it ends, and stays
            resource_id=opened.id,
            starts_at=utcnow() - timedelta(hours=1),
            ends_at=utcnow() + timedelta(days=1),
            kind=OutageKind.SCHEDULED,
            taken_back_by=member.organisation_id,
        ),
        "series": Series(
            **firm,
            member_id=member.id,
            rule="FREQ=WEEKLY;COUNT=3",
            starts_at=booking.starts_at,
            ends_at=booking.ends_at,
            zone="Asia/Shanghai",
            created_at=utcnow(),
        ),
        "usage": Usage(
            **firm,
            booking_id=booking.id,
            platform_id=booking.platform_id,
            member_id=member.id,
            began_at=booking.starts_at,
        ),
        "waiting": Waiting(
            **firm,
            platform_id=booking.platform_id,
            member_id=member.id,
            from_at=booking.starts_at,
            to_at=booking.starts_at + timedelta(days=2),
            minutes=60,
            flags=[flag],
            created_at=utcnow(),
            updated_at=utcnow(),
        ),
        "quota": Quota(
            **firm,
            project_id=project.id,
            platform_id=booking.platform_id,
            period=Period.WEEK,
            minutes=10_000,
        ),
        "feed": Feed(
            member_id=member.id,
            prefix="pbcal_x",
            token_hash=hashed(uuid4().hex),
            created_at=utcnow(),
        ),
    }
    session.add_all(found.values())
    session.flush()  # their public ids
    session.execute(
        sa.update(Booking)
        .where(Booking.id == booking.id)
        .values(series_id=found["series"].id)
        .execution_options(synchronize_session=False)
    )
    return found


def add_kiosk(session: Session, resource: Resource, *, by: Member, secret: str) -> Kiosk:
    """Add a kiosk of a platform, with its device's secret."""
    kiosk = Kiosk(
        platform_id=resource.platform_id,
        name="Beside the tools",
        prefix="pbk_x",
        token_hash=hashed(secret),
        created_by=by.id,
        created_at=utcnow(),
    )
    session.add(kiosk)
    session.flush()  # kiosk.public_id
    return kiosk
