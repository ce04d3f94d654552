"""What the catalogue offers to orders: frozen values, read once and asked many times."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol, TypeVar

from platform_booking.catalog.models import ResourceKind, StayRule

ANY_LENGTH = 7 * 1440
"""A resource that is open for so many minutes on end never closes in its week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recipe of a batch resource."""

    id: int
    capability_id: int
    wafer_mm: int | None
    class_rank: int
    duration_min: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """One occurrence of an event resource that can still be joined."""

    starts_at: datetime
    ends_at: datetime
    capacity: int


class Bar(StrEnum):
    """Why whoever asks may not use a resource."""

    NDA = "nda"  # it asks for a non-disclosure agreement on file
    PURPOSE = "purpose"  # it is licensed for other purposes than the project's


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """What whoever asks brings along."""

    nda_on_file: bool = True
    purpose: str = "commercial"  # of the project; commercial without one

    def bar(self, policy: Mapping[str, Any]) -> Bar | None:
        """Return what keeps him from a resource of this policy; None if nothing does."""
        if policy.get("nda_needed") and not self.nda_on_file:
            return Bar.NDA
        uses = policy.get("licence_use")
        return Bar.PURPOSE if uses is not None and self.purpose not in uses else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A resource in service."""

    id: int
    code: str
    platform_id: int
    kind: ResourceKind
    capacity: int
    stay: StayRule
    longest_min: int  # the longest stretch of its week in which it is open
    typical_min: int
    class_rank: int
    wafer_mm: frozenset[int]  # empty where wafers play no part
    flags_allowed: frozenset[str] | None  # None: any
    imposes_class: bool
    capability_ids: frozenset[int]
    runs: tuple[Run, ...] = ()
    dates: tuple[Dated, ...] = ()
    bar: Bar | None = None  # what keeps whoever asks from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step of a route template."""

    capability_id: int
    name: str
    name_en: str = ""
    duration_min: int
    quantity: int | None
    lag_min_min: int  # to the step after it
    lag_max_min: int | None
    parallel_group: str | None
    class_after: int
    sets_flag: str | None
    co_uses: tuple[tuple[str, int], ...]  # capability and quantity
    candidates: frozenset[str]  # codes of resources; empty for any able one
    family: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route template."""

    id: int
    code: str
    wafer_mm: int | None
    lot_size: int
    class_rank: int
    flags: tuple[str, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """Everything that orders may name."""

    capabilities: Mapping[str, int]  # row ids by code
    names: Mapping[str, str]  # of capabilities, by code
    tools: Mapping[str, Tool]  # by code, in service only
    routes: Mapping[str, Route]  # by code and by public id
    classes: Mapping[str, int]  # ranks by code
    flags: frozenset[str] = field(default=frozenset())
    english: Mapping[str, str] = field(default_factory=dict)  # of capabilities, by code

    @cached_property
    def codes(self) -> dict[int, str]:
        """Codes of capabilities by row id."""
        return {row_id: code for code, row_id in self.capabilities.items()}

    @cached_property
    def able(self) -> dict[int, list[Tool]]:
        """The resources by what they can do, by row id."""
        found: dict[int, list[Tool]] = {row_id: [] for row_id in self.codes}
        for tool in sorted(self.tools.values(), key=lambda t: t.id):
            for capability_id in tool.capability_ids:
                found[capability_id].append(tool)
        return found


class RunLike(Protocol):
    """A recipe, as a row or as a frozen value."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def capability_id(self) -> int: ...  # noqa: D102
    @property
    def wafer_mm(self) -> int | None: ...  # noqa: D102
    @property
    def class_rank(self) -> int: ...  # noqa: D102
    @property
    def duration_min(self) -> int: ...  # noqa: D102


R = TypeVar("R", bound=RunLike)


def fitting_run(
    runs: Iterable[R],
    *,
    capability_id: int,
    wafer_mm: int | None,
    class_rank: int,
    duration_min: int,
) -> R | None:
    """Return the recipe that a load runs in: its own length, else the next longer."""
    fitting = fitting_runs(
        runs, capability_id=capability_id, wafer_mm=wafer_mm, class_rank=class_rank
    )
    return min(
        (r for r in fitting if r.duration_min >= duration_min),
        # The cleanest class that takes it, then the shortest, then a stable choice.
        key=lambda r: (r.class_rank, r.duration_min, r.id),
        default=None,
    )


def fitting_runs(
    runs: Iterable[R], *, capability_id: int, wafer_mm: int | None, class_rank: int
) -> Sequence[R]:
    """Return the recipes that may take a load, whatever their length."""
    return [
        r
        for r in runs
        if r.capability_id == capability_id
        and (r.wafer_mm is None or wafer_mm is None or r.wafer_mm == wafer_mm)
        and r.class_rank >= class_rank
    ]
