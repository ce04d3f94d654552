"""The files' JSON Schema, made from the dataclasses that the reader itself goes by.

``python -m solver schema problem`` prints it; `schema/` beside this package holds it as
published. What no schema can say, as that a deadline follows a release, `solver.faults`
does.
Source: JSON Schema, draft 2020-12.
"""

from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from solver.allocation import Allocation
from solver.formats.json_format import MOST, PLAN, PROBLEM
from solver.problem import Problem

KINDS: dict[str, tuple[str, type]] = {
    "problem": (PROBLEM, Problem),
    "plan": (PLAN, Allocation),
}


def schema(name: str) -> dict[str, Any]:
    """Return the schema of a ``problem`` or a ``plan``."""
    stated, kind = KINDS[name]
    definitions: dict[str, Any] = {}
    whole = _object(kind, definitions)
    whole["properties"] = {"format": {"const": stated}, **whole["properties"]}
    whole["required"] = ["format", *whole["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:platform-booking:{stated}",
        "title": stated,
        **whole,
        "$defs": dict(sorted(definitions.items())),
    }


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {
        "description": (kind.__doc__ or "").split("\n\n")[0].replace("\n    ", " "),
        "type": "object",
        "properties": {f.name: _of(hints[f.name], definitions) for f in fields(kind)},
        "required": [f.name for f in fields(kind) if f.default is MISSING],
        "additionalProperties": False,
    }


def _of(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    parts = get_args(hint)
    if get_origin(hint) is UnionType:  # the only unions are with None
        (inner,) = (one for one in parts if one is not NoneType)
        return {"anyOf": [_of(inner, definitions), {"type": "null"}]}
    if get_origin(hint) is tuple:
        if parts[-1] is Ellipsis:
            return {"type": "array", "items": _of(parts[0], definitions)}
        return {
            "type": "array",
            "prefixItems": [_of(one, definitions) for one in parts],
            "items": False,
            "minItems": len(parts),
        }
    if isinstance(hint, type) and is_dataclass(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # named before its fields are: it may recur
            definitions[hint.__name__] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if issubclass(hint, StrEnum):
        return {"enum": list(hint)}
    if hint is int:
        return {"type": "integer", "minimum": -MOST, "maximum": MOST}
    return {"type": {str: "string", bool: "boolean", float: "number"}[hint]}
