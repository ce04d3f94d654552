"""Pages of bookings: one's own, a platform's day, the form of a slot, one booking."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from platform_booking.accounts.projects import own_projects
from platform_booking.bookings import (
    forms,
    history,
    offering,
    queries,
    recurring,
    series,
    services,
    sharing,
    taken,
    week,
)
from platform_booking.bookings.asking import AskedSeries, AskedSlot
from platform_booking.bookings.queries import Wanted
from platform_booking.bookings.series import SeriesTried
from platform_booking.bookings.states import BookingState
from platform_booking.catalog.models import Resource
from platform_booking.catalog.phases import phase_of
from platform_booking.catalog.wording import STANDING, WEEKDAYS
from platform_booking.clock import utcnow
from platform_booking.db import db, release_connection
from platform_booking.errors import (
    CapacityTaken,
    Conflict,
    Forbidden,
    IllegalMove,
    RulesBroken,
    Violation,
)
from platform_booking.web.actor import current_actor
from platform_booking.web.i18n import duration, named
from platform_booking.web.idempotency import handed_in_once

bp = Blueprint("bookings", __name__, url_prefix="/bookings")

_ROWS = 50
_ROWS_OF_A_DAY = 200
_LAST_YEAR = 9000  # a week beyond it might end after the calendar does


@bp.get("")
def index() -> ResponseReturnValue:
    """Show a firm its bookings, an operator his platforms' day."""
    actor = current_actor()
    staff = actor.is_park or actor.is_operator
    own = actor.organisation_id is not None
    if staff and not (own and request.args.get("view") == "own"):
        return _day(both=own)
    return _own(both=staff)


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Pick a slot on a resource."""
    called = request.args.get("resource", "")[:80].replace("\x00", "").strip()
    if not called:
        return _choose()
    resource = queries.resource(db.session(), _uuid(called) or called)
    if not _may_pick(resource):
        raise Forbidden
    if request.method == "GET":
        typed = forms.typed_in(request.args)
        typed["token"] = str(uuid4())
        return _form(
            resource,
            forms.Reading(typed=typed, flags=tuple(request.args.getlist("flags")[:50])),
        )
    now = utcnow()
    reading = forms.read(
        request.form,
        request.form.getlist("flags"),
        resource=resource,
        runs=queries.occurrences_to_pick(db.session(), resource, now=now),
        zone=_zone(),
        codes=queries.codes(db.session()) if "with.0.resource_id" in request.form else {},
    )
    slot, rule = reading.slot, forms.rule_of(reading)
    if slot is None or reading.violations:
        return _form(resource, reading), 422
    if rule:
        return _recurring(resource, reading, AskedSeries(slot=slot, rule=rule))

    said = _("Booked.")

    def deed() -> str:
        nonlocal said
        line = services.book(slot, actor=current_actor(), now=now, zone=_zone())
        if line.booking.state is BookingState.REQUESTED:
            said = _("Requested. The time is held until the platform has answered.")
        return url_for("bookings.show", booking_id=line.booking.public_id)

    try:
        address, anew = handed_in_once(_token(), deed, by_data=True)
    except RulesBroken as fault:
        reading.violations = forms.on_form(fault.violations)
        return _form(resource, reading), 422
    except Conflict as fault:
        reading.violations = _too_late(fault, slot)
        return _form(resource, reading), 409
    return _arrived(address, said if anew else "")


def _recurring(
    resource: Resource, reading: forms.Reading, asked: AskedSeries
) -> ResponseReturnValue:
    """Show what would become of a series; book it when that was seen and is wanted."""
    told: dict[str, Any] = {"actor": current_actor(), "now": utcnow(), "zone": _zone()}
    shown = f"{asked.rule} {asked.slot.starts_at} {asked.slot.ends_at}"
    seen = hashlib.sha256(shown.encode()).hexdigest()
    sure = request.form.get("sure") and reading.typed["previewed"] == seen
    reading.typed["previewed"] = seen
    taken_up = forms.replacements_of(request.form.getlist("take")[: recurring.MOST])
    instead = {one.number for one in taken_up}
    left_out = tuple(
        number
        for number in request.form.getlist("left_out", type=int)[: recurring.MOST]
        if number not in instead
    )
    said = ""

    def deed() -> str:
        nonlocal said
        wanted = replace(asked, left_out=left_out, replacements=taken_up)
        made = series.book_series(wanted, **told)
        booked = [one.line for one in made.occurrences if one.line is not None]
        said = _("Booked: %(number)s occurrences.", number=len(booked))
        return url_for("bookings.show", booking_id=booked[0].booking.public_id)

    try:
        if sure:
            address, anew = handed_in_once(_token(), deed, by_data=True)
            return _arrived(address, said if anew else "")
    except RulesBroken as fault:
        reading.violations = forms.on_form(fault.violations)
    except Conflict as fault:
        reading.violations = _too_late(fault, asked.slot)
    try:
        preview = series.book_series(replace(asked, dry_run=True), **told)
    except RulesBroken as fault:
        reading.violations = forms.on_form(fault.violations)
        return _form(resource, reading), 422
    except Conflict as fault:
        reading.violations = _too_late(fault, asked.slot)
        return _form(resource, reading), 409
    release_connection()  # the dry run has left nothing to read on from
    resource = queries.resource(db.session(), resource.public_id)
    page = _form(resource, reading, preview=preview, left_out=left_out if sure else None)
    return page, 422 if reading.violations else 200


def _arrived(address: str, said: str) -> ResponseReturnValue:
    if said:
        flash(said, "success")
    else:
        flash(
            _(
                "This form was handed in already; this is its booking. For another one,"
                " begin a new form."
            ),
            "warning",
        )
    return redirect(address)


@bp.get("/<uuid:booking_id>")
def show(booking_id: UUID) -> ResponseReturnValue:
    """Show one booking, and what can be done with it."""
    line = sharing.with_run(db.session(), queries.booking_line(db.session(), booking_id))
    now, actor = utcnow(), current_actor()
    open_ = services.is_open(line)
    fixed = services.fixed_because(line, now=now) or services.bound_because(
        line, actor, now=now
    )
    return render_template(
        "bookings/show.html",
        line=line,
        phase=_phase(line, now=now),
        fixed=fixed if open_ else None,
        cancellable=open_ and services.may_change(line, actor) and fixed is None,
        colleagues=open_ and not services.may_change(line, actor),
        late_from=None if services.is_staff_of(line, actor) else services.late_from(line),
        now=now,
        history=history.deeds(db.session(), line, staff=services.is_staff_of(line, actor)),
        foreign=line.organisation.id != actor.organisation_id,
        loads=(
            sharing.loads_of_run(db.session(), line)
            if line.run is not None and services.is_staff_of(line, actor)
            else ()
        ),
        staff=services.is_staff_of(line, actor),
        buddy=queries.buddy(db.session(), line.booking),
    )


@bp.post("/<uuid:booking_id>/cancel")
def cancel(booking_id: UUID) -> ResponseReturnValue:
    """Cancel a booking."""
    try:
        services.cancel(
            booking_id,
            expected_version=request.form.get("version", type=int),
            actor=current_actor(),
            now=utcnow(),
        )
    except RulesBroken as fault:
        for violation in fault.violations:
            flash(violation.message, "warning")
    except IllegalMove:
        flash(_("It is over or cancelled already."), "warning")
    else:
        flash(_("Cancelled. The place is free for others."), "success")
    return redirect(url_for("bookings.show", booking_id=booking_id))


def _own(*, both: bool) -> ResponseReturnValue:
    now, past = utcnow(), request.args.get("show") == "past"
    offset = _offset()
    found, total = queries.booking_lines(
        db.session(),
        Wanted(
            organisation_row_id=current_actor().organisation_id,
            from_at=None if past else now,
            ends_by=now if past else None,
            latest_first=past,
        ),
        limit=_ROWS,
        offset=offset,
    )
    return render_template(
        "bookings/index.html",
        lines=found,
        total=total,
        offset=offset,
        rows=_ROWS,
        past=past,
        both=both,
    )


def _day(*, both: bool) -> ResponseReturnValue:
    actor, zone = current_actor(), _zone()
    today = utcnow().astimezone(zone).date()
    day = _date(request.args.get("day", "")) or today
    platforms = queries.platforms(
        db.session(), None if actor.is_park else actor.platform_ids
    )
    chosen = _uuid(request.args.get("platform", "")[:80])
    from_at, to_at = week.bounds(day, zone, days=1)
    offset = _offset()
    found, total = queries.booking_lines(
        db.session(),
        Wanted(
            platform_id=chosen,
            platform_row_ids=tuple(p.id for p in platforms),
            from_at=from_at,
            to_at=to_at,
        ),
        limit=_ROWS_OF_A_DAY,
        offset=offset,
    )
    return render_template(
        "bookings/day.html",
        lines=sharing.with_runs(db.session(), found),
        total=total,
        offset=offset,
        rows=_ROWS_OF_A_DAY,
        day=day,
        today=today,
        before=day - timedelta(days=1),
        after=day + timedelta(days=1),
        from_at=from_at,
        to_at=to_at,
        platforms=platforms,
        chosen=chosen,
        both=both,
    )


def _choose() -> ResponseReturnValue:
    actor = current_actor()
    anywhere = actor.organisation_id is not None or actor.is_park
    return render_template(
        "bookings/choose.html",
        groups=queries.resources_to_pick(
            db.session(), platform_row_ids=None if anywhere else actor.platform_ids
        ),
    )


def _form(
    resource: Resource,
    reading: forms.Reading,
    *,
    preview: SeriesTried | None = None,
    left_out: Sequence[int] | None = None,
) -> str:
    session, now, zone, typed = db.session(), utcnow(), _zone(), reading.typed
    for name, given in (("starts_at", "start"), ("ends_at", "end")):
        moment = forms.moment_of(request.args.get(given, "")[:80], zone)
        if not typed[name] and moment is not None:
            typed[name] = forms.local_text(moment, zone)
    starts_at = forms.moment_of(typed["starts_at"], zone)
    first = _date(request.args.get("day", "")) or _shown_day(starts_at, now=now, zone=zone)
    offer = offering.of_week(
        session,
        resource,
        first=first,
        picked=(starts_at, forms.moment_of(typed["ends_at"], zone)),
        recipe_id=_uuid(typed["recipe_id"]),
        now=now,
        zone=zone,
    )
    if not typed["starts_at"] and offer.suggested is not None:
        typed["starts_at"] = forms.local_text(offer.suggested[0], zone)
        typed["ends_at"] = forms.local_text(offer.suggested[1], zone)
    runs = queries.occurrences_to_pick(session, resource, now=now)
    left = queries.room_left(session, runs)
    classes, flags = queries.materials(session)
    return render_template(
        "bookings/new.html",
        resource=resource,
        typed=typed,
        flags=reading.flags,
        violations=reading.violations,
        slot=reading.slot,
        offer=offer,
        previous=max(first - timedelta(days=week.DAYS), now.astimezone(zone).date()),
        following=first + timedelta(days=week.DAYS),
        runs=[(run, left[run.id]) for run in runs],
        projects=_projects(session),
        organisations=_firms(session) if _operates(resource) else (),
        buddies=_buddies(session, resource),
        staff=_operates(resource),
        recipes=[
            (r.public_id, f"{r.code} · {duration(r.duration_min)}")
            for r in sorted(resource.recipes, key=lambda r: r.code)
        ],
        wafers=[(mm, f"{mm} mm") for mm in resource.wafer_mm],
        classes=[(c.rank, named(c)) for c in classes],
        all_flags=flags,
        typical=timedelta(minutes=resource.typical_minutes),
        others=queries.resources_to_pick(session),
        part_rows=range(forms.PARTS),
        weekdays=list(zip(recurring.DAYS, WEEKDAYS.values(), strict=True)),
        preview=preview,
        left_out=left_out,
    )


def _phase(line: queries.BookingLine, *, now: datetime) -> str:
    if line.occurrence is None:
        return ""
    return str(STANDING[phase_of(line.occurrence, now=now, zone=_zone())])


def _projects(session: Session) -> list[tuple[UUID, str]]:
    firm = current_actor().organisation_id
    return [
        (p.public_id, f"{p.code} {p.name}")
        for p in own_projects(session)
        if p.active and p.organisation_id == firm
    ]


def _buddies(session: Session, resource: Resource) -> list[tuple[UUID, str]]:
    if not (resource.self_run and resource.calendar.offhours) or _operates(resource):
        return []
    return [
        (one.public_id, f"{one.name} ({_('staff')})" if one.staff else one.name)
        for one in queries.possible_buddies(session, resource.id)
    ]


def _firms(session: Session) -> list[tuple[UUID, str]]:
    return [(o.public_id, named(o)) for o in queries.organisations_to_pick(session)]


def _too_late(fault: Conflict, slot: AskedSlot) -> list[Violation]:
    if isinstance(fault, CapacityTaken):
        if fault.violations:
            return forms.on_form(fault.violations)
        return [taken.no_room(taken.own_there(slot))]
    message = _("Many are booking this just now. Try again in a moment.")
    return [Violation(fault.code, message, "starts_at")]


def _shown_day(starts_at: datetime | None, *, now: datetime, zone: ZoneInfo) -> date:
    today = now.astimezone(zone).date()
    if starts_at is None or starts_at < now:
        return today
    try:
        day = starts_at.astimezone(zone).date()
    except OverflowError:
        return today
    return day if day.year < _LAST_YEAR else today


def _may_pick(resource: Resource) -> bool:
    return current_actor().organisation_id is not None or _operates(resource)


def _operates(resource: Resource) -> bool:
    actor = current_actor()
    return actor.is_park or resource.platform_id in actor.platform_ids


def _token() -> str:
    token = request.form.get("token", "")
    return str(_uuid(token) or uuid4())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _date(text: str) -> date | None:
    """Return the day asked for; None for nonsense and for the ends of the calendar."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if date(1900, 1, 1) < day < date(_LAST_YEAR, 1, 1) else None


def _offset() -> int:
    return min(max(0, request.args.get("offset", 0, type=int) or 0), 1_000_000)


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_app.config["SETTINGS"].zone
    return zone
