"""The limits of a resource are changed by who operates its platform, and by the park."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from platform_booking import audit
from platform_booking.catalog import queries as catalog
from platform_booking.catalog.models import Resource
from platform_booking.catalog.services import insist_on_operating
from platform_booking.db import transaction
from platform_booking.errors import PreconditionFailed, RulesBroken
from platform_booking.limits import queries, rules
from platform_booking.web.actor import Actor


def change(
    resource_id: UUID, policy: dict[str, Any], *, expected: str | None, actor: Actor
) -> None:
    """Set the limits of a resource. They bind what is booked from now on; the rest stays.

    `expected` is the mark of what the actor has read; None takes any.

    Raises
    ------
    NotFound
        If there is no such resource.
    Forbidden
        If the actor does not operate its platform.
    PreconditionFailed
        If they have changed since he read them.
    RulesBroken
        If they do not fit each other, the resource or the catalogue.
    """
    with transaction() as session:
        resource = catalog.resource(session, public_id=resource_id)
        insist_on_operating(resource, actor)
        before = resource.policy
        if expected not in {None, queries.mark(before)}:
            raise PreconditionFailed
        broken = list(rules.violations(policy, resource.kind, queries.codes(session)))
        if broken:
            raise RulesBroken(broken)
        done = session.scalar(
            sa.update(Resource)
            .where(Resource.id == resource.id, Resource.policy == before)
            .values(policy=policy)
            .returning(Resource.id)
        )
        if done is None:  # somebody came in between
            raise PreconditionFailed
        audit.record(
            session,
            act="resource.limits",
            subject=f"resource {resource.public_id}",
            platform_id=resource.platform_id,
            detail={
                "before": {k: v for k, v in before.items() if policy.get(k) != v},
                "after": {k: v for k, v in policy.items() if before.get(k) != v},
            },
        )
