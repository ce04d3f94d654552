"""What the rules must know, read in one statement: of one resource or of several.

For a slot, or for a stretch in which slots are looked for: then it holds for each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from platform_booking.accounts.models import Member, Organisation, Project
from platform_booking.bookings import facts_reading as reading
from platform_booking.bookings.facts_policy import CAPPED
from platform_booking.bookings.picked import Buddy, QuotaUse, Slot, Stretch
from platform_booking.bookings.rules import beyond_sense
from platform_booking.catalog.models import (
    MaterialsClass,
    MemberQualification,
    Occurrence,
    Outage,
    Recipe,
    Resource,
    ResourceKind,
)

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
class Row:
    """The rows behind a slot on one resource."""

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
    has: dict[str, tuple[Stretch, ...]]
    buddy: Buddy | None
    buddy_row: int | None
    quotas: tuple[QuotaUse, ...]
    class_holds: dict[int, int]  # by row id of the dated run


_COMMON: dict[str, Any] = {
    "organisation": Organisation,
    "member": Member,
    "project": Project,
    "recipe": Recipe,
    "occurrence": Occurrence,
    "class_code": MaterialsClass.code,
}


def rows(
    session: Session,
    named_by: Named,
    slot: Slot,
    resources: Sequence[Resource],
    *,
    now: datetime,
    zone: ZoneInfo,
) -> list[Row]:
    """Return what is known of each resource, in their order."""
    holdings = [aliased(MemberQualification) for _one in resources]
    of_each = [
        {"holding": holding, **_of_resource(named_by, slot, one, now=now, zone=zone)}
        for one, holding in zip(resources, holdings, strict=True)
    ]
    ids = [one.id for one in resources]
    statement = (
        sa.select(
            *_COMMON.values(), *(column for read in of_each for column in read.values())
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
            sa.and_(where(named_by.recipe), Recipe.resource_id.in_(ids), Recipe.active),
        )
        .outerjoin(
            Occurrence,
            sa.and_(where(named_by.occurrence), Occurrence.resource_id.in_(ids)),
        )
        .outerjoin(MaterialsClass, MaterialsClass.rank == slot.class_rank)
    )
    for one, holding in zip(resources, holdings, strict=True):
        statement = statement.outerjoin(
            holding,
            sa.and_(
                holding.member_id == named_by.runner,
                holding.qualification_id == one.qualification_id,
            ),
        )
    found = iter(session.execute(statement).one())
    common = {name: next(found) for name in _COMMON}
    common["class_code"] = common["class_code"] or ""
    with_buddy = _names_buddy(named_by)
    return [
        _told(common | {name: next(found) for name in read}, one, with_buddy=with_buddy)
        for one, read in zip(resources, of_each, strict=True)
    ]


def where(named: sa.ColumnElement[bool] | None) -> sa.ColumnElement[bool]:
    """Return what finds a row; none where none is named."""
    return sa.false() if named is None else named


def _names_buddy(named_by: Named) -> bool:
    return named_by.buddy is not None or named_by.buddy_row is not None


def _of_resource(
    named_by: Named, slot: Slot, resource: Resource, *, now: datetime, zone: ZoneInfo
) -> dict[str, Any]:
    policy, runner, besides = resource.policy, named_by.runner, named_by.besides
    near, self_run = not beyond_sense(slot, now=now), resource.self_run
    guarded = self_run and bool(resource.calendar.offhours)
    quotas = near and resource.kind is not ResourceKind.EVENT
    own = Outage.taken_back_by == Organisation.id
    return {
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
            if CAPPED & policy.keys() or self_run
            else reading.NOTHING
        ),
        "past": (
            reading.stays_past(resource, runner, slot, besides=besides, now=now)
            if near and {"per_day", "rolling"} & policy.keys()
            else reading.NOTHING
        ),
        "promised": (
            reading.promised(resource, runner, slot)
            if guarded and near
            else reading.NOTHING
        ),
        "no_shows": (
            reading.no_shows(resource, runner, now=now)
            if "no_show_limit" in policy
            else reading.NOTHING
        ),
        "has": (
            reading.held(resource, runner, slot, beside=named_by.beside)
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
            if _names_buddy(named_by)
            else reading.NOTHING
        ),
        "quotas": (
            reading.quota_uses(resource, slot, zone_name=zone.key, besides=besides)
            if quotas
            else reading.NOTHING
        ),
        "class_holds": (
            reading.class_holds(resource, slot, besides=besides)
            if resource.kind is ResourceKind.EVENT
            else reading.NOTHING
        ),
    }


def _told(told: dict[str, Any], resource: Resource, *, with_buddy: bool) -> Row:
    stretched = ("outages", "taken_back", "held", "past", "promised")
    return Row(
        **told
        | {name: reading.plain(told[name]) for name in stretched}
        | {
            "no_shows": tuple(told["no_shows"] or ()),
            "has": reading.read_held(told["has"]),
            "buddy": reading.read_buddy(told["buddy"]) if with_buddy else None,
            "buddy_row": (told["buddy"] or {}).get("member_id"),
            "quotas": reading.read_quotas(
                told["quotas"], resource=resource, platform=resource.platform
            ),
            "class_holds": {int(k): n for k, n in (told["class_holds"] or {}).items()},
        }
    )
