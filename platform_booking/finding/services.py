"""Free time, found and explained. A read: nothing is held for the asker."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from heapq import heappop, heappush
from itertools import count
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.bookings.rules import GRID_MIN
from platform_booking.catalog.models import Recipe, Resource, ResourceKind
from platform_booking.errors import RulesBroken, Violation
from platform_booking.finding import queries, rules
from platform_booking.finding.asking import Answer, Chosen, LeftOut, Offer, Wish
from platform_booking.finding.judging import (
    Judge,
    of_asker,
    of_the_hour,
    of_time,
    unfit_for,
)
from platform_booking.finding.lanes import (
    LaneMaker,
    Size,
    days,
    instant,
    slot_after,
    slot_of,
)
from platform_booking.finding.queries import Able, Read
from platform_booking.finding.search import Found, Lane, Search
from platform_booking.web.actor import Actor
from platform_booking.web.i18n import duration

_PATIENCE = 4
"""Places of one resource that may break rules of time before it is left out."""

_STRIDE = 6
"""Slots from one try to the next where a rule wants another hour: half an hour."""

_LONGEST_WALK = 600
"""Such tries of one search; they ask the database for nothing."""

_MOST_REFUSALS = 32
"""Places that may break rules before the search gives up."""


def find(
    session: Session, wish: Wish, *, actor: Actor, now: datetime, zone: ZoneInfo
) -> Answer:
    """Return free time, the best first.

    Best is what ends earliest; then what needs the least changeover; then the tool that is
    the least loaded. Each place is one that the rules of bookings accept.

    Raises
    ------
    RulesBroken
        If the window or an amount is impossible, or a name is unknown; all are listed.
    """
    faults = list(rules.violations(wish, now=now))
    if faults:
        raise RulesBroken(faults)
    wish = replace(wish, from_at=max(wish.from_at, now))
    called = [wish.capability, *wish.resources, *(one.called for one in wish.beside)]
    everything = queries.able(session, [name for name in called if name])
    _insist_on_names(session, wish, everything)
    main = [one for one in everything if _is_main(one, wish)]
    unfit = [
        LeftOut(resource=one.resource, violations=broken)
        for one in main
        if (broken := unfit_for(one.resource, wish, now=now))
    ]
    never = {one.resource.id for one in unfit}
    main = [one for one in main if one.resource.id not in never]
    known = queries.read(
        session,
        [one.resource for one in everything],
        from_at=wish.from_at,
        to_at=wish.to_at,
        now=now,
        organisation_id=actor.organisation_id,
    )
    recipe = _recipe(wish, main, known)
    maker = LaneMaker(known, wish.from_at, wish.to_at, now, zone)
    size = Size(minutes=wish.minutes, quantity=wish.quantity)
    lanes = [
        lane
        for one in main
        for lane in maker.lanes(
            one.resource, size, _recipes(one.resource, wish, known, recipe)
        )
    ]
    beside = [
        [
            lane
            for able in everything
            if able.answers(one.called)
            and able.resource.kind in {ResourceKind.UNARY, ResourceKind.POOLED}
            for lane in maker.lanes(able.resource, Size(quantity=one.quantity))
        ]
        for one in wish.beside
    ]
    within = (slot_after(wish.from_at), slot_of(wish.to_at))
    found = Search(lanes, beside, within=within, days=days(within, zone))
    judge = Judge(
        session,
        actor,
        now,
        zone,
        (wish.from_at, wish.to_at),
        project_id=wish.project_id,
        buddy_id=wish.buddy_id,
    )
    answer = _Choosing(wish, everything, known, judge, zone).answer(found)
    return replace(answer, left_out=(*answer.left_out, *unfit))


def _is_main(one: Able, wish: Wish) -> bool:
    """Tell whether a resource is one of those that are looked for."""
    named = not wish.resources or any(
        queries.is_called(one.resource, called) for called in wish.resources
    )
    able = not wish.capability or wish.capability in one.capabilities
    return named and able


def _insist_on_names(session: Session, wish: Wish, found: Sequence[Able]) -> None:
    asked = [
        *((wish.capability, "capability", "capability") for _n in (1,) if wish.capability),
        *((called, "resource", "resource") for called in wish.resources),
        *((one.called, "co_request", f"with[{n}]") for n, one in enumerate(wish.beside)),
    ]
    lost = [
        (called, what, where)
        for called, what, where in asked
        if not any(one.answers(called) for one in found)
    ]
    if not lost:
        return
    known = queries.known_names(session)
    raise RulesBroken(
        [rules.unknown(what, called, known, where) for called, what, where in lost]
    )


def _recipe(wish: Wish, main: Sequence[Able], known: Read) -> Recipe | None:
    if not wish.recipe:
        return None
    all_ = [r for one in main for r in known.recipes.get(one.resource.id, ())]
    for recipe in all_:
        if wish.recipe in {recipe.code, str(recipe.public_id)}:
            return recipe
    codes = sorted({recipe.code for recipe in all_})
    raise RulesBroken([rules.unknown("recipe", wish.recipe, codes, "recipe")])


def _recipes(
    resource: Resource, wish: Wish, known: Read, named: Recipe | None
) -> list[Recipe]:
    """Return the recipes of a batch resource that would do."""
    able = known.recipes.get(resource.id, ())
    if named is not None:
        return [r for r in able if r.code == named.code]
    return [
        r
        for r in able
        if (wish.wafer_mm is None or r.wafer_mm in {None, wish.wafer_mm})
        and (wish.class_rank is None or r.class_rank == wish.class_rank)
    ]


class _Choosing:
    """Goes through what was found, the best first, until enough pleases the rules."""

    def __init__(
        self,
        wish: Wish,
        everything: Sequence[Able],
        known: Read,
        judge: Judge,
        zone: ZoneInfo,
    ) -> None:
        self._wish = wish
        self._judge = judge
        self._zone = zone
        self._able = {one.resource.id: one for one in everything}
        self._recipes = {r.id: r for rows in known.recipes.values() for r in rows}
        self._runs = {r.id: r for rows in known.runs.values() for r in rows}
        self._failed: dict[tuple[int, int | None], int] = {}
        self._broken: dict[int, tuple[Violation, ...]] = {}

    def answer(self, search: Search) -> Answer:
        offers: list[Offer] = []
        served: set[int] = set()
        on: dict[date, int] = {}
        most = self._wish.a_day or self._wish.limit
        refused = walked = 0
        order = count()
        queue = [(one.rank, next(order), one) for one in search.first()]  # sorted: a heap
        while queue and len(offers) < self._wish.limit:
            one = heappop(queue)[2]
            day = instant(one.start).astimezone(self._zone).date()
            way = (one.lane.resource, one.lane.recipe)
            if on.get(day, 0) >= most or self._failed.get(way, 0) >= _PATIENCE:
                continue
            broken = self._judged(one)
            if broken:
                self._broken.setdefault(one.lane.resource, broken)
                if of_the_hour(broken) and walked < _LONGEST_WALK:
                    walked += 1
                    later = search.after(one, _STRIDE)
                    if later is not None:
                        heappush(queue, (later.rank, next(order), later))
                        continue
                spent = 1 if of_time(broken) else _PATIENCE
                self._failed[way] = self._failed.get(way, 0) + spent
                refused += 1
                if refused == _MOST_REFUSALS or of_asker(broken):
                    break
                continue
            offers.append(self._offer(one, first=not offers))
            served.add(one.lane.resource)
            on[day] = on.get(day, 0) + 1
        return Answer(
            offers=tuple(offers),
            left_out=tuple(
                LeftOut(resource=self._able[row_id].resource, violations=broken)
                for row_id, broken in self._broken.items()
                if row_id not in served
            ),
        )

    def _judged(self, one: Found) -> tuple[Violation, ...]:
        """Return what is broken by the stay, or by what goes with it."""
        starts_at, ends_at = instant(one.start), instant(one.end)
        broken = self._judge.broken(
            self._able[one.lane.resource],
            self._wish,
            starts_at=starts_at,
            ends_at=ends_at,
            quantity=self._wish.quantity,
            recipe=self._recipes.get(one.lane.recipe or 0),
            occurrence=self._runs.get(one.run or 0),
            beside=tuple(
                self._able[lane.resource].resource.public_id for lane in one.beside
            ),
        )
        for n, lane in enumerate(one.beside):
            if not broken:
                broken = self._judge.broken(
                    self._able[lane.resource],
                    self._wish,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    quantity=self._wish.beside[n].quantity,
                )
        return broken

    def _offer(self, one: Found, *, first: bool) -> Offer:
        return Offer(
            resource=self._able[one.lane.resource].resource,
            starts_at=instant(one.start),
            ends_at=instant(one.end),
            quantity=self._wish.quantity,
            room=one.room,
            why=tuple(self._why(one, first=first)),
            joins=one.joins,
            recipe=self._recipes.get(one.lane.recipe or 0),
            occurrence=self._runs.get(one.run or 0),
            beside=tuple(
                Chosen(
                    called=asked.called,
                    quantity=asked.quantity,
                    resource=self._able[lane.resource].resource,
                )
                for asked, lane in zip(self._wish.beside, one.beside, strict=True)
            ),
        )

    def _why(self, one: Found, *, first: bool) -> Iterator[str]:
        if first:
            yield _("the earliest end of all")
        if one.joins:
            yield _("joins a run that is planned already; the cost is shared")
        elif one.run is not None:
            yield _("a dated run with registration open")
        grown = (one.end - one.start - one.lane.length) * GRID_MIN
        if not one.joins and one.run is None and grown > 0:
            yield _(
                "%(time)s of it are closed hours, in which the work rests",
                time=duration(grown),
            )
        if one.changeover:
            yield _(
                "after your own work it needs %(time)s of changeover",
                time=duration(one.changeover),
            )
        elif one.lane.families:
            yield _("no changeover that is known of")
        yield _("%(percent)s %% of its open time are taken", percent=_percent(one.lane))


def _percent(lane: Lane) -> int:
    return round(100 * lane.load)
