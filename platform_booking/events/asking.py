"""What staff ask for, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRun:
    """A dated run as it is to be. Milestones are dates, `{"out": "2027-07-19"}`."""

    code: str
    starts_at: datetime
    ends_at: datetime
    capacity: int
    closes_at: datetime | None = None
    min_fill: int = 0
    quotas: Mapping[str, int] = field(default_factory=dict)
    phases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedChange:
    """What is to change of a run; None leaves it. `never_closes` takes the closing away."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    capacity: int | None = None
    closes_at: datetime | None = None
    never_closes: bool = False
    min_fill: int | None = None
    quotas: Mapping[str, int] | None = None
    phases: Mapping[str, str] | None = None

    def on(self, run: AskedRun) -> AskedRun:
        """Return the run as it is to be."""
        names = ("starts_at", "ends_at", "capacity", "min_fill", "quotas", "phases")
        given = {n: v for n in names if (v := getattr(self, n)) is not None}
        if self.never_closes or self.closes_at is not None:
            given["closes_at"] = None if self.never_closes else self.closes_at
        return replace(run, **given)
