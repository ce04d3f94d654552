"""What the limits of resources are, and what they may name."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.catalog.models import (
    Capability,
    MaterialFlag,
    MaterialsClass,
    Qualification,
    Resource,
)
from platform_booking.limits.rules import Codes, Policy


@dataclass(frozen=True, slots=True)
class Preset:
    """A set of limits that has a name, as the first resource with it has them."""

    code: str
    policy: dict[str, Any]
    resources: int  # in service, that have its name


def mark(policy: Policy) -> str:
    """Return what changes when limits change: the ETag."""
    return sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:32]


def codes(session: Session) -> Codes:
    """Return what limits may name."""

    def all_of(table: Any) -> frozenset[str]:
        return frozenset(session.scalars(sa.select(table.code)))

    return Codes(
        capabilities=all_of(Capability),
        classes=all_of(MaterialsClass),
        flags=all_of(MaterialFlag),
        qualifications=all_of(Qualification),
    )


def presets(session: Session) -> Sequence[Preset]:
    """Return the sets of limits that have a name, in order of it."""
    code = Resource.policy["preset"].astext
    rows = session.execute(
        sa.select(
            code,
            sa.func.array_agg(
                sa.dialects.postgresql.aggregate_order_by(Resource.policy, Resource.code)
            ),
            sa.func.count(),
        )
        .where(Resource.active, code.is_not(None))
        .group_by(code)
        .order_by(code)
    )
    return [Preset(name, policies[0], number) for name, policies, number in rows]
