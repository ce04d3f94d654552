"""House rules for an order. Pure: plain values in, every broken rule out.

Caps of self-run bookings are not asked for here, and no order is refused for its length:
the staff runs it, and a plan places it. What is asked for is what no plan could ever give.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from flask_babel import gettext as _

from platform_booking.bookings.rules import Asker, asker_rules
from platform_booking.errors import Violation
from platform_booking.orders.asking import NewOrder
from platform_booking.orders.deriving import Derived
from platform_booking.orders.offer import Offer
from platform_booking.orders.step_rules import (
    WIDEST_MM,
    alternatives,
    amounts,
    eligibility,
    wafer_size,
)
from platform_booking.orders.time_rules import course

MOST_STEPS = 200
MOST_WAFERS = 1000
FURTHEST = timedelta(days=730)
"""Nothing is asked for so far ahead: a typing error in a year would wait for ever."""

PAST = timedelta(days=1)
"""How far back "earliest" may lie: whoever wants it at once says now, or this morning."""

_LENGTHS = {"title": 200, "note": 2000}


def violations(
    new: NewOrder,
    found: Derived,
    offer: Offer,
    *,
    by: Asker,
    now: datetime,
    standing_from: datetime | None = None,
) -> Iterator[Violation]:
    """Yield every broken rule, so that all can be mended in one go.

    `found` is what `new` comes to. `standing_from` is the earliest time of the order that
    is amended: that one may lie in the past.
    """
    yield from asker_rules(by)
    yield from _texts(new)
    yield from _what(new, offer)
    if len(new.steps) > MOST_STEPS:
        return
    yield from _lot(new, found, offer)
    dates = list(_dates(new, now=now, standing_from=standing_from))
    yield from dates
    own = list(amounts(new.steps, offer))
    yield from own
    yield from eligibility(new, found, offer)
    if found.steps and not dates and not own:
        yield from course(new, found)


def _texts(new: NewOrder) -> Iterator[Violation]:
    if not new.title.strip():
        yield Violation("no_title", _("give the order a title"), "title")
    for field, most in _LENGTHS.items():
        if len(getattr(new, field)) > most:
            yield Violation(
                "too_long", _("at most %(most)s characters are kept", most=most), field
            )
    for n, step in enumerate(new.steps[:MOST_STEPS]):
        if len(step.name) > _LENGTHS["title"]:
            yield Violation(
                "too_long",
                _("at most %(most)s characters are kept", most=_LENGTHS["title"]),
                f"steps[{n}].name",
            )


def _what(new: NewOrder, offer: Offer) -> Iterator[Violation]:
    if new.route and new.steps:
        yield Violation(
            "route_or_steps",
            _("a route brings its own steps; leave out either the route or the steps"),
            "steps",
        )
    elif not new.route and not new.steps:
        yield Violation("no_steps", _("choose a route, or add at least one step"), "route")
    if new.route and new.route not in offer.routes:
        yield Violation(
            "unknown_route",
            _("there is no route %(code)s", code=new.route)
            + alternatives(
                new.route, [r.code for r in offer.routes.values()], "/api/v1/routes"
            ),
            "route",
        )
    if len(new.steps) > MOST_STEPS:
        yield Violation(
            "too_many_steps",
            _("an order has %(most)s steps at most; split it", most=MOST_STEPS),
            "steps",
        )


def _lot(new: NewOrder, found: Derived, offer: Offer) -> Iterator[Violation]:
    if new.lot_size is not None and not 1 <= new.lot_size <= MOST_WAFERS:
        yield Violation(
            "lot_size",
            _("a lot has 1 to %(most)s wafers; split a larger one", most=MOST_WAFERS),
            "lot_size",
        )
    if new.wafer_mm is not None and not 1 <= new.wafer_mm <= WIDEST_MM:
        yield wafer_size("wafer_mm")
    route = found.route
    if (
        route is not None
        and route.wafer_mm is not None
        and new.wafer_mm not in (None, route.wafer_mm)
    ):
        yield Violation(
            "wafer_size",
            _("this route is for wafers of %(size)s mm", size=route.wafer_mm),
            "wafer_mm",
        )
    if new.materials_class is not None and new.materials_class not in offer.classes:
        yield _unknown_class(new.materials_class, offer, "materials_class")
    for n, step in enumerate(new.steps):
        if step.materials_class is not None and step.materials_class not in offer.classes:
            yield _unknown_class(step.materials_class, offer, f"steps[{n}].materials_class")
    for n, flag in enumerate(new.flags):
        if flag not in offer.flags:
            yield Violation(
                "unknown_flag",
                _("there is no material flag %(code)s", code=flag)
                + _("; known are %(codes)s", codes=", ".join(sorted(offer.flags)) or "–"),
                f"flags[{n}]",
            )
        elif flag in new.flags[:n]:
            yield Violation(
                "twice",
                _("%(code)s is named twice; once is enough", code=flag),
                f"flags[{n}]",
            )


def _unknown_class(code: str, offer: Offer, where: str) -> Violation:
    return Violation(
        "unknown_class",
        _(
            "there is no contamination class %(code)s; known are %(known)s",
            code=code,
            known=", ".join(offer.classes),
        ),
        where,
    )


def _dates(
    new: NewOrder, *, now: datetime, standing_from: datetime | None
) -> Iterator[Violation]:
    if new.earliest_at < now - PAST and new.earliest_at != standing_from:
        yield Violation(
            "past",
            _("the earliest time lies in the past; choose today or later"),
            "earliest_at",
        )
    if new.deadline_at <= now:
        yield Violation(
            "past", _("the deadline lies in the past; choose a later one"), "deadline_at"
        )
    elif new.deadline_at <= new.earliest_at:
        yield Violation(
            "deadline_first",
            _("the deadline must lie after the earliest time; move one of them"),
            "deadline_at",
        )
    if new.due_at is not None and not new.earliest_at < new.due_at <= new.deadline_at:
        yield Violation(
            "due_outside",
            _("the wished date must lie after the earliest time, not after the deadline"),
            "due_at",
        )
    moments = {
        "earliest_at": new.earliest_at,
        "due_at": new.due_at,
        "deadline_at": new.deadline_at,
    }
    for field, moment in moments.items():
        if moment is not None and moment > now + FURTHEST:
            yield Violation(
                "too_far",
                _("at most %(days)s days ahead; is the year right?", days=FURTHEST.days),
                field,
            )
