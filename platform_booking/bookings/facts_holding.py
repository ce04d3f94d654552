"""Calls by which rivals wait for one another before they count what is left.

They stand in the statement before the one that counts: it sees what rivals did.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from platform_booking.accounts.models import Organisation, Project
from platform_booking.bookings import facts_reading as reading
from platform_booking.bookings.facts_policy import CAPPED
from platform_booking.bookings.facts_rows import THE_ORGANISATION, THE_PROJECT
from platform_booking.bookings.models import Quota
from platform_booking.catalog.models import Resource, ResourceKind

THE_RESOURCE = reading.keyed(Resource, "resource")

MEMBERS = (
    sa.select(
        sa.func.take_members(
            reading.RUNNER, reading.BUDDY, reading.BUDDY_ROW, type_=sa.Integer
        )
    )
    .select_from(Resource)
    .where(
        THE_RESOURCE,
        sa.or_(
            reading.BUDDY.is_not(None),
            reading.BUDDY_ROW.is_not(None),
            Resource.policy.has_any(sa.cast(list(CAPPED), ARRAY(sa.Text))),
        ),
    )
    .correlate(None)
    .scalar_subquery()
)
"""A call that waits for other bookings of the same member, and of his buddy."""

_SPENT = (
    sa.select(Quota.id)
    .select_from(Resource)
    .join(
        Quota,
        reading.bound_quotas(
            Resource,
            sa.select(Organisation.id).where(THE_ORGANISATION).scalar_subquery(),
            sa.select(Project.id).where(THE_PROJECT).scalar_subquery(),
        ),
    )
    .where(THE_RESOURCE, Resource.kind != ResourceKind.EVENT)
    .correlate(None)
    .scalar_subquery()
)
QUOTAS = sa.select(
    sa.func.take_quotas(sa.func.array(_SPENT), type_=sa.Integer)
).scalar_subquery()
"""A call that waits for whoever spends the same quotas."""
