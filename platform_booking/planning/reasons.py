"""Why a plan leaves orders out or places them late, as it was written down.

Row-level security decides which orders there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Organisation
from platform_booking.errors import NotFound
from platform_booking.orders.models import Order, Step, english_step_name
from platform_booking.planning.counting import late_in
from platform_booking.planning.models import LateOrder, LeftOut, Plan
from platform_booking.planning.states import PlanState
from solver.allocation import Cause

_FORCIBLE = {Cause.FULL, Cause.TOO_LIGHT, Cause.ONE_OF, Cause.NOT_MOVED}


@dataclass(frozen=True, slots=True)
class StepName:
    """What a step is called."""

    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """One order that a plan does not place, or places too late."""

    order_id: UUID
    order_title: str
    organisation_zh: str
    organisation_en: str
    cause: str
    detail: Mapping[str, Any]
    ways_out: Sequence[Mapping[str, Any]]
    step_names: Mapping[int, StepName]
    late_min: int = 0  # placed, so long after the date wished for; 0: left out

    @property
    def forcible(self) -> bool:
        """Whether others stand in its way, or are lacking: forcing it in is a question."""
        return self.cause in _FORCIBLE


def left_out(
    session: Session, plan_id: int, *, limit: int = 200, offset: int = 0
) -> tuple[list[ReasonLine], int]:
    """Return a page of the orders left out that the asker may see, and how many."""
    which = LeftOut.plan_id == plan_id
    return _page(session, LeftOut, which, LeftOut.id.asc(), limit=limit, offset=offset)


def late(
    session: Session, plan_id: int, *, limit: int = 200, offset: int = 0
) -> tuple[list[ReasonLine], int]:
    """Return a page of the orders placed late that the asker may see, and how many."""
    order = LateOrder.late_min.desc()
    return _page(session, LateOrder, late_in(plan_id), order, limit=limit, offset=offset)


def explained(session: Session, plan_id: int, order_id: UUID) -> ReasonLine:
    """Return why a plan leaves an order out, or places it late.

    Raises
    ------
    NotFound
        If it does neither, as far as the asker may see.
    """
    for table, which in (
        (LeftOut, LeftOut.plan_id == plan_id),
        (LateOrder, late_in(plan_id)),
    ):
        row = session.execute(
            _explained(table).where(which, Order.public_id == order_id)
        ).one_or_none()
        if row is not None:
            return _with_steps(session, [row])[0]
    raise NotFound


def why_left_out(session: Session, order_id: int) -> ReasonLine | None:
    """Return why the newest plan that looked at an order left it out, if it did."""
    return _newest(session, LeftOut, LeftOut.order_id == order_id)


def why_late(session: Session, order_id: int) -> ReasonLine | None:
    """Return why the newest plan that looked at an order places it late, if it does."""
    return _newest(session, LateOrder, LateOrder.order_id == order_id)


def _page(
    session: Session,
    table: type[LeftOut | LateOrder],
    which: sa.ColumnElement[bool],
    order: sa.UnaryExpression[Any],
    *,
    limit: int,
    offset: int,
) -> tuple[list[ReasonLine], int]:
    total = session.scalar(sa.select(sa.func.count()).select_from(table).where(which))
    rows = session.execute(
        _explained(table).where(which).order_by(order, table.id).limit(limit).offset(offset)
    ).all()
    return _with_steps(session, rows), total or 0


def _newest(
    session: Session, table: type[LeftOut | LateOrder], which: sa.ColumnElement[bool]
) -> ReasonLine | None:
    """Return what the newest plan that was made says of an order."""
    newest = (
        sa.select(sa.func.max(Plan.id))
        .where(Plan.state.not_in([PlanState.RUNNING, PlanState.FAILED]))
        .scalar_subquery()
    )
    row = session.execute(
        _explained(table).where(which, table.plan_id == newest)
    ).one_or_none()
    return None if row is None else _with_steps(session, [row])[0]


def _explained(table: type[LeftOut | LateOrder]) -> sa.Select[Any]:
    late = table.late_min if table is LateOrder else sa.literal(0)
    return (
        sa.select(
            Order.public_id,
            Order.title,
            Organisation.name_zh,
            Organisation.name_en,
            table.cause,
            table.detail,
            table.ways_out,
            late,
            Order.id,
        )
        .join_from(table, Order, Order.id == table.order_id)
        .join(Organisation, Organisation.id == table.organisation_id)
    )


def _with_steps(session: Session, rows: Sequence[Any]) -> list[ReasonLine]:
    names: dict[int, dict[int, StepName]] = {}
    for step_id, order_id, *name in session.execute(
        sa.select(Step.id, Step.order_id, Step.name, english_step_name()).where(
            Step.order_id.in_([row[-1] for row in rows])
        )
    ):
        names.setdefault(order_id, {})[step_id] = StepName(*name)
    return [_reason_line(row, names.get(row[-1], {})) for row in rows]


def _reason_line(row: Any, step_names: Mapping[int, StepName]) -> ReasonLine:
    order_id, title, name_zh, name_en, cause, detail, ways_out, late_min, _row_id = row
    return ReasonLine(
        order_id=order_id,
        order_title=title,
        organisation_zh=name_zh,
        organisation_en=name_en,
        cause=cause,
        detail=detail,
        ways_out=ways_out,
        step_names=step_names,
        late_min=late_min,
    )
