"""What is said of a refusal on a page."""

from flask_babel import gettext as _

from platform_booking.errors import (
    BookingError,
    CapacityTaken,
    Forbidden,
    IllegalMove,
    NotFound,
    RulesBroken,
)


def sentence_of(fault: BookingError) -> str:
    """Return what is said of a refusal."""
    if isinstance(fault, RulesBroken):
        return " ".join(v.message for v in fault.violations)
    if isinstance(fault, IllegalMove) and fault.args:
        return str(fault)
    if isinstance(fault, CapacityTaken):
        return str(_("Somebody was faster: there is no room left in that time."))
    if isinstance(fault, NotFound):
        return str(_("There is nothing here that you can see."))
    if isinstance(fault, Forbidden):
        return str(_("Your role does not allow this."))
    return str(_("It has changed since you read it. Load it again."))
