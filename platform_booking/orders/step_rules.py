"""House rules for the steps of an order: amounts, and who could serve them. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from difflib import get_close_matches

from flask_babel import gettext as _

from platform_booking.catalog.models import ResourceKind
from platform_booking.errors import Violation
from platform_booking.orders.asking import NewOrder, NewStep
from platform_booking.orders.deriving import Derived, DerivedStep, Hurdle
from platform_booking.orders.offer import Bar, Offer, Tool
from platform_booking.web.i18n import named

MOST_MINUTES = 2 * 366 * 1440
"""Longer than anything may be asked for ahead, so that no sum of times overflows."""

MOST_UNITS = 10_000_000  # 0.1 m² of a shuttle's area
MOST_RUNS = 25
WIDEST_MM = 450
MOST_WINDOWS = 50
_SHOWN = 4  # codes in one sentence
_FEW = 10
"""So many codes are all named to whoever wrote an unknown one."""

_LISTS = "/api/v1"


def amounts(steps: Sequence[NewStep], offer: Offer) -> Iterator[Violation]:
    """Yield numbers, windows and names that cannot be."""
    for n, step in enumerate(steps):
        yield from _numbers(n, step)
        yield from _windows(n, step)
        yield from _named(n, step, offer)


def _numbers(n: int, step: NewStep) -> Iterator[Violation]:
    if step.duration_min is not None and not 1 <= step.duration_min <= MOST_MINUTES:
        yield Violation(
            "duration",
            _("a step lasts at least a minute and at most two years"),
            f"steps[{n}].duration_min",
        )
    if step.quantity is not None and not 1 <= step.quantity <= MOST_UNITS:
        yield Violation(
            "quantity",
            _("ask for 1 to %(most)s", most=MOST_UNITS),
            f"steps[{n}].quantity",
        )
    if step.wafer_mm is not None and not 1 <= step.wafer_mm <= WIDEST_MM:
        yield wafer_size(f"steps[{n}].wafer_mm")
    if not 0 <= step.lag_min_min <= MOST_MINUTES:
        yield Violation(
            "lag",
            _("the least wait is 0 or more, and at most two years"),
            f"steps[{n}].lag_min_min",
        )
    if step.lag_max_min is not None:
        if not 0 <= step.lag_max_min <= MOST_MINUTES:
            yield Violation(
                "lag",
                _("the longest wait is 0 or more, and at most two years"),
                f"steps[{n}].lag_max_min",
            )
        elif step.lag_max_min < step.lag_min_min:
            yield Violation(
                "lag_order",
                _("the longest wait is shorter than the least; swap them"),
                f"steps[{n}].lag_max_min",
            )
    if n == 0 and (step.lag_min_min or step.lag_max_min is not None):
        yield Violation(
            "lag_first",
            _("no step comes before the first one; leave its waits out"),
            "steps[0].lag_min_min",
        )


def wafer_size(where: str) -> Violation:
    """Return what is said of a wafer size that no wafer has."""
    return Violation(
        "wafer_size",
        _("wafers are 1 to %(most)s mm wide, as 150 or 200", most=WIDEST_MM),
        where,
    )


def _windows(n: int, step: NewStep) -> Iterator[Violation]:
    where = f"steps[{n}].windows"
    if len(step.windows) > MOST_WINDOWS:
        yield Violation(
            "too_many_windows",
            _("a step has %(most)s windows at most", most=MOST_WINDOWS),
            where,
        )
        return
    for m, (start, end) in enumerate(step.windows):
        if end <= start:
            yield Violation(
                "window_order", _("the window ends before it begins"), f"{where}[{m}]"
            )
        elif step.duration_min is not None and (end - start) < timedelta(
            minutes=min(step.duration_min, MOST_MINUTES)
        ):
            yield Violation(
                "window_too_short",
                _(
                    "the window is shorter than the step, which takes %(minutes)s min; "
                    "widen it",
                    minutes=step.duration_min,
                ),
                f"{where}[{m}]",
            )
        if any(start < b and a < end for a, b in step.windows[:m]):
            yield Violation(
                "windows_overlap",
                _("the window overlaps another one; join them"),
                f"{where}[{m}]",
            )


def _named(n: int, step: NewStep, offer: Offer) -> Iterator[Violation]:
    capability_id = offer.capabilities.get(step.capability)
    if capability_id is None:
        yield Violation(
            "unknown_capability",
            _("there is no capability %(code)s", code=step.capability)
            + alternatives(step.capability, offer.capabilities, f"{_LISTS}/capabilities"),
            f"steps[{n}].capability",
        )
    for m, code in enumerate(step.resources):
        where = f"steps[{n}].resources[{m}]"
        tool = offer.tools.get(code)
        if tool is None:
            yield Violation(
                "unknown_resource",
                _("there is no resource %(code)s in service", code=code)
                + alternatives(code, offer.tools, f"{_LISTS}/resources"),
                where,
            )
        elif code in step.resources[:m]:
            yield Violation(
                "twice", _("%(code)s is named twice; once is enough", code=code), where
            )
        elif capability_id is not None and capability_id not in tool.capability_ids:
            yield Violation(
                "unable",
                _(
                    "%(code)s cannot do %(capability)s; it can do %(able)s",
                    code=code,
                    capability=step.capability,
                    able=_list(offer.codes[c] for c in sorted(tool.capability_ids)),
                ),
                where,
            )


def eligibility(new: NewOrder, found: Derived, offer: Offer) -> Iterator[Violation]:
    """Yield the steps that no resource can serve, with the condition that left none."""
    for n, step in enumerate(found.steps):
        if step.hurdle is not None:
            if found.route is None and _told_already(new.steps[n], step):
                continue
            where = "route" if found.route else _where(n, new.steps[n], step)
            yield Violation(
                f"no_resource_{step.hurdle}",
                _(
                    "step %(number)s, %(name)s: %(why)s",
                    number=n + 1,
                    name=named(step),
                    why=_why(step, offer),
                ),
                where,
            )
            continue
        yield from _loads(n, step, by_route=found.route is not None)


def _told_already(asked: NewStep, step: DerivedStep) -> bool:
    """Tell whether another rule names the cause: an unknown code, a quantity below 1."""
    return step.capability_id is None or (
        step.hurdle is Hurdle.NAMED and bool(asked.resources)
    )


def _where(n: int, asked: NewStep, step: DerivedStep) -> str:
    hurdle = step.hurdle
    of_step = f"steps[{n}]."
    if hurdle is Hurdle.ENTITLED and _bars(step) == {Bar.PURPOSE}:
        return "project_id"
    if hurdle is Hurdle.SIZE:
        return f"{of_step}wafer_mm" if asked.wafer_mm is not None else "wafer_mm"
    if hurdle is Hurdle.CLASS:
        stated = asked.materials_class is not None
        return f"{of_step}materials_class" if stated else "materials_class"
    if hurdle is Hurdle.FLAGS:
        return "flags"
    if hurdle in {Hurdle.HOURS, Hurdle.RECIPE}:
        return f"{of_step}duration_min"
    if hurdle is Hurdle.CAPACITY:
        return f"{of_step}quantity"
    return f"{of_step}capability"


def _why(step: DerivedStep, offer: Offer) -> str:
    left = step.before_hurdle
    facts = {"capability": step.capability, "codes": _list(t.code for t in left)}
    if step.hurdle is Hurdle.CAPABILITY:
        return str(_("nothing in service can do %(capability)s", **facts))
    if step.hurdle is Hurdle.NAMED:
        return str(_("none of its resources is in service; ask the platform", **facts))
    if step.hurdle is Hurdle.ENTITLED:
        return _why_barred(step, facts)
    if step.hurdle is Hurdle.SIZE:
        sizes = _list(str(s) for s in sorted({s for t in left for s in t.wafer_mm}))
        return str(
            _(
                "%(codes)s take wafers of %(sizes)s mm, not of %(asked)s mm",
                sizes=sizes,
                asked=step.wafer_mm,
                **facts,
            )
        )
    if step.hurdle is Hurdle.CLASS:
        return str(
            _(
                "the lot counts as %(mine)s, %(codes)s takes %(theirs)s; state its class, "
                "clean it first, or choose another tool",
                mine=_class(step.class_rank, offer),
                theirs=_class(max(t.class_rank for t in left), offer),
                **facts,
            )
        )
    if step.hurdle is Hurdle.FLAGS:
        return str(
            _(
                "%(codes)s must never see %(flags)s, which the lot has seen",
                flags=_list(_barred(step)),
                **facts,
            )
        )
    return _why_amounts(step, facts)


def _bars(step: DerivedStep) -> set[Bar]:
    return {tool.bar for tool in step.before_hurdle if tool.bar is not None}


def _why_barred(step: DerivedStep, facts: dict[str, str]) -> str:
    bars = _bars(step)
    if bars == {Bar.NDA}:
        return str(
            _(
                "%(codes)s are for organisations with a non-disclosure agreement on file; "
                "ask the park to add yours",
                **facts,
            )
        )
    if bars == {Bar.PURPOSE}:
        return str(
            _(
                "%(codes)s are licensed for other purposes than this one; choose a project "
                "of a purpose that they serve",
                **facts,
            )
        )
    return str(
        _(
            "%(codes)s ask for a non-disclosure agreement on file, or are licensed for "
            "other purposes than this one; ask the park, or choose another project",
            **facts,
        )
    )


def _why_amounts(step: DerivedStep, facts: dict[str, str]) -> str:
    left = step.before_hurdle
    if step.hurdle is Hurdle.RECIPE:
        return str(
            _(
                "no recipe of %(codes)s takes such wafers for so long; leave the duration "
                "out to get the recipe's own",
                **facts,
            )
        )
    if step.hurdle is Hurdle.CAPACITY:
        return str(
            _(
                "%(quantity)s is more than %(codes)s hold; %(most)s at most",
                quantity=step.quantity,
                most=max(_capacity(t) for t in left),
                **facts,
            )
        )
    if step.hurdle is Hurdle.HOURS:
        return str(
            _(
                "a stay of %(minutes)s min is longer than any opening hours of %(codes)s, "
                "which are %(longest)s min on end; split the step",
                minutes=step.duration_min,
                longest=max(t.longest_min for t in left),
                **facts,
            )
        )
    return str(_("what must be held beside it is out of service; ask the platform"))


def _class(rank: int, offer: Offer) -> str:
    return next((code for code, r in offer.classes.items() if r == rank), str(rank))


def _barred(step: DerivedStep) -> list[str]:
    return sorted(
        {
            f
            for t in step.before_hurdle
            for f in set(step.flags) - (t.flags_allowed or set())
        }
    )


def _capacity(tool: Tool) -> int:
    return max((d.capacity for d in tool.dates), default=tool.capacity)


def _loads(n: int, step: DerivedStep, *, by_route: bool) -> Iterator[Violation]:
    """Yield what keeps a load from being split into runs."""
    if any(tool.kind is not ResourceKind.BATCH for tool in step.tools):
        return
    sized = any(run.wafer_mm is not None for tool in step.tools for run in tool.runs)
    if step.wafer_mm is None and sized:
        yield Violation(
            "wafer_size_missing",
            _(
                "step %(number)s, %(name)s: its runs go by wafer size; state the lot's",
                number=n + 1,
                name=named(step),
            ),
            "wafer_mm" if by_route else f"steps[{n}].wafer_mm",
        )
    most = max(run.capacity for tool in step.tools if (run := step.run_on(tool)))
    if step.quantity > most * MOST_RUNS:
        yield Violation(
            "too_many_runs",
            _(
                "step %(number)s, %(name)s: a run takes %(most)s, so this needs more than "
                "%(runs)s runs; split the order",
                number=n + 1,
                name=named(step),
                most=most,
                runs=MOST_RUNS,
            ),
            "lot_size" if by_route else f"steps[{n}].quantity",
        )


def alternatives(code: str, known: Iterable[str], listed: str) -> str:
    """Return what could be written instead: all that is known, or what is spelt alike.

    `listed` is where all of it can be read.
    """
    codes = sorted(set(known))
    if 0 < len(codes) <= _FEW:
        return str(_("; known are %(codes)s", codes=", ".join(codes)))
    by_spelling = {c.upper(): c for c in codes}
    close = get_close_matches(code.upper(), by_spelling, n=3, cutoff=0.6)
    if not close:
        return str(_("; %(where)s lists them all", where=listed))
    return str(
        _(
            "; did you mean %(codes)s? %(where)s lists them all",
            codes=", ".join(by_spelling[c] for c in close),
            where=listed,
        )
    )


def _list(codes: Iterable[str]) -> str:
    found = list(codes)
    shown = ", ".join(found[:_SHOWN])
    return shown + (" …" if len(found) > _SHOWN else "")
