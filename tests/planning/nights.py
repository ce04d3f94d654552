"""One night for tests: when it is, how it is read, and a search that takes no time."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from platform_booking.bookings.models import Booking, Source
from platform_booking.config import Settings
from platform_booking.db import JOB, acting_as, transaction
from platform_booking.orders.models import Order, Step, StepBooking
from platform_booking.orders.states import StepState
from platform_booking.planning import nightly
from platform_booking.planning.models import Approval, LeftOut, PlacementRow, Plan
from platform_booking.planning.snapshot import Snapshot, read
from platform_booking.planning.states import ApprovalState
from solver.allocation import Allocation
from solver.options import Options
from solver.problem import Problem
from solver.solve import solve
from tests.factories import MONDAY, make_booking, writing

ZONE = ZoneInfo("Asia/Shanghai")
NOW = MONDAY - timedelta(hours=31)  # 01:00 in the park on Sunday, 2027-03-07
NIGHT = date(2027, 3, 7)
MIDNIGHT = NOW - timedelta(hours=1)  # slot 0 of that night
OPENS = NOW + timedelta(hours=24)  # the end of the freeze: nothing new starts before it
HOUR = timedelta(hours=1)
SLOTS_AN_HOUR = 12


def slot(moment: datetime) -> int:
    """Return the slot that begins at an instant of the night; it must lie on the grid."""
    number, rest = divmod(moment - MIDNIGHT, timedelta(minutes=5))
    assert not rest
    return number


def snapshot_of(now: datetime = NOW) -> Snapshot:
    """Read the night as the runner does."""
    with acting_as(JOB), transaction() as session:
        return read(session, now=now, zone=ZONE)


def settings_of(app: Flask, **changed: object) -> Settings:
    """Return the application's settings, some of them changed; one worker."""
    return replace(app.config["SETTINGS"], night_workers=1, **changed)


def quick_solve(problem: Problem, options: Options) -> Allocation:
    """Solve as the service does, without improving what the dispatch rules find."""
    return solve(problem, replace(options, waves=0))


def run_night(app: Flask, *, now: datetime = NOW, **given: object) -> nightly.Outcome:
    """Run the night as pb_job, with the dispatch rules alone unless told otherwise."""
    options = {"night": NIGHT, "now": now, "settings": settings_of(app), "waves": 0}
    with acting_as(JOB):
        return nightly.run(**{**options, **given})


def book_step(session: Session, step: Step, resource, *, starts_at: datetime, **given):
    """Book a step as a published plan would have."""
    order = session.get_one(Order, step.order_id)
    part = given.pop("part", 0)
    booking = make_booking(
        session,
        resource=resource,
        organisation_id=order.organisation_id,
        starts_at=starts_at,
        minutes=given.pop("minutes", step.duration_min),
        **{"source": Source.PLAN, **given},
    )
    session.add(
        StepBooking(
            step_id=step.id,
            booking_id=booking.id,
            organisation_id=order.organisation_id,
            platform_id=resource.platform_id,
            part=part,
        )
    )
    step.state = StepState.BOOKED
    session.flush()
    return booking


def approve_all(plan_id: int, *, state: ApprovalState = ApprovalState.APPROVED) -> None:
    """Let every platform of a plan decide."""
    with writing() as session:
        session.execute(
            sa.update(Approval).where(Approval.plan_id == plan_id).values(state=state)
        )


def approve_for(plan_id: int, platform) -> None:
    """Let one platform approve a plan."""
    with writing() as session:
        session.get_one(Approval, (plan_id, platform.id)).state = ApprovalState.APPROVED


def plan_row(plan_id: int) -> Plan:
    with writing() as session:
        return session.get_one(Plan, plan_id)


def rows_of(plan_id: int) -> list[PlacementRow]:
    with writing() as session:
        return list(
            session.scalars(
                sa.select(PlacementRow).filter_by(plan_id=plan_id).order_by(PlacementRow.id)
            )
        )


def left_out_of(plan_id: int) -> dict[int, LeftOut]:
    """Return what a plan left out, by order."""
    with writing() as session:
        found = session.scalars(sa.select(LeftOut).filter_by(plan_id=plan_id))
        return {row.order_id: row for row in found}


def step_states(order: Order) -> list[StepState]:
    with writing() as session:
        return list(
            session.scalars(
                sa.select(Step.state).filter_by(order_id=order.id).order_by(Step.position)
            )
        )


def bookings_of(order: Order) -> list[Booking]:
    """Return the bookings in force that serve an order, the earliest first."""
    with writing() as session:
        return list(
            session.scalars(
                sa.select(Booking)
                .join(StepBooking, StepBooking.booking_id == Booking.id)
                .join(Step, Step.id == StepBooking.step_id)
                .where(Step.order_id == order.id, Booking.active)
                .order_by(Booking.starts_at, Booking.id)
            )
        )
