"""What a search may ask for. Pure: plain values in, every fault out."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches

from flask_babel import gettext as _

from platform_booking.errors import Violation
from platform_booking.finding.asking import Wish

LONGEST_LOOK = timedelta(days=62)
LONGEST_STAY_MIN = 366 * 1440
MOST_BESIDE = 8


def violations(wish: Wish, *, now: datetime) -> Iterator[Violation]:
    """Yield every fault of a search, so that all can be mended in one go."""
    if not wish.capability and not wish.resources:
        yield Violation(
            "nothing_named",
            _("name a capability, or the resources to look at"),
            "capability",
        )
    if not timedelta(0) < wish.to_at - wish.from_at <= LONGEST_LOOK:
        yield Violation(
            "window",
            _(
                "ask for a window that ends after it begins and spans %(days)s days at"
                " most",
                days=LONGEST_LOOK.days,
            ),
            "to",
        )
    elif wish.to_at <= now:
        yield Violation("past", _("the window lies in the past; choose a later one"), "to")
    if wish.minutes is not None and not 1 <= wish.minutes <= LONGEST_STAY_MIN:
        yield Violation("minutes", _("a stay lasts between a minute and a year"), "minutes")
    if wish.quantity < 1:
        yield Violation(
            "quantity", _("at least %(least)s must be asked for", least=1), "quantity"
        )
    if len(wish.beside) > MOST_BESIDE:
        yield Violation(
            "too_many",
            _("ask for %(most)s things at the same time at most", most=MOST_BESIDE),
            "with",
        )
    for n, one in enumerate(wish.beside):
        if one.quantity < 1:
            yield Violation(
                "quantity",
                _("at least %(least)s must be asked for", least=1),
                f"with[{n}]",
            )


def unknown(what: str, called: str, known: Sequence[str], where: str) -> Violation:
    """Return what is said of a name that nothing has, with the nearest known ones."""
    near = get_close_matches(called.upper(), known, n=3, cutoff=0.4)
    near += [code for code in known if called.upper() in code and code not in near][:3]
    if near:
        message = _(
            "nothing here is called %(name)s; did you mean %(near)s?",
            name=called[:80],
            near=", ".join(near),
        )
    else:
        message = _(
            "nothing here is called %(name)s; see the list of platforms and capabilities",
            name=called[:80],
        )
    return Violation(f"unknown_{what}", message, where)
