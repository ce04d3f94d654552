"""From what is asked for to rows, and the catalogue that it is read by.

The catalogue is read in a constant number of statements, whatever is asked for; an order
becomes rows that the caller's session writes together.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.catalog.hours import Hours, longest_stretch, week_of
from platform_booking.catalog.models import (
    Calendar,
    Capability,
    MaterialFlag,
    MaterialsClass,
    Occurrence,
    Recipe,
    Resource,
    ResourceCapability,
    ResourceKind,
    RouteStep,
    RouteTemplate,
)
from platform_booking.orders.asking import NewOrder, as_data
from platform_booking.orders.deriving import Derived, DerivedStep
from platform_booking.orders.models import Order, Step, StepLag
from platform_booking.orders.offer import (
    Dated,
    Entitlement,
    Offer,
    Operation,
    Route,
    Run,
    Tool,
)
from platform_booking.orders.states import OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class For:
    """For whom an order is handed in, by the ids of the database."""

    organisation_id: int
    member_id: int
    priority_class: str
    project_id: int | None = None


def read_offer(session: Session, *, now: datetime, by: Entitlement | None = None) -> Offer:
    """Read what orders may name: resources in service, recipes, routes, classes.

    `by` is what whoever asks brings along; None asks for nobody, and nothing is barred.
    """
    capabilities = session.execute(
        sa.select(Capability.code, Capability.id, Capability.name_zh, Capability.name_en)
    ).all()
    return Offer(
        capabilities={row.code: row.id for row in capabilities},
        names={row.code: row.name_zh for row in capabilities},
        english={row.code: row.name_en for row in capabilities},
        tools={tool.code: tool for tool in _tools(session, now=now, by=by)},
        routes=_routes(session),
        classes=_pairs(session, sa.select(MaterialsClass.code, MaterialsClass.rank)),
        flags=frozenset(session.scalars(sa.select(MaterialFlag.code))),
    )


def rows(new: NewOrder, derived: Derived, *, by: For, now: datetime) -> Order:
    """Return an order's rows; nothing is written yet."""
    order = Order(
        organisation_id=by.organisation_id,
        submitted_by=by.member_id,
        priority_class=by.priority_class,
        state=OrderState.SUBMITTED,
        submitted_at=now,
        version=1,
    )
    fill(order, new, derived, project_id=by.project_id, now=now)
    order.steps = steps_of(order, derived)
    order.lags = lags_of(order, derived)
    return order


def fill(
    order: Order, new: NewOrder, derived: Derived, *, project_id: int | None, now: datetime
) -> None:
    """Write what an order says of itself into its row."""
    order.project_id = project_id
    order.route_id = derived.route.id if derived.route else None
    order.title = new.title
    order.note = new.note
    order.earliest_at = new.earliest_at
    order.due_at = new.due_at
    order.deadline_at = new.deadline_at
    order.lot_size = derived.lot_size
    order.wafer_mm = derived.wafer_mm
    order.class_rank = derived.class_rank
    order.flags = list(derived.flags)
    order.platform_ids = sorted({p for step in derived.steps for p in step.platform_ids})
    order.asked = as_data(new)
    order.updated_at = now


def steps_of(order: Order, derived: Derived) -> list[Step]:
    """Return the rows of an order's steps."""
    return [_step(order, step, position) for position, step in enumerate(derived.steps)]


def lags_of(order: Order, derived: Derived) -> list[StepLag]:
    """Return the rows of an order's lags."""
    return [
        StepLag(
            before=lag.before,
            after=lag.after,
            organisation_id=order.organisation_id,
            least_min=lag.least_min,
            most_min=lag.most_min,
        )
        for lag in derived.lags
    ]


def _step(order: Order, step: DerivedStep, position: int) -> Step:
    assert step.capability_id is not None
    return Step(
        organisation_id=order.organisation_id,
        platform_ids=step.platform_ids,
        position=position,
        name=step.name,
        capability_id=step.capability_id,
        duration_min=step.duration_min,
        quantity=step.quantity,
        wafer_mm=step.wafer_mm,
        class_rank=step.class_rank,
        flags=list(step.flags),
        family=step.family,
        resource_ids=[tool.id for tool in step.tools],
        windows=[[a.isoformat(), b.isoformat()] for a, b in step.windows],
        co_uses=[[tool.id, quantity] for tool, quantity in step.co_uses],
    )


def _pairs(session: Session, question: sa.Select[str, int]) -> dict[str, int]:
    return dict(session.execute(question).all())


def _tools(session: Session, *, now: datetime, by: Entitlement | None) -> Iterable[Tool]:
    can: dict[int, set[int]] = defaultdict(set)
    for resource_id, capability_id in session.execute(
        sa.select(ResourceCapability.resource_id, ResourceCapability.capability_id)
    ):
        can[resource_id].add(capability_id)
    runs: dict[int, list[Run]] = defaultdict(list)
    for recipe in session.execute(
        sa.select(
            Recipe.id,
            Recipe.resource_id,
            Recipe.capability_id,
            Recipe.wafer_mm,
            Recipe.class_rank,
            Recipe.duration_min,
            Recipe.capacity,
        )
        .where(Recipe.active)
        .order_by(Recipe.id)
    ):
        facts = recipe._asdict()
        runs[facts.pop("resource_id")].append(Run(**facts))
    dates: dict[int, list[Dated]] = defaultdict(list)
    for occurrence in session.execute(
        sa.select(
            Occurrence.resource_id,
            Occurrence.starts_at,
            Occurrence.ends_at,
            Occurrence.capacity,
        )
        .where(Occurrence.starts_at > now)
        .where(sa.or_(Occurrence.closes_at.is_(None), Occurrence.closes_at > now))
        .where(Occurrence.called_off_at.is_(None))
        .order_by(Occurrence.starts_at)
    ):
        facts = occurrence._asdict()
        dates[facts.pop("resource_id")].append(Dated(**facts))
    longest = {
        calendar_id: longest_stretch(Hours(week=week_of(weekly)))
        for calendar_id, weekly in session.execute(sa.select(Calendar.id, Calendar.weekly))
    }
    for row in session.execute(
        sa.select(
            Resource.id,
            Resource.code,
            Resource.platform_id,
            Resource.kind,
            Resource.capacity,
            Resource.stay_rule,
            Resource.calendar_id,
            Resource.typical_minutes,
            Resource.class_rank,
            Resource.wafer_mm,
            Resource.flags_allowed,
            Resource.imposes_class,
            Resource.policy,
        )
        .where(Resource.active)
        .order_by(Resource.id)
    ):
        yield Tool(
            id=row.id,
            code=row.code,
            platform_id=row.platform_id,
            kind=ResourceKind(row.kind),
            capacity=row.capacity,
            stay=row.stay_rule,
            longest_min=longest[row.calendar_id],
            typical_min=row.typical_minutes,
            class_rank=row.class_rank,
            wafer_mm=frozenset(row.wafer_mm),
            flags_allowed=None
            if row.flags_allowed is None
            else frozenset(row.flags_allowed),
            imposes_class=row.imposes_class,
            capability_ids=frozenset(can[row.id]),
            runs=tuple(runs[row.id]),
            dates=tuple(dates[row.id]),
            bar=None if by is None else by.bar(row.policy),
        )


def _routes(session: Session) -> dict[str, Route]:
    operations: dict[int, list[Operation]] = defaultdict(list)
    for row in session.execute(
        sa.select(
            RouteStep.route_id,
            RouteStep.capability_id,
            RouteStep.name_zh,
            RouteStep.name_en,
            RouteStep.duration_min,
            RouteStep.quantity,
            RouteStep.lag_min_min,
            RouteStep.lag_max_min,
            RouteStep.parallel_group,
            RouteStep.class_after,
            RouteStep.sets_flag,
            RouteStep.co_uses,
            RouteStep.candidate_codes,
            RouteStep.family,
        ).order_by(RouteStep.route_id, RouteStep.seq, RouteStep.id)
    ):
        operations[row.route_id].append(
            Operation(
                capability_id=row.capability_id,
                name=row.name_zh,
                name_en=row.name_en,
                duration_min=row.duration_min,
                quantity=row.quantity,
                lag_min_min=row.lag_min_min,
                lag_max_min=row.lag_max_min,
                parallel_group=row.parallel_group,
                class_after=row.class_after,
                sets_flag=row.sets_flag,
                co_uses=tuple((code, amount) for code, amount in row.co_uses),
                candidates=frozenset(row.candidate_codes),
                family=row.family,
            )
        )
    found: dict[str, Route] = {}
    for route in session.execute(
        sa.select(
            RouteTemplate.id,
            RouteTemplate.public_id,
            RouteTemplate.code,
            RouteTemplate.wafer_mm,
            RouteTemplate.lot_size,
            RouteTemplate.class_rank,
            RouteTemplate.flags,
        ).where(RouteTemplate.active)
    ):
        found[route.code] = found[str(route.public_id)] = Route(
            id=route.id,
            code=route.code,
            wafer_mm=route.wafer_mm,
            lot_size=route.lot_size,
            class_rank=route.class_rank,
            flags=tuple(route.flags),
            operations=tuple(operations[route.id]),
        )
    return found
