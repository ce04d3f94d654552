"""What forcing an order in would displace: asked by operators, answered by the scheduler."""

import json
import zlib
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask import Flask

from benchmarks.park import NOW as DEMO_NOW
from benchmarks.park import make_night
from benchmarks.sizes import Size
from platform_booking import jobs
from platform_booking.db import JOB, acting_as, db, transaction
from platform_booking.planning import forcing, nightly
from platform_booking.planning.models import (
    CONTRADICTORY,
    Forcing,
    LateOrder,
    LeftOut,
    Plan,
    PlanProblem,
)
from platform_booking.planning.states import PlanState
from solver.allocation import Allocation
from solver.explain import reasons
from solver.formats.json_format import problem_to_data
from solver.options import Options
from solver.problem import Problem
from tests.bookings.callers import Program, make_token
from tests.factories import (
    MONDAY,
    add_step,
    make_member,
    make_operator,
    make_order,
    make_organisation,
    make_platform,
    make_resource,
    writing,
)
from tests.planning.nights import HOUR, quick_solve, run_night, settings_of
from tests.planning.reviewed import Reviewed
from tests.visitor import Visitor


@pytest.fixture
def plan(app: Flask) -> Reviewed:
    return Reviewed(app)


@pytest.fixture
def operator(client: Visitor, plan: Reviewed) -> Visitor:
    return client.enter(plan.operator)


def shown(client: Visitor, path: str, lang: str = "en", **query: str) -> str:
    answer = client.get(path, query_string={"lang": lang, **query})
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


def answer(app: Flask) -> int:
    """Let the scheduler answer what was asked."""
    with acting_as(JOB):
        return jobs.answer_questions(settings=settings_of(app))


def address(plan: Reviewed) -> str:
    return f"{plan.path}/forcing/{plan.left.public_id}"


def answers() -> list[Forcing]:
    with writing() as session:
        return list(session.scalars(sa.select(Forcing)))


# What is found


def test_a_plan_that_is_read_back_is_the_plan_that_was_made(app: Flask) -> None:
    make_night(Size(150), seed=1, load=1)
    made: list[Allocation] = []

    def solve(problem: Problem, options: Options) -> Allocation:
        made.append(quick_solve(problem, options))
        return made[-1]

    plan_id = run_night(app, now=DEMO_NOW, night=DEMO_NOW.date(), solve=solve).plan_id

    with acting_as(JOB):
        question = forcing._read(plan_id, first_left_out(plan_id))
        problem = nightly.problem_of(question.content)
        back = forcing.standing(problem, question.rows, question.grid)
    assert len(back) > 200
    assert back == made[0].placements


def first_left_out(plan_id: int) -> int:
    with writing() as session:
        return (
            session.scalars(sa.select(LeftOut.order_id).filter_by(plan_id=plan_id)).first()
            or session.scalars(sa.select(LateOrder.order_id)).first()
        )


def test_an_order_of_which_a_row_is_lost_is_read_back_as_left_out(plan: Reviewed) -> None:
    with acting_as(JOB):
        question = forcing._read(plan.row_id, plan.left.id)
        problem = nightly.problem_of(question.content)
        rows = [replace(row, resource="GONE") for row in question.rows[:1]]
        back = forcing.standing(problem, [*rows, *question.rows[1:]], question.grid)
    lost = str(question.rows[0].order_id)
    whole = {str(row.order_id) for row in question.rows}
    assert {p.job for p in back} == whole - {lost}


def test_the_search_holds_no_connection(
    app: Flask, plan: Reviewed, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.submit(address(plan))
    solving = forcing._found
    held: list[int] = []

    def watched(question):
        held.append(db.engines["job"].pool.checkedout())
        return solving(question)

    monkeypatch.setattr(forcing, "_found", watched)
    assert answer(app) == 1
    assert held == [0]


# What is shown


def test_an_operator_asks_and_reads_who_would_give_way(
    app: Flask, plan: Reviewed, operator: Visitor
) -> None:
    review = shown(operator, plan.path, show="left_out")
    assert f'href="{address(plan)}"' in review
    assert "Find out" in shown(operator, address(plan))

    operator.submit(address(plan))

    assert "this takes some seconds" in shown(operator, address(plan))
    progress = operator.get(f"{address(plan)}/progress")
    assert progress.json["under_way"] == "forcing"
    with acting_as(JOB):
        assert jobs.serve_requests(settings=settings_of(app)) == 0  # nights do not wait
    assert answer(app) == 1
    assert operator.get(f"{address(plan)}/progress").json["under_way"] == ""
    page = shown(operator, address(plan))
    # The tool has one hour; the other order that wants it is worth as much, and goes.
    for sentence in (
        "By force it runs from 2027-03-08 08:00 to 2027-03-08 09:00.",
        "“新的” of Crystal Chips would be left out.",
        "The plan would lose nothing of its value.",
        "nothing has been changed by it",
    ):
        assert sentence in page
    chinese = shown(operator, address(plan), lang="zh")
    assert "晶芯的“新的”将落选。" in chinese
    assert "方案的价值不受损失。" in chinese


def test_what_is_asked_twice_is_answered_once(
    app: Flask, plan: Reviewed, operator: Visitor
) -> None:
    for _ in range(2):
        assert operator.submit(address(plan)).status_code == 302
    assert answer(app) == 1
    operator.submit(address(plan))
    assert answer(app) == 1
    assert len(answers()) == 1


def test_orders_of_other_platforms_are_counted_and_not_named(
    app: Flask, client: Visitor
) -> None:
    with writing() as session:
        mine, other = (make_platform(session) for _ in range(2))
        near, far = (make_resource(session, platform_id=p.id) for p in (mine, other))
        hours = {"deadline_at": MONDAY + 2 * HOUR, "duration_min": 60}
        rivals = [
            make_order(
                session,
                resource=far,
                title="CANARY",
                member=make_member(
                    session, organisation=make_organisation(session, name_en="CANARY firm")
                ),
                **hours,
            )
            for _ in range(2)
        ]
        crossing = make_order(
            session,
            resource=near,
            platform_ids=[mine.id, other.id],
            submitted_at=MONDAY,
            **hours,
        )
        add_step(session, crossing, resource=far, duration_min=60)
        operator, there = make_operator(session, mine), make_operator(session, other)
    outcome = run_night(app, solve=only(*rivals))
    path = f"/plans/{outcome.public_id}/forcing/{crossing.public_id}"
    client.enter(operator).submit(path)
    assert answer(app) == 1

    page = shown(client, path)

    assert "1 order that is not on your platforms would be left out." in page
    assert "CANARY" not in page
    assert "“CANARY” of CANARY firm would be left out." in shown(client.enter(there), path)


def only(*orders):
    """Return a search that places these orders alone, whatever that is worth."""
    wanted = {str(order.id) for order in orders}

    def solve(problem: Problem, options: Options) -> Allocation:
        jobs = tuple(job for job in problem.jobs if job.id in wanted)
        found = quick_solve(replace(problem, jobs=jobs), options)
        return replace(
            quick_solve(problem, options),
            placements=found.placements,
            value=found.value,
            bound=None,
            reasons=reasons_of(problem, found),
        )

    return solve


def reasons_of(problem: Problem, found: Allocation):
    return reasons(problem, found.placements, limit=0)


def test_what_cannot_be_forced_says_so(
    app: Flask, plan: Reviewed, operator: Visitor
) -> None:
    with writing() as session:
        content = session.get_one(PlanProblem, plan.row_id)
        problem = nightly.problem_of(content)
        shut = replace(
            problem, resources=tuple(replace(r, open=()) for r in problem.resources)
        )
    found = forcing._found(
        replace(question_of(plan), content=Kept(shut))  # nothing is open
    )
    assert (found["starts_at"], found["displaced"], found["cost"]) == (None, [], 0)
    with acting_as(JOB), transaction() as session:
        session.add(
            Forcing(plan_id=plan.row_id, order_id=plan.left.id, **found, answered_at=MONDAY)
        )
    assert "No way was found to force it in" in shown(operator, address(plan))


def question_of(plan: Reviewed):
    with acting_as(JOB):
        return forcing._read(plan.row_id, plan.left.id)


class Kept:
    """A night's problem as it is kept, made for the occasion."""

    def __init__(self, problem: Problem) -> None:
        self.content = zlib.compress(json.dumps(problem_to_data(problem)).encode())


def test_a_question_that_fails_says_so_and_may_be_asked_again(
    app: Flask, plan: Reviewed, operator: Visitor
) -> None:
    operator.submit(address(plan))
    with writing() as session:
        content = session.get_one(PlanProblem, plan.row_id).content
        session.execute(sa.delete(PlanProblem))
    assert answer(app) == 1
    page = shown(operator, address(plan))
    assert "The answer came to nothing." in page
    assert "Find out" in page
    with writing() as session:
        session.add(
            PlanProblem(plan_id=plan.row_id, content=content, problem_hash="", prices=[])
        )
    operator.submit(address(plan))
    assert answer(app) == 1
    assert "would be left out" in shown(operator, address(plan))


# Who may ask, and when


def test_engineers_and_operators_of_other_platforms_get_nothing(
    app: Flask, plan: Reviewed, client: Visitor
) -> None:
    client.enter(plan.engineer)
    assert client.get(address(plan)).status_code == 403
    assert client.submit(address(plan)).status_code == 403
    with writing() as session:
        stranger = make_operator(session, plan.other)
    client.enter(stranger)
    assert client.get(address(plan)).status_code == 404
    assert client.submit(address(plan)).status_code == 404
    assert answer(app) == 0


def test_an_order_that_is_placed_in_time_has_nothing_to_force(
    plan: Reviewed, operator: Visitor
) -> None:
    path = f"{plan.path}/forcing/{plan.new.public_id}"
    assert operator.get(path).status_code == 404
    assert operator.submit(path).status_code == 404


def test_a_closed_plan_and_an_order_that_nobody_stands_in_the_way_of_are_refused(
    app: Flask, plan: Reviewed, operator: Visitor
) -> None:
    with writing() as session:
        row = session.scalars(sa.select(LeftOut).filter_by(order_id=plan.left.id)).one()
        row.cause = CONTRADICTORY
    assert address(plan) not in shown(operator, plan.path, show="left_out")
    page = operator.submit(address(plan), follow_redirects=True).text
    assert "须先按其原因加以解决" in page or "must be mended first" in page
    assert "Find out" not in page
    with writing() as session:
        session.get_one(Plan, plan.row_id).state = PlanState.PUBLISHED
    operator.submit(address(plan))
    assert answer(app) == 0


# Late orders


@pytest.fixture
def late(app: Flask) -> "Late":
    return Late(app)


class Late:
    """A plan in which one order ends an hour after the date wished for."""

    def __init__(self, app: Flask) -> None:
        with writing() as session:
            self.platform = make_platform(session)
            tool = make_resource(session, platform_id=self.platform.id, code="TOOL-1")
            firm = make_organisation(session, name_zh="晶芯", name_en="Crystal Chips")
            self.engineer = make_member(session, organisation=firm)
            self.first = make_order(
                session, resource=tool, title="第一", deadline_at=MONDAY + HOUR
            )
            self.order = make_order(
                session,
                resource=tool,
                member=self.engineer,
                title="第二",
                due_at=MONDAY + HOUR,
                deadline_at=MONDAY + 9 * HOUR,
            )
            self.operator = make_operator(session, self.platform)
        outcome = run_night(app)
        self.row_id, self.public_id = outcome.plan_id, str(outcome.public_id)
        self.path = f"/plans/{outcome.public_id}"


def test_a_late_order_says_by_how_much_and_why_to_operators_and_its_own_firm(
    late: Late, client: Visitor
) -> None:
    sentence = (
        "It ends 1 h after the date wished for. What is placed or booked already leaves no"
        " room for it by that date."
    )
    client.enter(late.operator)
    review = shown(client, late.path, show="late")
    assert "Late (1)" in review
    assert sentence in review
    assert "the plan has other orders on TOOL-1." in review
    assert "第一" not in review
    assert "比期望完成时间晚 1 小时。期望完成时间之前，" in shown(
        client, late.path, "zh", show="late"
    )
    page = shown(client.enter(late.engineer), f"/orders/{late.order.public_id}")
    assert "Why the last plan places it late" in page
    assert sentence in page
    assert "第一" not in page


def test_what_having_a_late_order_in_time_would_displace(
    app: Flask, late: Late, client: Visitor
) -> None:
    path = f"{late.path}/forcing/{late.order.public_id}"
    client.enter(late.operator).submit(path)
    assert answer(app) == 1
    page = shown(client, path)
    assert "What would having it in time displace?" in page
    assert "By force it runs from 2027-03-08 08:00 to 2027-03-08 09:00." in page
    assert "“第一” of" in page
    assert "The plan would lose" in page


def test_an_order_that_the_day_overtook_is_late_no_more(
    late: Late, client: Visitor
) -> None:
    with writing() as session:
        session.add(
            LeftOut(
                plan_id=late.row_id,
                order_id=late.order.id,
                organisation_id=late.order.organisation_id,
                platform_ids=late.order.platform_ids,
                cause="overtaken",
                detail={"why": "amended"},
                ways_out=[],
            )
        )
    assert "Late (0)" in shown(client.enter(late.operator), late.path)


# By program


def test_a_program_asks_and_reads_the_same(
    app: Flask, plan: Reviewed, client: Visitor
) -> None:
    with writing() as session:
        program = Program(client, make_token(session, plan.operator))
        reading = Program(client, make_token(session, plan.operator, scopes=("read",)))
    assert program("GET", address(plan)).json == {"state": "unasked", "answer": None}
    assert reading("POST", address(plan)).json["code"] == "scope_missing"

    asked = program("POST", address(plan))

    assert asked.status_code == 202
    assert program("POST", address(plan)).json == asked.json
    assert program("GET", address(plan)).json["state"] == "waiting"
    answer(app)
    state = program("GET", f"/plans/requests/{asked.json['id']}").json
    assert (state["state"], state["outcome"]) == ("done", "found")
    told = program("GET", f"{address(plan)}?lang=en").json
    assert told["state"] == "done"
    assert told["answer"]["left_out"] == [
        {
            "order": str(plan.new.public_id),
            "title": "新的",
            "organisation": "Crystal Chips",
            "later_min": None,
        }
    ]
    assert told["answer"]["left_out_of_others"] == 0
    assert told["answer"]["cost"] == 0
    assert "“新的” of Crystal Chips would be left out." in told["answer"]["sentences"]


def test_reasons_by_program_are_sentences_in_both_languages(
    app: Flask, plan: Reviewed, client: Visitor
) -> None:
    with writing() as session:
        staff = Program(client, make_token(session, plan.operator))
        firm = Program(client, make_token(session, plan.engineer))
    own = f"/orders/{plan.left.public_id}/reasons"
    for lang, sentence in (
        ("en", "What is placed or booked already leaves no room for it."),
        ("zh", "已排和已约的占用没有为它留出余量。"),
    ):
        (line,) = staff("GET", f"{plan.path}/left-out?lang={lang}").json["items"]
        assert line["sentences"][0] == sentence
        assert len(line["sentences"]) > 2
        told = firm("GET", f"{own}?lang={lang}").json
        assert told["late"] is None
        assert told["left_out"]["sentences"] == line["sentences"]
    foreign = f"/orders/{plan.foreign.public_id}/reasons"
    assert firm("GET", foreign).status_code == 404


def test_late_orders_by_program(late: Late, client: Visitor) -> None:
    with writing() as session:
        staff = Program(client, make_token(session, late.operator))
        firm = Program(client, make_token(session, late.engineer))
    assert staff("GET", late.path).json["late"] == 1
    (line,) = staff("GET", f"{late.path}/late?lang=en").json["items"]
    assert (line["late_min"], line["cause"], line["title"]) == (60, "full", "第二")
    told = firm("GET", f"/orders/{late.order.public_id}/reasons?lang=en").json
    assert told["left_out"] is None
    assert told["late"]["sentences"] == line["sentences"]
