"""What an order comes to: steps, the resources that may serve each, lags. Pure.

Nothing is refused here. A step that nothing can serve says which condition left nothing,
and the rules make sentences of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby, pairwise

from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.orders.asking import NewOrder, NewStep, Window
from platform_booking.orders.offer import (
    ANY_LENGTH,
    Offer,
    Operation,
    Route,
    Run,
    Tool,
    fitting_run,
    fitting_runs,
)


class Hurdle(StrEnum):
    """A condition on resources, in the order in which they are asked."""

    CAPABILITY = "capability"  # nothing in service can do it
    NAMED = "named"  # nothing of what is named can do it
    ENTITLED = "entitled"  # whoever asks may use none of it
    SIZE = "size"
    CLASS = "class"
    FLAGS = "flags"
    RECIPE = "recipe"
    CAPACITY = "capacity"
    HOURS = "hours"
    BESIDE = "beside"  # what must be held beside it is not in service


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedStep:
    """A step with all that follows from the catalogue and from the lot's way so far."""

    name: str
    name_en: str
    capability: str
    capability_id: int | None  # None: unknown
    duration_min: int
    quantity: int
    wafer_mm: int | None
    class_rank: int
    flags: tuple[str, ...]
    family: str | None
    windows: tuple[Window, ...]
    tools: tuple[Tool, ...]  # able and allowed
    co_uses: tuple[tuple[Tool, int], ...] = ()
    hurdle: Hurdle | None = None  # what left nothing, when `tools` is ()
    before_hurdle: tuple[Tool, ...] = ()  # what was left before it

    @property
    def name_zh(self) -> str:
        """What it is called in Chinese, which the order keeps."""
        return self.name

    @property
    def platform_ids(self) -> list[int]:
        """Platforms that might serve it."""
        beside = {tool.platform_id for tool, _ in self.co_uses}
        return sorted({tool.platform_id for tool in self.tools} | beside)

    @property
    def runs(self) -> int:
        """Into how many runs its load is split: 1 unless it is larger than any run."""
        most = max((r.capacity for t in self.tools if (r := self._run(t))), default=0)
        return -(-self.quantity // most) if most else 1

    @property
    def rounds(self) -> int:
        """How many runs must follow one another, with every eligible tool at work."""
        return -(-self.runs // max(1, len(self.tools)))

    def _run(self, tool: Tool) -> Run | None:
        return self.run_on(tool) if tool.kind is ResourceKind.BATCH else None

    def run_on(self, tool: Tool) -> Run | None:
        """Return the recipe that its load would run in on a batch resource."""
        return fitting_run(
            tool.runs,
            capability_id=self.capability_id or 0,
            wafer_mm=self.wafer_mm,
            class_rank=self.class_rank,
            duration_min=self.duration_min,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedLag:
    """Elapsed minutes from the end of one step to the start of another, by position."""

    before: int
    after: int
    least_min: int
    most_min: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """An order, ready to be judged by the rules and to become rows."""

    route: Route | None
    lot_size: int
    wafer_mm: int | None
    class_rank: int
    flags: tuple[str, ...]
    steps: tuple[DerivedStep, ...]
    lags: tuple[DerivedLag, ...]


@dataclass(slots=True)
class _Lot:
    """The lot on its way: what it has seen so far."""

    size: int
    wafer_mm: int | None
    class_rank: int
    flags: frozenset[str]


def derived(new: NewOrder, offer: Offer) -> Derived:
    """Work out what an order comes to."""
    route = offer.routes.get(new.route) if new.route else None
    least_clean = max(offer.classes.values(), default=0)
    entered = route.class_rank if route else least_clean
    if new.materials_class is not None:
        entered = offer.classes.get(new.materials_class, least_clean)
    flags = frozenset(new.flags) | frozenset(route.flags if route else ())
    lot = _Lot(
        size=new.lot_size or (route.lot_size if route else 1),
        wafer_mm=new.wafer_mm or (route.wafer_mm if route else None),
        class_rank=entered,
        flags=flags,
    )
    size, wafer_mm = lot.size, lot.wafer_mm
    if route:
        steps = tuple(_along(route, lot, offer))
        lags = tuple(_route_lags(route))
    else:
        steps = tuple(_own(new.steps, lot, offer))
        lags = tuple(_own_lags(new.steps))
    return Derived(
        route=route,
        lot_size=size,
        wafer_mm=wafer_mm,
        class_rank=entered,
        flags=tuple(sorted(flags)),
        steps=steps,
        lags=lags,
    )


def _along(route: Route, lot: _Lot, offer: Offer) -> Iterator[DerivedStep]:
    for operation in route.operations:
        yield _served(
            DerivedStep(
                name=operation.name,
                name_en=operation.name_en or operation.name,
                capability=offer.codes[operation.capability_id],
                capability_id=operation.capability_id,
                duration_min=operation.duration_min,
                quantity=operation.quantity or 0,
                wafer_mm=lot.wafer_mm,
                class_rank=lot.class_rank,
                flags=tuple(sorted(lot.flags)),
                family=operation.family,
                windows=(),
                tools=(),
                co_uses=_beside(operation, offer),
            ),
            lot,
            offer,
            named=operation.candidates or None,
            beside=len(operation.co_uses),
        )
        lot.class_rank = operation.class_after
        if operation.sets_flag:
            lot.flags |= {operation.sets_flag}


def _own(steps: Sequence[NewStep], lot: _Lot, offer: Offer) -> Iterator[DerivedStep]:
    for step in steps:
        if step.materials_class is not None:  # cleaned, or gone through hands elsewhere
            lot.class_rank = offer.classes.get(step.materials_class, lot.class_rank)
        made = _served(
            DerivedStep(
                name=step.name or offer.names.get(step.capability, step.capability),
                name_en=step.name or offer.english.get(step.capability, step.capability),
                capability=step.capability,
                capability_id=offer.capabilities.get(step.capability),
                duration_min=step.duration_min or 0,
                quantity=step.quantity or 0,
                wafer_mm=step.wafer_mm or lot.wafer_mm,
                class_rank=lot.class_rank,
                flags=tuple(sorted(lot.flags)),
                family=None,
                windows=tuple(sorted(step.windows)),
                tools=(),
            ),
            lot,
            offer,
            named=frozenset(step.resources) or None,
        )
        if made.tools and all(tool.imposes_class for tool in made.tools):
            lot.class_rank = max(
                lot.class_rank, min(tool.class_rank for tool in made.tools)
            )
        yield made


def _served(
    step: DerivedStep,
    lot: _Lot,
    offer: Offer,
    *,
    named: frozenset[str] | None,
    beside: int = 0,
) -> DerivedStep:
    """Find what may serve a step; fill in its duration and quantity where not given."""
    if step.capability_id is None:
        return _amounts(replace(step, hurdle=Hurdle.CAPABILITY), lot, ())
    left: Sequence[Tool] = offer.able[step.capability_id]
    if not left:
        return _amounts(replace(step, hurdle=Hurdle.CAPABILITY), lot, ())
    for hurdle, passes in _conditions(step, named):
        kept = [tool for tool in left if passes(tool)]
        if not kept:
            step = replace(step, hurdle=hurdle, before_hurdle=tuple(left))
            return _amounts(step, lot, left)
        left = kept
    step = _amounts(step, lot, left)
    for hurdle, passes in (
        (Hurdle.CAPACITY, lambda tool: _holds(tool, step.quantity)),
        (Hurdle.HOURS, lambda tool: _is_open(tool, step.duration_min)),
        (Hurdle.BESIDE, lambda _: len(step.co_uses) == beside),
    ):
        kept = [tool for tool in left if passes(tool)]
        if not kept:
            return replace(step, hurdle=hurdle, before_hurdle=tuple(left))
        left = kept
    return replace(step, tools=tuple(left))


def _conditions(
    step: DerivedStep, named: frozenset[str] | None
) -> Iterable[tuple[Hurdle, Callable[[Tool], bool]]]:
    return (
        (Hurdle.NAMED, lambda tool: named is None or tool.code in named),
        (Hurdle.ENTITLED, lambda tool: tool.bar is None),
        (
            Hurdle.SIZE,
            lambda tool: (
                step.wafer_mm is None or not tool.wafer_mm or step.wafer_mm in tool.wafer_mm
            ),
        ),
        (Hurdle.CLASS, lambda tool: step.class_rank <= tool.class_rank),
        (
            Hurdle.FLAGS,
            lambda tool: tool.flags_allowed is None or tool.flags_allowed >= {*step.flags},
        ),
        (
            Hurdle.RECIPE,
            lambda tool: tool.kind is not ResourceKind.BATCH or bool(step.run_on(tool)),
        ),
    )


def _holds(tool: Tool, quantity: int) -> bool:
    """Tell whether a resource holds a load; a batch takes a large one in several runs."""
    if tool.kind is ResourceKind.EVENT:
        return quantity <= max((d.capacity for d in tool.dates), default=tool.capacity)
    return tool.kind is not ResourceKind.POOLED or quantity <= tool.capacity


def _is_open(tool: Tool, minutes: int) -> bool:
    return (
        tool.kind is ResourceKind.EVENT
        or tool.stay is not StayRule.INSIDE
        or tool.longest_min >= ANY_LENGTH
        or minutes <= tool.longest_min
    )


def _amounts(step: DerivedStep, lot: _Lot, tools: Sequence[Tool]) -> DerivedStep:
    """Fill in what was not given: how long, and how much."""
    batch = [tool for tool in tools if tool.kind is ResourceKind.BATCH]
    return replace(
        step,
        duration_min=step.duration_min or _usual_minutes(step, tools),
        quantity=step.quantity or (lot.size if batch else 1),
    )


def _usual_minutes(step: DerivedStep, tools: Sequence[Tool]) -> int:
    """Return the shortest fitting recipe's length, else the longest of what is typical."""
    runs = [
        run.duration_min
        for tool in tools
        for run in fitting_runs(
            tool.runs,
            capability_id=step.capability_id or 0,
            wafer_mm=step.wafer_mm,
            class_rank=step.class_rank,
        )
    ]
    if runs:
        return min(runs)
    return max((tool.typical_min for tool in tools), default=1)


def _beside(operation: Operation, offer: Offer) -> tuple[tuple[Tool, int], ...]:
    """Choose what is held beside the main resource; what is out of service is left out."""
    chosen = []
    for capability, quantity in operation.co_uses:
        able = [
            tool
            for tool in offer.able.get(offer.capabilities.get(capability, 0), ())
            if tool.bar is None and _holds_beside(tool, quantity)
        ]
        if able:  # the roomiest, so that it is the least in the way
            chosen.append((max(able, key=lambda t: (t.capacity, -t.id)), quantity))
    return tuple(chosen)


def _holds_beside(tool: Tool, quantity: int) -> bool:
    return tool.kind is ResourceKind.UNARY or (
        tool.kind is ResourceKind.POOLED and tool.capacity >= quantity
    )


def _route_lags(route: Route) -> Iterator[DerivedLag]:
    """Tie each step to those after it; steps of a parallel group run side by side."""
    blocks: list[list[int]] = []
    numbered = enumerate(route.operations)
    for _, block in groupby(numbered, key=lambda one: one[1].parallel_group or one[0]):
        blocks.append([position for position, _ in block])
    for now, then in pairwise(blocks):
        for before in now:
            operation = route.operations[before]
            for after in then:
                yield DerivedLag(
                    before=before,
                    after=after,
                    least_min=operation.lag_min_min,
                    most_min=operation.lag_max_min,
                )


def _own_lags(steps: Sequence[NewStep]) -> Iterator[DerivedLag]:
    for after, step in enumerate(steps):
        if after:
            yield DerivedLag(
                before=after - 1,
                after=after,
                least_min=step.lag_min_min,
                most_min=step.lag_max_min,
            )
