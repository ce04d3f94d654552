"""The page on which operators set the limits of a resource."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from marshmallow import ValidationError

from platform_booking.catalog import queries as catalog
from platform_booking.catalog.fileformat import PolicySchema
from platform_booking.catalog.models import Resource
from platform_booking.catalog.services import insist_on_operating
from platform_booking.db import db
from platform_booking.errors import PreconditionFailed, RulesBroken, Violation
from platform_booking.limits import forms, queries, services
from platform_booking.web.actor import current_actor
from platform_booking.web.errors import flattened

bp = Blueprint("limits", __name__)


@bp.route("/resources/<code>/policy", methods=["GET", "POST"])
def edit(code: str) -> ResponseReturnValue:
    """Show the limits of a resource, filled in from a preset if one is named; set them."""
    of = catalog.resource(db.session(), code=code)
    insist_on_operating(of, current_actor())
    if request.method == "GET":
        return _page(of, forms.written(_chosen(of)), mark=queries.mark(of.policy))
    typed, mark = forms.typed_in(request.form), request.form.get("mark", "")
    try:
        policy = PolicySchema().load(forms.meant(typed, queries.codes(db.session())))
        services.change(
            of.public_id,
            PolicySchema().dump(policy),
            expected=mark,
            actor=current_actor(),
        )
    except ValidationError as fault:
        wrong = [Violation("unreadable", m, w) for w, m in flattened(fault.messages)]
    except RulesBroken as fault:
        wrong = list(fault.violations)
    except PreconditionFailed:
        said = _(
            "Somebody else has set these limits meanwhile. What you typed is kept below;"
            " save again to put it in their place."
        )
        now = catalog.resource(db.session(), code=code)
        stale = [Violation("stale", said)]
        return _page(of, typed, mark=queries.mark(now.policy), violations=stale), 409
    else:
        flash(_("The limits are set. They bind what is booked from now on."), "success")
        return redirect(url_for("catalog.resource", code=code))
    return _page(of, typed, mark=mark, violations=wrong), 422


def _chosen(of: Resource) -> dict[str, Any]:
    """Return the limits of the preset that the address names, or the resource's own."""
    wanted = request.args.get("preset", "")
    found = (p.policy for p in queries.presets(db.session()) if p.code == wanted)
    return next(found, of.policy)


def _page(
    of: Resource,
    typed: forms.Typed,
    *,
    mark: str,
    violations: list[Violation] | None = None,
) -> str:
    codes = queries.codes(db.session())
    return render_template(
        "limits/edit.html",
        resource=of,
        typed=typed,
        mark=mark,
        violations=[_beside(v) for v in violations or ()],
        themes=list(forms.themes(of.kind, typed)),
        presets=[(p.code, p.code) for p in queries.presets(db.session())],
        qualifications=[(code, code) for code in sorted(codes.qualifications)],
        capabilities=sorted(codes.capabilities),
        of_runs=of.kind.value == "event",
        now_preset=request.args.get("preset", ""),
    )


def _beside(violation: Violation) -> Violation:
    """Return a violation at its field: that of `rolling[1].days` at `rolling`."""
    where = violation.where.split("[")[0].split(".")[0]
    message = violation.message
    if where != violation.where:
        message = f"{violation.where}: {message}"
    return Violation(violation.rule, message, where, violation.limit, violation.actual)
