"""Which resource a slot gets where any with a capability will do, and why that one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from platform_booking.bookings.picked import Slot
from platform_booking.catalog.models import Capability, Resource, ResourceKind

MOST = 12
"""So many resources are tried at most before a slot is refused."""

_AROUND = timedelta(days=3)
_Stay = tuple[datetime, datetime, int]  # begin, end, quantity
_COUNTED = frozenset({ResourceKind.UNARY, ResourceKind.POOLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A resource that a slot might get."""

    resource: Resource
    fits: bool = True  # takes these wafers
    free: bool = True  # as far as can be told without holding it
    load: float = 0.0  # how much of the time around the slot is taken, 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A resource and why it is this one; `why` is "" where the asker named it."""

    public_id: UUID
    why: str = ""


def ranked(session: Session, capability: str, slot: Slot) -> list[Choice]:
    """Return the resources with a capability, the best for a slot first.

    Those that take the wafers and are free then, the least booked first. Whether the rules
    allow them the caller asks; whether they are still free the guard alone knows.
    """
    found = _candidates(session, capability, slot)
    fitting = [c for c in found if c.fits]
    in_order = sorted(
        fitting or found, key=lambda c: (not c.free, round(c.load, 3), c.resource.code)
    )[:MOST]
    return [
        Choice(
            public_id=one.resource.public_id,
            why=_why(one, capability, slot, found=found, fitting=fitting),
        )
        for one in in_order
    ]


def next_best(choice: Choice) -> Choice:
    """Return a choice that another one has made necessary."""
    return replace(choice, why=_("the next best: another was taken in the same moment"))


def only_allowed(choice: Choice) -> Choice:
    """Return a choice that is left when the rules refuse the better ones."""
    return replace(choice, why=_("the best of those that you may book at that time"))


def _why(
    one: Candidate,
    capability: str,
    slot: Slot,
    *,
    found: Sequence[Candidate],
    fitting: Sequence[Candidate],
) -> str:
    if len(found) == 1:
        return str(_("the only one with %(capability)s", capability=capability))
    if len(fitting) == 1 and slot.wafer_mm is not None:
        return str(_("the only one that takes these wafers of %(mm)s mm", mm=slot.wafer_mm))
    if sum(c.free for c in fitting) == 1 and one.free:
        return str(_("the only one that is free at that time"))
    return str(
        _(
            "the least booked of %(number)s around that time: %(percent)s %% taken",
            number=len(fitting) or len(found),
            percent=round(100 * one.load),
        )
    )


def _candidates(session: Session, capability: str, slot: Slot) -> list[Candidate]:
    if slot.ends_at <= slot.starts_at:  # the rules will say so
        return [
            Candidate(resource=one, fits=_fits(one, slot))
            for one in session.scalars(_with(capability, Resource))
        ]
    from_at, to_at = _window(slot)
    found = session.execute(_with(capability, Resource, _busy(from_at, to_at)))
    return [
        _candidate(one, slot, tuple(_clipped(stays or (), from_at, to_at)), to_at - from_at)
        for one, stays in found
    ]


def _with(capability: str, *columns: Any) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .where(Resource.active, Resource.capabilities.any(Capability.code == capability))
        .order_by(Resource.id)
    )


def _busy(from_at: datetime, to_at: datetime) -> sa.ScalarSelect[Any]:
    """Return what is taken of a resource: lists of begin, end and quantity, as JSON."""
    stay = sa.func.busy(postgresql.array([Resource.id]), from_at, to_at).table_valued(
        "starts_at", "ends_at", "quantity", joins_implicitly=True
    )
    told = sa.func.jsonb_build_array(stay.c.starts_at, stay.c.ends_at, stay.c.quantity)
    return sa.select(sa.func.jsonb_agg(told, type_=postgresql.JSONB)).scalar_subquery()


def _clipped(
    stays: Iterable[tuple[str, str, int]], from_at: datetime, to_at: datetime
) -> Iterator[_Stay]:
    for begins, ends, quantity in stays:
        yield (
            max(datetime.fromisoformat(begins), from_at),
            min(datetime.fromisoformat(ends), to_at),
            quantity,
        )


def _candidate(
    resource: Resource, slot: Slot, taken: Sequence[_Stay], whole: timedelta
) -> Candidate:
    return Candidate(
        resource=resource,
        fits=_fits(resource, slot),
        free=resource.kind not in _COUNTED
        or _peak(taken, slot) + slot.quantity <= resource.capacity,
        load=_load(taken, resource, whole),
    )


def _window(slot: Slot) -> tuple[datetime, datetime]:
    try:
        return slot.starts_at - _AROUND, slot.ends_at + _AROUND
    except OverflowError:  # where the calendar ends; the rules will say so
        return slot.starts_at, slot.ends_at


def _fits(resource: Resource, slot: Slot) -> bool:
    if slot.wafer_mm is None:
        return True
    return (
        slot.wafer_mm in resource.wafer_mm
        and (slot.class_rank is None or slot.class_rank <= resource.class_rank)
        and (
            resource.flags_allowed is None or set(slot.flags) <= set(resource.flags_allowed)
        )
    )


def _peak(taken: Sequence[_Stay], slot: Slot) -> int:
    meeting = [t for t in taken if t[0] < slot.ends_at and slot.starts_at < t[1]]
    starts = [max(begins, slot.starts_at) for begins, _ends, _quantity in meeting]
    return max((_level(meeting, at) for at in starts), default=0)


def _level(taken: Sequence[_Stay], at: datetime) -> int:
    return sum(quantity for begins, ends, quantity in taken if begins <= at < ends)


def _load(taken: Sequence[_Stay], resource: Resource, whole: timedelta) -> float:
    minutes: Iterator[float] = (
        (ends - begins) / whole * quantity for begins, ends, quantity in taken
    )
    return min(1.0, sum(minutes) / resource.capacity)
