"""How many orders a plan adds, moves, leaves where they are, and leaves out.

Row-level security decides which orders the asker's numbers count.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Organisation
from platform_booking.catalog.models import Platform
from platform_booking.planning.models import (
    NOT_APPROVED,
    OVERTAKEN,
    Approval,
    LateOrder,
    LeftOut,
    PlacementRow,
    PublicationPart,
)
from platform_booking.planning.states import LAPSED, ApprovalState, Change


@dataclass(frozen=True, slots=True)
class Counts:
    """How many orders a plan adds, moves, leaves where they are, and leaves out."""

    new: int
    moved: int
    kept: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Fates:
    """What has become of the orders of a plan that is decided; each counts once."""

    booked: int  # new, moved, or unchanged in their place
    waiting: int  # placed, and not published yet
    overtaken: int  # by the day
    rejected: int  # by a platform that they need
    lapsed: int  # a platform that they need was silent until the deadline
    left_out: int  # by the draft itself


@dataclass(frozen=True, slots=True)
class CountLine:
    """The counts of one platform or organisation."""

    name_zh: str
    name_en: str
    counts: Counts


def placed_by(plan_id: int) -> sa.ColumnElement[bool]:
    """Whether a placement is of a plan, and its order was not left out since: overtaken."""
    return sa.and_(
        PlacementRow.plan_id == plan_id,
        ~sa.exists().where(
            LeftOut.plan_id == PlacementRow.plan_id,
            LeftOut.order_id == PlacementRow.order_id,
        ),
    )


def late_in(plan_id: int) -> sa.ColumnElement[bool]:
    """Whether an order is late in a plan, and was not left out since: overtaken."""
    return sa.and_(
        LateOrder.plan_id == plan_id,
        ~sa.exists().where(
            LeftOut.plan_id == LateOrder.plan_id, LeftOut.order_id == LateOrder.order_id
        ),
    )


def late(session: Session, plan_id: int) -> int:
    """Return how many orders a plan places late, of those that the asker may see."""
    return (
        session.scalar(
            sa.select(sa.func.count()).select_from(LateOrder).where(late_in(plan_id))
        )
        or 0
    )


def counts(session: Session, plan_id: int) -> Counts:
    """Return how many orders a plan changes, of those that the asker may see."""
    by_change = dict(
        session.execute(
            sa.select(PlacementRow.change, sa.func.count(PlacementRow.order_id.distinct()))
            .where(placed_by(plan_id))
            .group_by(PlacementRow.change)
        ).all()
    )
    left = session.scalar(
        sa.select(sa.func.count()).select_from(LeftOut).where(LeftOut.plan_id == plan_id)
    )
    return _counts(by_change, left or 0)


def fates(session: Session, plan_id: int) -> Fates:
    """Return what has become of a plan's orders, of those that the asker may see."""
    part = sa.and_(
        PublicationPart.plan_id == PlacementRow.plan_id,
        PublicationPart.component == PlacementRow.component,
    )
    is_open = sa.and_(
        PublicationPart.published_at.is_(None), PublicationPart.withheld == ""
    )
    waits = sa.exists().where(part, is_open)
    placed = sa.select(sa.func.count(PlacementRow.order_id.distinct())).where(
        placed_by(plan_id)
    )
    waiting = session.scalar(placed.where(waits)) or 0
    refused = sa.exists().where(
        PlacementRow.plan_id == LeftOut.plan_id,
        PlacementRow.order_id == LeftOut.order_id,
        part,
        Approval.plan_id == LeftOut.plan_id,
        Approval.platform_id == sa.any_(PublicationPart.platform_ids),
        Approval.state == ApprovalState.REJECTED,
        Approval.note != LAPSED,
    )
    how = sa.case(
        (LeftOut.cause == OVERTAKEN, "overtaken"),
        (LeftOut.cause != NOT_APPROVED, "left_out"),
        (refused, "rejected"),
        else_="lapsed",
    ).label("how")
    out: dict[str, int] = dict(
        session.execute(
            sa.select(how, sa.func.count()).where(LeftOut.plan_id == plan_id).group_by(how)
        ).all()
    )
    return Fates(
        booked=(session.scalar(placed) or 0) - waiting,
        waiting=waiting,
        overtaken=out.get("overtaken", 0),
        rejected=out.get("rejected", 0),
        lapsed=out.get("lapsed", 0),
        left_out=out.get("left_out", 0),
    )


def by_platform(
    session: Session, plan_id: int, *, only: Collection[int] | None = None
) -> list[CountLine]:
    """Return the same for each platform; an order counts at every one that it touches.

    An order that is left out counts where it might have been served. `only` names
    platforms, by row id; None for all.
    """
    names = sa.select(Platform.id, Platform.name_zh, Platform.name_en)
    if only is not None:
        names = names.where(Platform.id.in_(only))
    touched = (
        sa.select(sa.func.unnest(LeftOut.platform_ids).label("platform_id"))
        .where(LeftOut.plan_id == plan_id)
        .subquery()
    )
    return _count_lines(
        session,
        names=names.order_by(Platform.position, Platform.id),
        changed=sa.select(PlacementRow.platform_id, PlacementRow.change)
        .add_columns(sa.func.count(PlacementRow.order_id.distinct()))
        .where(placed_by(plan_id))
        .group_by(PlacementRow.platform_id, PlacementRow.change),
        left=sa.select(touched.c.platform_id, sa.func.count()).group_by(
            touched.c.platform_id
        ),
    )


def by_organisation(session: Session, plan_id: int) -> list[CountLine]:
    """Return the same for each organisation, by name."""
    return _count_lines(
        session,
        names=sa.select(
            Organisation.id, Organisation.name_zh, Organisation.name_en
        ).order_by(Organisation.name_zh),
        changed=sa.select(PlacementRow.organisation_id, PlacementRow.change)
        .add_columns(sa.func.count(PlacementRow.order_id.distinct()))
        .where(placed_by(plan_id))
        .group_by(PlacementRow.organisation_id, PlacementRow.change),
        left=sa.select(LeftOut.organisation_id, sa.func.count())
        .where(LeftOut.plan_id == plan_id)
        .group_by(LeftOut.organisation_id),
    )


def _count_lines(
    session: Session,
    *,
    names: sa.Select[int, str, str],
    changed: sa.Select[Any, Any, Any],
    left: sa.Select[Any, Any],
) -> list[CountLine]:
    by_change: dict[int, dict[Change, int]] = defaultdict(dict)
    for owner, change, number in session.execute(changed):
        by_change[owner][change] = number
    left_out = dict(session.execute(left).all())
    return [
        CountLine(name_zh, name_en, _counts(by_change[owner], left_out.get(owner, 0)))
        for owner, name_zh, name_en in session.execute(names)
        if owner in by_change or owner in left_out
    ]


def _counts(by_change: Mapping[Change, int], left_out: int) -> Counts:
    return Counts(
        new=by_change.get(Change.NEW, 0),
        moved=by_change.get(Change.MOVED, 0),
        kept=by_change.get(Change.KEPT, 0),
        left_out=left_out,
    )
