"""Reasons read as sentences, in both languages, and name nobody."""

import re

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_babel import force_locale

from benchmarks.park import NOW, make_night
from benchmarks.sizes import Size
from platform_booking.accounts.models import Organisation
from platform_booking.db import JOB, acting_as, transaction
from platform_booking.planning import reasons, wording
from platform_booking.planning.models import CONTRADICTORY, NOT_APPROVED, Plan
from platform_booking.planning.reasons import ReasonLine
from solver.allocation import Cause, Relaxation
from tests.planning.nights import run_night

CONGESTED = 400  # orders: some 35 find no place
CHINESE = re.compile("[\u4e00-\u9fff]")
OCCUPANTS = ("placement", "booking", "outage", "closed", "changeover")


def line(cause: str, *, late_min: int = 0) -> ReasonLine:
    moment = "2027-03-08T09:00:00+08:00"
    return ReasonLine(
        order_id=None,
        order_title="Lot 7",
        organisation_zh="甲公司",
        organisation_en="Firm A",
        cause=cause,
        detail={
            "step": None,
            "blocked": [
                {"resource": "NFB-EBL-01", "from": moment, "to": moment, "occupant": one}
                for one in OCCUPANTS
            ],
        },
        ways_out=[
            {
                "relaxation": str(relaxation),
                "step": None,
                "minutes": 90,
                "quantity": 2,
                "resource": "NFB-EBL-02",
                "starts_at": moment,
                "ends_at": moment,
            }
            for relaxation in Relaxation
        ],
        step_names={},
        late_min=late_min,
    )


def is_sentence(text: str, language: str) -> bool:
    """Tell whether a text is a whole sentence of a language, with no code left in it."""
    ends = text.endswith("。" if language == "zh" else ".")
    return ends and bool(CHINESE.search(text)) == (language == "zh") and "_" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_cause_and_way_out_has_a_sentence_of_its_own(
    app: Flask, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wording, "_MOST_SHOWN", 99)
    with app.test_request_context(), force_locale(language):
        causes = [wording.cause(line(c)) for c in (*Cause, CONTRADICTORY, NOT_APPROVED)]
        ways = wording.ways_out(line(Cause.FULL))
        bars = wording.blocked(line(Cause.FULL))
        late = [wording.cause(line(cause, late_min=90)) for cause in Cause]
    assert len(set(causes)) == len(Cause) + 2
    assert len(set(ways)) == len(Relaxation)
    assert len(set(late)) == len(Cause)
    assert set(late).isdisjoint(causes)
    told = causes + ways + bars + late
    assert [text for text in told if not is_sentence(text, language)] == []
    assert len(set(bars)) == len(OCCUPANTS)
    assert not any(code in bar for bar in bars for code in OCCUPANTS[:1])


def test_a_congested_night_explains_itself_in_both_languages_and_names_nobody(
    app: Flask,
) -> None:
    make_night(Size(CONGESTED), seed=1, load=1)
    run_night(app, now=NOW, night=NOW.date())
    with app.test_request_context(), acting_as(JOB), transaction() as session:
        plan = session.scalars(sa.select(Plan)).one()
        lines, total = reasons.left_out(session, plan.id, limit=500)
        late, _ = reasons.late(session, plan.id, limit=500)
        names = {
            name
            for firm in session.scalars(sa.select(Organisation))
            for name in (firm.name_zh, firm.name_en)
        }
        for language in ("zh", "en"):
            with force_locale(language):
                for one in (*lines, *late):
                    told = wording.sentences(one)
                    print(f"{language} {one.order_title}: {' '.join(told)}")
                    assert all(text.endswith(("。", ".")) for text in told), told
                    assert not any(name in text for text in told for name in names)
    assert total == len(lines) > 20
    assert len(late) > 5
    assert any(one.ways_out for one in lines)
