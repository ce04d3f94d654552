"""Whether an order's steps can follow one another within its dates at all. Pure.

Nobody else's bookings are looked at here: what is refused could not be placed in an empty
park. Where it could be placed in today's is the estimate's affair.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from flask_babel import gettext as _

from platform_booking.catalog.models import ResourceKind
from platform_booking.errors import Violation
from platform_booking.orders.asking import NewOrder, Window
from platform_booking.orders.deriving import Derived, DerivedLag, DerivedStep
from platform_booking.orders.offer import Tool
from platform_booking.web.i18n import named


def course(new: NewOrder, found: Derived) -> Iterator[Violation]:
    """Yield where the order's time is too short for its steps and waits.

    Steps are laid one after the other at their earliest, as if everything were free; the
    first that does not fit is named.
    """
    whole = (new.earliest_at, new.deadline_at)
    begins: dict[int, datetime] = {}
    for n, step in enumerate(found.steps):
        into = [lag for lag in found.lags if lag.after == n]
        if any(lag.before not in begins for lag in into):
            continue  # a step before it does not fit: told already
        floor = max(
            (
                begins[lag.before]
                + _length(found.steps[lag.before])
                + timedelta(minutes=lag.least_min)
                for lag in into
            ),
            default=new.earliest_at,
        )
        windows = _clipped(step.windows or (whole,), whole)
        start = _first_start(step, windows, floor)
        if start is None:
            yield _does_not_fit(n, step, floor=floor, by_route=found.route is not None)
            continue
        begins[n] = start
        for lag in into:
            yield from _too_late(n, lag, found, start, whole)
            yield from _too_many_runs(n, lag, found)


def _first_start(
    step: DerivedStep, windows: Sequence[Window], floor: datetime
) -> datetime | None:
    if step.tools and all(tool.kind is ResourceKind.EVENT for tool in step.tools):
        return min(
            (
                dated.starts_at
                for tool in step.tools
                for dated in tool.dates
                if dated.capacity >= step.quantity
                and dated.starts_at >= floor
                and any(
                    opens <= dated.starts_at and dated.ends_at <= closes
                    for opens, closes in windows
                )
            ),
            default=None,
        )
    length = _length(step)
    for opens, closes in windows:
        start = max(opens, floor)
        if start + length <= closes:
            return start
    return None


def _does_not_fit(
    n: int, step: DerivedStep, *, floor: datetime, by_route: bool
) -> Violation:
    facts = {"number": n + 1, "name": named(step)}
    if step.tools and all(tool.kind is ResourceKind.EVENT for tool in step.tools):
        return Violation(
            "no_occurrence",
            _(
                "step %(number)s, %(name)s: no dated run with room lies within the order's "
                "dates; move the deadline",
                **facts,
            ),
            "route" if by_route else f"steps[{n}].capability",
        )
    minutes = _length(step) // timedelta(minutes=1)
    if step.windows:
        return Violation(
            "window_too_short",
            _(
                "step %(number)s, %(name)s: no window holds its %(minutes)s min after the "
                "steps before it and within the order's dates; widen one",
                minutes=minutes,
                **facts,
            ),
            f"steps[{n}].windows",
        )
    return Violation(
        "window_too_short",
        _(
            "step %(number)s, %(name)s: its %(minutes)s min do not fit between what comes "
            "before it and the deadline; set a later deadline",
            minutes=minutes,
            **facts,
        ),
        "deadline_at",
    )


def _too_late(
    n: int, lag: DerivedLag, found: Derived, start: datetime, whole: Window
) -> Iterator[Violation]:
    """Yield a queue-time limit that the windows of its two steps make impossible."""
    if lag.most_min is None:
        return
    before = found.steps[lag.before]
    latest_end = max(closes for _, closes in _clipped(before.windows or (whole,), whole))
    if latest_end + timedelta(minutes=lag.most_min) < start:
        yield Violation(
            "lag_impossible",
            _(
                "step %(number)s, %(name)s: its windows begin more than %(minutes)s min "
                "after the step before it must have ended; bring the windows together",
                number=n + 1,
                name=named(found.steps[n]),
                minutes=lag.most_min,
            ),
            f"steps[{n}].lag_max_min",
        )


def _too_many_runs(n: int, lag: DerivedLag, found: Derived) -> Iterator[Violation]:
    """Yield a queue-time limit that a lot of several runs cannot keep.

    Each load keeps the limit, so that the first load waits while the last one runs.
    """
    before, after = found.steps[lag.before], found.steps[n]
    spread = sum((s.rounds - 1) * _one_run(s) for s in (before, after))
    if lag.most_min is None or spread <= lag.most_min:
        return
    yield Violation(
        "lag_impossible",
        _(
            "step %(number)s, %(name)s: the lot takes several runs one after the other, so "
            "that a load waits %(waits)s min, and %(most)s are allowed; ask for a smaller "
            "lot",
            number=n + 1,
            name=named(after),
            waits=spread,
            most=lag.most_min,
        ),
        "lot_size" if found.route else f"steps[{n}].quantity",
    )


def _clipped(windows: Sequence[Window], whole: Window) -> list[Window]:
    return sorted((max(a, whole[0]), min(b, whole[1])) for a, b in windows)


def _length(step: DerivedStep) -> timedelta:
    """Return the shortest time that serves a step: of all its runs, when it has several."""
    return timedelta(minutes=step.rounds * _one_run(step))


def _one_run(step: DerivedStep) -> int:
    """Return the minutes of the shortest stay that serves a step, or a load of it."""
    stays = (_minutes(step, tool) for tool in step.tools)
    return min(stays, default=step.duration_min)


def _minutes(step: DerivedStep, tool: Tool) -> int:
    if tool.kind is ResourceKind.BATCH:
        run = step.run_on(tool)
        return run.duration_min if run else step.duration_min
    if tool.kind is ResourceKind.EVENT:
        lengths = [(d.ends_at - d.starts_at) // timedelta(minutes=1) for d in tool.dates]
        return min(lengths, default=step.duration_min)
    return step.duration_min
