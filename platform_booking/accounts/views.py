"""Pages of accounts: sign in, register, invite, decide, one's own account."""

import ipaddress
from datetime import datetime
from urllib.parse import urlsplit
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

from platform_booking.accounts import services
from platform_booking.accounts.models import (
    ApiToken,
    Member,
    MemberRole,
    Organisation,
    OrganisationState,
    Role,
)
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.errors import NotFound, RulesBroken, Violation
from platform_booking.web import actor as actors
from platform_booking.web.actor import current_actor

bp = Blueprint("accounts", __name__)
SIZES = ("SME-micro", "SME-small", "SME-medium", "large", "academic")


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """Sign in with e-mail and password."""
    target = _safe(request.values.get("next", ""))
    wrong: list[Violation] = []
    if request.method == "POST":
        entrance = services.sign_in(
            request.form.get("email", ""),
            request.form.get("password", ""),
            address=request.remote_addr or "",
            now=utcnow(),
        )
        if entrance is not None:
            actors.sign_in(entrance.member_id, entrance.epoch)
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
    """End the session."""
    session.clear()
    return redirect(url_for("home.index"))


@bp.get("/demo/<secret>")
def demo_sign_in(secret: str) -> ResponseReturnValue:
    """Enter by a link of the demo: once, from this machine only."""
    if not current_app.config["SETTINGS"].demo or not _from_here():
        raise NotFound
    member_id = services.redeem(secret, purpose="demo_sign_in")
    member = actors.standing(member_id) if member_id else None
    if member is None:
        raise NotFound
    actors.sign_in(member.member_id, actors.session_epoch())
    return redirect(url_for("home.index"))


@bp.route("/invitation/<secret>", methods=["GET", "POST"])
def accept(secret: str) -> ResponseReturnValue:
    """Choose the first password."""
    wrong: tuple[Violation, ...] = ()
    if request.method == "POST":
        try:
            entrance = services.accept_invitation(
                secret, request.form.get("password", ""), now=utcnow()
            )
        except RulesBroken as fault:
            wrong = fault.violations
        else:
            actors.sign_in(entrance.member_id, entrance.epoch)
            return redirect(url_for("home.index"))
    return render_template(
        "accounts/invitation.html", violations=wrong
    ), 422 if wrong else 200


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    """Register an organisation; the park decides."""
    wrong: tuple[Violation, ...] = ()
    if request.method == "POST":
        form = request.form
        try:
            services.apply(
                services.Application(
                    locale="en" if request.cookies.get("lang") == "en" else "zh_Hans_CN",
                    **{
                        key: form.get(key, "").replace("\x00", "")
                        for key in (
                            "name_zh", "name_en", "registration_no", "size", "contract_ref",
                            "nda_ref", "person", "email", "password",
                        )
                    },
                )
            )  # fmt: skip
        except RulesBroken as fault:
            wrong = fault.violations
        else:
            return render_template("accounts/registered.html")
    return (
        render_template(
            "accounts/register.html", violations=wrong, form=request.form, sizes=SIZES
        ),
        422 if wrong else 200,
    )


@bp.get("/organisations")
def organisations() -> ResponseReturnValue:
    """Show the park who has applied and who is in."""
    rows = db.session.scalars(
        sa.select(Organisation).order_by(
            sa.case((Organisation.state == OrganisationState.APPLIED, 0), else_=1),
            Organisation.name_zh,
        )
    ).all()
    return render_template("accounts/organisations.html", organisations=rows, violations=())


@bp.post("/organisations/<uuid:organisation_id>/decide")
def decide(organisation_id: UUID) -> ResponseReturnValue:
    """Approve or refuse an application."""
    try:
        services.decide(
            organisation_id,
            approve=request.form.get("verdict") == "approve",
            contract_ref=request.form.get("contract_ref", ""),
            nda_ref=request.form.get("nda_ref", ""),
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
    wrong: tuple[Violation, ...] = ()
    link = ""
    if request.method == "POST":
        try:
            secret = services.invite(
                request.form.get("email", ""),
                request.form.get("person", ""),
                frozenset(Role(r) for r in request.form.getlist("roles") if r in set(Role)),
                actor=current_actor(),
                now=utcnow(),
            )
        except RulesBroken as fault:
            wrong = fault.violations
        else:
            link = current_app.config["SETTINGS"].base_url + url_for(
                "accounts.accept", secret=secret
            )
    organisation_id = current_actor().organisation_id
    rows = db.session.scalars(
        sa.select(Member)
        .where(Member.organisation_id == organisation_id)
        .order_by(Member.name)
    ).all()
    roles: dict[int, list[Role]] = {}
    for role in db.session.scalars(
        sa.select(MemberRole).where(MemberRole.member_id.in_([m.id for m in rows]))
    ):
        roles.setdefault(role.member_id, []).append(role.role)
    return (
        render_template(
            "accounts/members.html",
            members=rows,
            roles=roles,
            violations=wrong,
            link=link,
            form=request.form,
        ),
        422 if wrong else 200,
    )


@bp.post("/members/<uuid:member_id>/active")
def set_active(member_id: UUID) -> ResponseReturnValue:
    """Let a colleague in or out."""
    services.set_active(
        member_id, active=request.form.get("active") == "yes", actor=current_actor()
    )
    return redirect(url_for("accounts.members"))


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
        entrance = services.change_password(
            form.get("old_password", ""), form.get("password", ""), actor=actor
        )
        actors.sign_in(entrance.member_id, entrance.epoch)
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
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _safe(target: str) -> str:
    """Return a path of this service, never another host."""
    parts = urlsplit(target.replace("\\", "/"))
    plain = target.isprintable() and not any(c.isspace() for c in target)
    here = target.startswith("/") and not target.startswith(("//", "/\\"))
    if plain and here and not parts.scheme and not parts.netloc:
        return target
    return url_for("home.index")
