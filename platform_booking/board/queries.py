"""What the board reads: at most six statements, however much is booked.

Windows are told by plain comparisons on `starts_at` and `ends_at`: range operators are not
leakproof, so under row-level security they could not use an index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session, joinedload

from platform_booking.accounts.models import Organisation, Project
from platform_booking.board.rules import Asked
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import ACTIVE, BookingState
from platform_booking.catalog.models import (
    Calendar,
    Capability,
    Occurrence,
    Outage,
    Platform,
    Recipe,
    Resource,
    ResourceCapability,
    ResourceKind,
)
from platform_booking.db import UtcDateTime
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.planning.models import PlacementRow, Plan
from platform_booking.planning.states import Change, PlanState

SHOWN = ACTIVE | {BookingState.COMPLETED}
"""States that are drawn: what takes up capacity, and what has run."""


@dataclass(frozen=True, slots=True)
class Line:
    """One resource, which is one line of the board."""

    id: int
    public_id: UUID
    code: str
    name_zh: str
    name_en: str
    kind: ResourceKind
    capacity: int
    unit: str
    calendar_id: int
    guard_seq: int
    platform_id: int
    platform: str  # code
    platform_zh: str
    platform_en: str
    capabilities: Sequence[str]  # codes and names, for the text filter


@dataclass(frozen=True, slots=True)
class Stop:
    """A dated thing of the catalogue: an outage, or an occurrence of an event resource."""

    what: str  # "outage" | "occurrence"
    resource_id: int
    public_id: UUID
    starts_at: datetime
    ends_at: datetime
    text: str  # reason, or code
    kind: str  # of the outage
    capacity: int  # of the occurrence
    closes_at: datetime | None


@dataclass(frozen=True, slots=True)
class Draft:
    """The newest plan that waits for approval."""

    id: int
    public_id: UUID
    night: str
    fence: int


@dataclass(frozen=True, slots=True)
class Stay:
    """A resource held. Whose, the viewer learns only where it is his to know."""

    resource_id: int
    starts_at: datetime
    ends_at: datetime
    quantity: int
    public_id: UUID | None = None  # None: somebody else's, and all that is known of it
    state: BookingState | None = None
    organisation_id: int | None = None
    organisation_zh: str | None = None
    organisation_en: str | None = None
    order_id: UUID | None = None
    title: str | None = None
    step: str | None = None
    project: str | None = None
    recipe: str | None = None
    recipe_capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """One placement of the draft that is new or moves a booking."""

    resource_id: int
    starts_at: datetime
    ends_at: datetime
    quantity: int
    change: Change
    order_id: UUID
    title: str
    step: str
    organisation_zh: str
    organisation_en: str
    booking_id: UUID | None  # that it would move
    recipe: str | None


def lines(session: Session) -> list[Line]:
    """Return the resources in service, by platform and code."""
    able = (
        sa.select(
            sa.func.array_agg(
                sa.func.concat_ws(
                    " ", Capability.code, Capability.name_zh, Capability.name_en
                )
            )
        )
        .join(ResourceCapability, ResourceCapability.capability_id == Capability.id)
        .where(ResourceCapability.resource_id == Resource.id)
        .scalar_subquery()
    )
    chosen = (
        sa.select(
            Resource.id,
            Resource.public_id,
            Resource.code,
            Resource.name_zh,
            Resource.name_en,
            Resource.kind,
            Resource.capacity,
            Resource.unit,
            Resource.calendar_id,
            Resource.guard_seq,
            Platform.id,
            Platform.code,
            Platform.name_zh,
            Platform.name_en,
            sa.func.coalesce(able, sa.cast([], sa.ARRAY(sa.Text))),
        )
        .join(Platform, Platform.id == Resource.platform_id)
        .where(Resource.active)
        .order_by(Platform.position, Platform.id, Resource.code)
    )
    return [Line(*tuple[Any, ...](row)) for row in session.execute(chosen)]


def calendars(session: Session, shown: Sequence[Line]) -> list[Calendar]:
    """Return the calendars of some resources, with their exceptions."""
    wanted = sorted({line.calendar_id for line in shown})
    found = session.scalars(
        sa.select(Calendar)
        .where(Calendar.id.in_(wanted))
        .options(joinedload(Calendar.exceptions))
        .order_by(Calendar.id)
    )
    return list(found.unique())


def stops(session: Session, shown: Sequence[Line], asked: Asked) -> list[Stop]:
    """Return outages and occurrences in the window."""

    def dated(what: str, table: Any, *columns: Any) -> sa.Select[Any]:
        return sa.select(
            sa.literal(what).label("what"),
            table.resource_id,
            table.public_id,
            table.starts_at,
            table.ends_at,
            *columns,
        ).where(
            table.resource_id.in_([line.id for line in shown]),
            table.ends_at > asked.from_at,
            table.starts_at < asked.to_at,
        )

    nothing = sa.cast(sa.null(), UtcDateTime)
    both = sa.union_all(
        dated(
            "outage",
            Outage,
            Outage.reason,
            sa.cast(Outage.kind, sa.Text),
            sa.literal(0),
            nothing,
        ),
        dated(
            "occurrence",
            Occurrence,
            Occurrence.code,
            sa.literal(""),
            Occurrence.capacity,
            Occurrence.closes_at,
        ),
    )
    ordered = both.order_by("what", "resource_id", "starts_at", "public_id")
    return [Stop(*row) for row in session.execute(ordered)]


def names_and_draft(session: Session, *, draft: bool) -> tuple[str, Draft | None]:
    """Return what changes with every name that the viewer may read, and the newest draft.

    Orders, projects and organisations raise no `guard_seq` when they are called otherwise.
    The draft is the newest plan that waits for approval, if there is one and it is wanted.
    """
    named = (
        sa.select(sa.func.concat(sa.func.count(Order.id), "/", sa.func.sum(Order.version))),
        _all_of(Project.name, by=Project.id),
        _all_of(
            sa.func.concat(Organisation.name_zh, "/", Organisation.name_en),
            by=Organisation.id,
        ),
    )
    newest = (
        sa.select(Plan.id, Plan.public_id, sa.cast(Plan.night, sa.Text), Plan.fence)
        .where(Plan.state == PlanState.DRAFT, sa.literal(draft))
        .order_by(Plan.id.desc())
        .limit(1)
        .subquery()
    )
    told = sa.select(
        sa.func.concat_ws("-", *(one.scalar_subquery() for one in named)).label("names")
    ).subquery()
    names, *row = session.execute(
        sa.select(told, newest).select_from(told.outerjoin(newest, sa.true()))
    ).one()
    return names, None if row[0] is None else Draft(*row)


def _all_of(text: sa.ColumnElement[str] | Any, *, by: Any) -> sa.Select[tuple[str]]:
    every = sa.func.string_agg(text, aggregate_order_by(sa.literal("|"), by))
    return sa.select(sa.func.md5(every))


def stays(session: Session, shown: Sequence[Line], asked: Asked) -> list[Stay]:
    """Return what is held in the window: in full what the viewer may see, the rest bare.

    One statement, so that a booking which moves meanwhile is neither lost nor shown twice.
    """
    ids = [line.id for line in shown]
    within = (
        Booking.platform_id.in_(sorted({line.platform_id for line in shown})),
        Booking.resource_id.in_(ids),
        Booking.ends_at > asked.from_at,
        Booking.starts_at < asked.to_at,
    )
    visible = (
        sa.select(
            Booking.resource_id,
            Booking.starts_at,
            Booking.ends_at,
            Booking.quantity,
            Booking.public_id,
            Booking.state,
            Booking.organisation_id,
            Organisation.name_zh,
            Organisation.name_en,
            Order.public_id,
            Order.title,
            Step.name,
            Project.name,
            Recipe.code,
            Recipe.capacity,
        )
        .outerjoin(Organisation, Organisation.id == Booking.organisation_id)
        .outerjoin(StepBooking, StepBooking.booking_id == Booking.id)
        .outerjoin(Step, Step.id == StepBooking.step_id)
        .outerjoin(Order, Order.id == Step.order_id)
        .outerjoin(
            Project,
            Project.id == sa.func.coalesce(Booking.project_id, Order.project_id),
        )
        .outerjoin(Recipe, Recipe.id == Booking.recipe_id)
        .where(*within, Booking.state.in_(SHOWN))
    )
    busy = sa.func.busy(
        sa.cast(ids, sa.ARRAY(sa.Integer)), asked.from_at, asked.to_at
    ).table_valued(
        sa.column("resource_id", sa.Integer),
        sa.column("starts_at", UtcDateTime),
        sa.column("ends_at", UtcDateTime),
        sa.column("quantity", sa.Integer),
    )
    others = sa.except_all(
        sa.select(busy.c.resource_id, busy.c.starts_at, busy.c.ends_at, busy.c.quantity),
        sa.select(
            Booking.resource_id, Booking.starts_at, Booking.ends_at, Booking.quantity
        ).where(*within, Booking.active),
    ).subquery()
    unknown = [sa.cast(sa.null(), c.type) for c in list(visible.selected_columns)[4:]]
    whole: sa.CompoundSelect[Any] = sa.union_all(visible, sa.select(*others.c, *unknown))
    ordered = whole.order_by("starts_at", "resource_id", "ends_at")
    return [Stay(*row) for row in session.execute(ordered)]


def placements(
    session: Session, draft: Draft, shown: Sequence[Line], asked: Asked
) -> list[Placed]:
    """Return what a draft would add or move in the window, as far as the viewer may see."""
    rows = session.execute(
        sa.select(
            PlacementRow.resource_id,
            PlacementRow.starts_at,
            PlacementRow.ends_at,
            PlacementRow.quantity,
            PlacementRow.change,
            Order.public_id,
            Order.title,
            Step.name,
            Organisation.name_zh,
            Organisation.name_en,
            Booking.public_id,
            Recipe.code,
        )
        .join(Order, Order.id == PlacementRow.order_id)
        .join(Step, Step.id == PlacementRow.step_id)
        .join(Organisation, Organisation.id == PlacementRow.organisation_id)
        .outerjoin(Booking, Booking.id == PlacementRow.previous_booking_id)
        .outerjoin(Recipe, Recipe.id == PlacementRow.recipe_id)
        .where(
            PlacementRow.plan_id == draft.id,
            PlacementRow.resource_id.in_([line.id for line in shown]),
            PlacementRow.change.in_((Change.NEW, Change.MOVED)),
            PlacementRow.ends_at > asked.from_at,
            PlacementRow.starts_at < asked.to_at,
        )
        .order_by(PlacementRow.starts_at, PlacementRow.id)
    )
    return [Placed(*tuple[Any, ...](row)) for row in rows]
