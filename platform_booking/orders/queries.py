"""What members and operators read of orders. Row-level security chooses the rows.

An operator sees an order that touches his platforms, and of it the steps that do. What the
order says beyond them (its route, its project, what was asked for) is left out here, for a
row carries it whole.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member, Organisation, Project
from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import ACTIVE, BookingState
from platform_booking.catalog.models import (
    Capability,
    MaterialsClass,
    Platform,
    Resource,
    RouteTemplate,
)
from platform_booking.errors import NotFound
from platform_booking.notices.models import Notice
from platform_booking.orders.lines import (
    Happening,
    LagLine,
    OrderDetail,
    OrderLine,
    StayLine,
    StepLine,
    ToolLine,
)
from platform_booking.orders.models import (
    Order,
    Step,
    StepBooking,
    StepLag,
    english_step_name,
)
from platform_booking.orders.states import STORED, OrderState, StepState, order_state

_SHOWN = (*ACTIVE, BookingState.COMPLETED, BookingState.ABORTED)
_STORED_ALONE = STORED - {OrderState.SUBMITTED}
_SETTLED = (StepState.DONE, StepState.SKIPPED)


def orders(
    session: Session,
    *,
    state: OrderState | None = None,
    platform: str | None = None,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[OrderLine], int]:
    """Return a page of the orders that the asker may see, newest first, and how many."""
    chosen = sa.select(Order.id)
    if state in _STORED_ALONE:
        chosen = chosen.where(Order.state == state)
    elif state is not None:  # the steps tell; nothing else needs to read them all
        shown, course = _shown_state()
        chosen = chosen.outerjoin(course, course.c.order_id == Order.id)
        chosen = chosen.where(shown == state.value, Order.state == OrderState.SUBMITTED)
    if platform is not None:
        place = sa.select(Platform.id).where(Platform.code == platform).scalar_subquery()
        chosen = chosen.where(place == sa.any_(Order.platform_ids))
    total = session.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) or 0
    rows = session.execute(
        sa.select(
            Order.id,
            Order.public_id,
            Order.title,
            Organisation.name_zh.label("organisation_zh"),
            Organisation.name_en.label("organisation_en"),
            Order.state,
            Order.submitted_at,
            Order.deadline_at,
        )
        .join(Organisation, Organisation.id == Order.organisation_id)
        .where(Order.id.in_(chosen))
        .order_by(Order.submitted_at.desc(), Order.id.desc())
        .limit(limit)
        .offset(offset)
    ).all()
    steps = _steps_in_brief(session, [row.id for row in rows])
    starts = _next_starts(session, [row.id for row in rows])
    return [_line(row, steps[row.id], starts) for row in rows], total


def twin(
    session: Session, asked: Mapping[str, Any], *, member_id: int, since: datetime
) -> UUID | None:
    """Return the member's order that asks for just the same, handed in since then."""
    return session.scalar(
        sa.select(Order.public_id)
        .where(
            Order.submitted_by == member_id,
            Order.submitted_at >= since,
            Order.state == OrderState.SUBMITTED,
            Order.asked == sa.cast(dict(asked), JSONB),
        )
        .order_by(Order.id)
        .limit(1)
    )


def platforms(session: Session, *, operated: Sequence[int] | None) -> list[Any]:
    """Return the platforms to filter by: those operated, or all for None."""
    wanted = sa.select(Platform.code, Platform.name_zh, Platform.name_en)
    if operated is not None:
        wanted = wanted.where(Platform.id.in_(operated))
    return list(session.execute(wanted.order_by(Platform.position, Platform.id)))


def _line(row: Any, steps: Sequence[Any], starts: Mapping[int, datetime]) -> OrderLine:
    ahead = next((s for s in steps if s.state not in _SETTLED), None)
    return OrderLine(
        public_id=row.public_id,
        title=row.title,
        organisation_zh=row.organisation_zh,
        organisation_en=row.organisation_en,
        state=order_state(row.state, [s.state for s in steps]),
        submitted_at=row.submitted_at,
        deadline_at=row.deadline_at,
        steps=len(steps),
        settled=sum(s.state in _SETTLED for s in steps),
        next_step_zh=ahead.name if ahead else None,
        next_step_en=ahead.name_en if ahead else None,
        next_at=starts.get(ahead.id) if ahead else None,
    )


def _shown_state() -> tuple[sa.ColumnElement[str], sa.Subquery]:
    """Return `states.order_state` of an order in force as SQL, and what it reads."""

    def some(*states: StepState) -> sa.ColumnElement[bool]:
        return sa.func.bool_or(Step.state.in_(states))

    def every(*states: StepState) -> sa.ColumnElement[bool]:
        return sa.func.bool_and(Step.state.in_(states))

    course = (
        sa.select(
            Step.order_id,
            some(StepState.FAILED).label("failed"),
            every(StepState.DONE, StepState.SKIPPED).label("done"),
            some(StepState.RUNNING, StepState.DONE).label("running"),
            every(StepState.BOOKED).label("booked"),
            every(StepState.PLACED, StepState.BOOKED).label("placed"),
        )
        .where(Step.position >= 0)
        .group_by(Step.order_id)
        .subquery("course")
    )
    shown = sa.case(
        (course.c.failed, OrderState.FAILED.value),
        (course.c.done, OrderState.DONE.value),
        (course.c.running, OrderState.RUNNING.value),
        (course.c.booked, OrderState.BOOKED.value),
        (course.c.placed, OrderState.PLACED.value),
        else_=OrderState.SUBMITTED.value,
    )
    return shown, course


def _steps_in_brief(session: Session, order_ids: Sequence[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in session.execute(
        sa.select(
            Step.id,
            Step.order_id,
            Step.name,
            english_step_name().label("name_en"),
            Step.state,
        )
        .where(Step.order_id.in_(order_ids), Step.position >= 0)
        .order_by(Step.order_id, Step.position)
    ):
        found[row.order_id].append(row)
    return found


def _next_starts(session: Session, order_ids: Sequence[int]) -> dict[int, datetime]:
    """Return when each booked step begins, by step."""
    rows = session.execute(
        sa.select(StepBooking.step_id, sa.func.min(Booking.starts_at))
        .join(Booking, Booking.id == StepBooking.booking_id)
        .join(Step, Step.id == StepBooking.step_id)
        .where(Step.order_id.in_(order_ids), Booking.active)
        .group_by(StepBooking.step_id)
    ).all()
    return dict(rows)


def order(session: Session, public_id: UUID, *, organisation_id: int | None) -> OrderDetail:
    """Return one order, for a member of the organisation named or for an operator.

    Raises
    ------
    NotFound
        If there is none that the asker may see.
    """
    row = session.execute(
        sa.select(
            Order,
            Organisation.name_zh.label("organisation_zh"),
            Organisation.name_en.label("organisation_en"),
            Member.name.label("member"),
            Project.public_id.label("project_id"),
            Project.name.label("project"),
            RouteTemplate.code.label("route"),
            RouteTemplate.name_zh.label("route_zh"),
            RouteTemplate.name_en.label("route_en"),
            MaterialsClass.code.label("materials_class"),
            MaterialsClass.name_zh.label("class_zh"),
            MaterialsClass.name_en.label("class_en"),
        )
        .join(Organisation, Organisation.id == Order.organisation_id)
        .outerjoin(Member, Member.id == Order.submitted_by)
        .outerjoin(Project, Project.id == Order.project_id)
        .outerjoin(RouteTemplate, RouteTemplate.id == Order.route_id)
        .outerjoin(MaterialsClass, MaterialsClass.rank == Order.class_rank)
        .where(Order.public_id == public_id)
    ).one_or_none()
    if row is None:
        raise NotFound
    kept: Order = row.Order
    own = kept.organisation_id == organisation_id
    steps = _steps(session, kept)
    return OrderDetail(
        id=kept.id,
        public_id=kept.public_id,
        own=own,
        title=kept.title,
        note=kept.note,
        state=order_state(kept.state, [s.state for s in steps]),
        version=kept.version,
        organisation_zh=row.organisation_zh,
        organisation_en=row.organisation_en,
        priority_class=kept.priority_class,
        submitted_by=row.member,
        submitted_at=kept.submitted_at,
        earliest_at=kept.earliest_at,
        due_at=kept.due_at,
        deadline_at=kept.deadline_at,
        lot_size=kept.lot_size,
        wafer_mm=kept.wafer_mm,
        materials_class=row.materials_class or "",
        class_zh=row.class_zh or "",
        class_en=row.class_en or "",
        flags=kept.flags,
        project_id=row.project_id if own else None,
        project=row.project if own else None,
        route=row.route if own else None,
        route_zh=row.route_zh if own else None,
        route_en=row.route_en if own else None,
        asked=kept.asked if own else {},
        steps=steps,
        lags=_lags(session, kept.id) if own else [],
    )


def _steps(session: Session, order: Order) -> list[StepLine]:
    rows = session.execute(
        sa.select(
            Step,
            english_step_name().label("name_en"),
            Capability.code.label("capability"),
            Capability.name_zh.label("capability_zh"),
            Capability.name_en.label("capability_en"),
        )
        .join(Capability, Capability.id == Step.capability_id)
        .where(Step.order_id == order.id, Step.position >= 0)
        .order_by(Step.position)
    ).all()
    steps: list[Step] = [row.Step for row in rows]
    tools = _tools(session, steps)
    stays = _stays(session, [step.id for step in steps])
    return [
        StepLine(
            id=step.id,
            position=step.position,
            name_zh=step.name,
            name_en=row.name_en,
            capability=row.capability,
            capability_zh=row.capability_zh,
            capability_en=row.capability_en,
            state=step.state,
            duration_min=step.duration_min,
            quantity=step.quantity,
            wafer_mm=step.wafer_mm,
            class_rank=step.class_rank,
            flags=step.flags,
            windows=[
                (datetime.fromisoformat(a), datetime.fromisoformat(b))
                for a, b in step.windows
            ],
            resources=[tools[r] for r in step.resource_ids if r in tools],
            co_uses=[(tools[r], amount) for r, amount in step.co_uses if r in tools],
            bookings=stays[step.id],
        )
        for row, step in zip(rows, steps, strict=True)
    ]


def _tools(session: Session, steps: Sequence[Step]) -> dict[int, ToolLine]:
    wanted = {r for step in steps for r in step.resource_ids}
    wanted |= {r for step in steps for r, _ in step.co_uses}
    rows = session.execute(
        sa.select(
            Resource.id,
            Resource.code,
            Resource.name_zh,
            Resource.name_en,
            Resource.public_id,
        ).where(Resource.id.in_(wanted))
    )
    return {
        row.id: ToolLine(
            code=row.code,
            name_zh=row.name_zh,
            name_en=row.name_en,
            public_id=row.public_id,
        )
        for row in rows
    }


def _stays(session: Session, step_ids: Sequence[int]) -> dict[int, list[StayLine]]:
    found: dict[int, list[StayLine]] = defaultdict(list)
    for row in session.execute(
        sa.select(
            StepBooking.step_id,
            Booking.public_id,
            Resource.code.label("resource"),
            Resource.name_zh.label("resource_zh"),
            Resource.name_en.label("resource_en"),
            Booking.starts_at,
            Booking.ends_at,
            Booking.quantity,
            Booking.state,
        )
        .join(Booking, Booking.id == StepBooking.booking_id)
        .join(Resource, Resource.id == Booking.resource_id)
        .where(StepBooking.step_id.in_(step_ids), Booking.state.in_(_SHOWN))
        .order_by(StepBooking.part, Booking.starts_at, Booking.id)
    ):
        facts = row._asdict()
        found[facts.pop("step_id")].append(StayLine(**facts))
    return found


def _lags(session: Session, order_id: int) -> list[LagLine]:
    rows = session.execute(
        sa.select(StepLag.before, StepLag.after, StepLag.least_min, StepLag.most_min)
        .where(StepLag.order_id == order_id)
        .order_by(StepLag.after, StepLag.before)
    )
    return [LagLine(**row._asdict()) for row in rows]


_TOLD = ("order.placed", "order.moved", "order.left_out", "order.overtaken")


def history(session: Session, detail: OrderDetail) -> list[Happening]:
    """Return what was done to an order and what came of it, as the asker may know it."""
    firm = sa.select(Order.organisation_id).where(Order.id == detail.id).scalar_subquery()
    deeds = session.execute(
        sa.select(AuditEntry.at, AuditEntry.act, Member.name)
        .outerjoin(Member, Member.id == AuditEntry.member_id)
        .where(AuditEntry.organisation_id == firm)
        .where(AuditEntry.subject == f"order {detail.public_id}")
    )
    told = session.execute(
        sa.select(Notice.created_at, Notice.kind, Notice.payload).where(
            Notice.organisation_id == firm,
            Notice.payload["order"].astext == str(detail.public_id),
            Notice.kind.in_(_TOLD),
        )
    )
    found = [Happening(at=at, what=what, who=who) for at, what, who in deeds]
    for at, kind, payload in told:
        by_outage = kind == "order.overtaken" and payload.get("why") == "outage"
        found.append(
            Happening(
                at=at,
                what="order.outage" if by_outage else kind,
                who=None,
                night=payload.get("night", ""),
            )
        )
    return sorted(found, key=lambda h: h.at)
