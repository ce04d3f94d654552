"""The report of what was reserved and what was used, as a page and as a sheet."""

from datetime import date

from flask import Blueprint, Response, current_app, flash, render_template, request
from flask.typing import ResponseReturnValue

from platform_booking.attendance import reporting
from platform_booking.attendance.wording import sentence_of
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import RulesBroken

bp = Blueprint("usage", __name__)

_ROWS = 200


@bp.get("/usage")
def index() -> ResponseReturnValue:
    """Show what each member has reserved and used."""
    now = utcnow()
    try:
        within = _span()
    except RulesBroken as fault:
        flash(sentence_of(fault), "warning")
        zone = current_app.config["SETTINGS"].zone
        within = reporting.span(None, None, now=now, zone=zone)
    offset = min(max(0, request.args.get("offset", 0, type=int) or 0), 1_000_000)
    lines, total = reporting.usage_lines(
        db.session(), within, now=now, limit=_ROWS, offset=offset
    )
    return render_template(
        "attendance/usage.html",
        lines=lines,
        total=total,
        offset=offset,
        rows=_ROWS,
        within=within,
    )


@bp.get("/usage.csv")
def sheet() -> ResponseReturnValue:
    """Give the same report to a spreadsheet."""
    within = _span()
    lines, _total = reporting.usage_lines(
        db.session(), within, now=utcnow(), limit=reporting.MOST_ROWS
    )
    return as_sheet(lines, within)


def as_sheet(lines: list[reporting.UsageLine], within: reporting.Span) -> Response:
    """Return a report as a file to keep."""
    response = Response(reporting.as_csv(lines), mimetype="text/csv")
    name = f"usage-{within.first}-{within.last}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _span() -> reporting.Span:
    return reporting.span(
        _date(request.args.get("from", "")),
        _date(request.args.get("to", "")),
        now=utcnow(),
        zone=current_app.config["SETTINGS"].zone,
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
