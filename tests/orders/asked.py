"""Orders for tests, with as little said as a test needs to say."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask

from platform_booking.catalog.models import MaterialFlag, RouteStep, RouteTemplate
from platform_booking.db import acting_as
from platform_booking.errors import Violation
from platform_booking.orders import services
from platform_booking.orders.asking import NewOrder, NewStep
from platform_booking.orders.services import Asker, Handed
from tests.factories import MONDAY, identity_of, make_capability, make_class, writing

NOW = MONDAY - timedelta(days=3)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def asked(*steps: NewStep, **given: Any) -> NewOrder:
    """Ask for steps, for one of an hour when none is given, within the week of MONDAY."""
    if not steps and "route" not in given:
        steps = (step(),)
    return NewOrder(
        **{
            "title": "申请",
            "earliest_at": MONDAY,
            "deadline_at": MONDAY + 5 * DAY,
            "steps": steps,
            **given,
        }
    )


def step(capability: str = "TEST.ANY", **given: Any) -> NewStep:
    return NewStep(**{"capability": capability, "duration_min": 60, **given})


def asker(member) -> Asker:
    return Asker(member_id=member.id, organisation_id=member.organisation_id)


def submit(app: Flask, member, new: NewOrder | None = None, **given: Any) -> Handed:
    """Hand an order in as a member."""
    with acting_as(_identity(member)):
        return services.submit(
            new or asked(),
            by=asker(member),
            now=given.get("now", NOW),
            zone=app.config["SETTINGS"].zone,
        )


def amend(app: Flask, member, order, new: NewOrder, *, version: int = 1) -> Handed:
    with acting_as(_identity(member)):
        return services.amend(
            order.public_id,
            new,
            version=version,
            by=asker(member),
            now=NOW,
            zone=app.config["SETTINGS"].zone,
        )


def withdraw(app: Flask, member, order, **given: Any) -> None:
    with acting_as(_identity(member)):
        services.withdraw(order.public_id, by=asker(member), **{"now": NOW, **given})


def broken(app: Flask, member, new: NewOrder) -> tuple[Violation, ...]:
    """Return what a dry run finds wrong."""
    with acting_as(_identity(member)):
        return services.check(
            new, by=asker(member), now=NOW, zone=app.config["SETTINGS"].zone
        ).violations


def make_flag(session, code: str) -> MaterialFlag:
    found = session.get(MaterialFlag, code)
    if found is None:
        found = MaterialFlag(code=code, name_zh=code, name_en=code)
        session.add(found)
        session.flush()
    return found


def make_route(session, *steps: dict[str, Any], **given: Any) -> RouteTemplate:
    """Make a route; each step is {"capability": code, …}."""
    for rank in (0, 1, 2, 3):
        make_class(session, rank)
    number = session.scalar(sa.select(sa.func.count(RouteTemplate.id)))
    route = RouteTemplate(
        **{
            "code": f"RT-{number}",
            "name_zh": "路线",
            "name_en": "Route",
            "platform_codes": [],
            "wafer_mm": None,
            "lot_size": 1,
            "class_rank": 0,
            "flags": [],
            **given,
        }
    )
    for seq, one in enumerate(steps, start=1):
        values = {
            "seq": seq,
            "name_zh": f"工序{seq}",
            "name_en": f"Step {seq}",
            "duration_min": 60,
            "class_after": 0,
            "co_uses": [],
            "candidate_codes": [],
            **one,
        }
        capability = make_capability(session, values.pop("capability"))
        route.steps.append(RouteStep(capability_id=capability.id, **values))
    session.add(route)
    session.flush()
    return route


def _identity(member):
    with writing() as session:
        return identity_of(session, member)
