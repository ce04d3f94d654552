"""How a solve is to be done."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One report from a running solve."""

    phase: str  # "greedy", "improve", "bound", "explain"
    wave: int
    waves: int  # 0 while unknown
    value: int
    bound: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Options:
    """A solve is named by (problem, seed, waves); the rest only how fast it comes."""

    seed: int = 1
    waves: int | None = None  # None: as many as `seconds` allow; the number is reported
    seconds: float = 60.0  # only read when `waves` is None
    workers: int = 2  # processes; the plan is the same for any number
    keep_placed: bool = False  # jobs of the starting plan may move but are not dropped
    bound: bool = True
    explain: int | None = None  # jobs left out to look for ways out for; None for all
    on_progress: Callable[[Progress], None] | None = None
    should_stop: Callable[[], bool] | None = None  # end at once, without bound
    enough: Callable[[], bool] | None = None  # improve no more: bound and reasons, and end
