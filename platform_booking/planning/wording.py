"""Reasons and ways out as sentences, in the reader's language. They never say whose.

What forcing an order in would displace is said to those who run platforms alone, and names
orders of theirs.
"""

from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from platform_booking.planning.forced import Answer, Displaced
from platform_booking.planning.models import CONTRADICTORY, NOT_APPROVED, OVERTAKEN
from platform_booking.planning.reasons import ReasonLine
from platform_booking.web.i18n import duration, in_chinese, local_time, named

_MOST_SHOWN = 3


def sentences(line: ReasonLine) -> list[str]:
    """Say all that is known of why an order is left out or late, and what would help."""
    return [cause(line), *blocked(line), *ways_out(line)]


def cause(line: ReasonLine) -> str:
    """Say why an order was left out, or why it comes late."""
    if line.cause == OVERTAKEN:
        return _overtaken(line)
    if line.late_min:
        how = _("It ends %(by)s after the date wished for.", by=duration(line.late_min))
        return _together(how, _late(line))
    return _left_out(line)


def _left_out(line: ReasonLine) -> str:
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
        "not_moved": _("There is room for it, but the plan did not use it."),
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


def _late(line: ReasonLine) -> str:
    """Say why a placed order does not end by the date wished for."""
    step = _step(line, line.detail.get("step"))
    sentences = {
        "no_start": _(
            "By that date %(step)s fits nowhere within its windows and the opening hours.",
            step=step,
        ),
        "route_too_long": _("Each step fits alone by that date, but not the whole route."),
        "too_light": _(
            "There is room by that date, but too few others want the same furnace run as"
            " %(step)s: it would be lighter than its recipe's least load.",
            step=step,
        ),
        "full": _("What is placed or booked already leaves no room for it by that date."),
        "not_moved": _("There is room for it by that date, but the plan did not use it."),
    }
    return str(sentences.get(line.cause) or _left_out(line))


def _overtaken(line: ReasonLine) -> str:
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
    return _together(how.get(line.detail.get("why", ""), ""), after)


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


def blocked(line: ReasonLine) -> list[str]:
    """Say where the way is barred: resource, time, kind of occupant."""
    return [_barred(entry) for entry in line.detail.get("blocked", ())[:_MOST_SHOWN]]


def _barred(entry: Any) -> str:
    facts = {
        "resource": entry["resource"],
        "start": _when(entry["from"]),
        "end": _when(entry["to"]),
    }
    kinds = {
        "placement": _(
            "From %(start)s to %(end)s the plan has other orders on %(resource)s.", **facts
        ),
        "booking": _("From %(start)s to %(end)s %(resource)s is booked.", **facts),
        "outage": _("From %(start)s to %(end)s %(resource)s is down.", **facts),
        "closed": _("From %(start)s to %(end)s %(resource)s is closed.", **facts),
        "changeover": _(
            "From %(start)s to %(end)s %(resource)s would have to change over.", **facts
        ),
    }
    return str(kinds[entry["occupant"]])


def ways_out(line: ReasonLine) -> list[str]:
    """Say what would bring the order in, cheapest first."""
    return [_way_out(line, way) for way in line.ways_out[:_MOST_SHOWN]]


def _way_out(line: ReasonLine, way: Any) -> str:
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


def forcing(answer: Answer) -> list[str]:
    """Say what forcing an order in would displace; name what the reader may see."""
    if answer.starts_at is None:
        return [
            _("No way was found to force it in: what could give way would not make room.")
        ]
    said = [
        _(
            "By force it runs from %(start)s to %(end)s.",
            start=local_time(answer.starts_at),
            end=local_time(answer.ends_at),
        ),
        *(_displaced(one) for one in (*answer.left_out, *answer.moved)),
    ]
    if n := answer.left_out_of_others:
        said.append(
            ngettext(
                "%(num)s order that is not on your platforms would be left out.",
                "%(num)s orders that are not on your platforms would be left out.",
                n,
            )
        )
    if n := answer.moved_of_others:
        said.append(
            ngettext(
                "%(num)s order that is not on your platforms would be moved.",
                "%(num)s orders that are not on your platforms would be moved.",
                n,
            )
        )
    if len(said) == 1:
        said.append(_("No other order would be left out or moved."))
    return [*said, _cost(answer)]


def _displaced(one: Displaced) -> str:
    facts = {"order": one.order_title, "organisation": named(one, "organisation")}
    if one.later_min is None:
        return str(_("“%(order)s” of %(organisation)s would be left out.", **facts))
    if one.later_min > 0:
        return str(
            _(
                "“%(order)s” of %(organisation)s would end %(by)s later.",
                by=duration(one.later_min),
                **facts,
            )
        )
    return str(
        _("“%(order)s” of %(organisation)s would be moved, and end no later.", **facts)
    )


def _cost(answer: Answer) -> str:
    if answer.cost < 0:
        return str(
            _(
                "The plan would gain %(gain)s of value: a longer search might have found"
                " that.",
                gain=f"{-answer.cost:,}",
            )
        )
    if not answer.cost:
        return str(_("The plan would lose nothing of its value."))
    return str(
        _(
            "The plan would lose %(cost)s of its value, %(share)s %% of the whole.",
            cost=f"{answer.cost:,}",
            share=f"{100 * answer.cost / max(1, answer.value):.2f}",
        )
    )


def _together(*sentences: str) -> str:
    """Return sentences one after the other, as the language writes them."""
    return ("" if in_chinese() else " ").join(filter(None, map(str, sentences)))


def _step(line: ReasonLine, step_id: int | None) -> str:
    name = line.step_names.get(step_id or 0)
    return str(_("a step")) if name is None else named(name)


def _when(text: str) -> str:
    return local_time(datetime.fromisoformat(text))
