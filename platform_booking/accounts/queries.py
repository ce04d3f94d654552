"""What pages of accounts read. Row-level security decides which rows there are."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Member, MemberRole, Role

# The catalogue stands above this package; of platforms nothing but their names is needed.
_PLATFORM = sa.table(
    "platform",
    *(sa.column(name) for name in ("id", "code", "name_zh", "name_en", "position")),
)


@dataclass(frozen=True, slots=True)
class PlatformName:
    """A platform as a choice."""

    id: int
    code: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Colleague:
    """A member as whoever manages him sees him."""

    member: Member
    roles: frozenset[Role]
    platform_ids: frozenset[int]


def platforms(session: Session) -> list[PlatformName]:
    """Return every platform, in the order of the catalogue."""
    columns = _PLATFORM.c
    rows = session.execute(
        sa.select(columns.id, columns.code, columns.name_zh, columns.name_en).order_by(
            columns.position, columns.id
        )
    )
    return [PlatformName(*row) for row in rows]


def colleagues(session: Session, organisation_id: int | None) -> Sequence[Colleague]:
    """Return the members of a firm by name; for None the staff of park and platforms."""
    members = session.scalars(
        sa.select(Member)
        .where(Member.organisation_id.is_not_distinct_from(organisation_id))
        .order_by(Member.name, Member.id)
    ).all()
    held: dict[int, list[MemberRole]] = {}
    for role in session.scalars(
        sa.select(MemberRole).where(MemberRole.member_id.in_([m.id for m in members]))
    ):
        held.setdefault(role.member_id, []).append(role)
    return [
        Colleague(
            member=m,
            roles=frozenset(r.role for r in held.get(m.id, ())),
            platform_ids=frozenset(
                r.platform_id for r in held.get(m.id, ()) if r.platform_id is not None
            ),
        )
        for m in members
    ]
