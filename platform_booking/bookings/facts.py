"""What the rules must know of a slot before it is picked, read in two statements."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.dialects.postgresql import ARRAY, TSTZRANGE
from sqlalchemy.orm import Session, joinedload

from platform_booking.accounts.models import (
    Member,
    Organisation,
    OrganisationState,
    Project,
)
from platform_booking.bookings.models import Booking
from platform_booking.bookings.picked import Asker, Bookable, Picked, Run, Slot, Stretch
from platform_booking.bookings.rules import beyond_sense
from platform_booking.catalog.hours import attended_hours, opening_hours, spans
from platform_booking.catalog.models import (
    Calendar,
    MemberQualification,
    Occurrence,
    Outage,
    Qualification,
    Recipe,
    Resource,
    ResourceKind,
    StayRule,
)
from platform_booking.errors import Forbidden, RulesBroken, Violation
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import named

_ONE = sa.select(sa.literal(1).label("one")).subquery("one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a slot names, by the ids known outside or by those of the database."""

    resource: sa.ColumnElement[bool]
    organisation: sa.ColumnElement[bool]
    runner: int  # row id of the member who would run it
    project: sa.ColumnElement[bool] | None = None
    recipe: sa.ColumnElement[bool] | None = None
    occurrence: sa.ColumnElement[bool] | None = None
    besides: int | None = None  # the booking that moves: its old place counts for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The rows behind a slot, and what the rules make of them."""

    picked: Picked
    resource: Resource
    organisation: Organisation | None
    member: Member | None  # who would run it
    project: Project | None
    recipe: Recipe | None
    occurrence: Occurrence | None
    on_behalf: bool  # staff of the platform book for an organisation


@dataclass(frozen=True, slots=True)
class _Row:
    organisation: Organisation | None
    member: Member | None
    project: Project | None
    recipe: Recipe | None
    occurrence: Occurrence | None
    holding: MemberQualification | None
    outages: tuple[Stretch, ...]
    held: tuple[Stretch, ...]


def of_organisation(actor: Actor, asked: UUID | None) -> sa.ColumnElement[bool]:
    """Return which organisation a slot is for: the one named, else the actor's own."""
    which = (
        Organisation.id == actor.organisation_id
        if asked is None
        else Organisation.public_id == asked
    )
    return sa.and_(which, Organisation.state == OrganisationState.APPROVED)


def gather(
    session: Session,
    named_by: Named,
    slot: Slot,
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> Facts:
    """Read what the rules must know.

    Raises
    ------
    RulesBroken
        If there is no such resource: nothing else can be judged then.
    Forbidden
        If the actor books for another organisation on a platform that he does not operate.
    """
    resource, qualification = _resource(session, named_by.resource)
    row = _row(session, named_by, slot, resource=resource, now=now)
    on_behalf = (
        row.organisation is not None and row.organisation.id != actor.organisation_id
    )
    if on_behalf and not (actor.is_park or resource.platform_id in actor.platform_ids):
        raise Forbidden
    picked = Picked(
        slot=slot,
        on=_bookable(resource, row, slot, on_behalf=on_behalf, now=now, zone=zone),
        run=_run(named_by, row, slot),
        by=_asker(named_by, row, qualification, on_behalf=on_behalf),
        zone=zone,
    )
    return Facts(
        picked=picked,
        resource=resource,
        organisation=row.organisation,
        member=row.member,
        project=row.project,
        recipe=row.recipe,
        occurrence=row.occurrence,
        on_behalf=on_behalf,
    )


def down_meanwhile(session: Session, booking: Booking) -> bool:
    """Tell whether an outage meets a booking whose place is held already.

    Whoever declares one waits for the resource's row, as bookings do: from here on either
    we see it, or it sees us.
    """
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    Outage.resource_id == booking.resource_id,
                    Outage.ends_at > booking.starts_at,
                    Outage.starts_at < booking.ends_at,
                )
            )
        )
    )


def _resource(
    session: Session, which: sa.ColumnElement[bool]
) -> tuple[Resource, Qualification | None]:
    found = (
        session.execute(
            sa.select(Resource, Qualification)
            .outerjoin(
                Qualification,
                sa.and_(Qualification.id == Resource.qualification_id, Resource.self_run),
            )
            .where(which)
            .options(
                joinedload(Resource.platform),
                joinedload(Resource.calendar).joinedload(Calendar.exceptions),
            )
        )
        .unique()
        .one_or_none()
    )
    if found is None:
        raise RulesBroken(
            [
                Violation(
                    "unknown_resource",
                    _("there is no such resource; choose one from the catalogue"),
                    "resource_id",
                )
            ]
        )
    return found[0], found[1]


def _row(
    session: Session,
    named_by: Named,
    slot: Slot,
    *,
    resource: Resource,
    now: datetime,
) -> _Row:
    def where(named: sa.ColumnElement[bool] | None) -> sa.ColumnElement[bool]:
        return sa.false() if named is None else named

    firm, member, project, recipe, occurrence, holding, down, held = session.execute(
        sa.select(
            Organisation,
            Member,
            Project,
            Recipe,
            Occurrence,
            MemberQualification,
            _stretches(
                Outage,
                Outage.resource_id == resource.id,
                Outage.ends_at > slot.starts_at,
                Outage.starts_at < slot.ends_at,
            ),
            _stretches(
                Booking,
                Booking.resource_id == resource.id,
                Booking.member_id == named_by.runner,
                Booking.active,
                Booking.ends_at > now,
                Booking.id.is_distinct_from(named_by.besides),
            ),
        )
        .select_from(_ONE)
        .outerjoin(Organisation, named_by.organisation)
        .outerjoin(Member, Member.id == named_by.runner)
        .outerjoin(
            Project,
            sa.and_(
                where(named_by.project),
                Project.organisation_id == Organisation.id,
                Project.active,
            ),
        )
        .outerjoin(
            Recipe,
            sa.and_(
                where(named_by.recipe), Recipe.resource_id == resource.id, Recipe.active
            ),
        )
        .outerjoin(
            Occurrence,
            sa.and_(where(named_by.occurrence), Occurrence.resource_id == resource.id),
        )
        .outerjoin(
            MemberQualification,
            sa.and_(
                MemberQualification.member_id == named_by.runner,
                MemberQualification.qualification_id == resource.qualification_id,
            ),
        )
    ).one()
    return _Row(
        organisation=firm,
        member=member,
        project=project,
        recipe=recipe,
        occurrence=occurrence,
        holding=holding,
        outages=_plain(down),
        held=_plain(held),
    )


def _stretches(table: Any, *which: sa.SQLColumnExpression[bool]) -> sa.ScalarSelect[Any]:
    span = sa.func.tstzrange(table.starts_at, table.ends_at)
    return (
        sa.select(sa.func.array_agg(span, type_=ARRAY(TSTZRANGE)))
        .where(*which)
        .scalar_subquery()
    )


def _plain(ranges: Iterable[Any] | None) -> tuple[Stretch, ...]:
    return tuple((r.lower, r.upper) for r in ranges or ())


def _bookable(
    resource: Resource,
    row: _Row,
    slot: Slot,
    *,
    on_behalf: bool,
    now: datetime,
    zone: ZoneInfo,
) -> Bookable:
    policy = resource.policy
    capacity = resource.capacity
    if resource.kind is ResourceKind.BATCH and row.recipe is not None:
        capacity = row.recipe.capacity
    if resource.kind is ResourceKind.EVENT and row.occurrence is not None:
        capacity = row.occurrence.capacity
    opening: list[Stretch] = []
    if not beyond_sense(slot, now=now):
        ends = resource.stay_rule is StayRule.ENDS
        hours = (
            attended_hours(resource.calendar) if ends else opening_hours(resource.calendar)
        )
        opening = spans(hours, from_at=slot.starts_at, to_at=slot.ends_at, zone=zone)
    return Bookable(
        name=named(resource),
        kind=resource.kind,
        stay=resource.stay_rule,
        capacity=capacity,
        active=resource.active,
        self_run=resource.self_run and not on_behalf,  # staff stand above the caps
        wafer_mm=tuple(resource.wafer_mm),
        class_rank=resource.class_rank,
        flags_allowed=(
            None if resource.flags_allowed is None else frozenset(resource.flags_allowed)
        ),
        least_min=policy.get("min_minutes"),
        most_min=policy.get("max_minutes"),
        horizon_days=policy.get("horizon_days"),
        notice_hours=24 * policy["notice_days"] if policy.get("notice_days") else None,
        per_day=policy.get("per_day"),
        future_min=policy.get("future_minutes"),
        gap_min=policy.get("gap_minutes"),
        least_quantity=policy.get("min_area_001mm2", 1),
        quantity_step=policy.get("area_step_001mm2", 1),
        opening=tuple(opening),
        outages=row.outages,
    )


def _run(named_by: Named, row: _Row, slot: Slot) -> Run:
    recipe, occurrence = row.recipe, row.occurrence
    return Run(
        recipe_named=named_by.recipe is not None,
        recipe_fits=recipe is not None,
        recipe_wafer_mm=recipe.wafer_mm if recipe else None,
        occurrence_named=named_by.occurrence is not None,
        occurrence_fits=occurrence is not None
        and (occurrence.starts_at, occurrence.ends_at) == (slot.starts_at, slot.ends_at),
        closes_at=occurrence.closes_at if occurrence else None,
    )


def _asker(
    named_by: Named, row: _Row, qualification: Qualification | None, *, on_behalf: bool
) -> Asker:
    firm, holding = row.organisation, row.holding
    return Asker(
        organisation_known=firm is not None,
        contract_on_file=bool(firm and firm.contract_ref),
        nda_on_file=bool(firm and firm.nda_ref),
        qualification_needed=(
            named(qualification) if qualification is not None and not on_behalf else ""
        ),
        qualified=holding is not None,
        qualified_until=holding.expires_on if holding else None,
        project_named=named_by.project is not None,
        project_known=row.project is not None,
        held=row.held,
    )
