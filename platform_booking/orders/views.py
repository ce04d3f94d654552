"""Pages of orders: the list, the form, one order's course."""

from datetime import timedelta
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

from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import (
    Forbidden,
    IllegalMove,
    PreconditionFailed,
    RulesBroken,
    Violation,
)
from platform_booking.orders import forms, queries, services
from platform_booking.orders.asking import as_data
from platform_booking.orders.choices import Choices, read_choices
from platform_booking.orders.course import course_of
from platform_booking.orders.estimate import Estimate
from platform_booking.orders.lines import Happening, OrderDetail
from platform_booking.orders.states import OrderState
from platform_booking.web.actor import current_actor
from platform_booking.web.i18n import named
from platform_booking.web.idempotency import handed_in_once

bp = Blueprint("orders", __name__, url_prefix="/orders")
_ROWS = 25
_TWIN = timedelta(minutes=10)
"""Who sends the same form again so soon, by whatever way, means the order that is there."""


@bp.get("")
def index() -> ResponseReturnValue:
    """List the orders that one may see."""
    state = _chosen_state()
    platform = request.args.get("platform", "")[:80].replace("\x00", "") or None
    offset = min(max(0, request.args.get("offset", 0, type=int) or 0), 1_000_000)
    session = db.session()
    found, total = queries.orders(
        session, state=state, platform=platform, limit=_ROWS, offset=offset
    )
    return render_template(
        "orders/index.html",
        orders=found,
        total=total,
        offset=offset,
        rows=_ROWS,
        state=state,
        platform=platform,
        platforms=queries.platforms(session, operated=_operated()),
        firm=current_actor().organisation_id is not None,
    )


@bp.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Hand in an order."""
    if current_actor().organisation_id is None:
        raise Forbidden
    if request.method == "GET":
        typed = forms.blank(now=utcnow(), zone=_zone(), token=str(uuid4()))
        typed["route"] = request.args.get("route", "")[:80]  # a link may choose
        for name in ("capability", "resource"):
            if text := request.args.get(name, "")[:80]:
                typed["kind"] = "steps"
                key = "resources[0]" if name == "resource" else name
                typed[f"steps[0].{key}"] = text
        return _form(typed=typed, rows=1, choices=_choices())
    changed = _changed_rows()
    if changed is not None:
        return changed
    reading = _read()
    if request.form.get("act") == "check" or reading.violations:
        return _checked(reading)

    twins: list[UUID] = []

    def deed() -> str:
        now = utcnow()
        twin = queries.twin(
            db.session(),
            as_data(reading.new),
            member_id=current_actor().member_id,
            since=now - _TWIN,
        )
        if twin is not None:
            twins.append(twin)
            return url_for("orders.show", order_id=twin)
        handed = services.submit(reading.new, by=_asker(), now=now, zone=_zone())
        return url_for("orders.show", order_id=handed.order.public_id)

    try:
        address, anew = handed_in_once(_token(), deed)
    except RulesBroken as fault:
        return _refused(reading, fault.violations)
    if twins:
        flash(
            _(
                "Just the same was handed in minutes ago; this is it. If you want it twice,"
                " give the second one another title."
            ),
            "warning",
        )
    elif anew:
        flash(_("Handed in. The next night looks for its place."), "success")
    else:
        flash(
            _("This form was handed in already; this is its order. For another one, begin"
              " a new form."),
            "warning",
        )  # fmt: skip
    return redirect(address)


@bp.get("/<uuid:order_id>")
def show(order_id: UUID) -> ResponseReturnValue:
    """Show one order: its state, its course, and what can be done."""
    order = _found(order_id)
    planned = current_app.jinja_env.globals["order_plan"](order.id)  # type: ignore[operator]
    earliest = None
    if order.own and order.unbooked and order.state is OrderState.SUBMITTED:
        earliest = services.estimated(order_id, now=utcnow(), zone=_zone())
    return render_template(
        "orders/show.html",
        order=order,
        course=course_of(order, planned, zone=_zone()),
        planned=planned,
        earliest=earliest,
        history=_history(order),
        names={step.position: named(step) for step in order.steps},
    )


@bp.route("/<uuid:order_id>/amend", methods=["GET", "POST"])
def amend(order_id: UUID) -> ResponseReturnValue:
    """Change what an order asks for, while nothing of it is booked."""
    order = _found(order_id)
    if not order.own:
        flash(_("Only the organisation that handed it in can change it."), "warning")
        return redirect(url_for("orders.show", order_id=order_id))
    if request.method == "GET":
        if not order.amendable:
            flash(
                _("A step is booked, or the order has ended: it cannot be changed."),
                "warning",
            )
            return redirect(url_for("orders.show", order_id=order_id))
        typed, rows = forms.of_order(order.asked, zone=_zone(), token=str(uuid4()))
        typed["version"] = str(order.version)
        return _form(
            typed=typed,
            rows=rows or 1,
            flags=tuple(order.asked["flags"]),
            choices=_choices(),
            amended=order,
        )
    changed = _changed_rows(amended=order)
    if changed is not None:
        return changed
    reading = _read()
    if request.form.get("act") == "check" or reading.violations:
        return _checked(reading, amended=order)
    version = request.form.get("version", 0, type=int) or 0

    def deed() -> str:
        services.amend(
            order_id,
            reading.new,
            version=version,
            by=_asker(),
            now=utcnow(),
            zone=_zone(),
        )
        return url_for("orders.show", order_id=order_id)

    try:
        address, _anew = handed_in_once(_token(), deed)
    except RulesBroken as fault:
        return _refused(reading, fault.violations, amended=order)
    except PreconditionFailed:
        stale = Violation(
            "stale_version",
            _("Somebody has changed the order meanwhile. Open it again and repeat yours."),
        )
        return _refused(reading, [stale], amended=order)
    except IllegalMove as fault:
        flash(str(fault), "warning")
        return redirect(url_for("orders.show", order_id=order_id))
    flash(_("Changed. The next night looks for its place anew."), "success")
    return redirect(address)


@bp.post("/<uuid:order_id>/withdraw")
def withdraw(order_id: UUID) -> ResponseReturnValue:
    """Withdraw an order with its future bookings."""
    try:
        services.withdraw(order_id, by=_asker(), now=utcnow())
    except IllegalMove as fault:
        flash(str(fault), "warning")
    else:
        flash(_("Withdrawn. Its future bookings are cancelled."), "success")
    return redirect(url_for("orders.show", order_id=order_id))


def _read() -> forms.Reading:
    return forms.read(
        request.form.to_dict(),
        request.form.getlist("flags"),
        choices=_choices(),
        now=utcnow(),
        zone=_zone(),
    )


def _checked(
    reading: forms.Reading, *, amended: OrderDetail | None = None
) -> ResponseReturnValue:
    """Show the form with every fault, or with the earliest date when there is none."""
    checked = services.check(
        reading.new,
        by=_asker(),
        now=utcnow(),
        zone=_zone(),
        amending=amended.public_id if amended else None,
    )
    violations = reading.all_violations(checked.violations)
    if violations:
        return _refused(reading, violations, amended=amended)
    return _form(
        typed=reading.typed,
        rows=reading.rows,
        flags=reading.flags,
        choices=_choices(),
        amended=amended,
        checked=True,
        earliest=checked.earliest,
    )


def _refused(
    reading: forms.Reading,
    violations: Any,
    *,
    amended: OrderDetail | None = None,
) -> ResponseReturnValue:
    page = _form(
        typed=reading.typed,
        rows=reading.rows,
        flags=reading.flags,
        choices=_choices(),
        amended=amended,
        violations=list(violations),
    )
    return page, 422


def _changed_rows(*, amended: OrderDetail | None = None) -> ResponseReturnValue | None:
    """Answer the buttons that add or take away a row, where no script does."""
    form = request.form.to_dict()
    if request.form.get("act") == "add":
        typed, rows = forms.added(form)
    elif (number := request.form.get("remove", type=int)) is not None:
        typed, rows = forms.removed(form, number)
    else:
        return None
    typed["kind"] = "steps"
    return _form(
        typed=typed,
        rows=max(rows, 1),
        flags=tuple(request.form.getlist("flags")),
        choices=_choices(),
        amended=amended,
    )


def _form(
    *,
    typed: forms.Typed,
    rows: int,
    choices: Choices,
    flags: tuple[str, ...] = (),
    amended: OrderDetail | None = None,
    violations: Any = (),
    checked: bool = False,
    earliest: Estimate | None = None,
) -> str:
    return render_template(
        "orders/form.html",
        typed=typed,
        rows=rows,
        flags=flags,
        choices=choices,
        sizes=[(size, f"{size} mm") for size in choices.sizes],
        class_options=[(c.code, named(c)) for c in choices.classes],
        amended=amended,
        violations=violations,
        checked=checked,
        earliest=earliest,
    )


def _token() -> str:
    """Return what the form was made with; a form without it gets one for this once."""
    token = request.form.get("token", "")
    return token if 0 < len(token) <= 64 and token.isprintable() else str(uuid4())


def _choices() -> Choices:
    return read_choices(db.session(), organisation_id=current_actor().organisation_id)


def _chosen_state() -> OrderState | None:
    try:
        return OrderState(request.args.get("state", ""))
    except ValueError:
        return None


def _operated() -> tuple[int, ...] | None:
    """Return the platforms that the list is about; None for all."""
    actor = current_actor()
    everything = actor.is_park or actor.organisation_id is not None
    return None if everything else actor.platform_ids


def _history(order: OrderDetail) -> list[Happening]:
    """Return what was done to an order, what plans made of it, and what came of that."""
    proposals = current_app.jinja_env.globals["order_proposals"](order.id)  # type: ignore[operator]
    found = [
        Happening(
            at=one.at,
            what="order.move_proposed" if one.moves else "order.proposed",
            who=None,
            night=one.night.isoformat(),
        )
        for one in proposals
    ]
    return sorted([*queries.history(db.session(), order), *found], key=lambda h: h.at)


def _found(order_id: UUID) -> OrderDetail:
    return queries.order(
        db.session(), order_id, organisation_id=current_actor().organisation_id
    )


def _asker() -> services.Asker:
    actor = current_actor()
    return services.Asker(member_id=actor.member_id, organisation_id=actor.organisation_id)


def _zone() -> ZoneInfo:
    zone: ZoneInfo = current_app.config["SETTINGS"].zone
    return zone
