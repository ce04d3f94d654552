"""What a catalogue file names, and what of it could not be read. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from platform_booking.catalog.filefields import minute_of_day
from platform_booking.catalog.hours import Hours, longest_stretch, week_of

Content = Mapping[str, Any]

_REFERRED = (
    "sites", "calendars", "capabilities", "qualifications", "priority_classes", "platforms",
    "resources",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Damage:
    """What was left out of a catalogue because its shape is wrong."""

    numbers: Mapping[str, Sequence[int]] = field(default_factory=dict)  # left in, by part
    codes: Mapping[str, frozenset[str]] = field(default_factory=dict)  # left out, by part
    lost: frozenset[str] = frozenset()  # parts of which nothing could be read


NONE = Damage()


class Known:
    """The codes of a file, to say whether one is known and what was perhaps meant."""

    def __init__(self, content: Content, damage: Damage) -> None:
        self.content = content
        self.damage = damage
        self.codes = {part: {e["code"] for e in content[part]} for part in _REFERRED}
        self.codes["classes"] = {c["code"] for c in content["materials"]["classes"]}
        self.codes["flags"] = {f["code"] for f in content["materials"]["flags"]}
        self.rank = {c["code"]: c["rank"] for c in content["materials"]["classes"]}
        self.resources = {r["code"]: r for r in reversed(content["resources"])}
        self.longest = {c["code"]: _longest(c) for c in content["calendars"]}

    def numbered(self, part: str) -> Iterator[tuple[int, Any]]:
        """Yield the entries of a part with their places in the file."""
        entries = self.content[part]
        yield from zip(
            self.damage.numbers.get(part, range(len(entries))), entries, strict=True
        )

    def fault(self, part: str, code: str, path: str) -> Iterator[str]:
        """Yield a fault if the file knows no such code; say what was perhaps meant."""
        if code in self.codes[part] or code in self.damage.codes.get(part, ()):
            return
        if part in self.damage.lost:
            return
        near = get_close_matches(code, self.codes[part], n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; see {part}"
        yield f"{path}: {code!r} is not among the file's {part}{hint}"


def _longest(calendar: Content) -> int:
    """Return the minutes of the longest open stretch, of a week or of a single date."""
    weekly = longest_stretch(Hours(week=week_of(calendar["weekly"])))
    dated = [b - a for e in calendar["exceptions"] for a, b in joined(e["hours"])]
    return max(weekly, *dated, 0)


def repeated_values(values: Sequence[Any], path: str) -> Iterator[str]:
    """Yield a fault for each value that a list has already."""
    for n, value in enumerate(values):
        if value in values[:n]:
            yield f"{path}[{n}]: {value!r} is given twice"


def joined(hours: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return the stretches of a day in minutes, those that touch or overlap as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(
        (minute_of_day(a) or 0, minute_of_day(b) or 0) for a, b in hours
    ):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
