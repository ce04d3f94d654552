"""What the rules must know of a slot before it is picked, read in two statements.

The first also makes rivals wait: whoever books for the same member where caps are counted,
and whoever spends the same quota. The second, which counts, therefore sees what they did.
Who looks around reads once for many slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm import Session, joinedload

from platform_booking.accounts.models import Member, Organisation, Project
from platform_booking.bookings import facts_holding as holding
from platform_booking.bookings import facts_reading as reading
from platform_booking.bookings.facts_policy import bookable, capacity_of, is_staff
from platform_booking.bookings.facts_rows import Key, Named, Row, key_values, rows
from platform_booking.bookings.models import Booking
from platform_booking.bookings.picked import Asker, Picked, Run, Slot
from platform_booking.bookings.rules import GRID_MIN
from platform_booking.catalog.hours import Hours, week_of
from platform_booking.catalog.models import (
    Calendar,
    MemberQualification,
    Occurrence,
    Outage,
    Qualification,
    Recipe,
    Resource,
)
from platform_booking.errors import Forbidden, RulesBroken, Violation
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import in_chinese, named

__all__ = [
    "Facts",
    "Key",
    "Named",
    "at",
    "down_meanwhile",
    "gather",
    "look_around",
    "of_organisation",
]


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


def of_organisation(actor: Actor, asked: UUID | None) -> Key | None:
    """Return which organisation a slot is for: the one named, else the actor's own."""
    return actor.organisation_id if asked is None else asked


_RESOURCE = (
    sa.select(Resource, Qualification, holding.MEMBERS, holding.QUOTAS)
    .outerjoin(
        Qualification,
        sa.and_(Qualification.id == Resource.qualification_id, Resource.self_run),
    )
    .where(holding.THE_RESOURCE)
    .options(
        joinedload(Resource.platform),
        joinedload(Resource.calendar).joinedload(Calendar.exceptions),
    )
)


def gather(
    session: Session,
    named_by: Named,
    slot: Slot,
    *,
    resource_id: Key,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> Facts:
    """Read what the rules must know, and hold it for whoever books then and there.

    Raises
    ------
    RulesBroken
        If there is no such resource: nothing else can be judged then.
    Forbidden
        If the actor books for another organisation on a platform that he does not operate.
    """
    resource, qualification = _resource(session, named_by, resource_id)
    (row,) = rows(session, named_by, slot, [resource], now=now, zone=zone)
    on_behalf = _on_behalf(row, resource, actor)
    staff = is_staff(actor, resource)
    return Facts(
        picked=_picked(
            named_by,
            slot,
            row,
            (resource, qualification),
            on_behalf=on_behalf,
            staff=staff,
            now=now,
            zone=zone,
        ),
        resource=resource,
        organisation=row.organisation,
        member=row.member,
        project=row.project,
        recipe=row.recipe,
        occurrence=row.occurrence,
        on_behalf=on_behalf,
        by_staff=staff,
        buddy_row=row.buddy_row,
    )


def look_around(
    session: Session,
    named_by: Named,
    slot: Slot,
    resources: Sequence[tuple[Resource, Qualification | None]],
    *,
    actor: Actor,
    now: datetime,
    zone: ZoneInfo,
) -> dict[int, Picked | None]:
    """Read in one statement what the rules must know of slots in a stretch of time.

    `slot` is the stretch; `at` puts one within it in its place. None stands for resources
    on which the actor may not book for another organisation.
    """
    only = [resource for resource, _needed in resources]
    found: dict[int, Picked | None] = {}
    read = rows(session, named_by, slot, only, now=now, zone=zone)
    for on, row in zip(resources, read, strict=True):
        try:
            on_behalf = _on_behalf(row, on[0], actor)
        except Forbidden:
            found[on[0].id] = None
            continue
        found[on[0].id] = _picked(
            named_by,
            slot,
            row,
            on,
            on_behalf=on_behalf,
            staff=is_staff(actor, on[0]),
            now=now,
            zone=zone,
        )
    return found


def at(
    around: Picked,
    slot: Slot,
    resource: Resource,
    *,
    recipe: Recipe | None,
    occurrence: Occurrence | None,
) -> Picked:
    """Return what the rules must know of a slot within a stretch that was looked at."""
    return replace(
        around,
        slot=slot,
        on=replace(around.on, capacity=capacity_of(resource, recipe, occurrence)),
        run=_run(
            slot,
            recipe,
            occurrence,
            by=around.by,
            recipe_named=recipe is not None,
            occurrence_named=occurrence is not None,
        ),
    )


_STAY: dict[str, Any] = {
    "resource_id": sa.Integer,
    "starts_at": sa.DateTime(timezone=True),
    "ends_at": sa.DateTime(timezone=True),
    "organisation_id": sa.Integer,
}
_stays = reading.rows_of("stay", _STAY)
_DOWN = sa.select(Outage.resource_id).join(
    _stays,
    sa.and_(
        Outage.resource_id == _stays.c.resource_id,
        Outage.ends_at > _stays.c.starts_at,
        Outage.starts_at < _stays.c.ends_at,
        Outage.taken_back_by.is_distinct_from(_stays.c.organisation_id),
    ),
)


def down_meanwhile(session: Session, *bookings: Booking) -> set[int]:
    """Return the row ids of resources where an outage meets a booking that holds its place.

    Whoever declares one waits for the resource's row, as bookings do: from here on either
    we see it, or it sees us. What its owner has taken back is down for all but him.
    """
    stays = [
        {
            "resource_id": booking.resource_id,
            "starts_at": booking.starts_at,
            "ends_at": booking.ends_at,
            "organisation_id": booking.organisation_id,
        }
        for booking in bookings
    ]
    values = reading.bound_rows("stay", _STAY, stays)
    return set(session.scalars(_DOWN, values))


def _resource(
    session: Session, named_by: Named, resource_id: Key
) -> tuple[Resource, Qualification | None]:
    """Read a resource, and wait for whoever books what is counted together with this."""
    values = named_by.values | key_values("resource", resource_id)
    found = session.execute(_RESOURCE, values).unique().one_or_none()
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


def _on_behalf(row: Row, resource: Resource, actor: Actor) -> bool:
    """Tell whether staff of the platform book for an organisation.

    Raises
    ------
    Forbidden
        If somebody else would.
    """
    firm = row.organisation
    if firm is None or firm.id == actor.organisation_id:
        return False
    if is_staff(actor, resource):
        return True
    raise Forbidden


def _picked(
    named_by: Named,
    slot: Slot,
    row: Row,
    on: tuple[Resource, Qualification | None],
    *,
    on_behalf: bool,
    staff: bool,
    now: datetime,
    zone: ZoneInfo,
) -> Picked:
    resource, qualification = on
    by = _asker(named_by, row, qualification, on_behalf=on_behalf, staff=staff)
    return Picked(
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
        run=_run(
            slot,
            row.recipe,
            row.occurrence,
            by=by,
            recipe_named=named_by.recipe is not None,
            occurrence_named=named_by.occurrence is not None,
        ),
        by=by,
        zone=zone,
        class_code=row.class_code,
    )


def _run(
    slot: Slot,
    recipe: Recipe | None,
    occurrence: Occurrence | None,
    *,
    by: Asker,
    recipe_named: bool,
    occurrence_named: bool,
) -> Run:
    return Run(
        recipe_named=recipe_named,
        recipe_fits=recipe is not None,
        recipe_wafer_mm=recipe.wafer_mm if recipe else None,
        recipe_min=-(-recipe.duration_min // GRID_MIN) * GRID_MIN if recipe else None,
        occurrence_named=occurrence_named,
        occurrence_fits=occurrence is not None
        and (occurrence.starts_at, occurrence.ends_at) == (slot.starts_at, slot.ends_at),
        closes_at=occurrence.closes_at if occurrence else None,
        called_off=occurrence is not None and occurrence.called_off_at is not None,
        class_quota=occurrence.quotas.get(by.priority_class) if occurrence else None,
        class_held=by.class_holds.get(occurrence.id, 0) if occurrence else 0,
    )


def _asker(
    named_by: Named,
    row: Row,
    qualification: Qualification | None,
    *,
    on_behalf: bool,
    staff: bool,
) -> Asker:
    firm, holding = row.organisation, row.holding
    level, level_hours = _level(qualification, holding)
    until: date | None = holding.expires_on if holding else None
    return Asker(
        organisation_known=firm is not None,
        contract_on_file=bool(firm and firm.contract_ref),
        nda_on_file=bool(firm and firm.nda_ref),
        runs_it=not on_behalf,
        staff=staff,
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
        priority_class=firm.priority_class if firm else "",
        class_holds=row.class_holds,
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
