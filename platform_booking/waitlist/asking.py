"""What is asked of the waiting list, as frozen values between the layers."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWaiting:
    """Time that a member waits for. The stay lies within `[from_at, to_at)`.

    `minutes` None is the usual length of the recipe or the resource.
    """

    resource_id: UUID
    from_at: datetime
    to_at: datetime
    minutes: int | None = None
    quantity: int = 1
    project_id: UUID | None = None
    recipe_id: UUID | None = None
    wafer_mm: int | None = None
    class_rank: int | None = None
    flags: tuple[str, ...] = field(default=())
