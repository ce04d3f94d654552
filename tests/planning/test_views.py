"""The pages of plans: what a reviewer sees, in both languages, and what he can do."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from platform_booking.clock import utcnow
from platform_booking.db import JOB, acting_as, db
from platform_booking.orders.models import Order
from platform_booking.planning import counting, publication
from platform_booking.planning.models import Approval, JobRequest, LeftOut, Plan
from platform_booking.planning.states import LAPSED, ApprovalState, PlanState
from solver.allocation import Relaxation
from tests.factories import (
    MONDAY,
    make_park_admin,
    writing,
)
from tests.planning.nights import (
    HOUR,
    NIGHT,
    NOW,
    ZONE,
    approve_all,
    approve_for,
    left_out_of,
    plan_row,
)
from tests.planning.reviewed import CANARY, Reviewed
from tests.visitor import Visitor


@pytest.fixture
def plan(app: Flask) -> Reviewed:
    return Reviewed(app)


@pytest.fixture
def operator(client: Visitor, plan: Reviewed) -> Visitor:
    return client.enter(plan.operator)


def shown(client: Visitor, path: str, **query: object) -> str:
    answer = client.get(path, query_string={"lang": "en", **query})
    assert answer.status_code == 200, answer.text
    return answer.text


def states(plan: Reviewed) -> dict[int, ApprovalState]:
    with writing() as session:
        found = session.scalars(sa.select(Approval).filter_by(plan_id=plan.row_id))
        return {a.platform_id: a.state for a in found}


def requests() -> list[JobRequest]:
    with writing() as session:
        return list(session.scalars(sa.select(JobRequest)))


# What is shown


def test_what_became_of_a_published_plan_agrees_with_its_lists(
    client: Visitor, plan: Reviewed
) -> None:
    approve_for(plan.row_id, plan.mine)
    with writing() as session:
        said = session.get_one(Approval, (plan.row_id, plan.other.id))
        said.state = ApprovalState.REJECTED
        session.get_one(Order, plan.new.id).version += 1  # amended since
    with acting_as(JOB):
        publication.publish(plan.row_id, now=NOW + HOUR)
        found = counting.fates(db.session(), plan.row_id)
        listed = counting.counts(db.session(), plan.row_id)
        db.session.remove()
    assert found == counting.Fates(
        booked=2, waiting=0, overtaken=1, rejected=1, lapsed=0, left_out=1
    )
    assert found.booked == listed.new + listed.moved + listed.kept
    assert found.overtaken + found.rejected + found.left_out == listed.left_out
    park = client.enter(plan.park)
    page = " ".join(shown(park, plan.path).split())
    assert "Booked</dt><dd>2 <small>/ 5</small>" in page
    assert "Rejected by a platform</dt><dd>1" in page
    with writing() as session:
        lapsed = sa.update(Approval).where(Approval.state == ApprovalState.REJECTED)
        session.execute(lapsed.values(note=LAPSED))
    assert "Lapsed in silence</dt><dd>1" in " ".join(shown(park, plan.path).split())


def test_a_draft_says_nothing_of_what_became_of_it(client: Visitor, plan: Reviewed) -> None:
    assert "What became of" not in shown(client.enter(plan.park), plan.path)


def test_each_order_is_shown_under_its_fate_and_no_other(
    plan: Reviewed, operator: Visitor
) -> None:
    fates = {"new": "新的", "moved": "移动", "left_out": "落选", "kept": "不变"}
    for kind, title in fates.items():
        page = shown(operator, plan.path, show=kind)
        assert [t for t in fates.values() if t in page] == [title]
        for label in ("New (1)", "Moved (1)", "Left out (1)", "Unchanged (1)"):
            assert label in page
        assert "Crystal Chips" in page


def test_a_move_is_shown_beside_where_it_stands_today(
    plan: Reviewed, operator: Visitor
) -> None:
    page = shown(operator, plan.path, show="moved")
    assert "2027-03-08 09:00" in page  # where to, in the park's time
    assert "2027-03-08 08:00" in page  # where from


def test_why_an_order_is_left_out_and_what_would_help_are_sentences(
    plan: Reviewed, operator: Visitor
) -> None:
    page = shown(operator, plan.path, show="left_out")
    assert "What is placed or booked already leaves no room for it." in page
    assert (
        "From 2027-03-08 08:00 to 2027-03-08 09:00 the plan has other orders on TOOL-1."
        in page
    )
    assert (
        "With a deadline 1 h later it runs from 2027-03-08 09:00 to 2027-03-08 10:00."
        in page
    )


def test_the_same_page_speaks_chinese(plan: Reviewed, operator: Visitor) -> None:
    page = shown(operator, plan.path, show="left_out", lang="zh")
    assert 'lang="zh-CN"' in page
    assert "晶芯" in page
    assert "Crystal Chips" not in page


def test_an_operator_sees_his_platforms_and_nothing_of_others(
    plan: Reviewed, operator: Visitor
) -> None:
    for kind in ("new", "moved", "left_out", "kept"):
        page = shown(operator, plan.path, show=kind)
        assert CANARY not in page
        assert "FAR-1" not in page
    assert f'<th scope="row" class="fw-normal">{plan.other.name_en}' not in page


def test_the_park_sees_everything(plan: Reviewed, client: Visitor) -> None:
    page = shown(client.enter(plan.park), plan.path)
    assert f"{CANARY} order" in page
    assert "New (2)" in page
    assert f'<th scope="row" class="fw-normal">{plan.other.name_en}' in page


def test_an_engineer_sees_no_plans(plan: Reviewed, client: Visitor) -> None:
    client.enter(plan.engineer)
    assert client.get("/plans").status_code == 403
    assert client.get(plan.path).status_code == 403


OVERTAKEN = [
    ({"why": "taken"}, "Its place was taken before the plan was published. It waits"),
    ({"why": "outage"}, "An outage was declared in its place. It waits for the next"),
    ({"why": "out_of_service"}, "A resource of its place has gone out of service."),
    ({"why": "past"}, "Its time had come before the plan was published."),
    ({"why": "amended"}, "It was amended after the plan was made. It waits"),
    ({"why": "withdrawn"}, "It was withdrawn after the plan was made."),
    (
        {"why": "taken", "moved": True},
        "Its place was taken before the plan was published. It stays where it is booked.",
    ),
    (
        {"why": "booked", "moved": True},
        "Its bookings have changed since the plan was made. It stays where",
    ),
]
CAUSES = [
    ("no_alternative", "No resource in service can do"),
    ("no_start", "fits nowhere within its windows"),
    ("route_too_long", "not the whole route before the deadline"),
    ("too_light", "too few others want the same furnace run as"),
    ("contradictory", "contradicts itself"),
    ("not_approved", "has not approved the plan"),
]


def test_every_cause_has_its_sentence(plan: Reviewed, operator: Visitor) -> None:
    stories = [(cause, {}, sentence) for cause, sentence in CAUSES]
    stories += [("overtaken", detail, sentence) for detail, sentence in OVERTAKEN]
    for cause, detail, sentence in stories:
        with writing() as session:
            row = session.scalars(sa.select(LeftOut).filter_by(order_id=plan.left.id)).one()
            row.cause, row.detail = cause, detail
        assert sentence in shown(operator, plan.path, show="left_out")


def test_every_relaxation_and_occupant_has_its_sentence(
    plan: Reviewed, operator: Visitor
) -> None:
    occupants = ("placement", "booking", "outage", "closed", "changeover")
    with writing() as session:
        row = session.scalars(sa.select(LeftOut).filter_by(order_id=plan.left.id)).one()
        way, blocked = row.ways_out[0], row.detail["blocked"][0]
        all_ways = [
            {**way, "relaxation": r.value, "resource": "TOOL-9", "quantity": 7}
            for r in Relaxation
        ]
        all_blocked = [{**blocked, "occupant": o} for o in occupants]
    pages = ""
    for n in range(0, 6, 3):  # three are shown at a time
        with writing() as session:
            row = session.scalars(sa.select(LeftOut).filter_by(order_id=plan.left.id)).one()
            row.ways_out = all_ways[n : n + 3]
            row.detail = {**row.detail, "blocked": all_blocked[n : n + 3]}
        pages += shown(operator, plan.path, show="left_out")
    for word in (
        "With a deadline",
        "If it may begin",
        "With windows",
        "On TOOL-9",
        "With a quantity of 7",
        "the plan has other orders on",
        " is booked.",
        " is down.",
        " is closed.",
        " would have to change over.",
    ):
        assert word in pages


def test_an_order_shows_the_reason_of_the_newest_plan_that_was_made(
    app: Flask, plan: Reviewed, client: Visitor
) -> None:
    """A night that runs, or has failed, has looked at nothing yet."""
    with writing() as session:
        for state in (PlanState.FAILED, PlanState.RUNNING):
            session.add(
                Plan(
                    night=NIGHT,
                    state=state,
                    started_at=MONDAY,
                    origin_at=MONDAY,
                    seed=1,
                    progress={},
                )
            )
    page = shown(client.enter(plan.engineer), f"/orders/{plan.left.public_id}")
    assert "What is placed or booked already leaves no room for it." in page


def test_the_night_to_ask_for_is_one_without_a_published_plan(
    plan: Reviewed, operator: Visitor
) -> None:
    today = utcnow().astimezone(ZONE).date()
    tomorrow = today + timedelta(days=1)
    assert f'name="night" value="{today}"' in shown(operator, "/plans")
    with writing() as session:
        row = session.get_one(Plan, plan.row_id)
        row.night, row.state = today, PlanState.PUBLISHED
    assert f'name="night" value="{tomorrow}"' in shown(operator, "/plans")


def test_a_bad_address_still_shows_a_page(plan: Reviewed, operator: Visitor) -> None:
    for query in (
        {"show": "nonsense"},
        {"offset": "-5"},
        {"offset": "999999999999999999999999"},
        {"offset": "x"},
        {"show": "left_out", "offset": "500"},
    ):
        shown(operator, plan.path, **query)
        shown(operator, "/plans", **query)


def test_long_lists_come_in_pages(plan: Reviewed, operator: Visitor) -> None:
    with writing() as session:
        for _ in range(31):
            session.add(
                Plan(
                    night=NIGHT,
                    state=PlanState.FAILED,
                    started_at=MONDAY,
                    origin_at=MONDAY,
                    seed=1,
                    progress={},
                )
            )
    first = shown(operator, "/plans")
    assert "1 to 30 of 32" in first
    assert 'rel="prev"' not in first
    last = shown(operator, "/plans", offset=30)
    assert "31 to 32 of 32" in last
    assert 'rel="next"' not in last


def test_a_plan_that_is_not_there_is_not_found(plan: Reviewed, operator: Visitor) -> None:
    path = f"/plans/{uuid4()}"
    assert operator.get(path).status_code == 404
    assert operator.get(f"{path}/progress").status_code == 404
    assert operator.submit(f"{path}/publish").status_code == 404
    decision = {"verdict": "approve", "platform": plan.mine.id}
    assert operator.submit(f"{path}/decide", decision).status_code == 404


def test_a_night_that_failed_says_why(plan: Reviewed, operator: Visitor) -> None:
    with writing() as session:
        row = session.get_one(Plan, plan.row_id)
        row.state, row.error = PlanState.FAILED, "silent"
    page = shown(operator, plan.path)
    assert "what was in force stays in force" in page
    assert "Its runner went silent, and another one took the night over." in page
    assert "Approve" not in page


# Progress


def test_a_running_plan_tells_how_far_it_is(plan: Reviewed, operator: Visitor) -> None:
    with writing() as session:
        row = session.get_one(Plan, plan.row_id)
        row.state, row.progress = PlanState.RUNNING, {"phase": "improve", "wave": 3}
    assert 'data-under-way="search"' in shown(operator, plan.path)
    answer = operator.get(f"{plan.path}/progress")
    assert answer.json == {
        "under_way": "search",
        "progress": {"phase": "improve", "wave": 3},
    }


def set_running(plan: Reviewed, **progress: object) -> None:
    with writing() as session:
        row = session.get_one(Plan, plan.row_id)
        row.state, row.progress = PlanState.RUNNING, progress


def ended(operator: Visitor, plan: Reviewed) -> str:
    return operator.submit(f"{plan.path}/finish", follow_redirects=True).text


def test_a_search_is_ended_by_page_and_only_while_it_runs(
    plan: Reviewed, operator: Visitor
) -> None:
    assert "Stop searching" not in shown(operator, plan.path)
    operator.get(plan.path, query_string={"lang": "en"})
    assert "Its search is over already." in ended(operator, plan)
    set_running(plan)
    assert "Stop searching, keep the best so far" in shown(operator, plan.path)
    for _ in range(2):  # a second click asks for nothing new
        assert "The search ends in a moment" in ended(operator, plan)
    with writing() as session:
        asked = session.scalars(sa.select(JobRequest).filter_by(job="finish")).one()
    assert asked.subject == {"plan": plan.row_id}


def test_a_plan_is_being_published_from_the_request_on(
    plan: Reviewed, operator: Visitor
) -> None:
    assert operator.get(f"{plan.path}/progress").json["under_way"] == ""
    approve_all(plan.row_id)
    operator.submit(f"{plan.path}/publish")
    assert operator.get(f"{plan.path}/progress").json["under_way"] == "publication"
    page = shown(operator, plan.path)
    assert "The publication is under way" in page
    assert "Publish what is approved" not in page


# What can be done


def test_approving_a_plan_by_page(plan: Reviewed, operator: Visitor) -> None:
    before = shown(operator, plan.path)
    assert f'value="{plan.mine.id}"' in before
    assert f'value="{plan.other.id}"' not in before
    assert "Publish what is approved" not in before
    decision = {"verdict": "approve", "platform": plan.mine.id, "note": "好\x00"}
    after = operator.submit(f"{plan.path}/decide", decision, follow_redirects=True)
    assert states(plan)[plan.mine.id] is ApprovalState.APPROVED
    assert "好" in after.text
    assert "Publish what is approved" in shown(operator, plan.path)


def test_rejecting_a_plan_by_page(plan: Reviewed, operator: Visitor) -> None:
    operator.submit(f"{plan.path}/decide", {"verdict": "reject", "platform": plan.mine.id})
    assert states(plan)[plan.mine.id] is ApprovalState.REJECTED


def test_a_bad_decision_is_refused_in_a_sentence_and_decides_nothing(
    plan: Reviewed, operator: Visitor
) -> None:
    operator.get("/plans", query_string={"lang": "en"})  # a cookie remembers
    none = "Choose at least one platform that you operate."
    for form, sentence in (
        ({"verdict": "approve"}, none),
        ({"platform": plan.mine.id}, "Choose to approve or to reject."),
        ({"platform": plan.mine.id, "verdict": "x"}, "Choose to approve or to reject."),
        ({"platform": plan.other.id, "verdict": "reject"}, none),
        ({"platform": "9" * 30, "verdict": "reject"}, none),
        ({"platform": "x", "verdict": "reject"}, none),
    ):
        answer = operator.submit(f"{plan.path}/decide", form, follow_redirects=True)
        assert sentence in answer.text
    assert set(states(plan).values()) == {ApprovalState.PENDING}


def test_a_park_administrators_nonsense_decides_nothing(
    plan: Reviewed, client: Visitor
) -> None:
    client.enter(plan.park)
    form = {"verdict": "reject", "platform": "9" * 30}
    assert client.submit(f"{plan.path}/decide", form).status_code == 302
    assert set(states(plan).values()) == {ApprovalState.PENDING}


def test_publishing_by_page_twice(plan: Reviewed, operator: Visitor) -> None:
    approve_all(plan.row_id)
    operator.get("/plans", query_string={"lang": "en"})
    answers = [
        operator.submit(f"{plan.path}/publish", follow_redirects=True).text
        for _ in range(2)
    ]
    assert "What is approved becomes bookings within seconds." in answers[0]
    assert "Its publication has been asked for and is under way." in answers[1]
    assert len(requests()) == 1
    assert plan_row(plan.row_id).state is PlanState.DRAFT


def test_asking_for_a_night_by_page(plan: Reviewed, operator: Visitor) -> None:
    tonight = utcnow().astimezone(ZONE).date()
    operator.get("/plans", query_string={"lang": "en"})
    first = operator.submit("/plans/run", {"night": tonight}, follow_redirects=True)
    assert "The scheduler begins within seconds." in first.text
    assert f"The allocation of {tonight} has been asked for and waits" in first.text
    again = operator.submit("/plans/run", {"night": tonight}, follow_redirects=True)
    assert "Wait until it is done" in again.text
    assert len(requests()) == 1


def test_a_bad_night_is_refused_in_a_sentence(client: Visitor, app: Flask) -> None:
    with writing() as session:
        client.enter(make_park_admin(session))
    client.get("/plans", query_string={"lang": "en"})
    for night, sentence in (
        ("", "Not a date."),
        ("2027-02-30", "Not a date."),
        ("2027-3-8\x00", "Not a date."),
        ("2020-01-01", "The night of 2020-01-01 is over."),
        ("0001-01-01", "is over."),
        ("9999-12-31", "The night of 9999-12-31 is too far off."),
    ):
        answer = client.submit("/plans/run", {"night": night}, follow_redirects=True)
        assert sentence in answer.text
    assert requests() == []


def test_a_request_that_came_to_nothing_is_shown_for_a_day(
    plan: Reviewed, operator: Visitor
) -> None:
    with writing() as session:
        for hours in (1, 30):
            at = utcnow() - hours * HOUR
            session.add(
                JobRequest(
                    job="night",
                    subject={"night": f"2027-03-{hours:02}"},
                    requested_at=at,
                    taken_at=at,
                    finished_at=at,
                    failed=True,
                    outcome="night_failed",
                )
            )
    page = shown(operator, "/plans")
    assert "The allocation of 2027-03-01" in page
    assert "The night failed; its plan says why." in page
    assert "2027-03-30" not in page


def test_no_page_changes_anything_without_its_token(
    plan: Reviewed, operator: Visitor
) -> None:
    for path, form in (
        ("/plans/run", {"night": "2027-03-08"}),
        (f"{plan.path}/decide", {"verdict": "approve", "platform": plan.mine.id}),
        (f"{plan.path}/publish", {}),
    ):
        assert operator.post(path, data=form).status_code == 403
    assert requests() == []
    assert left_out_of(plan.row_id).keys() == {plan.left.id}
