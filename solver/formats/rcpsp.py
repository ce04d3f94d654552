"""Projects as text: Patterson's format, PSPLIB's `.sm`, and ProGen/max's `.sch`.

Activities are counted from 1 in Patterson and `.sm`, from 0 in `.sch`. In `.sch` a lag
stands between the starts of an activity and its successor; a negative one from j to i is a
maximum lag from i to j (Bartusch, Möhring and Radermacher 1988; Schwindt 1998).
"""

from pathlib import Path

from solver.errors import BadFile
from solver.formats.numbers import Numbers, numbers_of, text_of
from solver.makespan.problem import MOST, Lag, MakespanProblem, Mode, Operation

_LONGEST = MOST >> 20
_MANY = 100_000


def read_patterson(path: Path) -> MakespanProblem:
    """Read a project in Patterson's format.

    `activities resources`, the capacities, then for each activity its duration, demands,
    number of successors, successors.

    Raises
    ------
    BadFile
        With the line and what is wrong there.
    """
    numbers = numbers_of(text_of(path))
    activities = numbers.take("the number of activities", least=1, most=_MANY)
    resources = numbers.take("the number of resources", least=0, most=_MANY)
    capacities = _capacities(numbers, resources)
    operations: list[Operation] = []
    lags: list[Lag] = []
    for n in range(activities):
        of = f"of activity {n + 1}"
        duration = numbers.take(f"the duration {of}", least=0, most=_LONGEST)
        operations.append(_activity(n + 1, duration, _demands(numbers, resources, of)))
        many = numbers.take(f"the number of successors {of}", least=0, most=activities)
        for _one in range(many):
            after = numbers.take(f"a successor {of}", least=1, most=activities)
            lags.append(Lag(n, after - 1))
    numbers.end()
    return MakespanProblem(path.stem, capacities, tuple(operations), tuple(lags))


def read_sm(path: Path) -> MakespanProblem:
    """Read a project of PSPLIB, single mode (`.sm`): three tables under headings.

    Raises
    ------
    BadFile
        With the line and what is wrong there.
    """
    text = text_of(path)
    after = _table(text, "PRECEDENCE RELATIONS")
    lags: list[Lag] = []
    activities = len(after.rows)
    for n in range(activities):
        _expect(after, n + 1)
        modes = after.take("the number of modes", least=1)
        if modes != 1:
            raise BadFile([f"line {after.last}: {modes} modes; only one can be read"])
        many = after.take("the number of successors", least=0, most=activities)
        lags += [
            Lag(n, after.take("a successor", least=1, most=activities) - 1)
            for _one in range(many)
        ]
        _line_ends(after)
    wants = _table(text, "REQUESTS/DURATIONS")
    capacities = _table(text, "RESOURCEAVAILABILITIES")
    if len(capacities.rows) != 1:
        raise BadFile(["RESOURCEAVAILABILITIES: one row of capacities is expected"])
    resources = len(capacities.rows[0][1])
    operations = []
    for n in range(activities):
        _expect(wants, n + 1)
        wants.take("the mode", least=1, most=1)
        duration = wants.take("the duration", least=0, most=_LONGEST)
        demands = _demands(wants, resources, f"of activity {n + 1}")
        operations.append(_activity(n + 1, duration, demands))
        _line_ends(wants)
    wants.end()
    return MakespanProblem(
        path.stem, _capacities(capacities, resources), tuple(operations), tuple(lags)
    )


def read_sch(path: Path) -> MakespanProblem:
    """Read a project with minimum and maximum lags (ProGen/max, `.sch`).

    Raises
    ------
    BadFile
        With the line and what is wrong there.
    """
    numbers = numbers_of(text_of(path).replace("[", " ").replace("]", " "))
    activities = numbers.take("the number of activities", least=0, most=_MANY) + 2
    resources = numbers.take("the number of resources", least=0, most=_MANY)
    numbers.rest_of_line()
    lags: list[Lag] = []
    for n in range(activities):
        _expect(numbers, n)
        numbers.take("the number of modes", least=1, most=1)
        many = numbers.take("the number of successors", least=0, most=activities)
        after = [
            numbers.take("a successor", least=0, most=activities - 1)
            for _one in range(many)
        ]
        lags += [
            Lag(
                n, to, numbers.take("a lag", least=-_LONGEST, most=_LONGEST), of_starts=True
            )
            for to in after
        ]
        _line_ends(numbers)
    operations = []
    for n in range(activities):
        _expect(numbers, n)
        numbers.take("the mode", least=1, most=1)
        duration = numbers.take("the duration", least=0, most=_LONGEST)
        demands = _demands(numbers, resources, f"of activity {n}")
        operations.append(_activity(n, duration, demands))
        _line_ends(numbers)
    capacities = _capacities(numbers, resources)
    numbers.end()
    # The project is over when its last activity is, not before any other ends.
    return MakespanProblem(path.stem, capacities, tuple(operations), tuple(lags))


def _activity(
    number: int, duration: int, demands: tuple[tuple[int, int], ...]
) -> Operation:
    return Operation(str(number), (Mode(duration, demands),))


def _demands(numbers: Numbers, resources: int, of: str) -> tuple[tuple[int, int], ...]:
    found = [
        numbers.take(f"the demand {of} for resource {k + 1}", least=0, most=_LONGEST)
        for k in range(resources)
    ]
    return tuple((k, quantity) for k, quantity in enumerate(found) if quantity)


def _capacities(numbers: Numbers, resources: int) -> tuple[int, ...]:
    return tuple(
        numbers.take(f"the capacity of resource {k + 1}", least=0, most=_LONGEST)
        for k in range(resources)
    )


def _expect(numbers: Numbers, number: int) -> None:
    told = numbers.take(f"activity {number}")
    if told != number:
        raise BadFile([f"line {numbers.last}: activity {number} is due, not {told}"])


def _line_ends(numbers: Numbers) -> None:
    left = numbers.rest_of_line()
    if left:
        raise BadFile([f"line {numbers.last}: {left[0]} is one number too many"])


def _table(text: str, heading: str) -> Numbers:
    """Return the rows of numbers under a heading, up to the line that ends the table."""
    rows: list[tuple[int, list[int]]] = []
    inside = False
    for line, row in enumerate(text.splitlines(), start=1):
        if inside and row.startswith("****"):
            break
        if row.strip().startswith(heading):
            inside = True
        elif inside and row.strip() and all(_is_number(w) for w in row.split()):
            rows.append((line, numbers_of(row).rows[0][1]))
        elif inside and rows and row.strip():
            raise BadFile([f"line {line}: {row.strip()[:40]!r} is no row of numbers"])
    if not rows:
        raise BadFile([f"{heading}: this table is missing or empty"])
    return Numbers(rows)


def _is_number(word: str) -> bool:
    return word.removeprefix("-").isdecimal() and word.isascii()
