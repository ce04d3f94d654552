"""A slot becomes a booking, with what is booked beside it: all or none.

One booking may take several resources for the same time, and leave to the service which one
of those with a capability it gets. The rules are asked for every part; all that they say is
told at once. Places are taken in the order of the resources' ids, so that two who want the
same parts meet in the same order.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.bookings import choosing, facts, judging, queries, rules
from platform_booking.bookings.asking import AskedPart, AskedSlot, NewBooking
from platform_booking.bookings.beginning import beginning
from platform_booking.bookings.choosing import Choice
from platform_booking.bookings.facts import Facts, Named
from platform_booking.bookings.models import Booking
from platform_booking.bookings.picked import QuotaUse, Slot, Stretch
from platform_booking.bookings.placing import confirm
from platform_booking.bookings.queries import BookingLine
from platform_booking.bookings.telling import record, tell_firm
from platform_booking.catalog.models import Qualification, Resource
from platform_booking.errors import CapacityTaken, RulesBroken, Violation
from platform_booking.web.actor import Actor

MOST_PARTS = 10
_SHARED = frozenset(
    {
        "", "starts_at", "ends_at", "organisation_id", "project_id", "wafer_mm",
        "class_rank", "flags", "buddy_id", "override_reason",
    }
)  # fmt: skip
"""Fields that are said once for all parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks, when and where."""

    session: Session
    actor: Actor
    now: datetime
    zone: ZoneInfo


@dataclass(slots=True, kw_only=True)
class _Part:
    """One resource of a slot while it is being settled which, and whether."""

    asked: AskedPart
    occurrence_id: UUID | None = None
    where: str = ""  # "" for the slot itself, else "with.0."
    left: list[Choice] = field(default_factory=list)
    choice: Choice | None = None
    facts: Facts | None = None
    set_aside: tuple[str, ...] = ()  # soft rules, by staff

    @property
    def public_id(self) -> UUID | None:
        """Which resource it is to be, by name or by choice; None while that is open."""
        return self.choice.public_id if self.choice else self.asked.resource_id

    @property
    def found(self) -> Facts:
        """What is known of the choice; there is one."""
        assert self.facts is not None
        return self.facts


def place(
    ask: Asking,
    asked: AskedSlot,
    *,
    tells: bool = True,
) -> BookingLine:
    """Book a slot and all of its parts within the caller's transaction.

    The organisation is told unless the caller tells it of more at once.

    Raises
    ------
    RulesBroken
        If rules are broken; those of every part are listed.
    Forbidden
        If the actor books for another organisation and does not operate the platform.
    CapacityTaken
        If a part has no room; none is booked then.
    """
    slot = _slot_of(asked)
    parts = _parts(ask.session, asked, slot)
    _settle_all(ask, asked, parts)
    group = uuid4() if len(parts) > 1 else None
    made = _hold(ask, asked, parts, group=group)
    lines = [_line(ask.session, made[part.where], part) for part in parts]
    line = replace(lines[0], parts=tuple(lines[1:]))
    _insist_on_no_outage(ask.session, parts, made)
    _record(ask, line, parts, asked)
    if tells:
        tell_firm(ask.session, "booking.book", line, now=ask.now, others=line.parts)
    return line


def pleasing(
    ask: Asking, asked: AskedSlot, resource: Resource, *, within: Stretch
) -> Callable[[Stretch], bool]:
    """Return a judge of other times of a slot on one resource, who has read its facts.

    For resources without recipes and dated runs.
    """
    slot = _slot_of(asked)
    needed = None
    if resource.self_run and resource.qualification_id is not None:
        needed = ask.session.get(Qualification, resource.qualification_id)
    around = facts.look_around(
        ask.session,
        Named(
            organisation=facts.of_organisation(ask.actor, asked.organisation_id),
            runner=ask.actor.member_id,
            project=asked.project_id,
            buddy=asked.buddy_id,
        ),
        replace(slot, starts_at=within[0], ends_at=within[1]),
        [(resource, needed)],
        actor=ask.actor,
        now=ask.now,
        zone=ask.zone,
    )[resource.id]

    def pleases(place: Stretch) -> bool:
        if around is None:
            return False
        there = replace(slot, starts_at=place[0], ends_at=place[1])
        picked = facts.at(around, there, resource, recipe=None, occurrence=None)
        return not any(rules.violations(picked, now=ask.now))

    return pleases


def _slot_of(asked: AskedSlot) -> Slot:
    return Slot(
        starts_at=asked.starts_at,
        ends_at=asked.ends_at,
        quantity=asked.quantity,
        wafer_mm=asked.wafer_mm,
        class_rank=asked.class_rank,
        flags=asked.flags,
    )


def _parts(session: Session, asked: AskedSlot, slot: Slot) -> list[_Part]:
    """Return the parts of a slot, each with the resources that it might get."""
    first = AskedPart(
        resource_id=asked.resource_id,
        capability=asked.capability,
        quantity=asked.quantity,
        recipe_id=asked.recipe_id,
    )
    parts = [_Part(asked=first, occurrence_id=asked.occurrence_id)]
    parts += [_Part(asked=p, where=f"with.{n}.") for n, p in enumerate(asked.parts)]
    broken = []
    for part in parts:
        part.left = _choices(session, part.asked, slot)
        if not part.left:
            broken.append(_unknown(part))
    broken += _named_twice(parts)
    if broken:
        raise RulesBroken(broken)
    return parts


def _choices(session: Session, asked: AskedPart, slot: Slot) -> list[Choice]:
    if asked.resource_id is not None:
        return [Choice(public_id=asked.resource_id)]
    return choosing.ranked(
        session, asked.capability, replace(slot, quantity=asked.quantity)
    )


def _unknown(part: _Part) -> Violation:
    if not part.asked.capability:
        return Violation(
            "resource_or_capability",
            _("name a resource, or a capability that it must have"),
            f"{part.where}resource_id",
        )
    return Violation(
        "unknown_capability",
        _(
            "no resource in service has the capability %(code)s; choose one from the"
            " catalogue",
            code=part.asked.capability,
        ),
        f"{part.where}capability",
    )


def _named_twice(parts: Sequence[_Part]) -> Iterable[Violation]:
    seen: set[UUID] = set()
    for part in parts:
        which = part.asked.resource_id
        if which in seen:
            yield Violation(
                "named_twice",
                _("this resource is named already; ask for a larger quantity there"),
                f"{part.where}resource_id",
            )
        if which is not None:
            seen.add(which)


def _settle_all(ask: Asking, asked: AskedSlot, parts: Sequence[_Part]) -> None:
    """Find a resource for every part that the rules allow, or list all that they say."""
    broken: list[Violation] = []
    # What is left to choice goes first, the slot's own part last of it: a rule of the
    # others may ask for just that, as for the area that a licence is used in.
    in_order = sorted(
        parts,
        key=lambda p: (p.asked.resource_id is not None, not p.where, str(p.left[0])),
    )
    for part in in_order:
        others = [one for one in parts if one is not part]
        broken += _settle(ask, asked, part, others)
    if broken:
        order = {part.where: n for n, part in enumerate(parts)}
        raise RulesBroken(sorted(_once(broken), key=lambda v: order.get(_of(v), 0)))


def _of(violation: Violation) -> str:
    return ".".join(violation.where.split(".")[:2]) + "." if "." in violation.where else ""


def _once(broken: Iterable[Violation]) -> list[Violation]:
    """What is wrong with the asker is said once, however many parts he asks for."""
    return list({(v.rule, v.where, v.message): v for v in broken}.values())


def _settle(
    ask: Asking, asked: AskedSlot, part: _Part, others: Sequence[_Part]
) -> list[Violation]:
    """Take the next resource that the rules allow; return what they say if none is left."""
    said: list[Violation] = []
    passed_over = False
    used = {one.public_id for one in others} - {None}
    while part.left:
        choice = part.left.pop(0)
        if part.asked.resource_id is None and choice.public_id in used:
            passed_over = True
            continue
        try:
            found = _gathered(ask, asked, part, choice, others)
            part.set_aside = judging.insist(
                found, reason=asked.override_reason, now=ask.now
            )
        except RulesBroken as fault:
            said += [_placed(v, part) for v in fault.violations]
            continue
        part.choice = choosing.only_allowed(choice) if said or passed_over else choice
        part.facts = found
        return []
    part.choice = None
    if not said:
        said.append(_unknown(part))
    return said


def _placed(violation: Violation, part: _Part) -> Violation:
    """Return a violation with the path of the field in what was sent."""
    where = violation.where
    if where == "resource_id" and part.asked.resource_id is None:
        where = "capability"
    if part.where and where not in _SHARED:
        where = part.where + where
    return replace(violation, where=where)


def _gathered(
    ask: Asking,
    asked: AskedSlot,
    part: _Part,
    choice: Choice,
    others: Sequence[_Part],
) -> Facts:
    found = facts.gather(
        ask.session,
        Named(
            organisation=facts.of_organisation(ask.actor, asked.organisation_id),
            runner=ask.actor.member_id,
            project=asked.project_id,
            recipe=part.asked.recipe_id,
            occurrence=part.occurrence_id,
            buddy=asked.buddy_id,
            beside=tuple(p.public_id for p in others if p.public_id),
        ),
        replace(_slot_of(asked), quantity=part.asked.quantity),
        resource_id=choice.public_id,
        actor=ask.actor,
        now=ask.now,
        zone=ask.zone,
    )
    if part.where and not found.resource.wafer_mm:
        # A licence or a room beside the tool never meets the wafers.
        dry = replace(found.picked.slot, wafer_mm=None, class_rank=None, flags=())
        found = replace(found, picked=replace(found.picked, slot=dry))
    return _spent(found, others)


def _spent(found: Facts, others: Sequence[_Part]) -> Facts:
    """Count what the other parts take of the same quotas: none of them is written yet."""
    taken: dict[object, int] = {}
    for other in others:
        for use in other.facts.picked.by.quotas if other.facts else ():
            own = rules.quota_minutes(other.found.picked, use)
            taken[_quota(use)] = taken.get(_quota(use), 0) + own
    quotas = tuple(
        replace(use, held_min=use.held_min + taken.get(_quota(use), 0))
        for use in found.picked.by.quotas
    )
    by = replace(found.picked.by, quotas=quotas)
    return replace(found, picked=replace(found.picked, by=by))


def _quota(use: QuotaUse) -> object:
    return use.period, use.span, use.limit_min, use.of_project, use.scope


def _hold(
    ask: Asking,
    asked: AskedSlot,
    parts: Sequence[_Part],
    *,
    group: UUID | None,
) -> dict[str, Booking]:
    """Take all places, or none; where one was taken meanwhile, its part's next best.

    A try that fails gives its locks back before the next one begins.
    """
    while True:
        may_choose = any(part.left for part in parts)
        late: _Part | None = None
        made: dict[str, Booking] = {}
        try:
            with ask.session.begin_nested() if may_choose else nullcontext():
                for part in sorted(parts, key=lambda p: p.found.resource.id):
                    late = part
                    new = _new(ask, asked, part, group=group)
                    made[part.where] = confirm(ask.session, new, now=ask.now)
        except CapacityTaken:
            assert late is not None
            others = [part for part in parts if part is not late]
            if not late.left or _settle(ask, asked, late, others):
                raise CapacityTaken(_taken(late, alone=len(parts) == 1)) from None
            assert late.choice is not None
            late.choice = choosing.next_best(late.choice)
            continue
        return made


def _taken(part: _Part, *, alone: bool) -> list[Violation]:
    if alone and part.asked.resource_id is not None:
        return []
    if part.asked.resource_id is None:
        message = _(
            "every resource with %(capability)s that you may book is taken in that time;"
            " choose another time",
            capability=part.asked.capability,
        )
        return [Violation("capacity_taken", message, f"{part.where}capability")]
    message = _(
        "%(name)s has no room left in that time, so nothing was booked; choose another"
        " time, or another resource for this part",
        name=part.found.picked.on.name,  # its row can no longer be read
    )
    return [Violation("capacity_taken", message, f"{part.where}resource_id")]


def _new(
    ask: Asking,
    asked: AskedSlot,
    part: _Part,
    *,
    group: UUID | None,
) -> NewBooking:
    found = part.found
    assert found.organisation is not None  # the rules have seen to it
    actor = ask.actor
    begins = beginning(
        found.resource.policy,
        starts_at=asked.starts_at,
        now=ask.now,
        by_staff=found.by_staff,
    )
    return NewBooking(
        resource_id=found.resource.id,
        organisation_id=found.organisation.id,
        member_id=actor.member_id,
        project_id=found.project.id if found.project else None,
        starts_at=asked.starts_at,
        ends_at=asked.ends_at,
        quantity=part.asked.quantity,
        recipe_id=found.recipe.id if found.recipe else None,
        occurrence_id=found.occurrence.id if found.occurrence else None,
        family=found.recipe.family if found.recipe else None,
        group_id=group,
        source=asked.source,
        state=begins.state,
        respond_by=begins.respond_by,
        confirm_by=begins.confirm_by,
        buddy_id=found.buddy_row,
        override_reason=asked.override_reason if part.set_aside else None,
        wafer_mm=found.picked.slot.wafer_mm,
        class_rank=found.picked.slot.class_rank,
        flags=found.picked.slot.flags,
    )


def _insist_on_no_outage(
    session: Session, parts: Sequence[_Part], made: dict[str, Booking]
) -> None:
    """Look for outages once more, now that nobody can declare one unseen."""
    down = facts.down_meanwhile(session, *made.values())
    if down:
        hit = [part.found for part in parts if part.found.resource.id in down]
        raise RulesBroken([rules.outage(found.picked.on.name) for found in hit])


def _line(session: Session, booking: Booking, part: _Part) -> BookingLine:
    found = part.found
    assert found.organisation is not None
    assert part.choice is not None
    return BookingLine(
        booking=booking,
        resource=found.resource,
        platform=found.resource.platform,
        organisation=found.organisation,
        project=found.project,
        member=found.member,
        recipe=found.recipe,
        occurrence=found.occurrence,
        buddy=queries.buddy(session, booking),
        chosen_because=part.choice.why or None,
    )


def _record(
    ask: Asking, line: BookingLine, parts: Sequence[_Part], asked: AskedSlot
) -> None:
    for one, part in zip((line, *line.parts), parts, strict=True):
        more = judging.audited(part.set_aside, asked.override_reason)
        if one.chosen_because:
            more["chosen_because"] = one.chosen_because
        on_behalf = part.found.on_behalf
        record(ask.session, "booking.book", one, on_behalf=on_behalf, **more)
