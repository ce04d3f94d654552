"""Pages of orders: the list, the form that keeps what was typed, one order's course."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.accounts.models import Project
from platform_booking.bookings.models import Booking
from platform_booking.bookings.states import BookingState
from platform_booking.notices.outbox import tell
from platform_booking.orders.models import Order, Step
from platform_booking.orders.states import OrderState, StepState
from platform_booking.planning.models import PlacementRow
from platform_booking.planning.states import Change
from tests.factories import (
    JOB,
    acting_as,
    make_booking,
    make_member,
    make_operator,
    make_order,
    make_organisation,
    make_park_admin,
    make_platform,
    make_resource,
    writing,
)
from tests.orders.asked import HOUR, MONDAY, NOW, amend, asked, make_route, step, submit
from tests.planning.nights import book_step, run_night
from tests.visitor import Visitor


@pytest.fixture(autouse=True)
def _before_that_monday(time_machine) -> None:
    """Let it be the Friday before: pages ask the clock."""
    time_machine.move_to(NOW, tick=True)


@pytest.fixture
def park(app: Flask):
    class Park:
        pass

    p = Park()
    with writing() as session:
        p.platform = make_platform(session)
        p.etcher = make_resource(
            session, capabilities=("ETCH.DRIE",), platform_id=p.platform.id, code="ETC-1"
        )
        p.both = make_resource(session, capabilities=("ETCH.DRIE", "TEST.CP"), code="TST-1")
        p.firm = make_organisation(session)
        p.engineer = make_member(session, organisation=p.firm)
        p.colleague = make_member(session, organisation=p.firm)
        p.rival = make_member(session)
        p.operator = make_operator(session, p.platform)
    p.page = Visitor(app).enter(p.engineer)
    return p


def shown(answer, status: int = 200) -> str:
    assert answer.status_code == status, answer.text[:2000]
    return unescape(answer.text)


def words(answer, status: int = 200) -> str:
    """Return what a reader reads."""
    text = re.sub(r"<(script|template).*?</\1>", " ", shown(answer, status), flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def value_of(html: str, name: str) -> str:
    field = re.search(rf'<input[^>]*name="{re.escape(name)}"[^>]*>', html)
    assert field, name
    return re.search(r'value="([^"]*)"', field[0])[1]


def chosen(html: str, name: str) -> str:
    """Return the option of a list that is selected, "" for the first."""
    found = re.search(
        rf'<select[^>]*name="{re.escape(name)}".*?</select>', html, flags=re.S
    )
    assert found, name
    option = re.search(r'<option value="([^"]*)"[^>]*selected', found[0])
    return option[1] if option else ""


def faults_of(html: str) -> set[str]:
    """Return the fields that are marked as wrong."""
    return {
        re.search(r'name="([^"]+)"', tag)[1]
        for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", html)
        if 'aria-invalid="true"' in tag
    }


def typed(**given: str) -> dict[str, str]:
    return {
        "token": str(uuid4()),
        "kind": "steps",
        "earliest_at": "2027-03-08T08:00",
        "deadline_at": "2027-03-12T18:00",
        "steps[0].capability": "ETCH.DRIE",
        "steps[0].duration_min": "1.5",
        "act": "submit",
        **given,
    }


def orders() -> list[Order]:
    with writing() as session:
        found = list(session.scalars(sa.select(Order).order_by(Order.id)))
        for order in found:
            _ = order.steps
        return found


def test_the_form_hands_an_order_in_and_leads_to_its_page(park) -> None:
    fresh = shown(park.page.get("/orders/new?lang=en"))
    assert value_of(fresh, "earliest_at") == "2027-03-05T09:00"
    assert value_of(fresh, "token")
    answer = park.page.submit("/orders/new", typed())
    (order,) = orders()
    assert answer.status_code == 302
    assert answer.location == f"/orders/{order.public_id}"
    assert order.title == "ETCH.DRIE"  # named after its first step
    assert order.earliest_at == MONDAY  # typed in the park's zone
    assert order.steps[0].duration_min == 90
    page = words(park.page.get(answer.location))
    assert "from 2027-03-08 08:00 to 2027-03-08 09:30 at the earliest" in page
    assert "Handed in. The next night looks for its place." in page
    assert "2 eligible tools" in page


def test_an_empty_list_says_what_to_do_and_a_full_one_where_each_stands(park, app) -> None:
    assert "No order yet." in words(park.page.get("/orders?lang=en"))
    order = submit(app, park.engineer, asked(step("ETCH.DRIE", name="deep"))).order
    with writing() as session:
        book_step(
            session, session.get_one(Step, order.steps[0].id), park.etcher, starts_at=MONDAY
        )
    page = words(park.page.get("/orders?lang=en"))
    assert "booked deep 2027-03-08 08:00 0 / 1" in page
    assert "No order is like that." in words(park.page.get("/orders?lang=en&state=done"))
    assert "deep" in words(park.page.get(f"/orders?platform={park.platform.code}"))
    assert "deep" not in words(park.page.get("/orders?platform=NOWHERE"))
    for odd in ("state=%00", "platform=%00", "offset=-3", "offset=x", "offset=9999999999"):
        assert park.page.get(f"/orders?{odd}").status_code == 200, odd


def test_a_long_list_comes_in_pages(park, app) -> None:
    for n in range(26):
        submit(app, park.engineer, asked(step("ETCH.DRIE"), title=f"order {n:02}"))
    first = words(park.page.get("/orders?lang=en"))
    assert "1 to 25 of 26" in first
    assert "order 25" in first
    assert "order 00" not in first
    second = words(park.page.get("/orders?offset=25"))
    assert "26 to 26 of 26" in second
    assert "order 00" in second


def test_every_fault_is_told_at_once_beside_its_field_and_nothing_typed_is_lost(
    park,
) -> None:
    sent = typed(
        title="my title",
        note="a note",
        earliest_at="nonsense",
        deadline_at="",
        lot_size="many",
        **{
            "steps[0].capability": "",
            "steps[0].duration_min": "long",
            "steps[0].windows[0].starts_at": "2027-03-08T08:00",
            "steps[0].windows[0].ends_at": "",
            "steps[1].capability": "NO.SUCH",
            "steps[1].quantity": "0",
            "steps[1].lag_max_min": "2",
            "steps[1].lag_min_min": "3",
        },
    )
    page = shown(park.page.submit("/orders/new?lang=en", sent), 422)
    assert faults_of(page) == {
        "earliest_at",
        "deadline_at",
        "lot_size",
        "steps[0].capability",
        "steps[0].duration_min",
        "steps[0].windows[0].ends_at",
        "steps[1].capability",
        "steps[1].quantity",
        "steps[1].lag_max_min",
    }
    for name in ("title", "earliest_at", "lot_size", "steps[0].duration_min",
                 "steps[1].quantity", "steps[1].lag_min_min", "token"):  # fmt: skip
        assert value_of(page, name) == sent[name]
    assert "a note</textarea>" in page
    assert chosen(page, "steps[1].capability") == "NO.SUCH"
    assert orders() == []


def test_a_form_full_of_rubbish_is_answered_and_never_with_500(park) -> None:
    rubbish = {
        "kind": "x", "token": "\x00" * 300, "title": "\x00\ud7ff", "project_id": "mine",
        "earliest_at": "0001-01-01T00:00", "deadline_at": "9999-12-31T23:59",
        "due_at": "2027-02-30T00:00", "lot_size": "9" * 400, "wafer_mm": "-7",
        "materials_class": "X" * 500, "route": "\x00" * 5, "flags": "NOPE", "version": "x",
        "steps[999999].capability": "A", "steps[0].resources[0]": "B",
        "steps[0].duration_min": "1e9", "steps[3].quantity": "٣", "remove": "",
    }  # fmt: skip
    for kind in ("route", "steps", "x"):
        for act in ("submit", "check", "add", ""):
            answer = park.page.submit("/orders/new", rubbish | {"kind": kind, "act": act})
            assert answer.status_code in {200, 422}, (kind, act)
    assert orders() == []


def test_checking_shows_the_earliest_date_and_writes_nothing(park) -> None:
    page = words(park.page.submit("/orders/new?lang=en", typed(act="check")))
    assert "Every rule is kept." in page
    assert "from 2027-03-08 08:00 to 2027-03-08 09:30" in page
    assert orders() == []


def test_an_order_without_a_place_is_told_so(park) -> None:
    with writing() as session:
        for tool in (park.etcher, park.both):
            make_booking(session, resource=tool, minutes=9 * 1440)
    page = words(park.page.submit("/orders/new?lang=en", typed(act="check")))
    assert "finds no place before its deadline" in page
    park.page.submit("/orders/new", typed())
    page = words(park.page.get(f"/orders/{orders()[0].public_id}"))
    assert "finds no place before its deadline" in page


def test_rows_come_and_go_without_a_script(park) -> None:
    sent = typed(act="add", title="kept")
    page = shown(park.page.submit("/orders/new", sent))
    assert value_of(page, "title") == "kept"
    assert chosen(page, "steps[0].capability") == "ETCH.DRIE"
    assert chosen(page, "steps[1].capability") == ""
    more = sent | {"steps[1].capability": "TEST.CP", "act": "", "remove": "0"}
    page = shown(park.page.submit("/orders/new", more))
    assert chosen(page, "steps[0].capability") == "TEST.CP"
    assert 'name="steps[1].capability"' not in page
    assert orders() == []


def test_a_row_left_empty_is_no_step(park) -> None:
    sent = typed(**{"steps[1].capability": "", "steps[1].quantity": " "})
    assert park.page.submit("/orders/new", sent).status_code == 302
    assert len(orders()[0].steps) == 1


def test_a_tool_that_does_one_thing_needs_no_capability(park) -> None:
    by_tool = typed(**{"steps[0].capability": "", "steps[0].resources[0]": "ETC-1"})
    assert park.page.submit("/orders/new", by_tool).status_code == 302
    (order,) = orders()
    assert order.steps[0].resource_ids == [park.etcher.id]
    either = typed(**{"steps[0].capability": "", "steps[0].resources[0]": "TST-1"})
    page = words(park.page.submit("/orders/new?lang=en", either), 422)
    assert "choose what TST-1 is to do: ETCH.DRIE, TEST.CP" in page


def test_a_form_handed_in_twice_makes_one_order(park) -> None:
    sent = typed()
    park.page.get("/orders?lang=en")
    first = park.page.submit("/orders/new", sent)
    again = park.page.submit("/orders/new", sent)
    changed = park.page.submit("/orders/new", sent | {"title": "another"})
    assert first.location == again.location == changed.location
    assert "handed in already" in words(park.page.get(again.location))
    assert len(orders()) == 1
    park.page.submit("/orders/new", typed(title="another"))  # a form of its own
    assert len(orders()) == 2


def test_just_the_same_again_within_minutes_is_the_order_that_is_there(
    park, time_machine
) -> None:
    """Without a script the way back fetches a form of its own, filled in by the browser."""
    park.page.get("/orders?lang=en")
    first = park.page.submit("/orders/new", typed())
    again = park.page.submit("/orders/new", typed())
    assert again.location == first.location
    assert "give the second one another title" in words(park.page.get(again.location))
    colleague = Visitor(park.page.application).enter(park.colleague)
    assert colleague.submit("/orders/new", typed()).location != first.location
    time_machine.shift(11 * 60)
    assert park.page.submit("/orders/new", typed()).location != first.location
    assert len(orders()) == 3


def test_of_many_clicks_at_once_one_makes_the_order(park, app) -> None:
    sent = typed()
    visitors = [Visitor(app).enter(park.engineer) for _ in range(6)]
    with ThreadPoolExecutor(len(visitors)) as pool:
        answers = list(pool.map(lambda v: v.submit("/orders/new", sent), visitors))
    assert [a.status_code for a in answers] == [302] * len(visitors)
    assert {a.location for a in answers} == {f"/orders/{o.public_id}" for o in orders()}
    assert len(orders()) == 1


def test_an_order_that_does_not_say_what_was_asked_for_is_shown_all_the_same(
    park, app
) -> None:
    with writing() as session:
        order = make_order(session, resource=park.etcher, member=park.engineer)
    path = f"/orders/{order.public_id}"
    assert f'href="{path}/amend"' not in shown(park.page.get(path))
    assert park.page.get(f"{path}/amend").location == path


def test_a_refused_form_can_be_mended_and_handed_in(park) -> None:
    sent = typed(deadline_at="2020-01-01T00:00")
    assert park.page.submit("/orders/new", sent).status_code == 422
    mended = sent | {"deadline_at": "2027-03-12T18:00"}
    assert park.page.submit("/orders/new", mended).status_code == 302
    assert len(orders()) == 1


def test_a_link_may_choose_the_route_or_the_tool(park) -> None:
    with writing() as session:
        make_route(session, {"capability": "ETCH.DRIE"}, code="RT-9")
    assert chosen(shown(park.page.get("/orders/new?route=RT-9")), "route") == "RT-9"
    page = shown(park.page.get("/orders/new?resource=ETC-1"))
    assert chosen(page, "steps[0].resources[0]") == "ETC-1"


def test_a_route_that_is_out_of_service_is_not_offered(park) -> None:
    with writing() as session:
        make_route(session, {"capability": "ETCH.DRIE"}, code="RT-9", active=False)
        make_route(session, {"capability": "ETCH.DRIE"}, code="RT-8")
    page = park.page.get("/orders/new").text
    assert "RT-8" in page
    assert "RT-9" not in page


def test_an_order_is_changed_by_the_form_that_made_it(park, app) -> None:
    with writing() as session:
        project = Project(organisation_id=park.firm.id, code="P", name="P", active=True)
        session.add(project)
    asked_for = asked(
        step("ETCH.DRIE", resources=("ETC-1", "TST-1"), duration_min=100),
        step("TEST.CP", lag_min_min=30, lag_max_min=61,
             windows=((MONDAY, MONDAY + 9 * HOUR), (MONDAY + 24 * HOUR, MONDAY + 40 * HOUR))),
        project_id=project.public_id, note="careful", lot_size=3,
        due_at=MONDAY + 90 * HOUR,
    )  # fmt: skip
    order = submit(app, park.engineer, asked_for).order
    path = f"/orders/{order.public_id}"
    page = shown(park.page.get(f"{path}/amend?lang=en"))
    fields = dict(
        re.findall(
            r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.split("<template")[0]
        )
    )
    kept = {k: v for k, v in fields.items() if k not in {"kind", "csrf_token", "flags"}}
    for name in (
        "project_id",
        *(f"steps[{n}].{f}" for n in (0, 1) for f in ("capability", "resources[0]")),
    ):
        kept[name] = chosen(page, name)
    kept["steps[0].resources[1]"] = chosen(page, "steps[0].resources[1]")
    kept |= {"kind": "steps", "note": "careful", "act": "submit"}
    answer = park.page.submit(f"{path}/amend", kept)
    assert answer.status_code == 302, words(answer, answer.status_code)
    (after,) = orders()
    assert after.version == 2
    assert after.asked == order.asked  # sent back untouched, it asks for the same
    answer = park.page.submit(f"{path}/amend", kept | {"token": str(uuid4())})
    assert "Somebody has changed the order meanwhile" in words(answer, 422)


def test_a_change_sent_twice_is_made_once(park, app) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"))).order
    path = f"/orders/{order.public_id}"
    sent = typed(version="1", title="changed")
    for _ in range(2):
        assert park.page.submit(f"{path}/amend", sent).location == path
    assert [(o.title, o.version) for o in orders()] == [("changed", 2)]


def test_what_is_booked_is_not_changed_but_withdrawn(park, app) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"))).order
    path = f"/orders/{order.public_id}"
    assert f'href="{path}/amend"' in shown(park.page.get(path))
    with writing() as session:
        book_step(
            session, session.get_one(Step, order.steps[0].id), park.etcher, starts_at=MONDAY
        )
    page = shown(park.page.get(path))
    assert f'href="{path}/amend"' not in page
    assert "2027-03-08 08:00 –" in page
    assert "<svg" in page
    assert park.page.get(f"{path}/amend").location == path
    assert park.page.submit(f"{path}/amend", typed(version="1")).location == path
    assert park.page.submit(f"{path}/withdraw").location == path
    assert [o.state for o in orders()] == [OrderState.WITHDRAWN]
    page = shown(park.page.get(f"{path}?lang=en"))
    assert f'action="{path}/withdraw"' not in page
    assert park.page.submit(f"{path}/withdraw").location == path  # told, not broken


def test_the_page_tells_what_was_done_and_by_whom(park, app) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"))).order
    amend(app, park.engineer, order, asked(step("ETCH.DRIE"), title="changed"))
    page = words(park.page.get(f"/orders/{order.public_id}?lang=en"))
    history = page.split("History", 1)[1]
    assert re.search(
        rf"handed in · {park.engineer.name}.*changed · {park.engineer.name}", history
    )


def test_what_a_draft_proposes_is_shown_as_a_proposal(park, app) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"))).order
    run_night(app)
    page = words(park.page.get(f"/orders/{order.public_id}?lang=en"))
    assert "its platforms have not approved it yet" in page
    assert "2027-03-08 08:00 –" in page


def test_why_the_last_plan_left_it_out_is_told_with_the_ways_out(park, app) -> None:
    with writing() as session:
        for tool in (park.etcher, park.both):
            make_booking(session, resource=tool, minutes=24 * 60)
    new = asked(step("ETCH.DRIE"), deadline_at=MONDAY + 20 * HOUR)
    order = submit(app, park.engineer, new).order
    run_night(app)
    page = words(park.page.get(f"/orders/{order.public_id}?lang=en"))
    assert "Why the last plan left it out" in page
    assert "What would bring it in" in page
    assert "left out of the plan of 2027-03-07" in page.split("History", 1)[1]


def test_an_estimate_beside_that_reason_says_how_both_can_be(park, app) -> None:
    with writing() as session:
        held = [
            make_booking(session, resource=tool, minutes=24 * 60)
            for tool in (park.etcher, park.both)
        ]
    new = asked(step("ETCH.DRIE"), deadline_at=MONDAY + 20 * HOUR)
    path = f"/orders/{submit(app, park.engineer, new).order.public_id}"
    run_night(app)
    assert "at the earliest" not in words(park.page.get(f"{path}?lang=en"))
    with writing() as session:
        for booking in held:
            session.get_one(Booking, booking.id).state = BookingState.CANCELLED
    page = words(park.page.get(f"{path}?lang=en"))
    assert "Why the last plan left it out" in page
    assert "Beside what is booked at this moment, and nothing else, it could run" in page
    assert "The last plan was made before, and weighed every order that waits" in page
    assert "As things are booked now" not in page


def test_its_history_names_the_nights_that_proposed_it_or_its_move(park, app) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"))).order
    path = f"/orders/{order.public_id}?lang=en"
    plan = run_night(app)
    assert "proposed in the plan of 2027-03-07" in words(park.page.get(path))
    with writing() as session:
        session.execute(
            sa.update(PlacementRow)
            .where(PlacementRow.plan_id == plan.plan_id)
            .values(change=Change.MOVED)
        )
    assert "a move proposed in the plan of 2027-03-07" in words(park.page.get(path))


@pytest.mark.parametrize(
    ("why", "sentence"),
    [("outage", "an outage stood in its way"), ("taken", "the day was faster")],
)
def test_its_history_says_when_the_day_overtook_its_plan(
    park, app, why: str, sentence: str
) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"))).order
    with writing() as session:
        tell(
            session,
            kind="order.overtaken",
            payload={"order": str(order.public_id), "why": why, "moved": False},
            now=MONDAY,
            organisation_id=order.organisation_id,
        )
    page = words(park.page.get(f"/orders/{order.public_id}?lang=en"))
    assert f"passed over when a plan was published: {sentence}" in page


def test_an_operator_sees_the_steps_on_his_platform_alone(park, app) -> None:
    with writing() as session:
        elsewhere = make_resource(session, capabilities=("SECRET.CAP",))
    order = submit(
        app,
        park.engineer,
        asked(step("ETCH.DRIE", name="open", resources=("ETC-1",)),
              step("SECRET.CAP", name="SECRET-STEP"), note="mind the edge"),
    ).order  # fmt: skip
    eyes = Visitor(app).enter(park.operator)
    listed = words(eyes.get("/orders?lang=en"))
    assert park.firm.name_en in listed
    assert "0 / 1" in listed
    page = words(eyes.get(f"/orders/{order.public_id}?lang=en"))
    assert "Steps on your platforms" in page
    assert "mind the edge" in page
    assert "SECRET" not in page
    assert elsewhere.code not in page
    assert "at the earliest" not in page  # the estimate would tell of the other steps
    assert eyes.get(f"/orders/{order.public_id}/amend").status_code == 403
    assert eyes.submit(f"/orders/{order.public_id}/withdraw").status_code == 403
    assert eyes.get("/orders/new").status_code == 403


def test_another_firm_finds_nothing(park, app) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"))).order
    stranger = Visitor(app).enter(park.rival)
    for path in ("", "/amend"):
        assert stranger.get(f"/orders/{order.public_id}{path}").status_code == 404
    assert stranger.submit(f"/orders/{order.public_id}/withdraw").status_code == 404
    sent = typed(version="1")
    assert stranger.submit(f"/orders/{order.public_id}/amend", sent).status_code == 404
    assert [o.state for o in orders()] == [OrderState.SUBMITTED]


def test_whoever_belongs_to_no_firm_is_kept_from_the_form(park, app) -> None:
    with writing() as session:
        park_admin = make_park_admin(session)
        both = make_member(session, organisation_id=None, roles=("engineer",))
    assert Visitor(app).enter(park_admin).get("/orders/new").status_code == 403
    assert Visitor(app).enter(both).get("/orders/new").status_code == 403
    assert Visitor(app).get("/orders").location.startswith("/sign-in")


def test_the_form_speaks_both_languages_and_so_do_the_rules(park) -> None:
    sent = typed(deadline_at="2020-01-01T00:00")
    english = words(park.page.submit("/orders/new?lang=en", sent), 422)
    chinese = words(park.page.submit("/orders/new?lang=zh", sent), 422)
    assert "the deadline lies in the past" in english
    assert "截止时间已过" in chinese
    assert "deadline" not in chinese


def test_a_step_that_is_displaced_is_first_in_line_no_longer_after_a_change(
    park, app
) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"))).order
    with acting_as(JOB), writing() as session:
        session.execute(sa.update(Step).values(first_right=True, state=StepState.WAITING))
    amend(app, park.engineer, order, asked(step("ETCH.DRIE", duration_min=600)))
    assert [s.first_right for s in orders()[0].steps] == [False]


def test_the_course_marks_midnights_and_every_stay(park, app) -> None:
    order = submit(app, park.engineer, asked(step("ETCH.DRIE"), step("ETCH.DRIE"))).order
    with writing() as session:
        kept = session.get_one(Order, order.id)
        for n, one in enumerate(kept.steps):
            book_step(session, one, park.etcher, starts_at=MONDAY + timedelta(days=n))
    page = shown(park.page.get(f"/orders/{order.public_id}"))
    rows = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    bars = [re.findall(r'<rect x="(\d+)" width="(\d+)"', row) for row in rows]
    assert bars == [[("0", "40")], [("960", "40")]]  # 1 h of 25 h each
    assert all('x1="640"' in row for row in rows)  # midnight in the park, 16 h later
