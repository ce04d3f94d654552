"""What each organisation is entitled to, and what it has had in the weeks before."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Organisation
from platform_booking.orders.models import Order, Step
from platform_booking.orders.snapshot import work_value
from platform_booking.orders.states import OrderState, StepState
from solver.problem import Job, Share

WINDOW = timedelta(days=28)
_HAD = (StepState.BOOKED, StepState.RUNNING, StepState.DONE)


def shares_of(
    session: Session, jobs: Iterable[Job], *, weights: Mapping[str, int], now: datetime
) -> tuple[Share, ...]:
    """Return the shares of those who ask tonight, in two statements.

    Entitled to is what one has asked for in `WINDOW` and asks for now, times the weight
    that the park gives the organisation; had is what found its place. Both by the value of
    the orders (DECISIONS 15), withdrawn ones apart. Source: DECISIONS 37.
    """
    asked: dict[int, int] = defaultdict(int)
    had: dict[int, int] = defaultdict(int)
    tonight = {int(job.id) for job in jobs}
    for job in jobs:
        asked[int(job.organisation)] += job.value
    for order in session.execute(
        sa.select(
            Order.id,
            Order.organisation_id,
            Order.priority_class,
            sa.func.sum(Step.duration_min).label("minutes"),
            sa.func.bool_or(Step.state.in_(_HAD)).label("had"),
        )
        .join(Step, Step.order_id == Order.id)
        .where(Order.organisation_id.in_(list(asked)))
        .where(Order.submitted_at >= now - WINDOW)
        .where(Order.state.in_([OrderState.SUBMITTED, OrderState.EXPIRED]))
        .group_by(Order.id)
    ):
        if order.id in tonight:
            continue
        value = work_value(order.minutes, weights.get(order.priority_class, 1))
        asked[order.organisation_id] += value
        had[order.organisation_id] += value if order.had else 0
    firms = sa.select(Organisation.id, Organisation.share_weight).where(
        Organisation.id.in_(list(asked))
    )
    weight_of = {row.id: row.share_weight for row in session.execute(firms)}
    return tuple(
        Share(str(firm), entitled=asked[firm] * weight_of[firm], served=had[firm])
        for firm in sorted(asked)
    )
