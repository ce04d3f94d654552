"""The demo's members, one for each role, and the links that they enter by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts import administration
from platform_booking.accounts.models import (
    Member,
    MemberRole,
    OneTimeToken,
    Organisation,
    Role,
)
from platform_booking.bookings.models import Booking
from platform_booking.catalog.models import MemberQualification, Platform, Qualification
from platform_booking.commands import counted
from platform_booking.orders.models import Order
from platform_booking.planning.models import Plan
from platform_booking.web.actor import OPERATOR, Actor

_ADMINISTRATOR = "administrator@firm.example"
_OPERATOR = "operator@park.example"
_PARK = "park@park.example"
_COLLEAGUE = "colleague@firm.example"  # the buddy of the engineer who competes

_COMPETES_WITH: dict[str, str | None] = {
    "NFB.LITHO": "DAY",
    "NFB.ETCH": None,
    "MAT.MET": None,
    "TST.MET": None,
}
"""What the engineer of the firm that competes has learnt, and at which level."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """A member of the demo and the path of his link."""

    who: str  # in English, for the terminal
    path: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a start finds in the demo's data."""

    summary: str
    entrances: Sequence[Entrance]


def make(session: Session, *, organisation_id: int, now: datetime) -> None:
    """Make an administrator of one firm, an operator of all platforms, and a park's.

    Engineers come with the demand; those of this firm may run every tool. One of a small
    firm that competes may run some, and so may a colleague of his, who can be his buddy.
    """
    platforms = session.scalars(sa.select(Platform.id).order_by(Platform.id)).all()
    people: list[tuple[str, str, list[tuple[Role, int | None]], int | None]] = [
        (
            _ADMINISTRATOR,
            "示范企业管理员",
            [(Role.ORGANISATION_ADMIN, None)],
            organisation_id,
        ),
        (_OPERATOR, "示范平台操作员", [(Role.OPERATOR, p) for p in platforms], None),
        (_PARK, "示范园区管理员", [(Role.PARK_ADMIN, None)], None),
    ]
    for email, name, roles, firm in people:
        administration.make_member(
            session, email=email, name=name, roles=roles, organisation_id=firm, now=now
        )
    engineers = session.scalars(
        sa.select(Member.id).where(
            Member.organisation_id == organisation_id, Member.email != _ADMINISTRATOR
        )
    ).all()
    session.add_all(
        MemberQualification(
            member_id=engineer,
            qualification_id=qualification,
            organisation_id=organisation_id,
        )
        for engineer in engineers
        for qualification in session.scalars(sa.select(Qualification.id))
    )
    _make_competitor(session, rival_of=organisation_id, now=now)


def _make_competitor(session: Session, *, rival_of: int, now: datetime) -> None:
    engineer = _competitor(session, rival_of=rival_of)
    colleague = administration.make_member(
        session,
        email=_COLLEAGUE,
        name="示范同事",
        roles=[(Role.ENGINEER, None)],
        organisation_id=engineer.organisation_id,
        now=now,
    )
    session.add_all(
        MemberQualification(
            member_id=member.id,
            qualification_id=qualification.id,
            organisation_id=engineer.organisation_id,
            level=_COMPETES_WITH[qualification.code],
        )
        for member in (engineer, colleague)
        for qualification in session.scalars(
            sa.select(Qualification).where(Qualification.code.in_(_COMPETES_WITH))
        )
    )


def _competitor(session: Session, *, rival_of: int | None) -> Member:
    """Return the first engineer of the first small firm but the demo's own."""
    return session.scalars(
        sa.select(Member)
        .join(Organisation, Organisation.id == Member.organisation_id)
        .where(
            Organisation.priority_class == "SME",
            Organisation.id != rival_of,
            Member.email != _COLLEAGUE,
        )
        .order_by(Organisation.id, Member.id)
        .limit(1)
    ).one()


def operator(session: Session) -> Actor:
    """Return the operator of all platforms, to decide as he would."""
    member = _member(session, _OPERATOR)
    platforms = session.scalars(
        sa.select(MemberRole.platform_id).where(
            MemberRole.member_id == member.id, MemberRole.platform_id.is_not(None)
        )
    )
    return Actor(
        member_id=member.id,
        public_id=member.public_id,
        name=member.name,
        locale=member.locale,
        organisation_id=None,
        organisation_name=None,
        roles=frozenset({OPERATOR}),
        platform_ids=tuple(sorted(p for p in platforms if p is not None)),
    )


def look(session: Session, *, now: datetime) -> Found:
    """Say what there is, and make a fresh sign-in link for each role."""
    administration.forget_spent(session, now=now)
    session.execute(
        sa.delete(OneTimeToken).filter_by(purpose="demo_sign_in")
    )  # older links
    administrator = _member(session, _ADMINISTRATOR)
    firm = session.scalars(
        sa.select(Organisation).filter_by(id=administrator.organisation_id)
    ).one()
    engineer = session.scalars(
        sa.select(Order.submitted_by)
        .where(Order.organisation_id == firm.id)
        .group_by(Order.submitted_by)
        .order_by(sa.func.count().desc(), Order.submitted_by)
        .limit(1)
    ).one()
    rival = _competitor(session, rival_of=firm.id)
    its_firm = session.get_one(Organisation, rival.organisation_id)
    links = [
        Entrance(who, administration.demo_link(session, member_id, now=now))
        for who, member_id in (
            (f"engineer of {firm.name_en}", engineer),
            ("administrator of the same firm", administrator.id),
            (f"engineer of {its_firm.name_en}, a small firm that competes", rival.id),
            ("operator of all platforms", _member(session, _OPERATOR).id),
            ("park administrator", _member(session, _PARK).id),
        )
    ]
    return Found(_summary(session), links)


def _summary(session: Session) -> str:
    orders = session.scalar(sa.select(sa.func.count()).select_from(Order))
    bookings = session.scalar(
        sa.select(sa.func.count()).select_from(Booking).where(Booking.active)
    )
    plan = session.scalars(sa.select(Plan).order_by(Plan.id.desc()).limit(1)).one()
    return (
        f"{counted(orders or 0, 'order')}, {counted(bookings or 0, 'booking')},"
        f" the plan of {plan.night} (state: {plan.state.value})."
    )


def _member(session: Session, email: str) -> Member:
    return session.scalars(sa.select(Member).filter_by(email=email)).one()
