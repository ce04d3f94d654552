"""House rules for picking a slot. Pure: plain values in, every broken rule out.

One small function for each rule, by theme; `registry.RULES` lists them. Capacity is no rule
of this package: the database alone can promise it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from flask_babel import gettext as _

from platform_booking.bookings.picked import Asker, Picked
from platform_booking.bookings.rules import (
    caps,
    entitlement,
    people,
    registry,
    runs,
    time,
    wafers,
)
from platform_booking.bookings.rules.entitlement import asker_rules, quota_minutes
from platform_booking.bookings.rules.registry import Binds, Sense
from platform_booking.bookings.rules.stretches import is_lifted
from platform_booking.bookings.rules.time import (
    FARTHEST,
    GRID_MIN,
    LONGEST,
    beyond_sense,
    fits_hours,
    outage,
)
from platform_booking.errors import Violation

__all__ = [
    "FARTHEST",
    "GRID_MIN",
    "LONGEST",
    "RULES",
    "SOFT",
    "Asker",
    "asker_rules",
    "beyond_sense",
    "fits_hours",
    "outage",
    "quota_minutes",
    "remaining",
    "violations",
]

_THEMES = (entitlement, time, caps, people, wafers, runs)
RULES = {
    rule.code: rule
    for theme in _THEMES
    for rule in registry.RULES.values()
    if rule.judge.__module__ == theme.__name__
}
"""Every rule by its code, in the order in which they are asked."""

SOFT = frozenset(code for code, rule in RULES.items() if rule.soft)
"""Rules that the platform's staff may set aside with a reason. Source: docs/rules.md."""


def violations(picked: Picked, *, now: datetime) -> Iterator[Violation]:
    """Yield every broken rule, so that all can be mended in one go."""
    slot = picked.slot
    sense = {Sense.NONE}
    if slot.ends_at > slot.starts_at:
        sense.add(Sense.ORDERED)
        if not beyond_sense(slot, now=now):
            sense.add(Sense.NEAR)
    lifted = Sense.NEAR in sense and is_lifted(slot.stretch, picked)
    bound = {Binds.ALL}
    if (
        picked.on.self_run or not picked.by.staff
    ):  # staff answer for the plan of their tools
        bound |= {Binds.LIMITED, Binds.MEMBER} if picked.by.runs_it else {Binds.LIMITED}
    if picked.on.self_run and picked.by.runs_it:
        bound.add(Binds.RUNNER)
    for rule in RULES.values():
        if rule.sense in sense and rule.binds in bound and not (lifted and rule.lifted):
            yield from rule.judge(picked, now)


def remaining(
    broken: Sequence[Violation], *, reason: str, staff: bool
) -> tuple[list[Violation], tuple[str, ...]]:
    """Return what stands in the way all the same, and which rules are set aside.

    The platform's staff set soft rules aside by giving a reason; nobody else does.
    """
    if reason and not staff:
        told = Violation(
            "not_staff",
            _(
                "only the platform's staff set rules aside; leave the reason out, or ask"
                " them to book for you"
            ),
            "override_reason",
        )
        return [*broken, told], ()
    if not reason:
        return list(broken), ()
    return (
        [v for v in broken if v.rule not in SOFT],
        tuple(sorted({v.rule for v in broken if v.rule in SOFT})),
    )
