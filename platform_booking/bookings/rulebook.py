"""`docs/rules.md`, written from the rules: `python -m …bookings.rulebook FILE`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from platform_booking.bookings.rules import RULES
from platform_booking.bookings.rules.registry import Binds, Rule

_HEAD = """\
# The rules of picking a slot

Written by `python -m platform_booking.bookings.rulebook docs/rules.md` from the rules
themselves; a test compares. Page, API, import, kiosk and waitlist ask the same rules, all
at once. Each refusal names its code (`rule`), a sentence with the rule's value and what to
do (`message`), the field that it is about (`where`) and, where there are such, the value
(`limit`) and what stands against it (`actual`).

*Soft* rules may be set aside by the platform's staff, who give a reason
(`override_reason`); the reason and the codes go into the audit. *Hard* rules bind staff,
too. Plans that a night places are above limits on single bookings; capacity is
promised by the database and is no rule here. The keys of a resource's policy are told in
[catalogue-format.md](catalogue-format.md#policy).
"""
_THEMES = {
    "entitlement": "Who may book",
    "time": "When",
    "caps": "How much one member may hold",
    "people": "Who and what must be there",
    "wafers": "What goes in",
    "runs": "Runs and amounts",
}
_TAIL = """
## Beside the rules

| Code | Meaning |
|---|---|
| `unknown_resource` | there is no such resource; nothing else can be judged |
| `not_staff` | who is not of the platform's staff gave a reason to set rules aside |
"""


def text() -> str:
    """Return the document."""
    return "\n".join([_HEAD, *_lines()]) + _TAIL


def _lines() -> Iterator[str]:
    for theme, title in _THEMES.items():
        yield f"## {title}"
        yield ""
        yield "| Code | | Rule | Policy | Judged by |"
        yield "|---|---|---|---|---|"
        yield from (_line(rule) for rule in RULES.values() if rule.theme == theme)
        yield ""


def _line(rule: Rule) -> str:
    keys = ", ".join(f"`{key}`" for key in rule.policy)
    bound = "" if rule.binds is Binds.ALL else f" Binds {rule.binds.value}."
    return (
        f"| `{rule.code}` | {'soft' if rule.soft else 'hard'} | {rule.sentence}{bound}"
        f" | {keys or '–'} | {rule.needs} |"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
