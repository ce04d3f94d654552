"""What the people who run the platforms are told of a night."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member, MemberRole, Role
from platform_booking.notices.outbox import Line
from platform_booking.planning.models import Plan


def waiting(session: Session, plan: Plan, platform_ids: Collection[int]) -> list[Line]:
    """Tell the operators of platforms that a draft waits for their word."""
    return [
        Line(kind="plan.waiting", payload=_facts(plan), member_id=member_id)
        for member_id in _operators(session, MemberRole.platform_id.in_(platform_ids))
    ]


def failed(session: Session, plan: Plan) -> list[Line]:
    """Raise the alarm with everybody who runs a platform: tonight has no plan."""
    return [
        Line(kind="plan.failed", payload=_facts(plan), member_id=member_id)
        for member_id in _operators(session, sa.true())
    ]


def _facts(plan: Plan) -> dict[str, str]:
    return {"plan": str(plan.public_id), "night": plan.night.isoformat()}


def _operators(session: Session, which: sa.ColumnElement[bool]) -> list[int]:
    found = session.scalars(
        sa.select(MemberRole.member_id)
        .join(Member, Member.id == MemberRole.member_id)
        .where(MemberRole.role == Role.OPERATOR, Member.active, which)
        .distinct()
    )
    return sorted(found)
