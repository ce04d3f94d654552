"""The list of rules: each names itself, its policy and what it needs. Pure.

`docs/rules.md` is written from it; `platform_booking.bookings.rulebook` does so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from platform_booking.bookings.picked import Picked
from platform_booking.errors import Violation

Judge = Callable[[Picked, datetime], Iterator[Violation]]


class Sense(Enum):
    """How much sense a slot must make before a rule is asked."""

    NONE = auto()
    ORDERED = auto()  # it ends after it begins
    NEAR = auto()  # it is neither past nor beyond all sense: its hours matter


class Binds(Enum):
    """Whom a rule binds."""

    ALL = "everybody"
    LIMITED = "all but the platform's staff on tools that they run"
    MEMBER = "who books for himself"
    RUNNER = "who runs a self-run resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the house."""

    code: str
    sentence: str  # what holds, in English
    judge: Judge
    soft: bool  # the platform's staff may set it aside with a reason
    policy: tuple[str, ...]  # keys of the resource's policy; () where it always holds
    needs: str  # facts that it is judged by
    sense: Sense
    binds: Binds
    lifted: bool  # off at the resource's lifted hours

    @property
    def theme(self) -> str:
        """What it is about: the module that it stands in."""
        return self.judge.__module__.rpartition(".")[2]


RULES: dict[str, Rule] = {}


def rule(
    code: str,
    *,
    needs: str,
    soft: bool = False,
    policy: tuple[str, ...] = (),
    sense: Sense = Sense.NONE,
    binds: Binds = Binds.ALL,
    lifted: bool = False,
) -> Callable[[Judge], Judge]:
    """Enter a function into the list. The first line of its docstring is its sentence."""

    def enter(judge: Judge) -> Judge:
        assert code not in RULES, code
        RULES[code] = Rule(
            code=code,
            sentence=(judge.__doc__ or "").partition("\n")[0],
            judge=judge,
            soft=soft,
            policy=policy,
            needs=needs,
            sense=sense,
            binds=binds,
            lifted=lifted,
        )
        return judge

    return enter
