"""What pages and the API read of the catalogue, each in a constant number of statements.

The catalogue is everybody's. Of bookings only that the resource is taken is read, through
`busy()`, which tells nobody whose they are.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload, selectinload

from platform_booking.catalog.models import (
    Calendar,
    Capability,
    CatalogueLoad,
    MaterialsClass,
    Occurrence,
    Outage,
    Platform,
    Recipe,
    Resource,
    ResourceCapability,
    ResourceKind,
    RouteStep,
    RouteTemplate,
)
from platform_booking.catalog.phases import Phase, phase_of
from platform_booking.catalog.shares import busy
from platform_booking.errors import NotFound

_STEPS = selectinload(RouteTemplate.steps).joinedload(RouteStep.capability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which resources are asked for; what is None or empty does not narrow."""

    platform: str | None = None  # code
    capability: str | None = None  # code
    kind: ResourceKind | None = None
    text: str = ""  # in code or name


@dataclass(frozen=True, slots=True)
class RecipeLine:
    """A recipe with what it refers to."""

    recipe: Recipe
    capability: str  # code
    materials_class: str  # code
    resource_id: UUID
    resource_code: str


@dataclass(frozen=True, slots=True)
class OccurrenceLine:
    """A dated run, and how much of it is taken."""

    public_id: UUID
    code: str
    resource_id: UUID
    resource_code: str
    resource_zh: str
    resource_en: str
    unit: str
    starts_at: datetime
    ends_at: datetime
    closes_at: datetime | None
    capacity: int
    taken: int
    phases: Mapping[str, object]
    min_fill: int
    quotas: Mapping[str, int]
    called_off_at: datetime | None
    phase: Phase

    @property
    def left(self) -> int:
        """Return how much nobody has yet."""
        return max(0, self.capacity - self.taken)


def version(session: Session) -> int:
    """Return the number of the newest load: what the catalogue's facts depend on."""
    return session.scalar(sa.select(sa.func.max(CatalogueLoad.id))) or 0


def platforms(session: Session) -> list[Platform]:
    """Return the platforms that have resources in service, in the park's order."""
    return list(
        session.scalars(
            sa.select(Platform)
            .options(joinedload(Platform.site))
            .where(sa.exists().where(Resource.platform_id == Platform.id, Resource.active))
            .order_by(Platform.position, Platform.id)
        )
    )


def platform(session: Session, code: str) -> Platform:
    """Return a platform.

    Raises
    ------
    NotFound
    """
    found = session.scalars(
        sa.select(Platform).options(joinedload(Platform.site)).filter_by(code=code)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def resources(
    session: Session, wanted: Wanted, *, limit: int | None = None, offset: int = 0
) -> tuple[Sequence[Resource], int]:
    """Return a page of the resources in service, and how many there are."""
    chosen = _narrowed(sa.select(Resource.id).where(Resource.active), wanted)
    total = session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0
    rows = session.scalars(
        sa.select(Resource)
        .where(Resource.id.in_(chosen))
        .join(Platform, Platform.id == Resource.platform_id)
        .options(
            joinedload(Resource.platform),
            joinedload(Resource.calendar).selectinload(Calendar.exceptions),
            selectinload(Resource.capabilities),
        )
        .order_by(Platform.position, Resource.code)
        .limit(limit)
        .offset(offset)
    ).all()
    return rows, total


def resource(
    session: Session, *, code: str | None = None, public_id: UUID | None = None
) -> Resource:
    """Return a resource with what belongs to it, in service or not.

    Raises
    ------
    NotFound
    """
    key = Resource.code == code if code is not None else Resource.public_id == public_id
    found = session.scalars(
        sa.select(Resource)
        .where(key)
        .options(
            joinedload(Resource.platform).joinedload(Platform.site),
            joinedload(Resource.calendar).selectinload(Calendar.exceptions),
            selectinload(Resource.capabilities),
        )
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def capabilities(
    session: Session, *, platform_id: int | None = None
) -> list[tuple[Capability, int]]:
    """Return what resources in service can do, each with their number."""
    number = sa.func.count(Resource.id)
    asked = (
        sa.select(Capability, number)
        .join(ResourceCapability, ResourceCapability.capability_id == Capability.id)
        .join(Resource, Resource.id == ResourceCapability.resource_id)
        .where(Resource.active)
        .group_by(Capability.id)
        .order_by(Capability.code)
    )
    if platform_id is not None:
        asked = asked.where(Resource.platform_id == platform_id)
    return [(row[0], row[1]) for row in session.execute(asked)]


def recipes(
    session: Session,
    *,
    resource: str | None = None,
    capability: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[Sequence[RecipeLine], int]:
    """Return a page of the recipes in service, and how many there are."""
    chosen = (
        sa.select(
            Recipe, Capability.code, MaterialsClass.code, Resource.public_id, Resource.code
        )
        .join(Resource, Resource.id == Recipe.resource_id)
        .join(Capability, Capability.id == Recipe.capability_id)
        .join(MaterialsClass, MaterialsClass.rank == Recipe.class_rank)
        .where(Recipe.active, Resource.active)
    )
    if resource is not None:
        chosen = chosen.where(Resource.code == resource)
    if capability is not None:
        chosen = chosen.where(Capability.code == capability)
    total = session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0
    rows = session.execute(
        chosen.order_by(Resource.code, Recipe.code).limit(limit).offset(offset)
    )
    return [RecipeLine(*row) for row in rows], total


def occurrences(
    session: Session,
    *,
    now: datetime,
    zone: ZoneInfo,
    resource_id: int | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[list[OccurrenceLine], int]:
    """Return the runs that have not ended, the soonest first, and how many there are."""
    chosen = (
        sa.select(Occurrence, Resource)
        .join(Resource, Resource.id == Occurrence.resource_id)
        .where(Occurrence.ends_at > now, Resource.active)
    )
    if resource_id is not None:
        chosen = chosen.where(Resource.id == resource_id)
    total = session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0
    rows = session.execute(
        chosen.order_by(Occurrence.starts_at, Occurrence.code).limit(limit).offset(offset)
    ).all()
    if not rows:
        return [], total
    taken: dict[int | None, int] = defaultdict(int)
    found = busy(
        session,
        {row[1].id for row in rows},
        min(row[0].starts_at for row in rows),
        max(row[0].ends_at for row in rows),
    )
    for stays in found.values():
        for stay in stays:
            taken[stay.occurrence_id] += stay.quantity
    return [
        OccurrenceLine(
            public_id=run.public_id,
            code=run.code,
            resource_id=of.public_id,
            resource_code=of.code,
            resource_zh=of.name_zh,
            resource_en=of.name_en,
            unit=of.unit,
            starts_at=run.starts_at,
            ends_at=run.ends_at,
            closes_at=run.closes_at,
            capacity=run.capacity,
            taken=taken[run.id],
            phases=run.phases,
            min_fill=run.min_fill,
            quotas=run.quotas,
            called_off_at=run.called_off_at,
            phase=phase_of(run, now=now, zone=zone),
        )
        for run, of in rows
    ], total


def outages(
    session: Session,
    *,
    now: datetime,
    resource_id: int | None = None,
    platform: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[list[tuple[Outage, Resource]], int]:
    """Return the outages that have not ended, the soonest first, and how many there are."""
    chosen = (
        sa.select(Outage, Resource)
        .join(Resource, Resource.id == Outage.resource_id)
        .where(Outage.ends_at > now)
    )
    if resource_id is not None:
        chosen = chosen.where(Resource.id == resource_id)
    if platform is not None:
        chosen = chosen.join(Platform, Platform.id == Resource.platform_id).where(
            Platform.code == platform
        )
    total = session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0
    rows = session.execute(
        chosen.order_by(Outage.starts_at, Outage.id).limit(limit).offset(offset)
    )
    return [(row[0], row[1]) for row in rows], total


def routes(
    session: Session, *, limit: int | None = None, offset: int = 0
) -> tuple[Sequence[RouteTemplate], int]:
    """Return a page of the routes that can be ordered, with their steps."""
    chosen = sa.select(RouteTemplate).where(RouteTemplate.active)
    total = session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0
    rows = session.scalars(
        chosen.options(_STEPS).order_by(RouteTemplate.code).limit(limit).offset(offset)
    ).all()
    return rows, total


def route(session: Session, public_id: UUID) -> RouteTemplate:
    """Return a route with its steps.

    Raises
    ------
    NotFound
    """
    found = session.scalars(
        sa.select(RouteTemplate).options(_STEPS).filter_by(public_id=public_id)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def has(session: Session, part: str, code: str) -> bool:
    """Tell whether there is a platform, capability or resource of that code."""
    tables: dict[str, Any] = {
        "platform": Platform,
        "capability": Capability,
        "resource": Resource,
    }
    table = tables[part]
    return session.scalar(sa.select(table.id).where(table.code == code)) is not None


def bookings_within(
    session: Session, resource_id: int, from_at: datetime, to_at: datetime
) -> int:
    """Return how many bookings an outage between two instants would hit."""
    return len(busy(session, [resource_id], from_at, to_at).get(resource_id, ()))


def _narrowed(asked: sa.Select[int], wanted: Wanted) -> sa.Select[int]:
    if wanted.platform is not None:
        asked = asked.where(
            Resource.platform_id.in_(
                sa.select(Platform.id).where(Platform.code == wanted.platform)
            )
        )
    if wanted.capability is not None:
        asked = asked.where(
            Resource.id.in_(
                sa.select(ResourceCapability.resource_id)
                .join(Capability, Capability.id == ResourceCapability.capability_id)
                .where(Capability.code == wanted.capability)
            )
        )
    if wanted.kind is not None:
        asked = asked.where(Resource.kind == wanted.kind)
    for word in wanted.text.split():
        asked = asked.where(
            sa.or_(
                Resource.code.icontains(word, autoescape=True),
                Resource.name_zh.icontains(word, autoescape=True),
                Resource.name_en.icontains(word, autoescape=True),
            )
        )
    return asked
