"""A small park in which every text of every firm carries a canary.

Firm A and its competitor B book on platform 1; firm C has one order that runs over
platforms 1 and 2; firm D has applied and waits. A canary names its firm and what it was
written into, so that whoever meets one in an answer knows whether he may.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from platform_booking.accounts.entrance import INVITATION, one_time_secret
from platform_booking.accounts.models import ApiToken, Member, OrganisationState
from platform_booking.audit import AuditEntry
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import (
    MemberQualification,
    Outage,
    OutageKind,
    Qualification,
    Resource,
    RouteTemplate,
)
from platform_booking.clock import utcnow
from platform_booking.notices.models import Notice
from platform_booking.orders.asking import NewOrder, NewStep, as_data
from platform_booking.orders.models import Order, StepBooking, StepLag
from platform_booking.planning.models import (
    Approval,
    Forcing,
    JobRequest,
    JobRun,
    LateOrder,
    LeftOut,
    Night,
    PlacementRow,
    Plan,
    PublicationPart,
)
from platform_booking.planning.states import Change, PlanState
from platform_booking.web.actor import hashed
from platform_booking.web.models import IdempotencyKey
from tests.factories import (
    add_step,
    make_booking,
    make_member,
    make_occurrence,
    make_operator,
    make_order,
    make_organisation,
    make_park_admin,
    make_platform,
    make_project,
    make_resource,
    writing,
)
from tests.security.around_bookings import add_kiosk, surround
from tests.visitor import Visitor, bearer

_CANARY = re.compile(r"CANARY-([A-D])-([a-z_]+)-[0-9a-f]{12}", re.IGNORECASE)
FIRMS = ("A", "B")

OF_A = ("engineer_a", "admin_a", "read_token_a", "write_token_a")
NOBODY_NOW = ("anonymous", "disabled_a", "expired_token_a")
KIOSKS = ("kiosk_1", "kiosk_2")  # devices on platforms 1 and 2; no members
EVERYBODY = (
    *OF_A, "engineer_b", "operator_1", "operator_2", "park", *NOBODY_NOW, *KIOSKS
)  # fmt: skip

# What an operator may know of the firms whose orders and bookings meet his platform: what
# the work needs, never what it is for, nor the firm's papers, addresses and history.
_FOR_OPERATORS = {"firm", "person", "title", "note", "step", "flag", "left_out", "audit"}
_KINDS_OF_A_TENANT = {
    "firm", "person", "email", "contract", "project", "title", "note", "step", "flag",
    "left_out", "notice", "audit",
}  # fmt: skip


def canary(firm: str, kind: str) -> str:
    """Return a text that can be found again."""
    return f"CANARY-{firm}-{kind}-{uuid4().hex[:12]}"


def canaries_in(text: str) -> set[tuple[str, str]]:
    """Return the firm and the kind of every canary in an answer."""
    return {(firm.upper(), kind.lower()) for firm, kind in _CANARY.findall(text)}


def may_know(principal: str, firm: str, kind: str) -> bool:
    """Tell whether somebody may ever meet a canary, whatever he asks."""
    if kind == "token":  # names of tokens are their owner's alone
        return (principal, firm) in {("engineer_a", "A"), ("engineer_b", "B")}
    if principal == "park":
        return True
    if principal in OF_A:
        return firm == "A" and kind in _KINDS_OF_A_TENANT
    if principal == "engineer_b":
        return firm == "B" and kind in _KINDS_OF_A_TENANT
    if principal == "operator_1":
        return firm in {"A", "B", "C"} and kind in _FOR_OPERATORS
    if principal == "operator_2":  # of C's order the part that runs there
        return firm == "C" and kind in (_FOR_OPERATORS - {"step"}) | {"step_there"}
    return False


@dataclass(slots=True)
class Park:
    """The park's public ids by name, and who may ask."""

    app: Flask
    ids: dict[str, str] = field(default_factory=dict)
    visitors: dict[str, Visitor] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    monday: datetime = field(default_factory=lambda: next_monday())  # noqa: PLW0108 - defined below

    def digest(self) -> dict[str, str]:
        """Return a fingerprint of every table."""
        with writing() as session:
            names = session.scalars(
                sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            ).all()
            return {
                name: session.scalar(
                    sa.text(
                        "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
                        f' FROM "{name}" t'
                    )
                )
                or ""
                for name in names
            }


def next_monday() -> datetime:
    """Return the Monday after next, 08:00 in the park."""
    day = utcnow().replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=14 - day.weekday())).astimezone(UTC)


def built(app: Flask) -> Park:
    """Fill the database and let everybody in."""
    park = Park(app)
    with writing() as session:
        _fill(session, park)
    return park


def _fill(session: Session, park: Park) -> None:
    first, second = (make_platform(session, code=code) for code in ("ONE", "TWO"))
    tool = make_resource(session, platform_id=first.id, capabilities=("ETCH.DRIE",))
    other = make_resource(session, platform_id=second.id, capabilities=("TEST.PROBE",))
    plan = _plan(session, park, (first.id, second.id))
    for number, firm in enumerate(FIRMS):
        _tenant(
            session, park, firm, tool=tool, plan=plan, after=timedelta(hours=3 * number)
        )
    _crossing_order(session, park, tool=tool, other=other)
    applicant = make_organisation(
        session,
        name_zh=canary("D", "firm"),
        name_en=canary("D", "firm"),
        contract_ref=canary("D", "contract"),
        state=OrganisationState.APPLIED,
    )
    newcomer = make_member(
        session, organisation=applicant, name=canary("D", "person"), password_hash="x"
    )
    for resource in (tool, other):
        resource_run = make_resource(
            session, kind="event", platform_id=resource.platform_id, capacity=10
        )
        run = make_occurrence(session, resource_run, starts_at=park.monday)
        if resource is tool:
            park.ids |= {
                "event": str(resource_run.public_id),
                "event_code": resource_run.code,
                "run": str(run.public_id),
            }
        session.add(
            Outage(
                resource_id=resource.id,
                starts_at=park.monday + timedelta(days=5),
                ends_at=park.monday + timedelta(days=6),
                kind=OutageKind.SCHEDULED,
            )
        )
    down = Outage(
        resource_id=tool.id,
        starts_at=utcnow() - timedelta(hours=1),
        ends_at=utcnow() + timedelta(hours=1),
        kind=OutageKind.UNSCHEDULED,
    )
    route = RouteTemplate(
        code="RT", name_zh="路线", name_en="Route", platform_codes=[first.code], lot_size=1,
        class_rank=tool.class_rank, flags=[],
    )  # fmt: skip
    session.add_all([down, route])
    session.flush()  # their public ids
    staff = make_operator(session, second, name="A second operator")
    invitation = one_time_secret(
        session,
        purpose=INVITATION,
        member_id=newcomer.id,
        expires_at=utcnow() + timedelta(days=1),
    )
    park.ids |= {
        "platform_1": str(first.public_id),
        "platform_1_row": str(first.id),
        "platform_1_code": first.code,
        "resource": str(tool.public_id),
        "resource_code": tool.code,
        "outage": str(down.public_id),
        "route": str(route.public_id),
        "plan": str(plan.public_id),
        "day": park.monday.date().isoformat(),
        "from": park.monday.isoformat(),
        "to": (park.monday + timedelta(days=6)).isoformat(),
        "applicant": str(applicant.public_id),
        "staff": str(staff.public_id),
        "invitation": invitation,
    }
    operators = [make_operator(session, platform) for platform in (first, second)]
    for number, (operator, resource) in enumerate(
        zip(operators, (tool, other), strict=True)
    ):
        secret = f"pbk_{uuid4().hex}"
        kiosk = add_kiosk(session, resource, by=operator, secret=secret)
        park.ids[f"kiosk_{number + 1}"] = str(kiosk.public_id)
        _let_in(park, f"kiosk_{number + 1}", None)
        park.visitors[f"kiosk_{number + 1}"].set_cookie("kiosk", secret, path="/kiosk")
        _let_in(park, f"operator_{number + 1}", operator)
    _let_in(park, "park", make_park_admin(session))
    _let_in(park, "anonymous", None)


def _tenant(
    session: Session, park: Park, firm: str, *, tool: Resource, plan: Plan, after: timedelta
) -> None:
    organisation = make_organisation(
        session,
        name_zh=canary(firm, "firm"),
        name_en=canary(firm, "firm"),
        contract_ref=canary(firm, "contract"),
        nda_ref=canary(firm, "contract"),
    )

    def person(**given: Any) -> Member:
        return make_member(
            session,
            organisation=organisation,
            name=canary(firm, "person"),
            email=f"{canary(firm, 'email')}@firm.example".lower(),
            **given,
        )

    engineer = person()
    project = make_project(
        session, organisation, code=canary(firm, "project"), name=canary(firm, "project")
    )
    texts: dict[str, Any] = {
        "member": engineer,
        "resource": tool,
        "project_id": project.id,
        "flags": [canary(firm, "flag")],
        "earliest_at": park.monday,
        "deadline_at": park.monday + timedelta(days=10),
    }
    order, left, booked = (
        make_order(session, title=canary(firm, "title"), note=canary(firm, "note"), **texts)
        for _ in range(3)
    )
    for one in (order, left, booked):
        one.steps[0].name = canary(firm, "step")
        one.steps[0].flags = [canary(firm, "flag")]
        one.asked = _asked(one, project_id=project.public_id)
    booking = make_booking(
        session,
        resource=tool,
        organisation=organisation,
        member_id=engineer.id,
        project_id=project.id,
        starts_at=park.monday + after,
    )
    waiting = make_booking(
        session,
        resource=tool,
        organisation=organisation,
        member_id=engineer.id,
        project_id=project.id,
        starts_at=park.monday + timedelta(days=2) + after,
        state=BookingState.REQUESTED,
        respond_by=park.monday,
    )
    _serve(session, booked, booking)
    around = surround(session, booking, engineer, project, flag=canary(firm, "flag"))
    _propose(session, plan, order, left, firm=firm, tool=tool, at=park.monday + after)
    session.add_all(
        [
            Notice(
                kind="order.left_out",
                organisation_id=organisation.id,
                payload={"title": canary(firm, "notice")},
                created_at=utcnow(),
            ),
            AuditEntry(
                at=utcnow(),
                member_id=engineer.id,
                organisation_id=organisation.id,
                platform_id=tool.platform_id,
                act="order.submit",
                subject=canary(firm, "audit"),
                detail={"text": canary(firm, "audit")},
            ),
        ]
    )
    names = {"order": order, "left": left, "booked": booked, "project": project}
    names |= {"request": _beside(session, firm, engineer, order, tool=tool)}
    names |= around | {
        "booking": booking,
        "request_booking": waiting,
        "organisation": organisation,
        "engineer": engineer,
    }
    park.ids |= {f"{key}_{firm.lower()}": str(row.public_id) for key, row in names.items()}
    _let_in(park, f"engineer_{firm.lower()}", engineer)
    park.ids[f"token_{firm.lower()}"] = str(
        _token(session, park, None, engineer, firm, scopes=["read"]).public_id
    )
    if firm == "A":
        _let_in(park, "admin_a", person(roles=("organisation_admin",)))
        park.ids["colleague_a"] = str(person().public_id)
        _let_in(park, "disabled_a", person(active=False))
        _token(session, park, "read_token_a", engineer, firm, scopes=["read"])
        _token(session, park, "write_token_a", engineer, firm, scopes=["read", "write"])
        _token(
            session, park, "expired_token_a", engineer, firm,
            scopes=["read", "write"], expires_at=utcnow() - timedelta(seconds=1),
        )  # fmt: skip


def _asked(order: Order, *, project_id: UUID) -> dict[str, Any]:
    """Return what was sent in for an order of one step."""
    return as_data(
        NewOrder(
            title=order.title,
            earliest_at=order.earliest_at,
            deadline_at=order.deadline_at,
            project_id=project_id,
            steps=(NewStep(capability="ETCH.DRIE", name=order.steps[0].name),),
            flags=tuple(order.flags),
            note=order.note,
        )
    )


def _crossing_order(
    session: Session, park: Park, *, tool: Resource, other: Resource
) -> None:
    organisation = make_organisation(
        session, name_zh=canary("C", "firm"), name_en=canary("C", "firm")
    )
    member = make_member(session, organisation=organisation, name=canary("C", "person"))
    order = make_order(
        session,
        member=member,
        resource=tool,
        title=canary("C", "title"),
        note=canary("C", "note"),
        platform_ids=[tool.platform_id, other.platform_id],
        earliest_at=park.monday,
        deadline_at=park.monday + timedelta(days=10),
    )
    order.steps[0].name = canary("C", "step")
    add_step(session, order, resource=other, name=canary("C", "step_there"))
    park.ids["order_c"] = str(order.public_id)


def _plan(session: Session, park: Park, platform_ids: tuple[int, ...]) -> Plan:
    plan = Plan(
        night=park.monday.date(),
        state=PlanState.DRAFT,
        started_at=utcnow(),
        finished_at=utcnow(),
        approve_until=park.monday,
        origin_at=park.monday,
        seed=1,
        value=10,
        bound=12,
        asked=4,
        placed=2,
        progress={},
    )
    session.add(plan)
    session.flush()  # plan.id
    session.add_all(Approval(plan_id=plan.id, platform_id=p) for p in platform_ids)
    session.add_all(
        [
            Night(night=plan.night, runner="x", lease_until=utcnow(), plan_id=plan.id),
            JobRun(job="night", on_date=plan.night, started_at=utcnow()),
        ]
    )
    return plan


def _propose(
    session: Session, plan: Plan, order: Order, left: Order, *, firm: str, tool: Resource,
    at: datetime,
) -> None:  # fmt: skip
    step = order.steps[0]
    session.add_all(
        [
            PublicationPart(
                plan_id=plan.id, component=ord(firm), platform_ids=[tool.platform_id]
            ),
            PlacementRow(
                plan_id=plan.id,
                order_id=order.id,
                order_version=order.version,
                step_id=step.id,
                organisation_id=order.organisation_id,
                platform_id=tool.platform_id,
                resource_id=tool.id,
                starts_at=at + timedelta(days=1),
                ends_at=at + timedelta(days=1, hours=1),
                quantity=1,
                component=ord(firm),
                change=Change.NEW,
            ),
            LateOrder(
                plan_id=plan.id,
                order_id=order.id,
                organisation_id=order.organisation_id,
                platform_ids=order.platform_ids,
                late_min=60,
                cause="not_moved",
                detail={},
                ways_out=[],
            ),
            Forcing(
                plan_id=plan.id,
                order_id=left.id,
                platform_ids=left.platform_ids,
                answered_at=utcnow(),
                starts_at=at,
                ends_at=at + timedelta(hours=1),
                displaced=[order.id],
                moved=[],
                cost=1,
            ),
            LeftOut(
                plan_id=plan.id,
                order_id=left.id,
                organisation_id=left.organisation_id,
                platform_ids=left.platform_ids,
                cause="full",
                detail={
                    "step": left.steps[0].id,
                    "blocked": [
                        {
                            "resource": canary(firm, "left_out"),
                            "from": at.isoformat(),
                            "to": (at + timedelta(hours=1)).isoformat(),
                            "occupant": "placement",
                        }
                    ],
                },
                ways_out=[],
            ),
        ]
    )


def _serve(session: Session, order: Order, booking: Booking) -> None:
    step = order.steps[0]
    session.add(
        StepBooking(
            step_id=step.id,
            booking_id=booking.id,
            organisation_id=order.organisation_id,
            platform_id=booking.platform_id,
        )
    )


def _beside(
    session: Session, firm: str, member: Member, order: Order, *, tool: Resource
) -> JobRequest:
    """Add what few routes read; return a request that the park's scheduler has served."""
    add_step(session, order, resource=tool, name=canary(firm, "step"))
    qualification = Qualification(code=f"Q{firm}", name_zh="资质", name_en="Qualification")
    session.add(qualification)
    session.flush()  # qualification.id
    make_resource(session, platform_id=tool.platform_id, qualification_id=qualification.id)
    request = JobRequest(
        job="night",
        subject={"night": f"2027-01-0{ord(firm) - 64}"},
        member_id=member.id,
        requested_at=utcnow(),
        finished_at=utcnow(),
    )
    session.add_all(
        [
            MemberQualification(
                member_id=member.id,
                qualification_id=qualification.id,
                organisation_id=member.organisation_id,
            ),
            StepLag(
                order_id=order.id,
                before=0,
                after=1,
                organisation_id=member.organisation_id,
            ),
            IdempotencyKey(
                member_id=member.id,
                route="POST /api/v1/bookings",
                key="the same key",
                body_hash="x",
                status=201,
                answer={"body": {"title": canary(firm, "title")}, "headers": {}},
                created_at=utcnow(),
            ),
            request,
        ]
    )
    session.flush()  # request.public_id
    return request


def _let_in(park: Park, name: str, member: Member | None) -> None:
    visitor = cast("Visitor", park.app.test_client())
    if member is not None:
        visitor.enter(member)
    park.visitors[name] = visitor
    park.headers[name] = {"X-CSRFToken": visitor.csrf_token()}


def _token(
    session: Session, park: Park, principal: str | None, member: Member, firm: str, **given: Any
) -> ApiToken:  # fmt: skip
    secret = f"pb_{uuid4().hex}{uuid4().hex}"
    token = ApiToken(
        **{
            "member_id": member.id,
            "name": canary(firm, "token"),
            "prefix": secret[:9],
            "token_hash": hashed(secret),
            "expires_at": utcnow() + timedelta(days=9),
            "created_at": utcnow(),
        }
        | given
    )
    session.add(token)
    session.flush()  # token.public_id
    if principal is not None:
        park.visitors[principal] = cast("Visitor", park.app.test_client())
        park.headers[principal] = bearer(secret)
    return token
