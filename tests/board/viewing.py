"""Looking at the board as somebody, and a park that is worth looking at."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.catalog import loader
from platform_booking.catalog.models import (
    Occurrence,
    Outage,
    OutageKind,
    Platform,
    Resource,
    ResourceKind,
)
from platform_booking.orders.models import Order, StepBooking
from platform_booking.planning.models import PlacementRow, Plan
from platform_booking.planning.states import Change, PlanState
from tests.factories import (
    LONG_AGO,
    MONDAY,
    make_booking,
    make_member,
    make_operator,
    make_order,
    make_organisation,
    make_park_admin,
    make_project,
    make_recipe,
    writing,
)

ZONE = ZoneInfo("Asia/Shanghai")
TITLES = (
    "深硅刻蚀 谐振器",
    "HAADF cross-section",
    "麦克风膜片 v3",
    "SiC trench run 7",
    "耦合器套刻",
    "PDK 回归",
)


def cookie_of(app: Flask, member: Member) -> str:
    """Return the session cookie of a signed-in member, for a browser."""
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    return str(signer.dumps({"member": member.id, "epoch": member.session_epoch}))


def serve(session: Session, order: Order, booking: Booking) -> None:
    session.add(
        StepBooking(
            step_id=order.steps[0].id,
            booking_id=booking.id,
            organisation_id=booking.organisation_id,
            platform_id=order.platform_ids[0],
        )
    )


def draft_of(
    session: Session, order: Order, booking: Booking, change: str, starts_at: datetime
) -> Plan:
    plan = Plan(
        night=date(2027, 3, 7),
        state=PlanState.DRAFT,
        started_at=LONG_AGO,
        origin_at=MONDAY,
        seed=1,
        progress={},
    )
    session.add(plan)
    session.flush()
    session.add(
        PlacementRow(
            plan_id=plan.id,
            order_version=1,
            order_id=order.id,
            step_id=order.steps[0].id,
            organisation_id=order.organisation_id,
            platform_id=order.platform_ids[0],
            resource_id=booking.resource_id,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=1),
            quantity=1,
            component=1,
            change=Change(change),
            previous_booking_id=booking.id if change == Change.MOVED else None,
        )
    )
    return plan


def seed_park(now: datetime, *, seed: int = 7) -> dict[str, Member]:
    """Load the demo catalogue and a fortnight of bookings; return one member a role."""
    dice = random.Random(seed)
    with writing() as session:
        loader.load(session, loader.parsed(loader.demo_text()), now=now, zone=ZONE)
    today = now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    with writing() as session:
        platforms = session.scalars(sa.select(Platform)).all()
        firms = [
            make_organisation(session, name_zh=zh, name_en=en)
            for zh, en in (
                ("微纳器件", "Weina Devices"),
                ("蓝光半导体", "Languang"),
                ("晶测科技", "Jingce"),
            )
        ]
        engineer = make_member(
            session, organisation=firms[0], roles=("engineer", "organisation_admin")
        )
        people = {
            "engineer": engineer,
            "operator": make_operator(
                session, *[p for p in platforms if p.code in ("MEM", "NFB")]
            ),
            "park": make_park_admin(session),
        }
        members = [engineer] + [make_member(session, organisation=f) for f in firms[1:]]
        project = make_project(session, firms[0], name="谐振器二代")
        plan = Plan(
            night=today.date(),
            state=PlanState.DRAFT,
            started_at=now,
            origin_at=today,
            seed=1,
            progress={},
        )
        session.add(plan)
        session.flush()
        resources = session.scalars(sa.select(Resource).where(Resource.active)).all()
        for n, resource in enumerate(resources):
            at = today - timedelta(days=1) + timedelta(hours=dice.randint(6, 30))
            kind = resource.kind
            recipe = resource.recipes[0] if resource.recipes else None
            if kind is ResourceKind.BATCH and recipe is None:
                recipe = make_recipe(session, resource, duration_min=240)
            occurrences = session.scalars(
                sa.select(Occurrence).where(Occurrence.resource_id == resource.id)
            ).all()
            for k in range(12 if kind is not ResourceKind.EVENT else len(occurrences)):
                member = dice.choice(members)
                firm = next(f for f in firms if f.id == member.organisation_id)
                minutes = dice.choice((60, 90, 120, 240, 360, 480))
                given: dict[str, object] = {"starts_at": at}
                quantity = 1
                if kind is ResourceKind.BATCH and recipe is not None:
                    given["recipe_id"] = recipe.id
                    quantity = max(1, recipe.capacity // 3)
                    minutes = recipe.duration_min
                elif kind is ResourceKind.POOLED:
                    quantity = max(1, resource.capacity * dice.randint(1, 3) // 12)
                elif kind is ResourceKind.EVENT:
                    given |= {
                        "starts_at": occurrences[k].starts_at,
                        "occurrence_id": occurrences[k].id,
                    }
                    minutes = int(
                        (occurrences[k].ends_at - occurrences[k].starts_at).total_seconds()
                        // 60
                    )
                    quantity = max(1, occurrences[k].capacity // 3)
                if k % 5 == 3:
                    given["state"] = BookingState.REQUESTED
                order = make_order(
                    session,
                    resource=resource,
                    member=member,
                    title=dice.choice(TITLES),
                    project_id=project.id if firm is firms[0] else None,
                )
                booking = make_booking(
                    session,
                    resource=resource,
                    organisation=firm,
                    minutes=minutes,
                    quantity=quantity,
                    **given,
                )
                session.add(
                    StepBooking(
                        step_id=order.steps[0].id,
                        booking_id=booking.id,
                        organisation_id=firm.id,
                        platform_id=resource.platform_id,
                    )
                )
                if kind is ResourceKind.BATCH and k % 2:
                    make_booking(
                        session,
                        resource=resource,
                        organisation=firms[1],
                        minutes=minutes,
                        quantity=quantity,
                        **given,
                    )
                if k % 4 == 1 and kind in (ResourceKind.UNARY, ResourceKind.BATCH):
                    moved = dice.random() < 0.5
                    start = (
                        at + timedelta(minutes=minutes + 60)
                        if not moved
                        else at + timedelta(hours=26)
                    )
                    session.add(
                        PlacementRow(
                            plan_id=plan.id,
                            order_version=1,
                            order_id=order.id,
                            step_id=order.steps[0].id,
                            organisation_id=firm.id,
                            platform_id=resource.platform_id,
                            resource_id=resource.id,
                            starts_at=start,
                            ends_at=start + timedelta(minutes=minutes),
                            quantity=quantity,
                            component=n,
                            change=Change.MOVED if moved else Change.NEW,
                            previous_booking_id=booking.id if moved else None,
                        )
                    )
                if kind is ResourceKind.POOLED:
                    at += timedelta(minutes=240)
                else:
                    at += timedelta(minutes=minutes + dice.choice((15, 60, 240, 600)))
            if n % 17 == 5:
                session.add(
                    Outage(
                        resource_id=resource.id,
                        starts_at=today + timedelta(days=2, hours=9),
                        ends_at=today + timedelta(days=2, hours=21),
                        kind=dice.choice(list(OutageKind)),
                        reason="真空泵更换",
                    )
                )
    return people


@contextmanager
def statements(engine: sa.Engine) -> Iterator[list[str]]:
    """Collect what is asked of the database, apart from who asks."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "set_config" not in statement and "member_standing" not in statement:
            asked.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
