"""Rows for tests, with as little said as a test needs to say.

Every builder takes the session of an open transaction and fills in what is not given:

    with writing() as session:
        etcher = make_resource(session, kind="unary", capabilities=("ETCH.DRIE",))
        engineer = make_member(session)
        order = make_order(session, member=engineer, resource=etcher)
    with acting_as(identity_of(session, engineer)):
        ...

`writing()` writes as `pb_job`, which sees and may write every tenant's rows. What a builder
makes is committed when the block ends and stays readable afterwards.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import (
    Member,
    MemberRole,
    Organisation,
    OrganisationState,
    Project,
    Role,
)
from platform_booking.bookings.models import Booking, Source
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import (
    Calendar,
    Capability,
    MaterialsClass,
    Occurrence,
    Platform,
    Recipe,
    Resource,
    ResourceKind,
    Site,
    StayRule,
)
from platform_booking.db import JOB, Identity, acting_as, transaction
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import OrderState

MONDAY = datetime(2027, 3, 8, tzinfo=UTC)  # 08:00 in the park; no holiday near
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ALWAYS_OPEN = {
    day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
}

_numbers = itertools.count(1)


@contextmanager
def writing() -> Iterator[Session]:
    """Open a transaction as pb_job, committed at the end of the block."""
    with acting_as(JOB), transaction() as session:
        yield session


def make_site(session: Session, **given: Any) -> Site:
    n = next(_numbers)
    return _added(
        session, Site, given, code=f"S{n}", name_zh=f"园区{n}", name_en=f"Site {n}"
    )


def make_calendar(session: Session, **given: Any) -> Calendar:
    """Make opening hours; always open, holidays too, unless told otherwise."""
    n = next(_numbers)
    return _added(
        session,
        Calendar,
        given,
        code=f"CAL{n}",
        name_zh=f"日历{n}",
        name_en=f"Calendar {n}",
        weekly=ALWAYS_OPEN,
        offhours={},
        attended={},
        keeps_holidays=False,
    )


def make_platform(session: Session, **given: Any) -> Platform:
    n = next(_numbers)
    if "site_id" not in given:
        given["site_id"] = make_site(session).id
    return _added(
        session, Platform, given, code=f"P{n}", name_zh=f"平台{n}", name_en=f"Platform {n}"
    )


def make_capability(session: Session, code: str) -> Capability:
    """Return the capability of that code; made when absent."""
    found = session.scalar(sa.select(Capability).where(Capability.code == code))
    return found or _added(session, Capability, {}, code=code, name_zh=code, name_en=code)


def make_class(session: Session, rank: int = 3) -> MaterialsClass:
    """Return the contamination class of that rank; made when absent."""
    found = session.get(MaterialsClass, rank)
    return found or _added(
        session,
        MaterialsClass,
        {},
        rank=rank,
        code=f"C{rank}",
        name_zh=f"{rank}级",
        name_en=f"Class {rank}",
    )


def make_resource(
    session: Session,
    *,
    kind: str = "unary",
    capabilities: Sequence[str] = ("TEST.ANY",),
    **given: Any,
) -> Resource:
    """Make a resource that is always open and takes wafers of any size and class."""
    n = next(_numbers)
    if "platform_id" not in given:
        given["platform_id"] = make_platform(session).id
    if "calendar_id" not in given:
        given["calendar_id"] = make_calendar(session).id
    given["class_rank"] = make_class(session, given.get("class_rank", 3)).rank
    return _added(
        session,
        Resource,
        given,
        code=f"R{n}",
        name_zh=f"设备{n}",
        name_en=f"Resource {n}",
        kind=ResourceKind(kind),
        capacity=1 if kind == "unary" else 4,
        stay_rule=StayRule.INSIDE,
        wafer_mm=[],
        flags_allowed=None,
        typical_minutes=60,
        policy={},
        rate={},
        notes={},
        capabilities=[make_capability(session, code) for code in capabilities],
    )


def make_recipe(session: Session, resource: Resource, **given: Any) -> Recipe:
    """Make a recipe of a batch resource, for its first capability."""
    n = next(_numbers)
    return _added(
        session,
        Recipe,
        given,
        resource_id=resource.id,
        capability_id=resource.capabilities[0].id,
        code=f"RC{n}",
        class_rank=resource.class_rank,
        duration_min=60,
        capacity=resource.capacity,
    )


def make_occurrence(session: Session, resource: Resource, **given: Any) -> Occurrence:
    """Make a dated run of an event resource, two hours long."""
    n = next(_numbers)
    starts_at = given.setdefault("starts_at", MONDAY)
    return _added(
        session,
        Occurrence,
        given,
        resource_id=resource.id,
        code=f"OC{n}",
        ends_at=starts_at + timedelta(hours=2),
        capacity=resource.capacity,
        phases={},
    )


def make_organisation(session: Session, **given: Any) -> Organisation:
    """Make an approved organisation."""
    n = next(_numbers)
    return _added(
        session,
        Organisation,
        given,
        name_zh=f"企业{n}",
        name_en=f"Firm {n}",
        registration_no=f"91310000{n:010d}",
        state=OrganisationState.APPROVED,
        contract_ref=f"HT-{n}",
        nda_ref=f"NDA-{n}",
        applied_at=LONG_AGO,
    )


def make_member(
    session: Session,
    *,
    organisation: Organisation | None = None,
    roles: Sequence[str] = ("engineer",),
    **given: Any,
) -> Member:
    """Make a member of an organisation, of a new one when none is given."""
    n = next(_numbers)
    if "organisation_id" not in given:
        given["organisation_id"] = (organisation or make_organisation(session)).id
    member = _added(
        session,
        Member,
        given,
        email=f"member{n}@example.com",
        name=f"成员{n}",
        created_at=LONG_AGO,
    )
    for role in roles:
        _added(session, MemberRole, {}, member_id=member.id, role=Role(role))
    return member


def make_operator(session: Session, *platforms: Platform, **given: Any) -> Member:
    """Make an operator of the given platforms, who belongs to no organisation."""
    member = make_member(session, organisation_id=None, roles=(), **given)
    for platform in platforms:
        _added(
            session,
            MemberRole,
            {},
            member_id=member.id,
            role=Role.OPERATOR,
            platform_id=platform.id,
        )
    return member


def make_park_admin(session: Session, **given: Any) -> Member:
    """Make a park administrator, who belongs to no organisation."""
    return make_member(session, organisation_id=None, roles=("park_admin",), **given)


def identity_of(session: Session, member: Member) -> Identity:
    """Return for whom the database answers when `member` asks."""
    held = session.scalars(
        sa.select(MemberRole).where(MemberRole.member_id == member.id)
    ).all()
    return Identity(
        member_id=member.id,
        organisation_id=member.organisation_id,
        platform_ids=tuple(r.platform_id for r in held if r.platform_id is not None),
        park=any(r.role is Role.PARK_ADMIN for r in held),
    )


def make_project(session: Session, organisation: Organisation, **given: Any) -> Project:
    n = next(_numbers)
    return _added(
        session,
        Project,
        given,
        organisation_id=organisation.id,
        code=f"PRJ{n}",
        name=f"项目{n}",
    )


def make_order(
    session: Session,
    *,
    resource: Resource,
    member: Member | None = None,
    duration_min: int = 60,
    quantity: int = 1,
    **given: Any,
) -> Order:
    """Make a submitted order of one step on one resource, due within the week of MONDAY."""
    member = member or make_member(session)
    order = _added(
        session,
        Order,
        given,
        organisation_id=member.organisation_id,
        submitted_by=member.id,
        title=f"申请{next(_numbers)}",
        priority_class="SME",
        state=OrderState.SUBMITTED,
        submitted_at=LONG_AGO,
        earliest_at=MONDAY,
        deadline_at=MONDAY + timedelta(days=5),
        flags=[],
        platform_ids=[resource.platform_id],
        updated_at=LONG_AGO,
    )
    add_step(
        session, order, resource=resource, duration_min=duration_min, quantity=quantity
    )
    return order


def add_step(session: Session, order: Order, *, resource: Resource, **given: Any) -> Step:
    """Add a step on one resource to an order."""
    position = len(order.steps)
    return _added(
        session,
        Step,
        given,
        order=order,
        organisation_id=order.organisation_id,
        platform_ids=[resource.platform_id],
        position=position,
        name=f"工序{position + 1}",
        capability_id=resource.capabilities[0].id,
        duration_min=60,
        quantity=1,
        class_rank=order.class_rank,
        flags=[],
        resource_ids=[resource.id],
        windows=[],
        co_uses=[],
    )


def make_booking(
    session: Session,
    *,
    resource: Resource,
    organisation: Organisation | None = None,
    minutes: int = 60,
    **given: Any,
) -> Booking:
    """Make a confirmed booking that starts on MONDAY."""
    starts_at = given.setdefault("starts_at", MONDAY)
    return _added(
        session,
        Booking,
        given,
        resource_id=resource.id,
        organisation_id=(organisation or make_organisation(session)).id,
        ends_at=starts_at + timedelta(minutes=minutes),
        state=BookingState.CONFIRMED,
        source=Source.PERSON,
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
    )


def _added(
    session: Session, table: type[Any], given: dict[str, Any], **otherwise: Any
) -> Any:
    row = table(**{**otherwise, **given})
    session.add(row)
    session.flush()  # its id, and the database's refusal where it happens
    return row
