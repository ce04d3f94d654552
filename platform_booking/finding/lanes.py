"""From rows to lanes: what was read, in whole slots of the grid. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from platform_booking.bookings.facts_policy import notice_hours
from platform_booking.bookings.rules import GRID_MIN
from platform_booking.catalog.hours import attended_hours, opening_hours, spans
from platform_booking.catalog.models import Recipe, Resource, ResourceKind, StayRule
from platform_booking.finding.queries import SLOT_S, Read, Stay
from platform_booking.finding.search import Interval, Lane, Place, Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long a stay is to be, and of how much. `minutes` None is the usual length.

    A shared run lasts as long as its recipe takes, whatever is asked.
    """

    minutes: int | None = None
    quantity: int = 1


def slot_of(moment: datetime) -> int:
    """Return the slot in which an instant lies."""
    return int(moment.timestamp()) // SLOT_S


def slot_after(moment: datetime) -> int:
    """Return the first slot that begins at an instant or after it."""
    return -(-int(moment.timestamp() * 1000) // (SLOT_S * 1000))


def instant(slot: int) -> datetime:
    """Return when a slot begins."""
    return datetime.fromtimestamp(slot * SLOT_S, UTC)


def days(within: Interval, zone: ZoneInfo) -> list[Interval]:
    """Return the local days that a stretch touches."""
    found: list[Interval] = []
    day = instant(within[0]).astimezone(zone).date()
    begins = within[0]
    while begins < within[1]:
        day += timedelta(days=1)
        ends = _midnight(day, zone)
        found.append((begins, ends))
        begins = ends
    return found


@dataclass(slots=True)
class LaneMaker:
    """Makes lanes of what was read between two instants."""

    read: Read
    from_at: datetime
    to_at: datetime
    now: datetime
    zone: ZoneInfo
    _hours: dict[tuple[int, bool], list[Interval]] = field(default_factory=dict)

    def lanes(
        self, resource: Resource, size: Size, recipes: Sequence[Recipe] = ()
    ) -> Iterator[Lane]:
        """Yield the ways in which a resource may serve a stay of that size.

        On a batch resource one for each of the recipes.
        """
        if resource.kind is not ResourceKind.BATCH:
            yield self._lane(resource, size, None)
        for recipe in recipes:
            yield self._lane(resource, size, recipe)

    def _lane(self, resource: Resource, size: Size, recipe: Recipe | None) -> Lane:
        usual = recipe.duration_min if recipe else resource.typical_minutes
        stays = self.read.stays.get(resource.id, ())
        earliest, latest = self._bounds(resource)
        step = _step(resource)
        asked = None if recipe else size.minutes  # a run lasts as long as its recipe
        length = -(-(asked or usual) // GRID_MIN)
        length = -(-length // step) * step
        family = (recipe.family if recipe else None) or ""
        return Lane(
            resource=resource.id,
            code=resource.code,
            kind=resource.kind,
            stay=resource.stay_rule,
            capacity=recipe.capacity if recipe else resource.capacity,
            opening=self._opening(resource),
            recipe=recipe.id if recipe else None,
            down=self.read.down.get(resource.id, ()),
            taken=[Taken(s.start, s.end, s.quantity) for s in stays],
            fixed=tuple(self._fixed(resource, recipe, stays, length)),
            length=length,
            step=step,
            quantity=size.quantity,
            earliest=earliest,
            latest=latest,
            families=[
                (slot_after(at), name)
                for at, name in self.read.families.get(resource.id, ())
            ]
            if family
            else (),
            changeovers={
                before: minutes
                for (before, after), minutes in self.read.changeovers.get(
                    resource.id, {}
                ).items()
                if after == family
            },
        )

    def _fixed(
        self,
        resource: Resource,
        recipe: Recipe | None,
        stays: Iterable[Stay],
        length: int,
    ) -> Iterator[Place]:
        if resource.kind is ResourceKind.EVENT:
            sold: dict[int | None, int] = {}
            for stay in stays:
                sold[stay.occurrence_id] = sold.get(stay.occurrence_id, 0) + stay.quantity
            for run in self.read.runs.get(resource.id, ()):
                yield Place(
                    slot_of(run.starts_at),
                    slot_after(run.ends_at),
                    run.capacity - sold.get(run.id, 0),
                    run.id,
                )
        elif recipe is not None:
            loads: dict[Interval, int] = {}
            for stay in stays:
                if stay.recipe_id == recipe.id:
                    at = (stay.start, stay.end)
                    loads[at] = loads.get(at, 0) + stay.quantity
            for (start, end), loaded in loads.items():
                if end - start == length or resource.stay_rule is StayRule.WORKING:
                    yield Place(start, end, recipe.capacity - loaded)

    def _opening(self, resource: Resource) -> list[Interval]:
        ends = resource.stay_rule is StayRule.ENDS
        key = (resource.calendar_id, ends)
        if key not in self._hours:
            calendar = resource.calendar
            hours = attended_hours(calendar) if ends else opening_hours(calendar)
            self._hours[key] = [
                (slot_after(a), slot_of(b))
                for a, b in spans(
                    hours, from_at=self.from_at, to_at=self.to_at, zone=self.zone
                )
            ]
        return self._hours[key]

    def _bounds(self, resource: Resource) -> Interval:
        """Return the first and the last start that notice and horizon leave."""
        first, last = self.now, self.to_at
        policy = resource.policy
        first += timedelta(hours=notice_hours(policy) or 0)
        if policy.get("horizon_days") is not None:
            last = min(last, self.now + timedelta(days=policy["horizon_days"]))
        return slot_after(first), slot_of(last)


def _step(resource: Resource) -> int:
    """Return the slots of the resource's own grid; it counts from the hour."""
    coarse = resource.policy.get("grid_minutes")
    return max(1, min(coarse or GRID_MIN, 60) // GRID_MIN)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return slot_of(datetime.combine(day, time(), zone))
