"""Tools to book, and sixteen people of eight firms who book them by program.

The tools carry every limit of a policy that reads something, none so tight that it binds.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from platform_booking.accounts.models import (
    ApiToken,
    Member,
    MemberRole,
    Organisation,
    OrganisationState,
    Role,
)
from platform_booking.catalog.models import (
    Calendar,
    Capability,
    MaterialsClass,
    Platform,
    Resource,
    ResourceKind,
    Site,
    StayRule,
)
from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, transaction
from platform_booking.web.actor import hashed

CLIENTS, FIRMS = 16, 8
CAPABILITIES = 10
FIRST = "TOOL.0"
"""A capability of every tenth tool, the first among them."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_POLICY = {
    "min_minutes": 15,
    "max_minutes": 480,
    "horizon_days": 365,
    "late_cancel_hours": 24,
    "per_day": 48,
    "rolling": [{"minutes": 10_080, "days": 7}],
    "no_show_limit": 3,
}


@dataclass(frozen=True, slots=True)
class Person:
    """One who books."""

    member_id: int
    organisation_id: int
    epoch: int  # of his sessions
    token: str


@dataclass(frozen=True, slots=True)
class Tools:
    """What there is to book, and who may."""

    ids: tuple[int, ...]
    public_ids: tuple[UUID, ...]
    platform_id: int
    people: tuple[Person, ...]
    staff: Person  # of the park, who sees every booking


def tomorrow() -> datetime:
    """Return the midnight from which benchmarks book, in UTC."""
    midnight = utcnow().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1)


def make_tools(number: int) -> Tools:
    """Make so many unary tools that are always open. Needs an application context."""
    with acting_as(JOB), transaction() as session:
        platform, calendar = _place(session)
        able = [
            Capability(code=f"TOOL.{n}", name_zh=f"能力{n}", name_en=f"Capability {n}")
            for n in range(CAPABILITIES)
        ]
        session.add_all(able)
        session.flush()
        tools = [
            _tool(n, platform=platform, calendar=calendar, able=able[n % CAPABILITIES])
            for n in range(number)
        ]
        session.add_all(tools)
        firms = [_firm(n) for n in range(FIRMS)]
        session.add_all(firms)
        session.flush()
        people = [_person(session, n, firms) for n in range(CLIENTS)]
        return Tools(
            ids=tuple(tool.id for tool in tools),
            public_ids=tuple(tool.public_id for tool in tools),
            platform_id=platform.id,
            people=tuple(people),
            staff=_person(session, CLIENTS, (), role=Role.PARK_ADMIN),
        )


def _place(session: Session) -> tuple[Platform, Calendar]:
    site = Site(code="S", name_zh="园区", name_en="Park")
    calendar = Calendar(
        code="ALWAYS",
        name_zh="全天",
        name_en="Always",
        weekly={day: [["00:00", "24:00"]] for day in _DAYS},
        offhours={},
        attended={},
        keeps_holidays=False,
    )
    rank = MaterialsClass(rank=3, code="C3", name_zh="三级", name_en="Class 3")
    session.add_all((site, calendar, rank))
    session.flush()
    platform = Platform(code="P", name_zh="平台", name_en="Platform", site_id=site.id)
    session.add(platform)
    session.flush()
    return platform, calendar


def _tool(n: int, *, platform: Platform, calendar: Calendar, able: Capability) -> Resource:
    return Resource(
        platform_id=platform.id,
        calendar_id=calendar.id,
        code=f"T{n:04}",
        name_zh=f"设备{n}",
        name_en=f"Tool {n}",
        kind=ResourceKind.UNARY,
        capacity=1,
        stay_rule=StayRule.INSIDE,
        self_run=True,
        class_rank=3,
        wafer_mm=[],
        flags_allowed=None,
        typical_minutes=60,
        policy=_POLICY,
        rate={},
        notes={},
        capabilities=[able],
    )


def _firm(n: int) -> Organisation:
    return Organisation(
        name_zh=f"企业{n}",
        name_en=f"Firm {n}",
        registration_no=f"91310000{n:010d}",
        state=OrganisationState.APPROVED,
        contract_ref=f"HT-{n}",
        nda_ref=f"NDA-{n}",
        applied_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _person(
    session: Session, n: int, firms: Sequence[Organisation], role: Role = Role.ENGINEER
) -> Person:
    now = utcnow()
    member = Member(
        organisation_id=firms[n % len(firms)].id if firms else None,
        email=f"person{n}@example.com",
        name=f"成员{n}",
        created_at=now,
    )
    session.add(member)
    session.flush()
    secret = f"pb_{secrets.token_urlsafe(32)}"
    token = ApiToken(
        member_id=member.id,
        name="benchmark",
        prefix=secret[:8],
        token_hash=hashed(secret),
        scopes=["read", "write"],
        expires_at=now + timedelta(days=1),
        created_at=now,
    )
    session.add_all((token, MemberRole(member_id=member.id, role=role)))
    session.flush()
    return Person(
        member_id=member.id,
        organisation_id=member.organisation_id or 0,
        epoch=member.session_epoch,
        token=secret,
    )
