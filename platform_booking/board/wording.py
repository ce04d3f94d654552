"""The board's words in the reader's language, for the page and for its scripts."""

from flask_babel import gettext as _

from platform_booking.board.queries import Line

AREA = "0.01 mm2"
"""The unit of shuttle area, in which quantities are whole numbers."""


def zooms() -> dict[str, str]:
    """Return what the zoom levels are called."""
    return {
        "hour": _("Hour"),
        "shift": _("Shift"),
        "day": _("Day"),
        "days": _("3 days"),
        "week": _("Week"),
        "fortnight": _("Fortnight"),
        "month": _("Month"),
        "quarter": _("Quarter"),
    }


def states() -> dict[str, str]:
    """Return what the states of a booking are called."""
    return {
        "offered": _("offered"),
        "requested": _("requested"),
        "confirmed": _("confirmed"),
        "in_use": _("in use"),
        "completed": _("completed"),
    }


def outages() -> dict[str, str]:
    """Return what the kinds of outage are called."""
    return {
        "scheduled_down": _("planned outage"),
        "unscheduled_down": _("unplanned outage"),
    }


def changes() -> dict[str, str]:
    """Return what a draft may do."""
    return {"new": _("new in the draft"), "moved": _("moved by the draft")}


def amount(quantity: int, line: Line) -> str:
    """Return a quantity as people say it: area in mm², all else as it is."""
    return f"{quantity / 100:g} mm²" if line.unit == AREA else str(quantity)


def script() -> dict[str, object]:
    """Return every word that the scripts say; `%(n)s` is filled in by them."""
    return {
        "states": states(),
        "outages": outages(),
        "changes": changes(),
        "zooms": zooms(),
        "weekdays": [
            _("Mon"),
            _("Tue"),
            _("Wed"),
            _("Thu"),
            _("Fri"),
            _("Sat"),
            _("Sun"),
        ],
        "busy": _("Busy"),
        "busy_text": _("Taken by somebody else."),
        "down": _("Down"),
        "booked": _("Booked directly"),
        "many": _("%(n)s bookings close together"),
        "level": _("%(used)s of %(capacity)s in use"),
        "level_most": _("up to %(used)s of %(capacity)s in use"),
        "run": _("Run with %(used)s of %(capacity)s loaded"),
        "occurrence": _("%(name)s: %(used)s of %(capacity)s taken"),
        "moves": _("moved by the draft"),
        "no_items": _("no bookings in this window"),
        "items": _("%(n)s in this window"),
        "group": _("%(name)s, resources: %(n)s"),
        "collapsed": _("folded"),
        "expanded": _("unfolded"),
        "end_right": _("Nothing later in this window."),
        "window": _("%(zoom)s from %(from)s to %(to)s, resources: %(n)s"),
        "failed": _("The board could not be loaded. It is tried again by itself."),
        "signed_out": _("You are no longer signed in. Sign in again."),
        "nothing_found": _("No resource matches."),
        "fit": _("Zoom in on these"),
        "all_platforms": _("All platforms"),
        "platforms": _("%(n)s platforms"),
        "now": _("now"),
        "facts": {
            "resource": _("Resource"),
            "from": _("From"),
            "to": _("To"),
            "duration": _("Duration"),
            "quantity": _("Quantity"),
            "state": _("State"),
            "step": _("Step"),
            "project": _("Project"),
            "organisation": _("Organisation"),
            "recipe": _("Recipe"),
            "load": _("Loaded amount"),
            "taken": _("Taken"),
            "closes": _("Registration closes"),
            "reason": _("Reason"),
            "night": _("Plan of the night"),
        },
        "open_order": _("Open the order"),
        "open_booking": _("Open the booking"),
        "open_plan": _("Review the plan"),
        "units": {"day": _("d"), "hour": _("h"), "minute": _("min")},
    }
