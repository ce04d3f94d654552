"""What operators fill in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

from platform_booking.catalog.models import OutageKind
from platform_booking.catalog.rules import NewOutage
from platform_booking.errors import RulesBroken, Violation

_LONGEST_REASON = 500
_MINUTE = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True, slots=True)
class OutageForm:
    """An outage as it was typed: times of day are the park's."""

    starts_at: str
    ends_at: str
    kind: str = OutageKind.UNSCHEDULED.value
    reason: str = ""

    @classmethod
    def starting(cls, local: datetime) -> "OutageForm":
        """Return an empty form that proposes the next four hours."""
        return cls(local.strftime(_MINUTE), (local + timedelta(hours=4)).strftime(_MINUTE))

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "OutageForm":
        """Return what was typed."""
        return cls(*(form.get(name, "") for name in cls.__slots__))

    def parsed(self, zone: ZoneInfo) -> NewOutage:
        """Return what was meant.

        Raises
        ------
        RulesBroken
            Names every field that cannot be read.
        """
        wrong = []
        times = []
        for name in ("starts_at", "ends_at"):
            try:
                times.append(_instant(getattr(self, name), zone))
            except (ValueError, OverflowError):
                wrong.append(
                    Violation(
                        "invalid",
                        _("Not a date and time. Write it as 2027-03-08T09:00."),
                        name,
                    )
                )
        if self.kind not in list(OutageKind):
            wrong.append(Violation("invalid", _("Choose one of the list."), "kind"))
        if len(self.reason) > _LONGEST_REASON or not self.reason.isprintable():
            wrong.append(
                Violation(
                    "invalid",
                    _("At most %(most)d printable characters.", most=_LONGEST_REASON),
                    "reason",
                )
            )
        if wrong:
            raise RulesBroken(wrong)
        return NewOutage(
            starts_at=times[0],
            ends_at=times[1],
            kind=OutageKind(self.kind),
            reason=self.reason,
        )


def _instant(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
