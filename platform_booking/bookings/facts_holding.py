"""Calls by which rivals wait for one another before they count what is left.

They stand in the statement before the one that counts: it sees what rivals did.
"""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from platform_booking.accounts.models import Organisation, Project
from platform_booking.bookings.facts_policy import CAPPED
from platform_booking.bookings.facts_reading import bound_quotas
from platform_booking.bookings.models import Quota
from platform_booking.catalog.models import Resource, ResourceKind


def members(
    which: sa.ColumnElement[bool],
    *,
    runner: int,
    buddy: UUID | None,
    buddy_row: int | None,
) -> sa.ScalarSelect[int]:
    """Return a call that waits for other bookings of the same member, and of his buddy."""
    capped = Resource.policy.has_any(sa.cast(list(CAPPED), ARRAY(sa.Text)))
    if buddy is not None or buddy_row is not None:
        capped = sa.true()
    return (
        sa.select(
            sa.func.take_members(
                runner,
                sa.cast(buddy, sa.Uuid),
                sa.cast(buddy_row, sa.Integer),
                type_=sa.Integer,
            )
        )
        .select_from(Resource)
        .where(which, capped)
        .correlate(None)
        .scalar_subquery()
    )


def quotas(
    which: sa.ColumnElement[bool],
    *,
    organisation: sa.ColumnElement[bool],
    project: sa.ColumnElement[bool],
) -> sa.ScalarSelect[int]:
    """Return a call that waits for whoever spends the same quotas."""
    firm = sa.select(Organisation.id).where(organisation).scalar_subquery()
    for_project = sa.select(Project.id).where(project).scalar_subquery()
    spent = (
        sa.select(Quota.id)
        .select_from(Resource)
        .join(Quota, bound_quotas(Resource, firm, for_project))
        .where(which, Resource.kind != ResourceKind.EVENT)
        .correlate(None)
        .scalar_subquery()
    )
    return sa.select(
        sa.func.take_quotas(sa.func.array(spent), type_=sa.Integer)
    ).scalar_subquery()
