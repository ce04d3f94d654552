"""What is read of orders, as frozen values between the layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from platform_booking.bookings.states import BookingState
from platform_booking.orders.states import OrderState, StepState


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One order in a list."""

    public_id: UUID
    title: str
    organisation_zh: str
    organisation_en: str
    state: OrderState
    submitted_at: datetime
    deadline_at: datetime
    steps: int  # that the asker may see
    settled: int  # of them done or skipped
    next_step_zh: str | None
    next_step_en: str | None
    next_at: datetime | None  # when it is booked for


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLine:
    """A resource that a step may use."""

    code: str
    name_zh: str
    name_en: str
    public_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StayLine:
    """A booking that serves a step."""

    public_id: UUID
    resource: str
    resource_zh: str
    resource_en: str
    starts_at: datetime
    ends_at: datetime
    quantity: int
    state: BookingState


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """One step of an order."""

    id: int
    position: int
    name_zh: str
    name_en: str
    capability: str
    capability_zh: str
    capability_en: str
    state: StepState
    duration_min: int
    quantity: int
    wafer_mm: int | None
    class_rank: int
    flags: Sequence[str]
    windows: Sequence[tuple[datetime, datetime]]
    resources: Sequence[ToolLine]
    co_uses: Sequence[tuple[ToolLine, int]]
    bookings: Sequence[StayLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class LagLine:
    """Minutes between two steps, by position."""

    before: int
    after: int
    least_min: int
    most_min: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDetail:
    """One order, as far as the asker may see it."""

    id: int
    public_id: UUID
    own: bool  # of the asker's organisation
    title: str
    note: str
    state: OrderState
    version: int
    organisation_zh: str
    organisation_en: str
    priority_class: str
    submitted_by: str | None
    submitted_at: datetime
    earliest_at: datetime
    due_at: datetime | None
    deadline_at: datetime
    lot_size: int
    wafer_mm: int | None
    materials_class: str
    class_zh: str
    class_en: str
    flags: Sequence[str]
    project_id: UUID | None
    project: str | None
    route: str | None
    route_zh: str | None
    route_en: str | None
    asked: Mapping[str, Any]
    steps: Sequence[StepLine]
    lags: Sequence[LagLine]

    @property
    def unbooked(self) -> bool:
        """Whether nothing of it is booked or beyond."""
        return all(s.state in {StepState.WAITING, StepState.PLACED} for s in self.steps)

    @property
    def begun(self) -> bool:
        """Whether a step has begun or ended."""
        before = {StepState.WAITING, StepState.PLACED, StepState.BOOKED}
        return any(s.state not in before for s in self.steps)

    @property
    def amendable(self) -> bool:
        """Whether what it asks for may still be changed by the asker."""
        ended = self.state in {OrderState.WITHDRAWN, OrderState.EXPIRED}
        return self.own and bool(self.asked) and self.unbooked and not ended

    @property
    def withdrawable(self) -> bool:
        """Whether the asker may still withdraw it."""
        ended = self.state in {OrderState.WITHDRAWN, OrderState.EXPIRED}
        return self.own and not self.begun and not ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that was done to an order, or that came of it."""

    at: datetime
    what: str  # "order.submit", "order.placed"
    who: str | None
    night: str = ""  # of the plan that it came from, where that is known
