"""Read a catalogue file: its content, or every fault of it, each with its path."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any, cast

from marshmallow import ValidationError

from platform_booking.catalog.faults import faults
from platform_booking.catalog.fileformat import CatalogueSchema
from platform_booking.catalog.known import Damage, Known
from platform_booking.errors import RulesBroken, Violation

Content = dict[str, Any]

_STAND_IN: Content = {
    "format": 1,
    "title": "?",
    "version": "?",
    "materials": {"classes": [{"code": "X", "name": {"zh": "?", "en": "?"}, "rank": 0}]},
    "priority_classes": [{"code": "X", "name": {"zh": "?", "en": "?"}, "weight": 1}],
}

_NAMING = {
    "travel": {"from": "sites", "to": "sites"},
    "platforms": {"site": "sites"},
    "resources": {"platform": "platforms", "calendar": "calendars", "class": "classes"},
    "occurrences": {"resource": "resources"},
    "routes": {"class": "classes"},
    "organisations": {"priority": "priority_classes"},
}
"""What the entries of a part name, and of which part."""


def demo_text() -> str:
    """Return the demo catalogue that comes with the service."""
    return (
        files("platform_booking.catalog").joinpath("demo/catalogue.json").read_text("utf-8")
    )


def parsed(text: str | bytes) -> Content:
    """Read a catalogue file.

    Raises
    ------
    RulesBroken
        With every fault of the file, each with its path.
    """
    raw = _json(text)
    schema = CatalogueSchema()
    try:
        content: Content = schema.load(raw)
    except ValidationError as fault:
        messages = cast("Mapping[Any, Any]", fault.messages)
        raise RulesBroken(
            [*map(violation, _paths(messages)), *map(violation, _beside(raw, messages))]
        ) from None
    found = [violation(line) for line in faults(content)]
    if found:
        raise RulesBroken(found)
    data = text.encode() if isinstance(text, str) else text
    content["content_hash"] = hashlib.sha256(data).hexdigest()
    return content


def violation(line: str) -> Violation:
    """Return a line as `path: sentence` as a broken rule."""
    path, _, _message = line.partition(": ")
    return Violation(rule="catalogue", message=line, where=path)


def _refused(line: str) -> RulesBroken:
    return RulesBroken([violation(line)])


def _json(text: str | bytes) -> Mapping[str, Any]:
    try:
        raw = json.loads(_decoded(text), object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as fault:
        where = f"line {fault.lineno}, column {fault.colno}"
        raise _refused(f"{where}: not JSON: {fault.msg}") from None
    except RecursionError:
        raise _refused("file: nested too deeply; no catalogue is") from None
    except ValueError as fault:  # a repeated key, NaN, a number of thousands of digits
        raise _refused(f"file: {fault}") from None
    if not isinstance(raw, dict):
        raise _refused("file: not one JSON object, as {…}")
    return raw


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = text.count(b"\n", 0, fault.start) + 1
        raise _refused(
            f"line {line}: not UTF-8 (byte {fault.start + 1} of the file); save it as UTF-8"
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for n, key in enumerate(keys) if key in keys[:n])
        of = f" of {read['code']!r}" if "code" in read else ""
        raise ValueError(f"the field {twice!r}{of} is given twice; leave one of them out")
    return read


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number that JSON knows")


def _beside(raw: Mapping[str, Any], messages: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the faults between those entries whose own shape is right.

    So that one typing error in one entry does not hide what is wrong elsewhere.
    """
    sound: Content = {}
    numbers: dict[str, list[int]] = {}
    codes: dict[str, frozenset[str]] = {}
    lost: set[str] = set()
    for part in CatalogueSchema().fields:
        entries, bad = raw.get(part), messages.get(part)
        if bad is None:
            if part in raw:
                sound[part] = entries
        elif isinstance(entries, list) and isinstance(bad, Mapping):
            numbers[part] = [n for n in range(len(entries)) if n not in bad]
            sound[part] = [entries[n] for n in numbers[part]]
            codes[part] = frozenset(
                str(entries[n]["code"])
                for n in bad
                if isinstance(entries[n], dict) and "code" in entries[n]
            )
        else:
            lost |= {part, "classes", "flags"} if part == "materials" else {part}
    for part in lost & {"sites", "calendars", "capabilities", "platforms", "resources"}:
        sound[part] = []
    try:
        content: Content = CatalogueSchema().load(_STAND_IN | sound)
    except ValidationError:
        return  # as little is right as that: the faults of shape come first
    damage = Damage(numbers=numbers, codes=codes, lost=frozenset(lost))
    yield from _named_wrong(raw, messages, Known(content, damage))
    yield from faults(content, damage)


def _named_wrong(
    raw: Mapping[str, Any], messages: Mapping[Any, Any], known: Known
) -> Iterator[str]:
    """Yield what the entries of a wrong shape name that the file does not know."""
    for part, fields in _NAMING.items():
        entries, bad = raw.get(part), messages.get(part)
        if not isinstance(entries, list) or not isinstance(bad, Mapping):
            continue
        for n, wrong in bad.items():
            if not isinstance(wrong, Mapping) or not isinstance(entries[n], dict):
                continue
            for field, among in fields.items():
                code = entries[n].get(field)
                if isinstance(code, str) and field not in wrong:
                    yield from known.fault(among, code, f"{part}[{n}].{field}")


def _paths(messages: Any, path: str = "") -> Iterable[str]:
    """Flatten marshmallow's nested messages to `resources[3].calendar: …` lines."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            if key == "_schema" or (key in {"key", "value"} and _of_dict(messages)):
                yield from _paths(inner, path)
            elif isinstance(key, int):
                yield from _paths(inner, f"{path}[{key}]")
            else:
                yield from _paths(inner, f"{path}.{key}" if path else str(key))
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield f"{path or 'file'}: {message}"


def _of_dict(messages: Mapping[Any, Any]) -> bool:
    """Tell whether these are marshmallow's messages on one entry of a `fields.Dict`."""
    return messages.keys() <= {"key", "value"}
