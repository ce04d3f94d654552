"""The complete example of docs/catalogue-format.md, and ways to change it."""

import copy
import json
import re
from pathlib import Path
from typing import Any

DOC = Path(__file__).parents[2] / "docs" / "catalogue-format.md"


def example() -> dict[str, Any]:
    """Return the documented example, ready to be changed."""
    found: dict[str, Any] = json.loads(example_text())
    return found


def example_text() -> str:
    text = DOC.read_text(encoding="utf-8")
    read = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert read is not None
    return read[1]


def changed(*changes: tuple[str, Any], base: dict[str, Any] | None = None) -> str:
    """Return the example with values put at paths, as `resources[0].capacity`.

    `DROP` leaves the field or entry out; a path that ends with `[]` appends.
    """
    content = copy.deepcopy(base) if base is not None else example()
    for path, value in changes:
        put(content, path, value)
    return json.dumps(content)


class _Drop:
    """Names itself alike in every process, so that test ids do not differ."""

    def __repr__(self) -> str:
        return "DROP"


DROP = _Drop()


def put(content: Any, path: str, value: Any) -> None:
    keys = [int(k) if k.isdecimal() else k for k in re.findall(r"\w+|(?<=\[)\]", path)]
    place = content
    for key in keys[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    last = keys[-1]
    if last == "]":
        place.append(value)
    elif value is DROP:
        del place[last]
    else:
        place[last] = value
