"""The next free place on a resource, on the day that was asked for."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from platform_booking.bookings import queries, week
from platform_booking.bookings.picked import Stretch
from platform_booking.catalog.hours import attended_hours, opening_hours, spans
from platform_booking.catalog.models import Resource, ResourceKind, StayRule

_STRIDE = timedelta(minutes=30)


def next_free(
    session: Session,
    resource: Resource,
    stay: Stretch,
    *,
    quantity: int,
    now: datetime,
    zone: ZoneInfo,
    besides: Sequence[Stretch] = (),
    pleases: Callable[[Stretch], bool] = lambda _place: True,
) -> Stretch | None:
    """Return the next free place of a stay's length that begins on the stay's local day.

    After the start that was asked for, else before it, where it meets none of the stays
    `besides` and pleases; looked for every half an hour. None where there is none, and for
    what has dated runs or recipes.
    """
    if resource.kind not in {ResourceKind.UNARY, ResourceKind.POOLED} or stay[0] < now:
        return None
    length = stay[1] - stay[0]
    day = stay[0].astimezone(zone).date()
    from_at, midnight = week.bounds(day, zone, days=1)
    to_at = midnight + length
    hours = (
        attended_hours(resource.calendar)
        if resource.stay_rule is StayRule.ENDS
        else opening_hours(resource.calendar)
    )
    opening = spans(hours, from_at=from_at, to_at=to_at, zone=zone)
    blocked = list(besides)
    blocked += [
        (down.starts_at, down.ends_at)
        for down in queries.outages(session, resource.id, from_at=from_at, to_at=to_at)
    ]
    blocked += [
        (taken.starts_at, taken.ends_at)
        for taken in queries.taken(session, resource.id, from_at=from_at, to_at=to_at)
        if taken.quantity + quantity > resource.capacity
    ]
    for not_before in (stay[0], max(from_at, now)):
        start = week.first_free(opening, blocked, length, not_before=not_before)
        while start is not None and start < midnight:
            if pleases((start, start + length)):
                return start, start + length
            start = week.first_free(opening, blocked, length, not_before=start + _STRIDE)
    return None
