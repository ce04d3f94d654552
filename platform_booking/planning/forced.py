"""What forcing an order in would displace, as far as the asker may know.

He is named the orders that row-level security shows him, those of his platforms; of the
others he learns how many there are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Organisation
from platform_booking.orders.models import Order
from platform_booking.planning.models import Forcing, JobRequest, Plan

STATES = ("unasked", "waiting", "running", "done", "failed")
"""Where a question may stand."""


@dataclass(frozen=True, slots=True)
class Displaced:
    """An order that would give way."""

    order_id: UUID
    order_title: str
    organisation_zh: str
    organisation_en: str
    later_min: int | None  # so much later, below 0 earlier; None: it would be left out


@dataclass(frozen=True, slots=True)
class Answer:
    """What forcing one order in would displace."""

    answered_at: datetime
    starts_at: datetime | None  # of the order itself; None: no way was found
    ends_at: datetime | None
    left_out: tuple[Displaced, ...]
    left_out_of_others: int
    moved: tuple[Displaced, ...]
    moved_of_others: int
    cost: int  # value that the plan would lose
    value: int  # of the plan


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the question stands: one of `STATES`."""

    state: str
    answer: Answer | None = None

    @property
    def under_way(self) -> bool:
        """Whether the answer is still to come."""
        return self.state in {"waiting", "running"}


def asked(session: Session, plan: Plan, order_id: UUID) -> Asked:
    """Return where the question stands of an order that the asker may see."""
    row_id = session.scalar(sa.select(Order.id).filter_by(public_id=order_id))
    request = session.scalars(
        sa.select(JobRequest)
        .where(JobRequest.job == "force")
        .where(JobRequest.subject == {"plan": plan.id, "order": row_id})
        .order_by(JobRequest.id.desc())
        .limit(1)
    ).one_or_none()
    if request is not None and request.finished_at is None:
        return Asked("waiting" if request.taken_at is None else "running")
    found = session.scalars(
        sa.select(Forcing).filter_by(plan_id=plan.id, order_id=row_id)
    ).one_or_none()
    if found is not None:
        return Asked("done", _answer(session, plan, found))
    return Asked("unasked" if request is None else "failed")


def _answer(session: Session, plan: Plan, found: Forcing) -> Answer:
    later: dict[int, int] = dict(found.moved)
    seen = _seen(session, {*found.displaced, *later})
    left_out = [Displaced(*seen[o], None) for o in found.displaced if o in seen]
    moved = [Displaced(*seen[o], later[o]) for o in later if o in seen]
    return Answer(
        answered_at=found.answered_at,
        starts_at=found.starts_at,
        ends_at=found.ends_at,
        left_out=tuple(left_out),
        left_out_of_others=len(found.displaced) - len(left_out),
        moved=tuple(moved),
        moved_of_others=len(later) - len(moved),
        cost=found.cost,
        value=plan.value,
    )


def _seen(
    session: Session, row_ids: Collection[int]
) -> dict[int, tuple[UUID, str, str, str]]:
    """Return those of the orders that the asker may see."""
    rows = session.execute(
        sa.select(
            Order.id,
            Order.public_id,
            Order.title,
            Organisation.name_zh,
            Organisation.name_en,
        )
        .join(Organisation, Organisation.id == Order.organisation_id)
        .where(Order.id.in_(row_ids))
    )
    return {row[0]: row[1:] for row in rows}
