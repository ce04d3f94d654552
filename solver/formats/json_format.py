"""Problems and plans as JSON.

A file is one object. Its fields are those of the dataclasses in `solver.problem` and
`solver.allocation`, by the same names; ``format`` says what it is (``problem/1``,
``plan/1``). Tuples are arrays, an interval is ``[start, end]``, fields with a default may
be left out, unknown fields are refused. Numbers are whole slots, units and value.

Everything wrong is listed at once, each fault with its place:
``jobs[3].steps[0].windows[1]: end before start, from 9 to 4``.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from solver.allocation import Allocation
from solver.errors import BadFile
from solver.faults import faults
from solver.problem import Problem

PROBLEM = "problem/1"
PLAN = "plan/1"

MOST = 1 << 53  # beyond it, other readers of JSON lose digits
_LISTED = 50  # faults; a file with more is hopeless, and so is reading them

T = TypeVar("T")


def read_problem(path: Path) -> Problem:
    """Read a problem and make sure that it does not contradict itself.

    Raises
    ------
    BadFile
        If the file cannot be read or has faults; all of them are listed.
    """
    return problem_from_data(load(path))


def read_plan(path: Path) -> Allocation:
    """Read a plan. Whether it keeps the rules is for `solver.check` to say.

    Raises
    ------
    BadFile
        If the file cannot be read or has faults; all of them are listed.
    """
    return plan_from_data(load(path))


def write_problem(problem: Problem, path: Path) -> None:
    """Write a problem; the file is there whole or not at all."""
    save(problem_to_data(problem), path)


def write_plan(plan: Allocation, path: Path) -> None:
    """Write a plan; the file is there whole or not at all."""
    save(plan_to_data(plan), path)


def problem_to_data(problem: Problem) -> dict[str, Any]:
    """Return a problem as plain dicts, lists, strings and integers."""
    return {"format": PROBLEM, **_plain(problem)}


def plan_to_data(plan: Allocation) -> dict[str, Any]:
    """Return a plan as plain dicts, lists, strings and numbers."""
    return {"format": PLAN, **_plain(plan)}


def problem_from_data(data: object) -> Problem:
    """Undo `problem_to_data`. Raises BadFile with every fault."""
    problem = _build(Problem, data, PROBLEM)
    found = list(faults(problem))
    if found:
        raise BadFile(_shortened(found))
    return problem


def plan_from_data(data: object) -> Allocation:
    """Undo `plan_to_data`. Raises BadFile with every fault."""
    return _build(Allocation, data, PLAN)


def load(path: Path) -> object:
    """Return what stands in a file of JSON; `BadFile` if it is none."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant)
    except OSError as e:
        raise BadFile([f"{path}: cannot be read: {e.strerror}"]) from e
    except UnicodeDecodeError as e:
        raise BadFile([f"{path}: byte {e.start} is not UTF-8 text"]) from e
    except json.JSONDecodeError as e:
        place = f"line {e.lineno}, column {e.colno}"
        raise BadFile([f"{path}: not JSON at {place}: {e.msg}"]) from e
    except ValueError as e:
        raise BadFile([f"{path}: not JSON: {e}"]) from e
    except RecursionError as e:
        raise BadFile([f"{path}: not a problem or plan: nested too deeply"]) from e


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number of JSON")


def save(data: Mapping[str, Any], path: Path) -> None:
    """Write a file of JSON, whole or not at all; `BadFile` if it cannot be."""
    beside = path.with_name(path.name + ".part")
    try:
        with beside.open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
            file.write("\n")
        os.replace(beside, path)
    except OSError as e:
        beside.unlink(missing_ok=True)
        raise BadFile([f"{path}: cannot be written: {e.strerror}"]) from e


def _plain(value: object) -> Any:
    """Return the JSON form; fields that stand at their default are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: _plain(mine)
            for f in fields(value)
            if (mine := getattr(value, f.name)) != f.default or f.default is MISSING
        }
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.value if isinstance(value, StrEnum) else value


def _build(kind: type[T], data: object, wanted: str) -> T:
    if not isinstance(data, dict):
        raise BadFile([f"$: must be an object, it is {_word(data)}"])
    stated = data.get("format")
    if stated != wanted:
        raise BadFile([f'format: must be "{wanted}", it is {json.dumps(stated)}'])
    found: list[str] = []
    rest = {key: value for key, value in data.items() if key != "format"}
    built = _read_object(kind, rest, "", found)
    if found:
        raise BadFile(_shortened(found))
    return cast(T, built)


def _shortened(found: list[str]) -> list[str]:
    if len(found) <= _LISTED:
        return found
    return [*found[:_LISTED], f"and {len(found) - _LISTED} more faults"]


@cache
def _fields_of(kind: type) -> dict[str, tuple[Any, bool]]:
    """Return the type of each field and whether it must be given."""
    hints = get_type_hints(kind)
    return {
        f.name: (hints[f.name], f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    }


def _read_object(kind: type, data: dict[str, Any], path: str, found: list[str]) -> object:
    known = _fields_of(kind)
    dot = f"{path}." if path else ""
    found += [f"{dot}{key}: unknown field" for key in data if key not in known]
    before = len(found)
    given: dict[str, object] = {}
    for name, (hint, required) in known.items():
        if name in data:
            given[name] = _read(hint, data[name], dot + name, found)
        elif required:
            found.append(f"{dot}{name}: missing")
    return kind(**given) if len(found) == before else None


def _read(hint: Any, data: Any, path: str, found: list[str]) -> object:
    """Read one value by its type; faults are added to `found`."""
    origin = get_origin(hint)
    if origin is UnionType:  # the only unions are with None
        if data is None:
            return None
        hint = next(one for one in get_args(hint) if one is not NoneType)
        origin = get_origin(hint)
    if origin is tuple:
        return _read_tuple(get_args(hint), data, path, found)
    if isinstance(hint, type) and is_dataclass(hint):
        if isinstance(data, dict):
            return _read_object(hint, data, path, found)
        found.append(f"{path}: must be an object, it is {_word(data)}")
    elif isinstance(hint, type) and issubclass(hint, StrEnum):
        try:
            return hint(data)
        except ValueError:
            options = ", ".join(hint)
            found.append(f"{path}: must be one of {options}; it is {_word(data)}")
    elif hint is int:
        if type(data) is not int:
            found.append(f"{path}: must be a whole number, it is {_word(data)}")
        elif abs(data) > MOST:
            found.append(f"{path}: is too large a number")
    elif hint is float:
        if type(data) not in (int, float):
            found.append(f"{path}: must be a number, it is {_word(data)}")
    elif type(data) is not hint:
        wanted = {str: "a text", bool: "true or false"}[hint]
        found.append(f"{path}: must be {wanted}, it is {_word(data)}")
    elif hint is str and not data.isprintable():
        found.append(f"{path}: holds a character that cannot be printed")
    return data


def _read_tuple(
    parts: tuple[Any, ...], data: Any, path: str, found: list[str]
) -> tuple[object, ...] | None:
    if not isinstance(data, list):
        found.append(f"{path}: must be an array, it is {_word(data)}")
        return None
    if parts[-1] is Ellipsis:
        return tuple(
            _read(parts[0], one, f"{path}[{n}]", found) for n, one in enumerate(data)
        )
    if len(data) != len(parts):
        found.append(f"{path}: must have {len(parts)} entries, it has {len(data)}")
        return None
    return tuple(
        _read(part, one, f"{path}[{n}]", found)
        for n, (part, one) in enumerate(zip(parts, data, strict=True))
    )


def _word(data: object) -> str:
    """Say what a value is, shortly."""
    if isinstance(data, dict):
        return "an object"
    if isinstance(data, list):
        return "an array"
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "…"
