"""What the rules must know of a slot before it is picked, read in two statements.

The first also makes rivals wait: whoever books for the same member where caps are counted,
and whoever spends the same quota. The second, which counts, therefore sees what they did.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session, joinedload

from platform_booking.accounts.models import (
    Member,
    Organisation,
    OrganisationState,
    Project,
)
from platform_booking.bookings import facts_holding as holding
from platform_booking.bookings import facts_reading as reading
from platform_booking.bookings.facts_policy import bookable
from platform_booking.bookings.models import Booking
from platform_booking.bookings.picked import (
    Asker,
    Buddy,
    Picked,
    QuotaUse,
    Run,
    Slot,
    Stretch,
)
from platform_booking.bookings.rules import beyond_sense
from platform_booking.catalog.hours import Hours, week_of
from platform_booking.catalog.models import (
    Calendar,
    MaterialsClass,
    MemberQualification,
    Occurrence,
    Outage,
    Qualification,
    Recipe,
    Resource,
    ResourceKind,
)
from platform_booking.errors import Forbidden, RulesBroken, Violation
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import in_chinese, named

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
    buddy: UUID | None = None  # by his public id, or by
    buddy_row: int | None = None
    beside: tuple[UUID, ...] = ()  # resources booked in the same go for the same time
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
    by_staff: bool  # who asks operates the platform, or the park
    buddy_row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    organisation: Organisation | None
    member: Member | None
    project: Project | None
    recipe: Recipe | None
    occurrence: Occurrence | None
    holding: MemberQualification | None
    class_code: str
    outages: tuple[Stretch, ...]
    taken_back: tuple[Stretch, ...]
    held: tuple[Stretch, ...]
    past: tuple[Stretch, ...]
    promised: tuple[Stretch, ...]
    no_shows: tuple[datetime, ...]
    has: frozenset[str]
    buddy: Buddy | None
    buddy_row: int | None
    quotas: tuple[QuotaUse, ...]
    class_sold: int


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
    hold: bool = True,
    read: tuple[Resource, Qualification | None] | None = None,
) -> Facts:
    """Read what the rules must know; `hold` it for whoever books then and there.

    Who only looks may have `read` the resource already.

    Raises
    ------
    RulesBroken
        If there is no such resource: nothing else can be judged then.
    Forbidden
        If the actor books for another organisation on a platform that he does not operate.
    """
    resource, qualification = read or _resource(session, named_by, hold=hold)
    row = _row(session, named_by, slot, resource=resource, now=now, zone=zone)
    on_behalf = (
        row.organisation is not None and row.organisation.id != actor.organisation_id
    )
    by_staff = actor.is_park or resource.platform_id in actor.platform_ids
    if on_behalf and not by_staff:
        raise Forbidden
    picked = Picked(
        slot=slot,
        on=bookable(
            resource,
            slot,
            recipe=row.recipe,
            occurrence=row.occurrence,
            outages=row.outages,
            taken_back=row.taken_back,
            now=now,
            zone=zone,
        ),
        run=_run(named_by, row, slot),
        by=_asker(named_by, row, qualification, on_behalf=on_behalf),
        zone=zone,
        class_code=row.class_code,
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
        by_staff=by_staff,
        buddy_row=row.buddy_row,
    )


def down_meanwhile(session: Session, booking: Booking) -> bool:
    """Tell whether an outage meets a booking whose place is held already.

    Whoever declares one waits for the resource's row, as bookings do: from here on either
    we see it, or it sees us. What its owner has taken back is down for all but him.
    """
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    Outage.resource_id == booking.resource_id,
                    Outage.ends_at > booking.starts_at,
                    Outage.starts_at < booking.ends_at,
                    Outage.taken_back_by.is_distinct_from(booking.organisation_id),
                )
            )
        )
    )


def _resource(
    session: Session, named_by: Named, *, hold: bool
) -> tuple[Resource, Qualification | None]:
    """Read a resource, and wait for whoever books what is counted together with this."""
    rivals = (
        (
            holding.members(
                named_by.resource,
                runner=named_by.runner,
                buddy=named_by.buddy,
                buddy_row=named_by.buddy_row,
            ),
            holding.quotas(
                named_by.resource,
                organisation=named_by.organisation,
                project=_where(named_by.project),
            ),
        )
        if hold
        else ()
    )
    found = (
        session.execute(
            sa.select(Resource, Qualification, *rivals)
            .outerjoin(
                Qualification,
                sa.and_(Qualification.id == Resource.qualification_id, Resource.self_run),
            )
            .where(named_by.resource)
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


def _where(named: sa.ColumnElement[bool] | None) -> sa.ColumnElement[bool]:
    return sa.false() if named is None else named


def _row(
    session: Session,
    named_by: Named,
    slot: Slot,
    *,
    resource: Resource,
    now: datetime,
    zone: ZoneInfo,
) -> _Row:
    policy, runner, besides = resource.policy, named_by.runner, named_by.besides
    near, self_run = not beyond_sense(slot, now=now), resource.self_run
    with_buddy = named_by.buddy is not None or named_by.buddy_row is not None
    guarded = self_run and bool(resource.calendar.offhours)
    quotas = near and resource.kind is not ResourceKind.EVENT
    own = Outage.taken_back_by == Organisation.id
    read: dict[str, Any] = {
        "organisation": Organisation,
        "member": Member,
        "project": Project,
        "recipe": Recipe,
        "occurrence": Occurrence,
        "holding": MemberQualification,
        "class_code": MaterialsClass.code,
        "outages": reading.outages(
            resource, slot, taken_back=Outage.taken_back_by.is_(None)
        ),
        "taken_back": reading.outages(
            resource,
            slot,
            taken_back=sa.and_(
                Outage.taken_back_by.is_not(None), sa.not_(sa.func.coalesce(own, False))
            ),
        ),
        "held": (
            reading.stays_to_come(resource, runner, besides=besides, now=now)
            if self_run
            else reading.NOTHING
        ),
        "past": (
            reading.stays_past(resource, runner, slot, besides=besides, now=now)
            if self_run and near and {"per_day", "rolling"} & policy.keys()
            else reading.NOTHING
        ),
        "promised": (
            reading.promised(resource, runner, slot)
            if guarded and near
            else reading.NOTHING
        ),
        "no_shows": (
            reading.no_shows(resource, runner, now=now)
            if self_run and "no_show_limit" in policy
            else reading.NOTHING
        ),
        "has": (
            reading.held_throughout(resource, runner, slot, beside=named_by.beside)
            if near and policy.get("requires")
            else reading.NOTHING
        ),
        "buddy": (
            reading.buddy(
                resource,
                runner,
                slot,
                named_by=named_by.buddy,
                row_id=named_by.buddy_row,
                besides=besides,
            )
            if with_buddy
            else reading.NOTHING
        ),
        "quotas": (
            reading.quota_uses(resource, slot, zone_name=zone.key, besides=besides)
            if quotas
            else reading.NOTHING
        ),
        "class_sold": (
            reading.class_sold(besides=besides)
            if resource.kind is ResourceKind.EVENT
            else reading.NOTHING
        ),
    }
    found = session.execute(
        sa.select(*(read[name] for name in read))
        .select_from(_ONE)
        .outerjoin(Organisation, named_by.organisation)
        .outerjoin(Member, Member.id == runner)
        .outerjoin(
            Project,
            sa.and_(
                _where(named_by.project),
                Project.organisation_id == Organisation.id,
                Project.active,
            ),
        )
        .outerjoin(
            Recipe,
            sa.and_(
                _where(named_by.recipe), Recipe.resource_id == resource.id, Recipe.active
            ),
        )
        .outerjoin(
            Occurrence,
            sa.and_(_where(named_by.occurrence), Occurrence.resource_id == resource.id),
        )
        .outerjoin(
            MemberQualification,
            sa.and_(
                MemberQualification.member_id == runner,
                MemberQualification.qualification_id == resource.qualification_id,
            ),
        )
        .outerjoin(MaterialsClass, MaterialsClass.rank == slot.class_rank)
    ).one()
    told = dict(zip(read, found, strict=True))
    stretched = ("outages", "taken_back", "held", "past", "promised")
    return _Row(
        **told
        | {name: reading.plain(told[name]) for name in stretched}
        | {
            "class_code": told["class_code"] or "",
            "no_shows": tuple(told["no_shows"] or ()),
            "has": frozenset(told["has"] or ()),
            "buddy": reading.read_buddy(told["buddy"]) if with_buddy else None,
            "buddy_row": (told["buddy"] or {}).get("member_id"),
            "quotas": reading.read_quotas(
                told["quotas"], resource=resource, platform=resource.platform
            ),
            "class_sold": told["class_sold"] or 0,
        }
    )


def _run(named_by: Named, row: _Row, slot: Slot) -> Run:
    recipe, occurrence = row.recipe, row.occurrence
    of_class = row.organisation.priority_class if row.organisation else ""
    return Run(
        recipe_named=named_by.recipe is not None,
        recipe_fits=recipe is not None,
        recipe_wafer_mm=recipe.wafer_mm if recipe else None,
        occurrence_named=named_by.occurrence is not None,
        occurrence_fits=occurrence is not None
        and (occurrence.starts_at, occurrence.ends_at) == (slot.starts_at, slot.ends_at),
        closes_at=occurrence.closes_at if occurrence else None,
        called_off=occurrence is not None and occurrence.called_off_at is not None,
        of_class=of_class,
        class_quota=occurrence.quotas.get(of_class) if occurrence else None,
        class_held=row.class_sold,
    )


def _asker(
    named_by: Named, row: _Row, qualification: Qualification | None, *, on_behalf: bool
) -> Asker:
    firm, holding = row.organisation, row.holding
    level, level_hours = _level(qualification, holding)
    until: date | None = holding.expires_on if holding else None
    return Asker(
        organisation_known=firm is not None,
        contract_on_file=bool(firm and firm.contract_ref),
        nda_on_file=bool(firm and firm.nda_ref),
        runs_it=not on_behalf,
        qualification_needed=(
            named(qualification) if qualification is not None and not on_behalf else ""
        ),
        qualified=holding is not None,
        qualified_until=until,
        level=level,
        level_hours=level_hours,
        project_named=named_by.project is not None,
        project_known=row.project is not None,
        purpose=row.project.purpose.value if row.project else "commercial",
        held=row.held,
        past=row.past,
        no_shows=row.no_shows,
        buddy=row.buddy,
        buddy_elsewhere=row.promised,
        has=row.has,
        quotas=row.quotas,
    )


def _level(
    qualification: Qualification | None, holding: MemberQualification | None
) -> tuple[str, Hours | None]:
    """Return a level's name and hours; a level that is unknown by now holds at no hour."""
    if qualification is None or holding is None or holding.level is None:
        return "", None
    level = qualification.levels.get(holding.level, {})
    name = level.get("zh" if in_chinese() else "en") or holding.level
    return name, Hours(week=week_of(level.get("hours", {})), keeps_holidays=False)
