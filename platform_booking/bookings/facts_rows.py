"""What the rules must know, read in one statement: of one resource or of several.

For a slot, or for a stretch in which slots are looked for: then it holds for each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import (
    Member,
    Organisation,
    OrganisationState,
    Project,
)
from platform_booking.bookings import facts_reading as reading
from platform_booking.bookings.facts_policy import CAPPED, look_back_days
from platform_booking.bookings.picked import Buddy, QuotaUse, Slot, Stretch
from platform_booking.bookings.rules import beyond_sense
from platform_booking.catalog.models import (
    MaterialsClass,
    MemberQualification,
    Occurrence,
    Recipe,
    Resource,
    ResourceKind,
)

Key = int | UUID
"""What names a row: its id in the database, or the one known outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a slot names beside a resource."""

    organisation: Key | None
    approved: bool = True  # the organisation must be; what it holds already stays judged
    runner: int  # row id of the member who would run it
    project: Key | None = None
    recipe: Key | None = None
    occurrence: Key | None = None
    buddy: UUID | None = None  # by his public id, or by
    buddy_row: int | None = None
    beside: tuple[UUID, ...] = ()  # resources booked in the same go for the same time
    besides: int | None = None  # the booking that moves: its old place counts for nothing

    @property
    def names_buddy(self) -> bool:
        """Whether a second person is named."""
        return self.buddy is not None or self.buddy_row is not None

    @property
    def values(self) -> dict[str, Any]:
        """What to bind in a statement that names the same."""
        return {
            "approved": self.approved,
            "runner": self.runner,
            "buddy": self.buddy,
            "buddy_row": self.buddy_row,
            **key_values("organisation", self.organisation),
            **key_values("project", self.project),
        }


def key_values(name: str, key: Key | None) -> dict[str, Any]:
    """Return what to bind where `reading.keyed` finds a row by that name."""
    row, public = (key, None) if isinstance(key, int) else (None, key)
    return {f"{name}_row": row, f"{name}_public": public}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The rows behind a slot on one resource."""

    organisation: Organisation | None
    member: Member | None
    project: Project | None
    recipe: Recipe | None
    occurrence: Occurrence | None
    holding: MemberQualification | None
    class_code: str
    outages: tuple[Stretch, ...]
    taken_back: tuple[Stretch, ...]
    held: tuple[Stretch, ...]
    past: tuple[Stretch, ...]
    promised: tuple[Stretch, ...]
    no_shows: tuple[datetime, ...]
    has: dict[str, tuple[Stretch, ...]]
    buddy: Buddy | None
    buddy_row: int | None
    quotas: tuple[QuotaUse, ...]
    class_holds: dict[int, int]  # by row id of the dated run


THE_ORGANISATION = sa.and_(
    reading.keyed(Organisation, "organisation"),
    sa.or_(
        sa.not_(sa.bindparam("approved", type_=sa.Boolean)),
        Organisation.state == OrganisationState.APPROVED,
    ),
)
THE_PROJECT = reading.keyed(Project, "project")

_READ: dict[str, Any] = {
    "organisation": Organisation,
    "member": Member,
    "project": Project,
    "recipe": Recipe,
    "occurrence": Occurrence,
    "holding": MemberQualification,
    "class_code": MaterialsClass.code,
    "outages": reading.OUTAGES,
    "taken_back": reading.TAKEN_BACK,
    "held": reading.TO_COME,
    "past": reading.PAST,
    "promised": reading.PROMISED,
    "no_shows": reading.NO_SHOWS,
    "has": reading.HAS,
    "buddy": reading.STANDING,
    "quotas": reading.USES,
    "class_holds": reading.CLASS_HOLDS,
}
_STATEMENT = (
    sa.select(reading.ASKED.c.resource_id, *_READ.values())
    .select_from(reading.ASKED)
    .outerjoin(Organisation, THE_ORGANISATION)
    .outerjoin(Member, Member.id == reading.RUNNER)
    .outerjoin(
        Project,
        sa.and_(THE_PROJECT, Project.organisation_id == Organisation.id, Project.active),
    )
    .outerjoin(
        Recipe,
        sa.and_(
            reading.keyed(Recipe, "recipe"),
            Recipe.resource_id == reading.ASKED.c.resource_id,
            Recipe.active,
        ),
    )
    .outerjoin(
        Occurrence,
        sa.and_(
            reading.keyed(Occurrence, "occurrence"),
            Occurrence.resource_id == reading.ASKED.c.resource_id,
        ),
    )
    .outerjoin(
        MaterialsClass,
        MaterialsClass.rank == sa.bindparam("class_rank", type_=sa.Integer),
    )
    .outerjoin(
        MemberQualification,
        sa.and_(
            MemberQualification.member_id == reading.RUNNER,
            MemberQualification.qualification_id == reading.ASKED.c.qualification_id,
        ),
    )
)


def rows(
    session: Session,
    named_by: Named,
    slot: Slot,
    resources: Sequence[Resource],
    *,
    now: datetime,
    zone: ZoneInfo,
) -> list[Row]:
    """Return what is known of each resource, in their order."""
    values = named_by.values | {
        "from_at": slot.starts_at,
        "to_at": max(slot.starts_at, slot.ends_at),  # no range ends before it starts
        "class_rank": slot.class_rank,
        "now": now,
        "zone": zone.key,
        "besides": named_by.besides,
        "beside": [str(one) for one in named_by.beside],
        **key_values("recipe", named_by.recipe),
        **key_values("occurrence", named_by.occurrence),
        **reading.asked_values([_asked(slot, one, now=now) for one in resources]),
    }
    found = {told[0]: told[1:] for told in session.execute(_STATEMENT, values)}
    return [
        _told(
            dict(zip(_READ, found[one.id], strict=True)),
            one,
            with_buddy=named_by.names_buddy,
        )
        for one in resources
    ]


def _asked(slot: Slot, resource: Resource, *, now: datetime) -> dict[str, Any]:
    """Return which facts of a resource matter."""
    policy, near = resource.policy, not beyond_sense(slot, now=now)
    past_since = no_shows_since = None
    if near and {"per_day", "rolling"} & policy.keys():
        past_since = min(slot.starts_at, now) - timedelta(days=look_back_days(policy))
    if "no_show_limit" in policy:
        days = policy.get("no_show_days", 90) + policy.get("ban_days", 30)
        no_shows_since = now - timedelta(days=days)
    event = resource.kind is ResourceKind.EVENT
    return {
        "resource_id": resource.id,
        "platform_id": resource.platform_id,
        "qualification_id": resource.qualification_id,
        "to_come": resource.self_run or bool(CAPPED & policy.keys()),
        "past_since": past_since,
        "buddies": near and resource.self_run and bool(resource.calendar.offhours),
        "no_shows_since": no_shows_since,
        "needed": ",".join(policy.get("requires", ())) or None if near else None,
        "pooled": near and not event,
        "dated": event,
    }


def _told(told: dict[str, Any], resource: Resource, *, with_buddy: bool) -> Row:
    stretched = ("outages", "taken_back", "held", "past", "promised")
    return Row(
        **told
        | {name: reading.plain(told[name]) for name in stretched}
        | {
            "no_shows": tuple(told["no_shows"] or ()),
            "has": reading.read_held(told["has"]),
            "buddy": reading.read_buddy(told["buddy"]) if with_buddy else None,
            "buddy_row": (told["buddy"] or {}).get("member_id"),
            "quotas": reading.read_quotas(
                told["quotas"], resource=resource, platform=resource.platform
            ),
            "class_holds": {int(k): n for k, n in (told["class_holds"] or {}).items()},
        }
    )
