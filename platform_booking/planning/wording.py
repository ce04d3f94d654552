"""Reasons and ways out as sentences, in the reader's language. They never say whose."""

from datetime import datetime
from typing import Any

from flask_babel import gettext as _

from platform_booking.planning.models import CONTRADICTORY, NOT_APPROVED, OVERTAKEN
from platform_booking.planning.queries import LeftOutLine
from platform_booking.web.i18n import duration, local_time, named

_MOST_SHOWN = 3


def cause(line: LeftOutLine) -> str:
    """Say why an order was left out."""
    if line.cause == OVERTAKEN:
        return _overtaken(line)
    step = _step(line, line.detail.get("step"))
    sentences = {
        "no_alternative": _("No resource in service can do %(step)s.", step=step),
        "no_start": _(
            "%(step)s fits nowhere within its windows, the opening hours, the deadline and"
            " the planning horizon.",
            step=step,
        ),
        "route_too_long": _(
            "Each step fits alone, but not the whole route before the deadline and within"
            " the planning horizon."
        ),
        "too_light": _(
            "There is room, but too few others want the same furnace run as %(step)s: it"
            " would be lighter than its recipe's least load.",
            step=step,
        ),
        "one_of": _("Another order, of which only one was wanted, is placed."),
        "full": _("What is placed or booked already leaves no room for it."),
        CONTRADICTORY: _(
            "What it asks for contradicts itself, so it could not be planned. Please amend"
            " it."
        ),
        NOT_APPROVED: _(
            "A platform that it needs has not approved the plan. It waits for the next"
            " night."
        ),
    }
    return str(sentences.get(line.cause, line.cause))


def _overtaken(line: LeftOutLine) -> str:
    how = {
        "withdrawn": _("It was withdrawn after the plan was made."),
        "amended": _("It was amended after the plan was made."),
        "booked": _("Its bookings have changed since the plan was made."),
        "outage": _("An outage was declared in its place."),
        "out_of_service": _("A resource of its place has gone out of service."),
        "taken": _("Its place was taken before the plan was published."),
        "past": _("Its time had come before the plan was published."),
    }
    after = ""
    if line.detail.get("moved"):
        after = _("It stays where it is booked.")
    elif line.detail.get("why") not in {"withdrawn", "booked"}:
        after = _("It waits for the next night.")
    return " ".join(filter(None, (str(how.get(line.detail.get("why", ""), "")), after)))


def failure(code: str) -> str:
    """Say why a night has no plan, or why a request came to nothing."""
    sentences = {
        "bad_problem": _(
            "The catalogue or an order contradicts itself. The log of the scheduler says"
            " where."
        ),
        "no_plan": _("No sound plan could be made. The log of the scheduler says why."),
        "silent": _("Its runner went silent, and another one took the night over."),
        "stopped": _("The scheduler was stopped meanwhile; the night begins again."),
        "night_failed": _("The night failed; its plan says why."),
        "illegal_move": _("By then, the plan of that night was published already."),
        "fenced": _("Another runner took the work over."),
    }
    return str(
        sentences.get(code) or _("Something went wrong on our side. It has been recorded.")
    )


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
        "larger_quantity": _(
            "With a load of %(quantity)s for %(step)s, the least of its recipe, it runs"
            " from %(start)s to %(end)s.",
            **facts,
        ),
        "smaller_quantity": _(
            "With a quantity of %(quantity)s for %(step)s it runs from %(start)s to"
            " %(end)s.",
            **facts,
        ),
    }
    return str(sentences.get(way["relaxation"], way["relaxation"]))


def _step(line: LeftOutLine, step_id: int | None) -> str:
    name = line.step_names.get(step_id or 0)
    return str(_("a step")) if name is None else named(name)


def _when(text: str) -> str:
    return local_time(datetime.fromisoformat(text))
