"""A demand of the generator becomes rows: for the demo, the tests and the benchmarks.

Orders go through the same intake as an engineer's, in few statements: a thousand take
seconds. What no resource can serve is left out and counted, never produced silently.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking import audit
from platform_booking.accounts.models import (
    Member,
    MemberRole,
    Organisation,
    OrganisationState,
    Project,
    Role,
)
from platform_booking.bookings import services as bookings
from platform_booking.bookings.asking import NewBooking
from platform_booking.bookings.models import Source
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.demand import Demand, Firm, Running, Wish, WishedStep
from platform_booking.catalog.models import Recipe
from platform_booking.orders import intake
from platform_booking.orders.asking import NewOrder, NewStep
from platform_booking.orders.deriving import Derived, derived
from platform_booking.orders.models import Order
from platform_booking.orders.offer import Offer
from platform_booking.orders.time_rules import course


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was made of a demand."""

    organisations: Mapping[str, int]  # row ids by the firms' codes
    engineers: Mapping[str, int]  # row ids of one member of each, by the firms' codes
    orders: int
    steps: int
    running: int  # stays under way
    skipped: Mapping[str, int]  # how many were left out, by reason


def seed(session: Session, demand: Demand, *, now: datetime) -> Seeded:
    """Write a demand. Takes part in the caller's transaction; acts as pb_job.

    Organisations are approved, have a contract and are marked as demo data; each gets one
    engineer without a password. An organisation that is known by its registration number
    is used as it is.
    """
    organisations = _organisations(session, demand.firms, now=now)
    engineers = _engineers(session, organisations, now=now)
    projects = _projects(session, demand.wishes, organisations)
    offer = intake.read_offer(session, now=now)
    skipped: Counter[str] = Counter()
    orders: list[Order] = []
    for wish in demand.wishes:
        project = projects[wish.firm, wish.project]
        new = _asked(wish, project)
        found = derived(new, offer)
        reason = _impossible(new, found)
        if reason is not None:
            skipped[reason] += 1
            continue
        by = intake.For(
            organisation_id=organisations[wish.firm].id,
            member_id=engineers[wish.firm],
            priority_class=organisations[wish.firm].priority_class,
            project_id=project.id,
        )
        orders.append(intake.rows(new, found, by=by, now=wish.submitted_at))
    session.add_all(orders)
    session.flush()  # the orders, before the stays that need the guards' word
    stays = [_stay(session, r, organisations, offer) for r in demand.running]
    bookings.confirm_all(session, stays, now=now)
    audit.record(
        session,
        act="demand.seed",
        subject="demand",
        detail={"orders": len(orders), "skipped": dict(skipped)},
    )
    return Seeded(
        organisations={code: row.id for code, row in organisations.items()},
        engineers=engineers,
        orders=len(orders),
        steps=sum(len(order.steps) for order in orders),
        running=len(stays),
        skipped=dict(skipped),
    )


def _organisations(
    session: Session, firms: Iterable[Firm], *, now: datetime
) -> dict[str, Organisation]:
    known = {
        row.registration_no: row for row in session.scalars(sa.select(Organisation)).all()
    }
    found = {}
    for firm in firms:
        row = known.get(firm.registration_no)
        if row is None:
            row = Organisation(
                name_zh=firm.name_zh,
                name_en=firm.name_en,
                registration_no=firm.registration_no,
                size=firm.size,
                priority_class=firm.priority_class,
                state=OrganisationState.APPROVED,
                contract_ref=f"DEMO-C-{firm.code}",
                nda_ref=f"DEMO-N-{firm.code}",
                applied_at=now,
                decided_at=now,
                demo=True,
            )
            session.add(row)
        found[firm.code] = row
    session.flush()  # ids of organisations
    return found


def _engineers(
    session: Session, organisations: Mapping[str, Organisation], *, now: datetime
) -> dict[str, int]:
    address = {code: f"engineer@{code.lower()}.example" for code in organisations}
    known = {
        row.email: row
        for row in session.scalars(
            sa.select(Member).where(Member.email.in_(address.values()))
        )
    }
    made = {
        code: Member(
            organisation_id=row.id,
            email=address[code],
            name=f"{row.name_zh} 工程师",
            created_at=now,
        )
        for code, row in organisations.items()
        if address[code] not in known
    }
    session.add_all(made.values())
    session.flush()  # ids of members
    session.add_all(
        MemberRole(member_id=member.id, role=Role.ENGINEER) for member in made.values()
    )
    everybody = known | {address[code]: member for code, member in made.items()}
    return {code: everybody[address[code]].id for code in organisations}


def _projects(
    session: Session, wishes: Iterable[Wish], organisations: Mapping[str, Organisation]
) -> dict[tuple[str, str], Project]:
    codes = {row.id: code for code, row in organisations.items()}
    found = {
        (codes[row.organisation_id], row.code): row
        for row in session.scalars(
            sa.select(Project).where(Project.organisation_id.in_(codes))
        )
    }
    for wish in wishes:
        key = (wish.firm, wish.project)
        if key not in found:
            found[key] = Project(
                organisation_id=organisations[wish.firm].id,
                code=wish.project,
                name=f"示例项目 {wish.project}",
            )
            session.add(found[key])
    session.flush()  # ids of projects
    return found


def _impossible(new: NewOrder, found: Derived) -> str | None:
    """Return why no plan could ever place an order; None where one might."""
    if not found.steps:
        return "no steps"
    for step in found.steps:
        if not step.tools:
            return f"{step.capability}: {step.hurdle}"
    return next((f"{new.route}: {broken.rule}" for broken in course(new, found)), None)


def _asked(wish: Wish, project: Project) -> NewOrder:
    return NewOrder(
        project_id=project.public_id,
        title=wish.title,
        earliest_at=wish.earliest_at,
        due_at=wish.due_at,
        deadline_at=wish.deadline_at,
        route=wish.route,
        steps=tuple(_asked_step(step) for step in wish.steps),
        lot_size=wish.lot_size,
        wafer_mm=wish.wafer_mm,
        materials_class=wish.materials_class,
        flags=wish.flags,
    )


def _asked_step(step: WishedStep) -> NewStep:
    return NewStep(
        capability=step.capability,
        name=step.name,
        duration_min=step.duration_min,
        quantity=step.quantity,
        resources=step.resources,
        lag_min_min=step.lag_min_min,
        lag_max_min=step.lag_max_min,
    )


def _stay(
    session: Session,
    running: Running,
    organisations: Mapping[str, Organisation],
    offer: Offer,
) -> NewBooking:
    tool = offer.tools[running.resource]
    recipe_id = None
    if running.recipe is not None:
        recipe_id = session.scalar(
            sa.select(Recipe.id).filter_by(resource_id=tool.id, code=running.recipe)
        )
    return NewBooking(
        resource_id=tool.id,
        organisation_id=organisations[running.firm].id,
        starts_at=running.starts_at,
        ends_at=running.ends_at,
        quantity=running.quantity,
        recipe_id=recipe_id,
        source=Source.PLAN,
        state=BookingState.IN_USE,
    )
