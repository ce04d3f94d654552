"""The page of the schedule board, its feed, and the same window as a plain table."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    jsonify,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from platform_booking.board import feed as feeds
from platform_booking.board import queries, rules, table, wording
from platform_booking.clock import utcnow
from platform_booking.db import db
from platform_booking.web.actor import current_actor
from platform_booking.web.i18n import in_chinese

bp = Blueprint("board", __name__, url_prefix="/board")
_ROWS = 200
_ANY = UUID(int=0)  # stands for an id in addresses that the scripts fill in


@bp.get("")
def index() -> ResponseReturnValue:
    """Show the board; `as=table` shows the same window as a plain table."""
    session = db.session()
    now, zone = utcnow(), current_app.config["SETTINGS"].zone
    every = queries.lines(session)
    names = _names(every)
    asked, zoom = rules.view(
        request.args.get("from"),
        request.args.get("zoom"),
        platforms=_platforms(),
        known=list(names),
        draft=_draft(),
        now=now,
        zone=zone,
    )
    if request.args.get("as") == "table":
        return _table(session, every, asked, zoom)
    return render_template(
        "board/index.html",
        asked=asked,
        zoom=zoom,
        zooms=wording.zooms(),
        platforms=names,
        staff=_is_staff(),
        here=_here(asked, zoom),
        settings={
            "feed": url_for("board.feed"),
            "zone": current_app.config["SETTINGS"].timezone,
            "lang": "zh-CN" if in_chinese() else "en",
            "now": _minutes(now),
            "from": _minutes(asked.from_at),
            "zoom": zoom,
            "firm": current_actor().organisation_id is not None,
            "zooms": [(k, int(v.total_seconds() // 60)) for k, v in rules.ZOOMS.items()],
            "platforms": [(code, name) for code, name in names.items()],
            "rows": [_row(line) for line in every],
            "addresses": _addresses(),
            "words": wording.script(),
        },
    )


@bp.get("/feed")
def feed() -> ResponseReturnValue:
    """Answer one window as JSON; 304 when the asker has it already."""
    session = db.session()
    every = queries.lines(session)
    asked = rules.window(
        request.args.get("from"),
        request.args.get("to"),
        platforms=_platforms(),
        known=list(_names(every)),
        draft=_draft(),
        now=utcnow(),
    )
    scene = _scene(session, every, asked)
    viewer = _viewer()
    tag = feeds.tag(scene, viewer)
    if request.if_none_match.contains(tag):
        answer = Response(status=304)
    else:
        stays, placed = _held(session, scene)
        zone = current_app.config["SETTINGS"].zone
        answer = jsonify(feeds.assemble(scene, stays, placed, viewer=viewer, zone=zone))
    answer.set_etag(tag)
    return answer


def _table(
    session: Session, every: list[queries.Line], asked: rules.Asked, zoom: str
) -> ResponseReturnValue:
    scene = _scene(session, every, asked)
    found = table.entries(scene, *_held(session, scene))
    offset = max(0, request.args.get("offset", 0, type=int) or 0)
    span = rules.ZOOMS[zoom]
    return render_template(
        "board/table.html",
        asked=asked,
        zoom=zoom,
        zooms=wording.zooms(),
        platforms=_names(every),
        staff=_is_staff(),
        here=_here(asked, zoom),
        entries=found[offset : offset + _ROWS],
        total=len(found),
        offset=offset,
        rows=_ROWS,
        earlier=_text(asked.from_at - span),
        later=_text(asked.to_at),
        states=wording.states(),
        outages=wording.outages(),
        changes=wording.changes(),
        ours=current_actor().organisation_id,
        amount=wording.amount,
    )


def _scene(session: Session, every: list[queries.Line], asked: rules.Asked) -> feeds.Scene:
    shown = [e for e in every if not asked.platforms or e.platform in asked.platforms]
    names, draft = queries.names_and_draft(session, draft=asked.draft)
    return feeds.Scene(
        asked=asked,
        lines=shown,
        calendars=queries.calendars(session, shown),
        stops=queries.stops(session, shown, asked),
        draft=draft,
        names=names,
    )


def _held(
    session: Session, scene: feeds.Scene
) -> tuple[list[queries.Stay], list[queries.Placed]]:
    stays = queries.stays(session, scene.lines, scene.asked)
    if scene.draft is None:
        return stays, []
    return stays, queries.placements(session, scene.draft, scene.lines, scene.asked)


def _viewer() -> feeds.Viewer:
    actor = current_actor()
    return feeds.Viewer(
        member_id=actor.member_id,
        organisation_id=actor.organisation_id,
        platform_ids=actor.platform_ids,
        park=actor.is_park,
        chinese=in_chinese(),
    )


def _is_staff() -> bool:
    return current_actor().is_operator or current_actor().is_park


def _draft() -> bool:
    # A firm learns of its places when they are published, not when they are proposed.
    return request.args.get("draft") == "1" and _is_staff()


def _platforms() -> tuple[str, ...]:
    given = ",".join(request.args.getlist("platform")).split(",")
    return tuple(sorted({code.strip() for code in given if code.strip()}))


def _names(shown: list[queries.Line]) -> dict[str, str]:
    first, second = ("zh", "en") if in_chinese() else ("en", "zh")
    return {
        line.platform: getattr(line, f"platform_{first}")
        or getattr(line, f"platform_{second}")
        for line in shown
    }


def _row(line: queries.Line) -> tuple[Any, ...]:
    first, second = (
        (line.name_zh, line.name_en) if in_chinese() else (line.name_en, line.name_zh)
    )
    sought = " ".join((line.name_zh, line.name_en, *line.capabilities))
    return (
        line.public_id,
        line.code,
        first or second,
        line.kind,
        line.capacity,
        line.platform,
        int(line.unit == wording.AREA),
        sought,
    )


def _here(asked: rules.Asked, zoom: str) -> dict[str, str]:
    """Return the address of this view, for links that change one part of it."""
    here = {"from": _text(asked.from_at), "zoom": zoom}
    if asked.platforms:
        here["platform"] = ",".join(asked.platforms)
    if asked.draft:
        here["draft"] = "1"
    return here


def _addresses() -> dict[str, str]:
    """Return where bookings, orders and plans are shown, if the viewer may go there."""
    found = {}
    policy = current_app.extensions["policy"]
    for name, endpoint in (
        ("order", "orders.show"),
        ("booking", "bookings.show"),
        ("plan", "plans.review"),
    ):
        if endpoint in policy and policy[endpoint].roles & current_actor().roles:
            rule = next(current_app.url_map.iter_rules(endpoint))
            ids: dict[str, Any] = dict.fromkeys(rule.arguments, _ANY)
            found[name] = url_for(endpoint, **ids)
    return found


def _minutes(moment: datetime) -> int:
    return int(moment.timestamp() // 60)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
