"""The search over intervals against a search slot by slot."""

from hypothesis import given, settings
from hypothesis import strategies as st

from platform_booking.catalog.models import ResourceKind, StayRule
from platform_booking.finding.search import (
    Lane,
    Place,
    Taken,
    longest_from,
    of_length,
    pieces,
    search,
)

END = 60
WHOLE = (0, END)
DAYS = [(0, 24), (24, 48), (48, 72)]


@st.composite
def stretches(draw, most: int = 4) -> list[tuple[int, int]]:
    cuts = sorted(draw(st.sets(st.integers(0, END), max_size=2 * most)))
    return list(zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def stays(draw) -> list[Taken]:
    found = []
    for _n in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, END - 1))
        end = draw(st.integers(start + 1, END))
        found.append(Taken(start, end, draw(st.integers(1, 3))))
    return found


@st.composite
def lanes(draw, kinds=("unary", "pooled", "batch")) -> Lane:
    kind = ResourceKind(draw(st.sampled_from(kinds)))
    return Lane(
        resource=draw(st.integers(1, 5)),
        code="R",
        kind=kind,
        stay=draw(st.sampled_from(StayRule)),
        capacity=1 if kind is ResourceKind.UNARY else 4,
        opening=draw(stretches()),
        down=draw(stretches(2)),
        taken=draw(stays()),
        length=draw(st.integers(1, 20)),
        quantity=draw(st.integers(1, 1 if kind is ResourceKind.UNARY else 4)),
        earliest=draw(st.integers(0, 10)),
        latest=draw(st.integers(30, END)),
    )


def is_open(lane: Lane, slot: int) -> bool:
    return any(a <= slot < b for a, b in lane.opening)


def fits(lane: Lane, start: int, end: int) -> bool:
    """What the rules and the guard say, one slot at a time."""
    if not lane.earliest <= start <= lane.latest or start < 0 or end > END:
        return False
    if any(a <= s < b for s in range(start, end) for a, b in lane.down):
        return False
    for s in range(start, end):
        level = sum(t.quantity for t in lane.taken if t.start <= s < t.end)
        if lane.kind is ResourceKind.POOLED:
            if level + lane.quantity > lane.capacity:
                return False
        elif level:
            return False
    if lane.stay is StayRule.INSIDE:
        # Stretches that touch are one in what `spans` returns; here they may be two.
        return any(a <= start and end <= b for a, b in lane.opening)
    return is_open(lane, start) and is_open(lane, end - 1)


def end_of(lane: Lane, start: int) -> int | None:
    if lane.stay is not StayRule.WORKING:
        return start + lane.length
    if not is_open(lane, start):
        return None
    left = lane.length
    for slot in range(start, END + 1):
        left -= is_open(lane, slot)
        if not left:
            return slot + 1
    return None


def slot_by_slot(lane: Lane) -> set[tuple[int, int]]:
    return {
        (start, end)
        for start in range(END)
        if (end := end_of(lane, start)) is not None and fits(lane, start, end)
    }


def as_set(found) -> set[tuple[int, int]]:
    return {
        (start, start + piece.length)
        for piece in found
        for start in range(piece.first, piece.last + 1)
    }


@settings(max_examples=400, deadline=None)
@given(lane=lanes())
def test_every_place_is_found_and_no_other(lane: Lane) -> None:
    found = pieces(lane, WHOLE)
    assert as_set(found) == slot_by_slot(lane)
    assert sum(p.last - p.first + 1 for p in found) == len(slot_by_slot(lane))


@settings(max_examples=200, deadline=None)
@given(lane=lanes(), length=st.integers(1, 20))
def test_a_given_length_is_kept_whatever_the_rule(lane: Lane, length: int) -> None:
    expected = {
        (start, start + length) for start in range(END) if fits(lane, start, start + length)
    }
    assert as_set(of_length(lane, length, WHOLE)) == expected


@settings(max_examples=300, deadline=None)
@given(lane=lanes(), start=st.integers(10, 30), below=st.integers(11, END))
def test_the_longest_stay_from_a_start_is_found(lane: Lane, start: int, below: int) -> None:
    ends = [end for end in range(start + 1, below) if fits(lane, start, end)]
    assert longest_from(lane, start, below=below) == max(ends, default=None)


@settings(max_examples=200, deadline=None)
@given(
    main=lanes(),
    first=st.lists(lanes(kinds=("unary", "pooled")), min_size=1, max_size=3),
    second=st.lists(lanes(kinds=("unary", "pooled")), min_size=1, max_size=3),
)
def test_co_requests_are_free_for_the_same_stay(main, first, second) -> None:
    def served(start: int, end: int) -> bool:
        return any(
            len({main.resource, a.resource, b.resource}) == 3
            and fits(a, start, end)
            and fits(b, start, end)
            for a in first
            for b in second
        )

    found = search([main], [first, second], within=WHOLE, days=DAYS)
    able = {(s, e) for s, e in slot_by_slot(main) if served(s, e)}
    for begins, ends in DAYS:
        today = sorted((s, e) for s, e in able if begins <= s < ends)
        offered = [(f.start, f.end) for f in found if begins <= f.start < ends]
        assert offered == today[:1]
    for one in found:
        used = {lane.resource for lane in (main, *one.beside)}
        assert len(used) == 3
        assert all(fits(lane, one.start, one.end) for lane in one.beside)


def lane(**given) -> Lane:
    usual = {
        "resource": 1,
        "code": "R1",
        "kind": ResourceKind.UNARY,
        "stay": StayRule.INSIDE,
        "capacity": 1,
        "opening": [(0, END)],
        "length": 6,
    }
    return Lane(**usual | given)


def test_the_earliest_end_comes_first_then_the_least_changeover_then_the_idlest() -> None:
    own = {"families": [(0, "a")], "kind": ResourceKind.BATCH}
    late = lane(resource=1, code="A", down=[(0, 2)])
    dear = lane(resource=2, code="B", changeovers={"a": 30}, **own)
    busy = lane(resource=3, code="C", taken=[Taken(30, 50, 1)])
    idle = lane(resource=4, code="D")
    found = search([late, dear, busy, idle], within=WHOLE, days=[WHOLE])
    assert [one.lane.code for one in found] == ["D", "C", "B", "A"]


def test_a_changeover_after_work_of_others_is_not_known() -> None:
    mine = lane(families=[(4, "a")], changeovers={"a": 30}, taken=[Taken(0, 4, 1)])
    assert mine.changeover(4) == 30
    theirs = lane(
        families=[(4, "a")],
        changeovers={"a": 30},
        taken=[Taken(0, 4, 1), Taken(5, 8, 1)],
    )
    assert theirs.changeover(8) == 0


def test_a_run_with_room_is_joined_and_a_full_one_is_not() -> None:
    furnace = lane(
        kind=ResourceKind.BATCH,
        capacity=25,
        quantity=10,
        taken=[Taken(0, 12, 15), Taken(20, 32, 20)],
        fixed=[Place(0, 12, 10), Place(20, 32, 5)],
    )
    found = search([furnace], within=WHOLE, days=[WHOLE])
    assert [(f.start, f.end, f.joins) for f in found] == [(0, 12, True), (12, 18, False)]


def test_the_room_of_a_pool_is_what_its_fullest_moment_leaves() -> None:
    pool = lane(
        kind=ResourceKind.POOLED,
        capacity=10,
        taken=[Taken(0, 4, 3), Taken(2, 8, 4)],
        quantity=2,
    )
    assert [(f.start, f.room) for f in search([pool], within=WHOLE, days=[WHOLE])] == [
        (0, 3)
    ]
