"""Pages: the list of bookings as a file, and bookings from a file."""

from datetime import date, timedelta
from uuid import UUID, uuid4

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

from platform_booking.bookings.queries import Wanted
from platform_booking.bookings.week import bounds
from platform_booking.clock import utcnow
from platform_booking.errors import RulesBroken, Violation
from platform_booking.exchange import columns, files, services, tables
from platform_booking.exchange.services import Outcome
from platform_booking.web.actor import current_actor
from platform_booking.web.idempotency import handed_in_once

bp = Blueprint("exchange", __name__, url_prefix="/bookings")

_FIRST_DAY, _LAST_DAY = date(1900, 1, 2), date(9000, 1, 1)


class _Faulty(Exception):
    """The file has faults; nothing is kept of it, and the form may come again."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


@bp.get("/export")
def download() -> ResponseReturnValue:
    """Give the list that the page of bookings shows as a file."""
    form = tables.XLSX if request.args.get("format") == tables.XLSX else tables.CSV
    body = services.taken_out(
        _wanted(),
        zone=current_app.config["SETTINGS"].zone,
        form=form,
    )
    return files.as_file(body, form)


@bp.route("/import", methods=["GET", "POST"])
def upload() -> ResponseReturnValue:
    """Take bookings in from a file: check it, or book all of it."""
    if request.method == "GET":
        return _page()
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return _page(violations=[Violation("required", _("choose a file"), "file")]), 422
    data, now = sent.read(tables.MOST_BYTES + 1), utcnow()
    dry_run = request.form.get("act") != "book"

    def take_in() -> Outcome:
        return services.take_in(
            data,
            actor=current_actor(),
            now=now,
            zone=current_app.config["SETTINGS"].zone,
            dry_run=dry_run,
        )

    def deed() -> str:
        outcome = take_in()
        if outcome.faults:
            raise _Faulty(outcome)
        flash(_("Booked: %(n)s rows.", n=len(outcome.bookings)), "success")
        return url_for("bookings.index")

    try:
        if dry_run:
            outcome = take_in()
            return _page(outcome=outcome), 422 if outcome.faults else 200
        address, anew = handed_in_once(_token(), deed, by_data=True)
    except RulesBroken as fault:
        return _page(violations=list(fault.violations)), 422
    except _Faulty as fault:
        return _page(outcome=fault.outcome), 422
    if not anew:
        flash(_("This form was handed in already; nothing is booked twice."), "warning")
    return redirect(address)


def _wanted() -> Wanted:
    """Read the list's own filters, as the page of bookings does."""
    actor, args, now = current_actor(), request.args, utcnow()
    staff = actor.is_park or actor.is_operator
    own = actor.organisation_id is not None
    if not staff or (own and args.get("view") == "own"):
        past = args.get("show") == "past"
        return Wanted(
            organisation_row_id=actor.organisation_id,
            from_at=None if past else now,
            ends_by=now if past else None,
            latest_first=past,
        )
    zone = current_app.config["SETTINGS"].zone
    try:
        day = date.fromisoformat(args.get("day", ""))
    except ValueError:
        day = now.astimezone(zone).date()
    day = min(max(day, _FIRST_DAY), _LAST_DAY - timedelta(days=1))
    from_at, to_at = bounds(day, zone, days=1)
    return Wanted(
        platform_id=_uuid(args.get("platform", "")[:80]),
        platform_row_ids=None if actor.is_park else actor.platform_ids,
        from_at=from_at,
        to_at=to_at,
    )


def _page(
    *, outcome: Outcome | None = None, violations: list[Violation] | None = None
) -> str:
    return render_template(
        "exchange/upload.html",
        outcome=outcome,
        violations=violations or [],
        token=str(uuid4()),
        explained=list(columns.explained()),
        aliases=columns.READ,
        most_rows=tables.MOST_ROWS,
        most_mib=tables.MOST_BYTES >> 20,
    )


def _token() -> str:
    return str(_uuid(request.form.get("token", "")) or uuid4())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
