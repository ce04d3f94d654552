"""Quotas are set and ended by operators for their platforms, and by the park for all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts.models import Organisation, OrganisationState, Project
from platform_booking.bookings.models import Period, Quota
from platform_booking.catalog.models import Platform, Resource
from platform_booking.db import transaction
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import Actor

MOST_MIN = 10_000_000
"""No quota is larger: 19 years, a typing error rather than a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuota:
    """A quota to be set, by the ids known outside. What is not named widens it."""

    period: Period
    minutes: int
    organisation_id: UUID | None = None  # None: each of them
    project_id: UUID | None = None
    platform_id: UUID | None = None  # None: the whole park
    resource_id: UUID | None = None  # None: all of the platform


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    organisation: Organisation | None
    project: Project | None
    platform: Platform | None
    resource: Resource | None


def set_quota(new: NewQuota, *, actor: Actor) -> Quota:
    """Set a quota. It binds whatever is booked from now on; what is booked stays.

    Raises
    ------
    Forbidden
        If it reaches beyond the platforms that the actor operates.
    RulesBroken
        If it names what there is not, or more minutes than make sense.
    """
    with transaction() as session:
        rows = _rows(session, new)
        broken = list(_violations(new, rows))
        if broken:
            raise RulesBroken(broken)
        if not actor.is_park and (
            rows.platform is None or rows.platform.id not in actor.platform_ids
        ):
            raise Forbidden
        quota = Quota(
            organisation_id=rows.organisation.id if rows.organisation else None,
            project_id=rows.project.id if rows.project else None,
            platform_id=rows.platform.id if rows.platform else None,
            resource_id=rows.resource.id if rows.resource else None,
            period=new.period,
            minutes=new.minutes,
        )
        session.add(quota)
        session.flush()  # its id outside
        _note(session, "quota.set", quota)
    return quota


def end_quota(quota_id: UUID, *, actor: Actor) -> None:
    """End a quota: it binds nobody any more.

    Raises
    ------
    NotFound
        If there is no such quota that concerns the actor.
    Forbidden
        If it reaches beyond the platforms that the actor operates.
    IllegalMove
        If it has ended already.
    """
    with transaction() as session:
        quota = session.scalars(
            sa.select(Quota).where(Quota.public_id == quota_id)
        ).one_or_none()
        if quota is None:
            raise NotFound
        if not (actor.is_park or quota.platform_id in actor.platform_ids):
            raise Forbidden if quota.organisation_id is None else NotFound
        if not quota.active:
            raise IllegalMove(_("the quota has ended already; nothing is left to do"))
        quota.active = False
        session.flush()  # before the audit says so
        _note(session, "quota.end", quota)


def _rows(session: Session, new: NewQuota) -> _Rows:
    def called(table: Any, public_id: UUID | None) -> Any:
        if public_id is None:
            return None
        return session.scalars(
            sa.select(table).where(table.public_id == public_id)
        ).one_or_none()

    resource = called(Resource, new.resource_id)
    platform = called(Platform, new.platform_id)
    if platform is None and new.platform_id is None and resource is not None:
        platform = session.get(Platform, resource.platform_id)
    return _Rows(
        organisation=called(Organisation, new.organisation_id),
        project=called(Project, new.project_id),
        platform=platform,
        resource=resource,
    )


def _violations(new: NewQuota, rows: _Rows) -> Iterator[Violation]:
    if not 0 <= new.minutes <= MOST_MIN:
        yield Violation(
            "minutes",
            _("write minutes from 0 to %(most)s", most=MOST_MIN),
            "minutes",
            MOST_MIN,
            new.minutes,
        )
    firm, project = rows.organisation, rows.project
    if new.organisation_id is not None and (
        firm is None or firm.state is not OrganisationState.APPROVED
    ):
        yield Violation(
            "unknown_organisation",
            _("name an organisation that is registered here and approved"),
            "organisation_id",
        )
    if new.project_id is not None and (
        project is None or firm is None or project.organisation_id != firm.id
    ):
        yield Violation(
            "unknown_project",
            _("the organisation that is named has no such project"),
            "project_id",
        )
    if new.platform_id is not None and rows.platform is None:
        yield Violation(
            "unknown_platform",
            _("there is no such platform; choose one from the catalogue"),
            "platform_id",
        )
    if new.resource_id is not None and (
        rows.resource is None
        or (rows.platform is not None and rows.resource.platform_id != rows.platform.id)
    ):
        yield Violation(
            "unknown_resource",
            _("there is no such resource of that platform; choose one from the catalogue"),
            "resource_id",
        )


def _note(session: Session, act: str, quota: Quota) -> None:
    audit.record(
        session,
        act=act,
        subject=f"quota {quota.public_id}",
        organisation_id=quota.organisation_id,
        platform_id=quota.platform_id,
        detail={"period": quota.period.value, "minutes": quota.minutes},
    )
