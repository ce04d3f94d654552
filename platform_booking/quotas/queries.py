"""Quotas, and how much of each is used. Row-level security decides which rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Organisation, Project
from platform_booking.bookings.models import Quota
from platform_booking.catalog.models import Platform, Resource
from platform_booking.web.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLine:
    """A quota, whom and what it binds, and what is held of it in the present period.

    `held_min` is None for one that binds each organisation, asked by somebody of none.
    """

    quota: Quota
    organisation: Organisation | None
    project: Project | None
    platform: Platform | None
    resource: Resource | None
    held_min: int | None
    since: datetime

    @property
    def left_min(self) -> int | None:
        """How much is left of it; None where that is unknown."""
        return None if self.held_min is None else max(0, self.quota.minutes - self.held_min)


def quota_lines(
    session: Session,
    actor: Actor,
    *,
    limit: int,
    offset: int,
    now: datetime,
    zone: ZoneInfo,
) -> tuple[list[QuotaLine], int]:
    """Return a page of the quotas in force that concern somebody, and how many there are.

    A firm's are its own and those of each; an operator's those of his platforms, too.
    """
    local = sa.func.timezone(zone.key, sa.literal(now, sa.DateTime(timezone=True)))
    period = sa.cast(Quota.period, sa.Text)
    first = sa.func.date_trunc(period, local)
    begins = sa.func.timezone(zone.key, first, type_=sa.DateTime(timezone=True))
    after = first + sa.cast(sa.literal("1 ").concat(period), sa.Interval)
    whose = sa.func.coalesce(Quota.organisation_id, actor.organisation_id)
    held = sa.case(
        (
            whose.is_not(None),
            sa.func.held_minutes(
                whose,
                Quota.project_id,
                Quota.platform_id,
                Quota.resource_id,
                begins,
                sa.func.timezone(zone.key, after),
                sa.null(),
                type_=sa.BigInteger,
            ),
        )
    )
    concerns: list[sa.ColumnElement[bool]] = [Quota.active.is_(True)]
    if not actor.is_park:
        concerns.append(
            sa.or_(
                Quota.organisation_id == actor.organisation_id,
                Quota.organisation_id.is_(None),
                Quota.platform_id.in_(actor.platform_ids),
            )
        )
    total = session.scalar(sa.select(sa.func.count(Quota.id)).where(*concerns)) or 0
    rows = session.execute(
        sa.select(Quota, Organisation, Project, Platform, Resource, held, begins)
        .outerjoin(Organisation, Organisation.id == Quota.organisation_id)
        .outerjoin(Project, Project.id == Quota.project_id)
        .outerjoin(Platform, Platform.id == Quota.platform_id)
        .outerjoin(Resource, Resource.id == Quota.resource_id)
        .where(*concerns)
        .order_by(Quota.id)
        .limit(limit)
        .offset(offset)
    )
    return [
        QuotaLine(
            quota=quota,
            organisation=organisation,
            project=project,
            platform=platform,
            resource=resource,
            held_min=None if minutes is None else int(minutes),
            since=since,
        )
        for quota, organisation, project, platform, resource, minutes, since in rows
    ], total


def resources_of(session: Session, actor: Actor) -> Sequence[tuple[UUID, str, str, str]]:
    """Return the resources that a quota of somebody's may name: id, code and names."""
    chosen = sa.select(
        Resource.public_id, Resource.code, Resource.name_zh, Resource.name_en
    ).where(Resource.active)
    if not actor.is_park:
        chosen = chosen.where(Resource.platform_id.in_(actor.platform_ids))
    rows = session.execute(chosen.order_by(Resource.code))
    return [(one, code, zh, en) for one, code, zh, en in rows]
