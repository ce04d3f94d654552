"""What pages and the API read of bookings. Row-level security decides which rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, selectinload

from platform_booking.accounts.models import (
    Member,
    Organisation,
    OrganisationState,
    Project,
)
from platform_booking.bookings.models import Booking, Series
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import (
    Calendar,
    MaterialFlag,
    MaterialsClass,
    Occurrence,
    Outage,
    Platform,
    Recipe,
    Resource,
    ResourceKind,
)
from platform_booking.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRun:
    """The run that a booking is a load of, as far as whoever is in it may know."""

    loaded: int  # of all firms together
    least: int  # what the recipe needs
    cost_share: float  # of this booking, between 0 and 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingLine:
    """One booking and what it names, as far as the asker may see it.

    To operators `project` is None: what a firm works on is none of their business. To a
    firm `member` is None when the platform's staff booked on its behalf.
    """

    booking: Booking
    resource: Resource
    platform: Platform
    organisation: Organisation
    project: Project | None = None
    member: Member | None = None
    recipe: Recipe | None = None
    occurrence: Occurrence | None = None
    series: Series | None = None
    buddy: Member | None = None  # None, too, where the asker does not see him
    parts: tuple["BookingLine", ...] = ()  # what was booked together with it
    chosen_because: str | None = None  # known to whoever has just booked
    run: SharedRun | None = None  # that it is a load of, where `sharing` was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which bookings a list shows. `[from_at, to_at)` keeps those that overlap it."""

    resource_id: UUID | None = None
    platform_id: UUID | None = None
    platform_row_ids: tuple[int, ...] | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    ends_by: datetime | None = None  # over by then
    states: tuple[BookingState, ...] = ()
    organisation_row_id: int | None = None
    member_id: UUID | None = None
    project_id: UUID | None = None
    series_id: UUID | None = None
    group_id: UUID | None = None
    latest_first: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """How much of a resource is taken from an instant until before another."""

    starts_at: datetime
    ends_at: datetime
    quantity: int


def booking_line(session: Session, public_id: UUID, *, hold: bool = False) -> BookingLine:
    """Return one booking with its other parts; `hold` them for who is about to change them.

    Raises
    ------
    NotFound
        If there is none that the asker may see.
    """
    group = (
        sa.select(Booking.group_id).where(Booking.public_id == public_id).scalar_subquery()
    )
    chosen = (
        _lines()
        .where(sa.or_(Booking.public_id == public_id, Booking.group_id == group))
        .order_by(Booking.resource_id, Booking.id)
    )
    if hold:
        chosen = chosen.with_for_update(of=Booking).execution_options(
            populate_existing=True
        )
    found = [_line(row) for row in session.execute(chosen)]
    named = [line for line in found if line.booking.public_id == public_id]
    if not named:
        raise NotFound
    others = tuple(line for line in found if line is not named[0])
    return replace(named[0], parts=others)


def lines_of_series(session: Session, public_id: UUID) -> list[BookingLine]:
    """Return all bookings of a series that the asker may see, held for a change."""
    return [
        _line(row)
        for row in session.execute(
            _lines()
            .where(Series.public_id == public_id)
            .order_by(Booking.resource_id, Booking.id)
            .with_for_update(of=Booking)
            .execution_options(populate_existing=True)
        )
    ]


def booking_lines(
    session: Session, wanted: Wanted, *, limit: int, offset: int
) -> tuple[list[BookingLine], int]:
    """Return a page of the bookings that the asker may see, and how many there are."""
    total = session.scalar(_only(sa.select(sa.func.count(Booking.id)), wanted)) or 0
    order: list[sa.ColumnElement[Any]] = [Booking.starts_at.asc(), Booking.id.asc()]
    if wanted.latest_first:
        order = [Booking.starts_at.desc(), Booking.id.desc()]
    rows = session.execute(
        _only(_lines(), wanted).order_by(*order).limit(limit).offset(offset)
    )
    return _with_parts(session, [_line(row) for row in rows]), total


def _with_parts(session: Session, lines: list[BookingLine]) -> list[BookingLine]:
    groups = {line.booking.group_id for line in lines} - {None}
    if not groups:
        return lines
    members: dict[UUID | None, list[BookingLine]] = {}
    for row in session.execute(
        _lines().where(Booking.group_id.in_(groups)).order_by(Booking.resource_id)
    ):
        one = _line(row)
        members.setdefault(one.booking.group_id, []).append(one)
    return [
        replace(
            line,
            parts=tuple(
                one
                for one in members.get(line.booking.group_id, ())
                if one.booking.id != line.booking.id
            ),
        )
        for line in lines
    ]


def lines_where(
    session: Session,
    *conditions: sa.ColumnElement[bool],
    order: Sequence[sa.ColumnElement[Any]],
    limit: int,
) -> list[BookingLine]:
    """Return the bookings that meet conditions and that the asker may see, in one read."""
    rows = session.execute(_lines().where(*conditions).order_by(*order).limit(limit))
    return [_line(row) for row in rows]


def _lines() -> sa.Select[*tuple[Any, ...]]:
    second = aliased(Member)
    return (
        sa.select(
            Booking,
            Resource,
            Platform,
            Organisation,
            Project,
            Member,
            Recipe,
            Occurrence,
            Series,
            second,
        )
        .join(Resource, Resource.id == Booking.resource_id)
        .join(Platform, Platform.id == Booking.platform_id)
        .join(Organisation, Organisation.id == Booking.organisation_id)
        .outerjoin(Project, Project.id == Booking.project_id)
        .outerjoin(Member, Member.id == Booking.member_id)
        .outerjoin(Recipe, Recipe.id == Booking.recipe_id)
        .outerjoin(Occurrence, Occurrence.id == Booking.occurrence_id)
        .outerjoin(Series, Series.id == Booking.series_id)
        .outerjoin(second, second.id == Booking.buddy_id)
    )


def _line(row: Any) -> BookingLine:
    names = (
        "booking", "resource", "platform", "organisation",
        "project", "member", "recipe", "occurrence", "series", "buddy",
    )  # fmt: skip
    return BookingLine(**dict(zip(names, row, strict=True)))


def _only(chosen: sa.Select[Any], wanted: Wanted) -> sa.Select[Any]:
    """Keep what a list shows. Plain comparisons: see DECISIONS 5."""
    if wanted.resource_id is not None:
        chosen = chosen.where(
            Booking.resource_id
            == sa.select(Resource.id)
            .where(Resource.public_id == wanted.resource_id)
            .scalar_subquery()
        )
    if wanted.platform_id is not None:
        chosen = chosen.where(
            Booking.platform_id
            == sa.select(Platform.id)
            .where(Platform.public_id == wanted.platform_id)
            .scalar_subquery()
        )
    if wanted.platform_row_ids is not None:
        chosen = chosen.where(Booking.platform_id.in_(wanted.platform_row_ids))
    if wanted.from_at is not None:
        chosen = chosen.where(Booking.ends_at > wanted.from_at)
    if wanted.to_at is not None:
        chosen = chosen.where(Booking.starts_at < wanted.to_at)
    if wanted.ends_by is not None:
        chosen = chosen.where(Booking.ends_at <= wanted.ends_by)
    if wanted.states:
        chosen = chosen.where(Booking.state.in_(wanted.states))
    if wanted.organisation_row_id is not None:
        chosen = chosen.where(Booking.organisation_id == wanted.organisation_row_id)
    if wanted.group_id is not None:
        chosen = chosen.where(Booking.group_id == wanted.group_id)
    for column, table, asked in (
        (Booking.member_id, Member, wanted.member_id),
        (Booking.project_id, Project, wanted.project_id),
        (Booking.series_id, Series, wanted.series_id),
    ):
        if asked is not None:
            chosen = chosen.where(column == _row_id(table, asked))
    return chosen


def _row_id(table: Any, public_id: UUID) -> sa.ScalarSelect[int]:
    return sa.select(table.id).where(table.public_id == public_id).scalar_subquery()


def taken(
    session: Session, resource_row_id: int, *, from_at: datetime, to_at: datetime
) -> tuple[Taken, ...]:
    """Return when a resource is taken, and how much of it: what everybody may know.

    Stretches are sorted and apart from one another; bookings cannot be told from them.
    """
    rows = session.execute(
        sa.text("SELECT starts_at, ends_at, quantity FROM busy(:which, :from_at, :to_at)"),
        {"which": [resource_row_id], "from_at": from_at, "to_at": to_at},
    )
    steps: dict[datetime, int] = {}
    for starts_at, ends_at, quantity in rows:
        begins, ends = max(starts_at, from_at), min(ends_at, to_at)
        steps[begins] = steps.get(begins, 0) + quantity
        steps[ends] = steps.get(ends, 0) - quantity
    return tuple(_levels(steps))


def _levels(steps: dict[datetime, int]) -> Sequence[Taken]:
    found: list[Taken] = []
    level, since = 0, None
    for moment in sorted(steps):
        if steps[moment] == 0:
            continue
        if level and since is not None:
            found.append(Taken(since, moment, level))
        level, since = level + steps[moment], moment
    return found


def runs_to_join(
    session: Session, recipe: Recipe, *, from_at: datetime, to_at: datetime
) -> tuple[Taken, ...]:
    """Return the runs of a recipe that have room, with how much is left in each.

    Whoever asks for a recipe may learn when it runs, for he may join it.
    """
    rows = session.execute(
        sa.text(
            "SELECT starts_at, ends_at, sum(quantity) FROM"
            " busy(:which, :from_at, :to_at, :recipes) WHERE recipe_id = :recipe"
            " GROUP BY starts_at, ends_at ORDER BY starts_at"
        ),
        {
            "which": [recipe.resource_id],
            "from_at": from_at,
            "to_at": to_at,
            "recipes": [recipe.id],
            "recipe": recipe.id,
        },
    )
    return tuple(
        Taken(starts_at, ends_at, recipe.capacity - loaded)
        for starts_at, ends_at, loaded in rows
        if starts_at >= from_at and loaded < recipe.capacity
    )


def room_left(session: Session, runs: Sequence[Occurrence]) -> dict[int, int]:
    """Return how much is left of dated runs of one resource, by row id."""
    if not runs:
        return {}
    rows = session.execute(
        sa.text(
            "SELECT occurrence_id, sum(quantity) AS sold"
            " FROM busy(:which, :from_at, :to_at) GROUP BY occurrence_id"
        ),
        {
            "which": [runs[0].resource_id],
            "from_at": min(run.starts_at for run in runs),
            "to_at": max(run.ends_at for run in runs),
        },
    )
    sold = {row.occurrence_id: row.sold for row in rows}
    return {run.id: run.capacity - sold.get(run.id, 0) for run in runs}


def outages(
    session: Session, resource_row_id: int, *, from_at: datetime, to_at: datetime
) -> Sequence[Outage]:
    """Return when a resource is down."""
    return session.scalars(
        sa.select(Outage)
        .where(Outage.resource_id == resource_row_id)
        .where(Outage.ends_at > from_at, Outage.starts_at < to_at)
        .order_by(Outage.starts_at)
    ).all()


def resource(session: Session, called: UUID | str) -> Resource:
    """Return a resource, by its id or its code, with what a page needs to offer its slots.

    Raises
    ------
    NotFound
    """
    which = Resource.public_id if isinstance(called, UUID) else Resource.code
    found = session.scalars(
        sa.select(Resource)
        .where(which == called)
        .options(
            selectinload(Resource.platform),
            selectinload(Resource.calendar).selectinload(Calendar.exceptions),
            selectinload(Resource.recipes),
        )
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def resources_to_pick(
    session: Session, *, platform_row_ids: Sequence[int] | None = None
) -> list[tuple[Platform, list[Resource]]]:
    """Return the resources in service by platform; of the platforms given, or of all."""
    chosen = (
        sa.select(Platform, Resource)
        .join(Resource, Resource.platform_id == Platform.id)
        .where(Resource.active)
        .order_by(Platform.position, Platform.id, Resource.code)
    )
    if platform_row_ids is not None:
        chosen = chosen.where(Platform.id.in_(platform_row_ids))
    found: dict[int, tuple[Platform, list[Resource]]] = {}
    for platform, one in session.execute(chosen):
        found.setdefault(platform.id, (platform, []))[1].append(one)
    return list(found.values())


def codes(session: Session) -> dict[str, UUID]:
    """Return the ids of the resources in service by their codes."""
    rows = session.execute(
        sa.select(Resource.code, Resource.public_id).where(Resource.active)
    )
    return {row.code: row.public_id for row in rows}


def occurrences_to_pick(
    session: Session, on: Resource, *, now: datetime
) -> Sequence[Occurrence]:
    """Return the dated runs of an event that can still be booked."""
    if on.kind is not ResourceKind.EVENT:
        return ()
    return session.scalars(
        sa.select(Occurrence)
        .where(Occurrence.resource_id == on.id, Occurrence.starts_at > now)
        .where(sa.or_(Occurrence.closes_at.is_(None), Occurrence.closes_at > now))
        .where(Occurrence.called_off_at.is_(None))
        .order_by(Occurrence.starts_at)
        .limit(100)
    ).all()


def in_the_way(outage: Outage) -> sa.Select[Booking]:
    """Return which bookings give way to an outage, in the order of locking.

    All that overlap it; where its owner has taken the time back, not his own.
    """
    return (
        sa.select(Booking)
        .where(
            Booking.resource_id == outage.resource_id,
            Booking.active,
            Booking.ends_at > outage.starts_at,
            Booking.starts_at < outage.ends_at,
            sa.true()
            if outage.taken_back_by is None
            else Booking.organisation_id != outage.taken_back_by,
        )
        .order_by(Booking.resource_id, Booking.id)
    )


@dataclass(frozen=True, slots=True)
class PossibleBuddy:
    """Whom a member may name as his second person."""

    public_id: UUID
    name: str
    staff: bool  # operates the platform; else a colleague


def possible_buddies(session: Session, resource_row_id: int) -> list[PossibleBuddy]:
    """Return who could be there beside the asker when he runs a resource."""
    rows = session.execute(
        sa.text("SELECT public_id, name, staff FROM possible_buddies(:which)"),
        {"which": resource_row_id},
    )
    return [PossibleBuddy(row.public_id, row.name, row.staff) for row in rows]


def emails(session: Session, member_ids: Collection[int]) -> dict[int, str]:
    """Return the addresses of members, as far as the asker may see them."""
    rows = session.execute(
        sa.select(Member.id, Member.email).where(Member.id.in_(member_ids))
    )
    return {row.id: row.email for row in rows}


def buddy(session: Session, booking: Booking) -> Member | None:
    """Return the second person of a booking, where there is one that the asker may see."""
    return None if booking.buddy_id is None else session.get(Member, booking.buddy_id)


def organisations_to_pick(session: Session) -> Sequence[Organisation]:
    """Return the organisations that an operator may book for."""
    return session.scalars(
        sa.select(Organisation)
        .where(Organisation.state == OrganisationState.APPROVED)
        .order_by(Organisation.name_zh)
    ).all()


def platforms(session: Session, row_ids: Sequence[int] | None) -> Sequence[Platform]:
    """Return platforms in the catalogue's order; all where no ids are given."""
    chosen = sa.select(Platform).order_by(Platform.position, Platform.id)
    if row_ids is not None:
        chosen = chosen.where(Platform.id.in_(row_ids))
    return session.scalars(chosen).all()


def materials(session: Session) -> tuple[Sequence[MaterialsClass], Sequence[MaterialFlag]]:
    """Return the contamination classes and the flags that wafers may carry."""
    return (
        session.scalars(sa.select(MaterialsClass).order_by(MaterialsClass.rank)).all(),
        session.scalars(sa.select(MaterialFlag).order_by(MaterialFlag.code)).all(),
    )
