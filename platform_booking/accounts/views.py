"""Pages of accounts: sign in, register, invite, decide, one's own account."""

import ipaddress
from dataclasses import fields
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import ImmutableMultiDict

from platform_booking.accounts import entrance, queries, services
from platform_booking.accounts import projects as own
from platform_booking.accounts.models import (
    ApiToken,
    Organisation,
    OrganisationState,
    Role,
)
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import NotFound, RulesBroken, Violation
from platform_booking.web import actor as actors
from platform_booking.web.actor import current_actor, optional_actor
from platform_booking.web.i18n import chosen_locale

bp = Blueprint("accounts", __name__)
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP")


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """Sign in with e-mail and password."""
    target = _safe(request.values.get("next", ""))
    wrong: list[Violation] = []
    if request.method == "POST":
        entered = entrance.sign_in(
            request.form.get("email", ""),
            request.form.get("password", ""),
            address=request.remote_addr or "",
            now=utcnow(),
        )
        if entered is not None:
            actors.sign_in(entered.member_id, entered.epoch)
            return redirect(target)
        wrong = [
            Violation("sign_in", _("E-mail and password do not fit together."), "password")
        ]
    page = render_template(
        "accounts/sign_in.html",
        violations=wrong,
        email=request.form.get("email", ""),
        next=target,
    )
    return page, 401 if wrong else 200


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session, and every other one of the member: a copy of it is worth nothing."""
    actor = optional_actor()
    if actor is not None:
        entrance.end_sessions(actor=actor)
    session.clear()
    return redirect(url_for("home.index"))


@bp.get("/demo/<secret>")
def demo_sign_in(secret: str) -> ResponseReturnValue:
    """Enter by a link of the demo: once, from this machine only."""
    if not current_app.config["SETTINGS"].demo or not _from_here():
        raise NotFound
    try:
        member = actors.standing(entrance.redeem(secret, purpose=entrance.DEMO))
    except NotFound:
        member = None
    if member is None:
        return render_template("accounts/spent.html"), 404
    actors.sign_in(member.member_id, actors.session_epoch())
    return redirect(url_for("home.index"))


@bp.route("/invitation/<secret>", methods=["GET", "POST"])
def accept(secret: str) -> ResponseReturnValue:
    """Choose a password by a link: the first one, or a new one."""
    wrong: tuple[Violation, ...] = ()
    status = 200
    if request.method == "POST":
        try:
            entered = entrance.choose_password(
                secret, request.form.get("password", ""), now=utcnow()
            )
        except RulesBroken as fault:
            wrong, status = fault.violations, 422
        except NotFound:
            return render_template("accounts/spent.html"), 404
        else:
            actors.sign_in(entered.member_id, entered.epoch)
            return redirect(url_for("home.index"))
    return render_template("accounts/invitation.html", violations=wrong), status


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    """Register an organisation; the park decides."""
    wrong: tuple[Violation, ...] = ()
    form = request.form
    if request.method == "POST":
        names = (f.name for f in fields(services.Application) if f.name != "locale")
        application = services.Application(
            locale=chosen_locale(), **{name: form.get(name, "") for name in names}
        )
        try:
            services.apply(application, address=request.remote_addr or "", now=utcnow())
        except RulesBroken as fault:
            wrong = fault.violations
        else:
            return render_template("accounts/registered.html")
    page = render_template("accounts/register.html", violations=wrong, form=form)
    return page, 422 if wrong else 200


@bp.get("/organisations")
def organisations() -> ResponseReturnValue:
    """Show the park who has applied and who is in."""
    rows = db.session.scalars(
        sa.select(Organisation).order_by(
            sa.case((Organisation.state == OrganisationState.APPLIED, 0), else_=1),
            Organisation.name_zh,
        )
    ).all()
    return render_template("accounts/organisations.html", organisations=rows)


@bp.post("/organisations/<uuid:organisation_id>/decide")
def decide(organisation_id: UUID) -> ResponseReturnValue:
    """Approve or refuse an application; suspend a customer or let one in again."""
    form = request.form
    try:
        services.decide(
            organisation_id,
            form.get("verdict", ""),
            contract_ref=form.get("contract_ref", ""),
            nda_ref=form.get("nda_ref", ""),
            actor=current_actor(),
            now=utcnow(),
        )
    except RulesBroken as fault:
        for violation in fault.violations:
            flash(violation.message, "danger")
    else:
        flash(_("Decided."), "success")
    return redirect(url_for("accounts.organisations"))


@bp.route("/members", methods=["GET", "POST"])
def members() -> ResponseReturnValue:
    """Show an organisation's administrator his people; invite another."""
    return _people()


@bp.route("/staff", methods=["GET", "POST"])
def staff() -> ResponseReturnValue:
    """Show the park its administrators and the platforms' operators; appoint another."""
    return _people()


def _people() -> ResponseReturnValue:
    actor, form = current_actor(), request.form
    wrong: tuple[Violation, ...] = ()
    link = ""
    if request.method == "POST":
        try:
            secret = services.invite(
                form.get("email", ""),
                form.get("person", ""),
                _appointment(),
                actor=actor,
                now=utcnow(),
            )
        except RulesBroken as fault:
            wrong = fault.violations
        else:
            link, form = _link(secret), ImmutableMultiDict()
    page = render_template(
        "accounts/people.html",
        people=queries.colleagues(db.session(), actor.organisation_id),
        platforms=[] if actor.organisation_id else queries.platforms(db.session()),
        choices=sorted(services.FIRM if actor.organisation_id else services.STAFF),
        violations=wrong,
        link=link,
        form=form,
    )
    return page, 422 if wrong else 200


@bp.post("/members/<uuid:member_id>/active")
def set_active(member_id: UUID) -> ResponseReturnValue:
    """Let a colleague in or out."""
    active = request.form.get("active") == "yes"
    services.set_active(member_id, active=active, actor=current_actor())
    flash(_("Let in again.") if active else _("Locked out; every session has ended."))
    return _back_to_people()


@bp.post("/members/<uuid:member_id>/link")
def renew_link(member_id: UUID) -> ResponseReturnValue:
    """Give a colleague a new link, to join or to choose a new password."""
    secret = services.renew_link(member_id, actor=current_actor(), now=utcnow())
    return render_template("accounts/link.html", link=_link(secret), people=_people_page())


@bp.post("/members/<uuid:member_id>/roles")
def appoint(member_id: UUID) -> ResponseReturnValue:
    """Give a colleague other roles."""
    try:
        services.appoint(member_id, _appointment(), actor=current_actor())
    except RulesBroken as fault:
        for violation in fault.violations:
            flash(violation.message, "danger")
    else:
        flash(_("The roles hold from the next click on."), "success")
    return _back_to_people()


def _appointment() -> services.Appointment:
    form = request.form
    return services.Appointment(
        roles=frozenset(Role(r) for r in form.getlist("roles") if r in set(Role)),
        platforms=frozenset(form.getlist("platforms")),
    )


def _link(secret: str) -> str:
    # Never from the Host header: whoever forges it would get the secret.
    base: str = current_app.config["SETTINGS"].base_url.rstrip("/")
    return base + url_for("accounts.accept", secret=secret)


def _people_page() -> str:
    own = current_actor().organisation_id is not None
    return url_for("accounts.members" if own else "accounts.staff")


def _back_to_people() -> ResponseReturnValue:
    return redirect(_people_page())


@bp.route("/projects", methods=["GET", "POST"])
def projects() -> ResponseReturnValue:
    """Show a firm its projects; begin another."""
    form = request.form
    wrong: tuple[Violation, ...] = ()
    if request.method == "POST":
        try:
            own.add(form.get("code", ""), form.get("name", ""), actor=current_actor())
        except RulesBroken as fault:
            wrong = fault.violations
        else:
            flash(_("The project can be chosen in orders and bookings now."), "success")
            return redirect(url_for("accounts.projects"))
    page = render_template(
        "accounts/projects.html",
        projects=own.own_projects(db.session()),
        purposes=[
            ("commercial", _("commercial work")),
            ("academic", _("academic research")),
            ("teaching", _("teaching")),
        ],
        may_set_purpose=Role.ORGANISATION_ADMIN in current_actor().roles,
        violations=wrong,
        form=form,
    )
    return page, 422 if wrong else 200


@bp.post("/projects/<uuid:project_id>/active")
def set_project_active(project_id: UUID) -> ResponseReturnValue:
    """Close a project to new orders, or open it again."""
    own.set_active(
        project_id, active=request.form.get("active") == "yes", actor=current_actor()
    )
    return redirect(url_for("accounts.projects"))


@bp.post("/projects/<uuid:project_id>/purpose")
def set_project_purpose(project_id: UUID) -> ResponseReturnValue:
    """Say what a project is for."""
    try:
        own.set_purpose(project_id, request.form.get("purpose", ""), actor=current_actor())
    except RulesBroken as fault:
        for wrong in fault.violations:
            flash(wrong.message, "warning")
    else:
        flash(_("The purpose is set. It binds what is booked from now on."), "success")
    return redirect(url_for("accounts.projects"))


@bp.route("/account", methods=["GET", "POST"])
def account() -> ResponseReturnValue:
    """One's own account: password, language, tokens."""
    wrong: tuple[Violation, ...] = ()
    secret = ""
    if request.method == "POST":
        try:
            secret = _account_act(request.form.get("act", ""), utcnow())
        except RulesBroken as fault:
            wrong = fault.violations
    tokens = db.session.scalars(
        sa.select(ApiToken)
        .filter_by(member_id=current_actor().member_id)
        .order_by(ApiToken.created_at.desc())
    ).all()
    return (
        render_template(
            "accounts/account.html",
            tokens=tokens,
            violations=wrong,
            secret=secret,
            form=request.form,
            now=utcnow(),
        ),
        422 if wrong else 200,
    )


def _account_act(act: str, now: datetime) -> str:
    form, actor = request.form, current_actor()
    if act == "password":
        entered = entrance.change_password(
            form.get("old_password", ""), form.get("password", ""), actor=actor, now=now
        )
        actors.sign_in(entered.member_id, entered.epoch)
        flash(_("The password has been changed; other sessions have ended."), "success")
    elif act == "language" and form.get("locale") in {"zh_Hans_CN", "en"}:
        services.choose_language(form["locale"], actor=actor)
        flash(_("Kept."), "success")
    elif act == "token":
        days = form.get("days", "")
        secret, _id = services.make_token(
            form.get("name", ""),
            write=form.get("write") == "yes",
            days=int(days) if days.isdecimal() and len(days) < 6 else 0,
            actor=actor,
            now=now,
        )
        return secret
    elif act == "revoke":
        try:
            token_id = UUID(form.get("token", ""))
        except ValueError:
            raise NotFound from None
        services.revoke_token(token_id, actor=actor, now=now)
    return ""


def _from_here() -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False  # a proxy on this machine speaks for somebody elsewhere
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _safe(target: str) -> str:
    """Return a path of this service, never another host."""
    here = target.startswith("/") and not target.startswith("//") and "\\" not in target
    if here and target.isprintable() and " " not in target:
        return target
    return url_for("home.index")
