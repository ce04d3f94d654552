"""What the search reads, in a number of statements that does not grow with resources."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, joinedload

from platform_booking.bookings.models import Booking
from platform_booking.bookings.rules import GRID_MIN
from platform_booking.catalog.models import (
    Calendar,
    Capability,
    ChangeoverTime,
    Occurrence,
    Qualification,
    Recipe,
    Resource,
    ResourceCapability,
    ResourceKind,
)
from platform_booking.finding.search import Interval

SLOT_S = GRID_MIN * 60


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody's stay on a resource, in slots of the grid; whose, nobody is told."""

    start: int
    end: int
    quantity: int
    recipe_id: int | None  # where the asker may join it
    occurrence_id: int | None


@dataclass(frozen=True, slots=True)
class Able:
    """A resource in service, and for which of the names asked it stands."""

    resource: Resource
    qualification: Qualification | None = None  # that running it oneself needs
    capabilities: frozenset[str] = frozenset()

    def answers(self, called: str) -> bool:
        """Tell whether a name means this resource or something that it can do."""
        return called in self.capabilities or is_called(self.resource, called)


@dataclass(frozen=True, slots=True)
class Read:
    """What is known of the resources between two instants, by row id."""

    recipes: dict[int, list[Recipe]]
    down: dict[int, list[Interval]]  # in slots of the grid
    stays: dict[int, list[Stay]]
    runs: dict[int, list[Occurrence]]
    families: dict[int, list[tuple[datetime, str]]]  # the asker's own, by end
    changeovers: dict[int, dict[tuple[str, str], int]]


def is_called(resource: Resource, called: str) -> bool:
    """Tell whether a resource has that code or id."""
    return called in {resource.code, str(resource.public_id)}


_CODES = (
    sa.select(sa.func.array_agg(Capability.code, type_=ARRAY(sa.Text, as_tuple=True)))
    .join(ResourceCapability, ResourceCapability.capability_id == Capability.id)
    .where(ResourceCapability.resource_id == Resource.id)
    .scalar_subquery()
)
_NAMES = sa.bindparam("names", type_=ARRAY(sa.Text))
_SHARED = (
    sa.select(ResourceCapability.capability_id)
    .join(Resource, Resource.id == ResourceCapability.resource_id)
    .where(Resource.public_id == sa.bindparam("siblings_of", type_=sa.Uuid))
    .correlate(None)
)
_CAN = (
    sa.select(ResourceCapability.resource_id)
    .join(Capability, Capability.id == ResourceCapability.capability_id)
    .where(sa.or_(Capability.code == sa.any_(_NAMES), Capability.id.in_(_SHARED)))
)
_ABLE = (
    sa.select(Resource, Qualification, _CODES)
    .outerjoin(
        Qualification,
        sa.and_(Qualification.id == Resource.qualification_id, Resource.self_run),
    )
    .where(
        Resource.active,
        sa.or_(
            Resource.code == sa.any_(_NAMES),
            Resource.public_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))),
            Resource.id.in_(_CAN),
        ),
    )
    .order_by(Resource.code)
    .options(
        joinedload(Resource.platform),
        joinedload(Resource.calendar).joinedload(Calendar.exceptions),
    )
)


def able(
    session: Session, called: Iterable[str], *, siblings_of: UUID | None = None
) -> list[Able]:
    """Return the resources in service that have, or can do, one of the names.

    `siblings_of` adds those that share a capability with a resource.
    """
    names = list(called)
    ids = [uuid for name in names if (uuid := as_uuid(name))]
    values = {"names": names, "ids": ids, "siblings_of": siblings_of}
    return [
        Able(resource, qualification, frozenset(codes or ()))
        for resource, qualification, codes in session.execute(_ABLE, values).unique()
    ]


def read(
    session: Session,
    resources: Collection[Resource],
    *,
    from_at: datetime,
    to_at: datetime,
    now: datetime,
    organisation_id: int | None,
    changeovers: bool = True,
) -> Read:
    """Read what stands in the way of stays, and what may be joined."""
    ids = [one.id for one in resources]
    kinds = {one.kind for one in resources}
    recipes = _recipes(session, resources) if ResourceKind.BATCH in kinds else {}
    families = changeovers and any(r.family for rows in recipes.values() for r in rows)
    down, stays = _taken(
        session,
        ids,
        from_at,
        to_at,
        recipes=recipes,
        organisation_id=organisation_id,
    )
    return Read(
        recipes=recipes,
        down=down,
        stays=stays,
        runs=(
            _runs(session, ids, from_at, to_at, now) if ResourceKind.EVENT in kinds else {}
        ),
        families=(
            _families(session, ids, from_at, to_at, organisation_id) if families else {}
        ),
        changeovers=_changeovers(session, ids) if families else {},
    )


def _recipes(session: Session, resources: Collection[Resource]) -> dict[int, list[Recipe]]:
    batches = [r.id for r in resources if r.kind is ResourceKind.BATCH]
    return _grouped(
        session.scalars(
            sa.select(Recipe)
            .where(Recipe.resource_id.in_(batches), Recipe.active)
            .order_by(Recipe.resource_id, Recipe.code)
        )
    )


_TAKEN = sa.text(
    "SELECT resource_id, CAST(floor(extract(epoch FROM starts_at) / :slot) AS int),"
    " CAST(ceil(extract(epoch FROM ends_at) / :slot) AS int), quantity, recipe_id,"
    " occurrence_id FROM (SELECT * FROM busy(:which, :from_at, :to_at, :recipes)"
    " UNION ALL SELECT resource_id, starts_at, ends_at, NULL, NULL, NULL FROM outage"
    " WHERE resource_id = ANY (:which) AND ends_at > :from_at AND starts_at < :to_at"
    " AND (CAST(:firm AS int) IS NULL OR taken_back_by IS DISTINCT FROM :firm)) AS taken"
)
"""What stands in the way; an outage has no quantity. What its owner has taken back is free
for him."""


def _taken(
    session: Session,
    ids: Sequence[int],
    from_at: datetime,
    to_at: datetime,
    *,
    recipes: dict[int, list[Recipe]],
    organisation_id: int | None,
) -> tuple[dict[int, list[Interval]], dict[int, list[Stay]]]:
    down: dict[int, list[Interval]] = defaultdict(list)
    stays: dict[int, list[Stay]] = defaultdict(list)
    rows = session.execute(
        _TAKEN,
        {
            "which": list(ids),
            "slot": SLOT_S,
            "from_at": from_at,
            "to_at": to_at,
            "recipes": [r.id for rows in recipes.values() for r in rows],
            "firm": organisation_id,
        },
    )
    for resource_id, start, end, quantity, *more in rows:
        if quantity is None:
            down[resource_id].append((start, end))
        else:
            stays[resource_id].append(Stay(start, end, quantity, *more))
    return down, stays


def _runs(
    session: Session,
    ids: Sequence[int],
    from_at: datetime,
    to_at: datetime,
    now: datetime,
) -> dict[int, list[Occurrence]]:
    return _grouped(
        session.scalars(
            sa.select(Occurrence)
            .where(Occurrence.resource_id.in_(ids), Occurrence.called_off_at.is_(None))
            .where(Occurrence.starts_at >= from_at, Occurrence.ends_at <= to_at)
            .where(sa.or_(Occurrence.closes_at.is_(None), Occurrence.closes_at > now))
            .order_by(Occurrence.starts_at)
        )
    )


def _families(
    session: Session,
    ids: Sequence[int],
    from_at: datetime,
    to_at: datetime,
    organisation_id: int | None,
) -> dict[int, list[tuple[datetime, str]]]:
    """Read what the asker himself ran: what others run, the order must not tell."""
    found: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    rows = session.execute(
        sa.select(Booking.resource_id, Booking.ends_at, Booking.family)
        .where(Booking.organisation_id == organisation_id, Booking.active)
        .where(Booking.resource_id.in_(ids), Booking.family.is_not(None))
        .where(Booking.ends_at > from_at, Booking.starts_at < to_at)
        .order_by(Booking.ends_at)
    )
    for resource_id, ends_at, family in rows:
        found[resource_id].append((ends_at, family or ""))
    return found


def _changeovers(
    session: Session, ids: Sequence[int]
) -> dict[int, dict[tuple[str, str], int]]:
    found: dict[int, dict[tuple[str, str], int]] = defaultdict(dict)
    for one in session.scalars(
        sa.select(ChangeoverTime).where(ChangeoverTime.resource_id.in_(ids))
    ):
        found[one.resource_id][one.before, one.after] = one.minutes
    return found


def known_names(session: Session) -> list[str]:
    """Return the codes of all capabilities and resources in service."""
    return [
        *session.scalars(sa.select(Capability.code).order_by(Capability.code)),
        *session.scalars(
            sa.select(Resource.code).where(Resource.active).order_by(Resource.code)
        ),
    ]


def capabilities(session: Session) -> Sequence[Capability]:
    """Return what some resource in service can do."""
    return session.scalars(
        sa.select(Capability)
        .where(
            sa.exists().where(
                ResourceCapability.capability_id == Capability.id,
                ResourceCapability.resource_id == Resource.id,
                Resource.active,
            )
        )
        .order_by(Capability.code)
    ).all()


def as_uuid(text: str) -> UUID | None:
    """Return the id that a text is; None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _grouped(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.resource_id].append(row)
    return found
