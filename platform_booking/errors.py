"""What can go wrong in the service. HTTP knows these families and no more.

BookingError
├── NotFound     no such thing, or none that the asker may see (404)
├── Forbidden    the asker may not do this (403)
│   └── ScopeMissing   his token may only read
├── Refused      a rule is broken; every violation is listed (422)
│   ├── RulesBroken
│   └── IllegalMove    the thing is not in a state that allows this
├── Conflict     somebody else was faster, or holds what is needed (409)
│   ├── Busy           others hold it just now (503)
│   ├── CapacityTaken
│   ├── AlreadyThere
│   ├── StaleVersion
│   ├── NightRunning
│   ├── NightFailed
│   ├── NightStopped
│   └── Fenced
├── Unauthenticated        nobody is signed in (401)
├── PreconditionFailed     it has changed since it was read (412)
├── PreconditionRequired   which version was read is not said (428)
└── TooMany                too many attempts (429)
Misconfigured    a setting is missing or wrong; the service does not start
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule. `where` is a field's path in what was sent, "" for the whole."""

    rule: str  # machine-readable, e.g. "window_too_short"
    message: str  # what is wrong and what to do about it, in the reader's language
    where: str = ""
    limit: Any = None  # the rule's value, ready for JSON; None where it has none
    actual: Any = None  # what was asked or stands against it

    def told(self) -> dict[str, Any]:
        """Return it as an answer carries it, ready for JSON."""
        more = {"limit": self.limit, "actual": self.actual}
        return {"rule": self.rule, "message": self.message, "where": self.where} | {
            name: value for name, value in more.items() if value is not None
        }


class BookingError(Exception):
    """Root of everything that the service raises on purpose."""

    code = "error"

    def details(self) -> dict[str, object]:
        """Return what the answer carries beside its title, ready for JSON."""
        return {}


class NotFound(BookingError):
    """There is no such thing, or none that the asker may see."""

    code = "not_found"


class Forbidden(BookingError):
    """The asker may not do this."""

    code = "forbidden"


class ScopeMissing(Forbidden):
    """The token that was shown lacks the scope that this needs."""

    code = "scope_missing"


class Refused(BookingError):
    """What was asked breaks a rule."""

    code = "refused"


class RulesBroken(Refused):
    """One or more rules are broken; all of them are listed."""

    code = "rules_broken"

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(v.message for v in violations))
        self.violations = tuple(violations)

    def details(self) -> dict[str, object]:
        """Return every violation with its field."""
        return {"violations": [v.told() for v in self.violations]}


class IllegalMove(Refused):
    """The thing is not in a state that allows this act."""

    code = "illegal_move"

    def details(self) -> dict[str, object]:
        """Return what stands in the way, where it was said."""
        if not self.args:
            return {}
        return {"violations": [{"rule": self.code, "message": str(self), "where": ""}]}


class Conflict(BookingError):
    """Somebody else was faster, or holds what is needed."""

    code = "conflict"


class Busy(Conflict):
    """Others hold what is needed for longer than anybody is let wait."""

    code = "busy"
    retry_after = 2  # seconds


class CapacityTaken(Conflict):
    """The resource has no room left in that time; which one, where several were asked."""

    code = "capacity_taken"

    def __init__(self, violations: Sequence[Violation] = ()) -> None:
        super().__init__("; ".join(v.message for v in violations))
        self.violations = tuple(violations)

    def details(self) -> dict[str, object]:
        """Return what was taken, where it was said."""
        if not self.violations:
            return {}
        return {"violations": [v.told() for v in self.violations]}


class AlreadyThere(Conflict):
    """Just the same is there already. `existing` is its public id."""

    code = "already_there"

    def __init__(self, message: str, existing: UUID) -> None:
        super().__init__(message)
        self.existing = existing

    def details(self) -> dict[str, object]:
        """Return what is there, and what to do about it."""
        told = {"rule": self.code, "message": str(self), "where": ""}
        return {"existing": str(self.existing), "violations": [told]}


class StaleVersion(Conflict):
    """The thing has changed since it was read."""

    code = "stale_version"


class NightRunning(Conflict):
    """The allocation of that night is already running, or asked for."""

    code = "night_running"

    def details(self) -> dict[str, object]:
        """Return since when, and what to do."""
        told = {"rule": self.code, "message": str(self), "where": "night"}
        return {"violations": [told]}


class NightFailed(Conflict):
    """No plan could be made; what was in force stays in force."""

    code = "night_failed"


class NightStopped(Conflict):
    """The service is ending; the night begins again with the next runner."""

    code = "night_stopped"


class Fenced(Conflict):
    """Another runner has taken this work over."""

    code = "fenced"


class Unauthenticated(BookingError):
    """Nobody is signed in."""

    code = "unauthenticated"


class PreconditionFailed(BookingError):
    """What If-Match names is no longer what stands."""

    code = "stale_version"


class PreconditionRequired(BookingError):
    """The asker must say which version he has read. `header` is where."""

    code = "if_match_required"

    def __init__(self, header: str, message: str) -> None:
        super().__init__(message)
        self.header = header

    def details(self) -> dict[str, object]:
        """Return which header is missing, and how to fill it."""
        told = {"rule": self.code, "message": str(self), "where": self.header}
        return {"violations": [told]}


class TooMany(BookingError):
    """Too many attempts. `retry_after` are seconds."""

    code = "too_many"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"come back in {retry_after} s")
        self.retry_after = retry_after


class Misconfigured(Exception):
    """A setting is missing or wrong; the message says which and how to mend it."""
