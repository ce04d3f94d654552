"""Reasons and ways out as sentences, in the reader's language. They never say whose."""

from datetime import datetime
from typing import Any

from flask_babel import gettext as _

from platform_booking.planning.queries import LeftOutLine
from platform_booking.web.i18n import duration, local_time

_MOST_SHOWN = 3


def cause(line: LeftOutLine) -> str:
    """Say why an order was left out."""
    step = _step(line, line.detail.get("step"))
    sentences = {
        "no_alternative": _("No resource in service can do %(step)s.", step=step),
        "no_start": _(
            "%(step)s fits nowhere within its windows, opening hours and the deadline.",
            step=step,
        ),
        "route_too_long": _(
            "Each step fits alone, but not the whole route before the deadline."
        ),
        "full": _("What is placed or booked already leaves no room for it."),
        "overtaken": _("The day has overtaken it: its place was taken before publication."),
    }
    return str(sentences.get(line.cause, line.cause))


def blocked(line: LeftOutLine) -> list[str]:
    """Say where the way is barred: resource, time, kind of occupant."""
    kinds = {
        "placement": _("other orders"),
        "booking": _("bookings"),
        "outage": _("an outage"),
        "closed": _("closed hours"),
        "changeover": _("a changeover"),
    }
    return [
        _(
            "%(resource)s from %(start)s to %(end)s: %(kind)s",
            resource=entry["resource"],
            start=_when(entry["from"]),
            end=_when(entry["to"]),
            kind=kinds.get(entry["occupant"], entry["occupant"]),
        )
        for entry in line.detail.get("blocked", ())[:_MOST_SHOWN]
    ]


def ways_out(line: LeftOutLine) -> list[str]:
    """Say what would bring the order in, cheapest first."""
    return [_way_out(line, way) for way in line.ways_out[:_MOST_SHOWN]]


def _way_out(line: LeftOutLine, way: Any) -> str:
    facts = {
        "by": duration(way["minutes"]),
        "step": _step(line, way["step"]),
        "quantity": way["quantity"],
        "resource": way["resource"] or "",
        "start": _when(way["starts_at"]),
        "end": _when(way["ends_at"]),
    }
    sentences = {
        "later_deadline": _(
            "With a deadline %(by)s later it runs from %(start)s to %(end)s.", **facts
        ),
        "earlier_release": _(
            "If it may begin %(by)s earlier it runs from %(start)s to %(end)s.", **facts
        ),
        "wider_windows": _(
            "With windows %(by)s wider it runs from %(start)s to %(end)s.", **facts
        ),
        "other_resource": _(
            "On %(resource)s, %(step)s lets it run from %(start)s to %(end)s.", **facts
        ),
        "smaller_quantity": _(
            "With a quantity of %(quantity)s for %(step)s it runs from %(start)s to"
            " %(end)s.",
            **facts,
        ),
    }
    return str(sentences.get(way["relaxation"], way["relaxation"]))


def _step(line: LeftOutLine, step_id: int | None) -> str:
    return line.step_names.get(step_id or 0, str(_("a step")))


def _when(text: str) -> str:
    return local_time(datetime.fromisoformat(text))
