"""A plan with an order of each fate, to be looked at."""

from datetime import timedelta

from flask import Flask

from platform_booking.catalog.models import Outage, OutageKind
from tests.factories import (
    MONDAY,
    make_member,
    make_operator,
    make_order,
    make_organisation,
    make_park_admin,
    make_platform,
    make_resource,
    writing,
)
from tests.planning.nights import HOUR, book_step, run_night

CANARY = "CANARY"


class Reviewed:
    """A plan with an order of each fate, on two platforms, and who may look at it."""

    def __init__(self, app: Flask) -> None:
        with writing() as session:
            self.mine, self.other = (make_platform(session) for _ in range(2))
            tool = make_resource(session, platform_id=self.mine.id, code="TOOL-1")
            broken = make_resource(session, platform_id=self.mine.id, code="TOOL-2")
            far = make_resource(session, platform_id=self.other.id, code="FAR-1")
            firm = make_organisation(session, name_zh="晶芯", name_en="Crystal Chips")
            member = make_member(session, organisation=firm)

            def order(title: str, resource=tool, **given):
                return make_order(
                    session, resource=resource, member=member, title=title, **given
                )

            hour = {"deadline_at": MONDAY + HOUR}
            self.new = order("新的", **hour)
            self.left = order("落选", submitted_at=MONDAY - timedelta(days=9), **hour)
            self.kept = order("不变")
            book_step(session, self.kept.steps[0], tool, starts_at=MONDAY + 5 * HOUR)
            self.moved = order("移动", broken)
            book_step(session, self.moved.steps[0], broken, starts_at=MONDAY)
            session.add(
                Outage(
                    resource_id=broken.id,
                    starts_at=MONDAY,
                    ends_at=MONDAY + HOUR,
                    kind=OutageKind.UNSCHEDULED,
                )
            )
            self.foreign = make_order(
                session,
                resource=far,
                title=f"{CANARY} order",
                member=make_member(
                    session,
                    organisation=make_organisation(session, name_zh=f"{CANARY} firm"),
                ),
            )
            self.operator = make_operator(session, self.mine)
            self.park = make_park_admin(session)
            self.engineer = member
        outcome = run_night(app)
        self.row_id = outcome.plan_id
        self.path = f"/plans/{outcome.public_id}"
